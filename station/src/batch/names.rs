//! Names that become folders: `large-batch / small-batch / archive file / NNNN.ext`.

use serde::{Deserialize, Serialize};
use std::{fmt, path::PathBuf, str::FromStr};

/// Longest name of a folder, in characters; a Chinese character takes three bytes of the 255 a file name may have.
const MAX_CHARS: usize = 80;

/// A name that is safe as a folder: not empty, no separator, no control character, no leading dot, no space at its ends.
fn folder_name(what: &str, text: &str) -> Result<String, String> {
    let bad = |why: &str| Err(format!("{what} {text:?} {why}"));
    if text.is_empty() {
        return Err(format!("{what} is empty"));
    }
    if text.chars().count() > MAX_CHARS {
        return bad(&format!("is longer than {MAX_CHARS} characters"));
    }
    if let Some(c) = text.chars().find(|c| c.is_control() || r#"/\:*?"<>|"#.contains(*c)) {
        return bad(&format!("contains {c:?}, which no folder name may"));
    }
    if text.starts_with('.') || text.trim() != text {
        return bad("begins with a dot or has space at its ends");
    }
    Ok(text.into())
}

/// Archival code 档号 of a volume, such as `1997-民-0014-0025`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub(crate) struct ArchivalCode(String);

impl ArchivalCode {
    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for ArchivalCode {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        folder_name("archival code", text).map(Self)
    }
}

/// A small batch within its large batch, such as `1/1-6-2`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub(crate) struct BatchName {
    large: String,
    small: String,
}

impl BatchName {
    pub(crate) fn folder(&self) -> PathBuf {
        PathBuf::from(&self.large).join(&self.small)
    }
}

impl FromStr for BatchName {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        let (large, small) =
            text.split_once('/').ok_or_else(|| format!("batch {text:?} must be LARGE/SMALL, for example 1/1-6-2"))?;
        Ok(Self { large: folder_name("large batch", large)?, small: folder_name("small batch", small)? })
    }
}

macro_rules! text_form {
    ($name:ident, $self:ident, $f:ident, $body:expr) => {
        impl fmt::Display for $name {
            fn fmt(&$self, $f: &mut fmt::Formatter<'_>) -> fmt::Result {
                $body
            }
        }
        impl TryFrom<String> for $name {
            type Error = String;
            fn try_from(text: String) -> Result<Self, String> {
                text.parse()
            }
        }
        impl From<$name> for String {
            fn from(name: $name) -> String {
                name.to_string()
            }
        }
    };
}
text_form!(ArchivalCode, self, f, f.write_str(&self.0));
text_form!(BatchName, self, f, write!(f, "{}/{}", self.large, self.small));

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_the_trade_are_taken_and_dangerous_ones_refused() {
        for good in ["1997-民-0014-0025", "a", "J001.2-3"] {
            assert_eq!(good.parse::<ArchivalCode>().map(|c| c.to_string()), Ok(good.into()));
        }
        for (bad, why) in [
            ("", "empty"),
            ("..", "dot"),
            ("a/b", "'/'"),
            ("a\\b", "\\"),
            ("a\n", "\\n"),
            (" a", "space"),
            (&"民".repeat(81), "longer"),
        ] {
            let error = bad.parse::<ArchivalCode>().unwrap_err();
            assert!(error.contains(why), "{bad:?}: {error}");
        }
        assert_eq!("1/1-6-2".parse::<BatchName>().map(|b| b.folder()), Ok(PathBuf::from("1/1-6-2")));
        assert!("1-6-2".parse::<BatchName>().is_err());
        assert!("1/../x".parse::<BatchName>().is_err());
    }
}
