//! Names and the rules that they obey (contract: snaps-and-assertions, section 1).

use serde::{Deserialize, Serialize};
use std::{borrow::Borrow, fmt, str::FromStr, sync::Arc};

/// The name of a snap: 2 to 40 of `a-z0-9-`, at least one letter, no dash at an end, no two in a row.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct SnapName(Arc<str>);

/// A text that is not a name of its kind.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("invalid {what} name: {name:?}")]
pub struct InvalidName {
    /// What it should have named.
    pub what: &'static str,
    /// The text that was given.
    pub name: String,
}

impl SnapName {
    /// The name that the requests use for the system snap, whatever it is called on this device.
    pub const SYSTEM: &'static str = "system";

    /// Checks a text by the rules of a snap name.
    pub fn new(text: &str) -> Result<Self, InvalidName> {
        let fits = (2..=40).contains(&text.len())
            && text
                .bytes()
                .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
            && text.bytes().any(|b| b.is_ascii_lowercase())
            && !text.starts_with('-')
            && !text.ends_with('-')
            && !text.contains("--");
        if fits {
            Ok(Self(Arc::from(text)))
        } else {
            Err(InvalidName {
                what: "snap",
                name: text.to_owned(),
            })
        }
    }

    /// The snap that a security tag (`snap.NAME.APP`) or a path of control groups with such parts names. The outermost
    /// part counts: a process may make groups below its own, but not above.
    pub fn of_tag(path: &str) -> Option<Self> {
        path.split('/').find_map(|part| {
            let name = part.strip_prefix("snap.")?.split('.').next()?;
            // systemd writes a dash of a unit's name as it is; only other characters would be escaped.
            Self::new(name).ok()
        })
    }

    /// The snap that a process is of, by its `/proc/PID/cgroup`.
    pub fn of_cgroups(text: &str) -> Option<Self> {
        let paths = text.lines().filter_map(|line| line.splitn(3, ':').nth(2));
        paths.filter_map(Self::of_tag).next()
    }

    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for SnapName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Debug for SnapName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl FromStr for SnapName {
    type Err = InvalidName;
    fn from_str(text: &str) -> Result<Self, InvalidName> {
        Self::new(text)
    }
}

impl TryFrom<String> for SnapName {
    type Error = InvalidName;
    fn try_from(text: String) -> Result<Self, InvalidName> {
        Self::new(&text)
    }
}

impl From<SnapName> for String {
    fn from(name: SnapName) -> Self {
        name.0.as_ref().to_owned()
    }
}

impl Borrow<str> for SnapName {
    fn borrow(&self) -> &str {
        &self.0
    }
}

impl PartialEq<str> for SnapName {
    fn eq(&self, other: &str) -> bool {
        self.as_str() == other
    }
}

impl PartialEq<&str> for SnapName {
    fn eq(&self, other: &&str) -> bool {
        self.as_str() == *other
    }
}

/// Words joined by single dashes, the first character from `first`, the others from `rest`.
fn dashed(text: &str, first: fn(u8) -> bool, rest: fn(u8) -> bool) -> bool {
    let bytes = text.as_bytes();
    let Some(head) = bytes.first() else { return false };
    first(*head)
        && bytes.iter().all(|b| rest(*b) || *b == b'-')
        && bytes.last() != Some(&b'-')
        && !text.contains("--")
}

fn lower(b: u8) -> bool {
    b.is_ascii_lowercase()
}

fn lower_or_digit(b: u8) -> bool {
    b.is_ascii_lowercase() || b.is_ascii_digit()
}

fn alphanumeric(b: u8) -> bool {
    b.is_ascii_alphanumeric()
}

/// Names of plugs, slots, interfaces and hooks: `^[a-z](?:-?[a-z0-9])*$`.
pub fn is_interface_word(text: &str) -> bool {
    text.len() <= 256 && dashed(text, lower, lower_or_digit)
}

/// Names of apps: `^[a-zA-Z0-9](?:-?[a-zA-Z0-9])*$`.
pub fn is_app_name(text: &str) -> bool {
    text.len() <= 256 && dashed(text, alphanumeric, alphanumeric)
}

/// Names of aliases: `^[a-zA-Z0-9][-_.a-zA-Z0-9]*$`. They are names of files, too.
pub fn is_alias(text: &str) -> bool {
    text.len() <= 200
        && text.bytes().next().is_some_and(alphanumeric)
        && text.bytes().all(|b| alphanumeric(b) || b"-_.".contains(&b))
}

/// The name of an app's command or a service as people write it: `snap` when the app has its snap's name,
/// else `snap.app`.
pub fn app_command(snap: &str, app: &str) -> String {
    if snap == app {
        snap.to_owned()
    } else {
        format!("{snap}.{app}")
    }
}

/// A well-known name of the message bus: two or more parts, none of which begins with a digit (the D-Bus
/// specification, "Valid Names").
pub fn is_bus_name(text: &str) -> bool {
    let part = |part: &str| {
        part.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_' || c == '-')
            && part
                .bytes()
                .all(|b| b.is_ascii_alphanumeric() || b == b'_' || b == b'-')
    };
    text.len() <= 255 && text.contains('.') && text.split('.').all(part)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn snap_names() {
        for good in ["ab", "a1", "pi", "keyboard-lights", "0a", &"a".repeat(40)] {
            assert!(SnapName::new(good).is_ok(), "{good}");
        }
        for bad in [
            "",
            "a",
            "-a",
            "a-",
            "a--b",
            "A",
            "12",
            "a_b",
            "ä",
            &"a".repeat(41),
        ] {
            assert!(SnapName::new(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn words() {
        assert!(is_interface_word("bcm-gpio-17"));
        assert!(!is_interface_word("1a") && !is_interface_word("a-") && !is_interface_word("A"));
        assert!(is_app_name("Web2-x") && !is_app_name("a.b") && !is_app_name(""));
        assert!(is_alias("a") && is_alias("G_x.y-2") && is_alias("7z."));
        for bad in [
            "",
            ".",
            "..",
            "-a",
            "_a",
            "a/b",
            "a b",
            "ä",
            "a\n",
            &"a".repeat(201),
        ] {
            assert!(!is_alias(bad), "{bad:?}");
        }
    }
}
