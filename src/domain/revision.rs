//! Revisions of snaps.

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use std::{fmt, num::NonZeroI32, str::FromStr};

/// One revision of a snap: from a store (positive) or local (negative, written `x1`, `x2`, …).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Revision(NonZeroI32);

impl Revision {
    /// The `n`-th local revision, counted from 1.
    pub fn local(n: u32) -> Option<Self> {
        let n = i32::try_from(n).ok()?;
        NonZeroI32::new(-n).map(Self)
    }

    /// The `n` of a local revision `xn`.
    pub fn local_number(self) -> Option<u32> {
        (self.0.get() < 0).then(|| self.0.get().unsigned_abs())
    }
}

impl fmt::Display for Revision {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.local_number() {
            Some(n) => write!(f, "x{n}"),
            None => self.0.fmt(f),
        }
    }
}

impl fmt::Debug for Revision {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// A text that names no revision.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("invalid snap revision: {0:?}")]
pub struct InvalidRevision(pub String);

impl FromStr for Revision {
    type Err = InvalidRevision;
    fn from_str(text: &str) -> Result<Self, InvalidRevision> {
        let digits = text.strip_prefix('x').unwrap_or(text);
        let number: i32 = (!digits.starts_with(['+', '-', '0']))
            .then(|| digits.parse().ok())
            .flatten()
            .ok_or_else(|| InvalidRevision(text.to_owned()))?;
        let signed = if digits.len() == text.len() {
            number
        } else {
            -number
        };
        NonZeroI32::new(signed)
            .map(Self)
            .ok_or_else(|| InvalidRevision(text.to_owned()))
    }
}

impl Serialize for Revision {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Revision {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map_err(de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::Revision;

    #[test]
    fn texts() {
        for text in ["x1", "x27", "1", "2147483647"] {
            assert_eq!(text.parse::<Revision>().expect(text).to_string(), text);
        }
        for text in [
            "",
            "x",
            "x0",
            "0",
            "-1",
            "+1",
            "x-1",
            "xx1",
            "01",
            "1.5",
            "99999999999",
        ] {
            assert!(text.parse::<Revision>().is_err(), "{text}");
        }
    }
}
