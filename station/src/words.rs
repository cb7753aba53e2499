//! What the operator reads: English and Chinese, always both.

use crate::scanner;
use platen_protocol::uplink::Severity;
use serde::Serialize;

/// One text in both languages of the screen.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct Words {
    pub(crate) en: String,
    pub(crate) zh: String,
}

impl Words {
    pub(crate) fn new(en: impl Into<String>, zh: impl Into<String>) -> Self {
        Self { en: en.into(), zh: zh.into() }
    }
}

/// Something that keeps the operator from going on: its stable name, what happened, what to do.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct Trouble {
    pub(crate) name: &'static str,
    pub(crate) text: Words,
    pub(crate) action: Words,
    #[serde(skip)]
    pub(crate) severity: Severity,
    /// It stands against a start and does not spoil a pass under way.
    #[serde(skip)]
    pub(crate) between_pages: bool,
}

impl Trouble {
    pub(crate) fn new(name: &'static str, text: (&str, &str), action: (&str, &str)) -> Self {
        let (text, action) = (Words::new(text.0, text.1), Words::new(action.0, action.1));
        Self { name, text, action, severity: Severity::Operator, between_pages: false }
    }

    pub(crate) fn alarm(self) -> Self {
        Self { severity: Severity::Alarm, ..self }
    }

    pub(crate) fn between_pages(self) -> Self {
        Self { between_pages: true, ..self }
    }
}

impl From<&scanner::Fault> for Trouble {
    fn from(fault: &scanner::Fault) -> Self {
        let action = fault.action();
        Self {
            name: fault.name(),
            text: Words::new(fault.text(), fault.text_zh()),
            action: Words::new(action.0, action.1),
            severity: fault.severity(),
            between_pages: false,
        }
    }
}
