//! Time that nobody sets.

use alloc::string::String;
use core::{fmt, str::FromStr};
use serde::{Deserialize, Serialize};

/// Time since a machine's start, which no clock setting moves. Written `<boot>:<milliseconds>`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema), schemars(with = "String", extend("pattern" = "^[0-9a-f-]{1,36}:[0-9]+$")))]
#[serde(try_from = "String", into = "String")]
pub struct Monotonic {
    /// Which start is meant: other at each start of the machine.
    pub boot: String,
    /// Milliseconds since then, time asleep included.
    pub ms: u64,
}

impl Monotonic {
    /// Milliseconds from `earlier` to this, if both are of the same start.
    #[must_use]
    pub fn since(&self, earlier: &Self) -> Option<u64> {
        (self.boot == earlier.boot).then(|| self.ms.saturating_sub(earlier.ms))
    }
}

impl fmt::Display for Monotonic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.boot, self.ms)
    }
}

impl FromStr for Monotonic {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        let bad = || alloc::format!("{text:?} is not <boot>:<milliseconds>");
        let (boot, ms) = text.rsplit_once(':').ok_or_else(bad)?;
        let good = (1..=36).contains(&boot.len()) && boot.bytes().all(|b| b.is_ascii_hexdigit() || b == b'-');
        // SQLite and JSON readers count to 2⁶³ − 1.
        let ms = ms.parse().ok().filter(|&ms| i64::try_from(ms).is_ok());
        match ms {
            Some(ms) if good => Ok(Self { boot: boot.into(), ms }),
            _ => Err(bad()),
        }
    }
}

impl TryFrom<String> for Monotonic {
    type Error = String;
    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}

impl From<Monotonic> for String {
    fn from(m: Monotonic) -> String {
        alloc::format!("{m}")
    }
}
