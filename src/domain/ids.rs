//! Identifiers that count upwards and never come back, kept by the store.

use serde::{Deserialize, Serialize};
use std::{fmt, str::FromStr};

macro_rules! counter {
    ($name:ident, $what:literal) => {
        #[doc = concat!("The number of a ", $what, "; shown as a decimal string.")]
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(pub u64);

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!($what, " {}"), self.0)
            }
        }

        impl FromStr for $name {
            type Err = std::num::ParseIntError;
            fn from_str(text: &str) -> Result<Self, Self::Err> {
                text.parse().map(Self)
            }
        }
    };
}

counter!(ChangeId, "change");
counter!(TaskId, "task");
