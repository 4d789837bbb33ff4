//! How plugs, slots and connections are named.

use super::SnapName;
use serde::{Deserialize, Serialize};
use std::fmt;

macro_rules! end {
    ($name:ident, $what:literal) => {
        #[doc = concat!("A ", $what, " of a snap, written `SNAP:NAME`.")]
        #[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        pub struct $name {
            /// The snap that has it.
            pub snap: SnapName,
            /// Its name within the snap.
            pub name: String,
        }

        impl $name {
            /// Names one.
            pub fn new(snap: SnapName, name: impl Into<String>) -> Self {
                Self {
                    snap,
                    name: name.into(),
                }
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{}:{}", self.snap, self.name)
            }
        }
    };
}

end!(PlugRef, "plug");
end!(SlotRef, "slot");

/// One plug in one slot.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct ConnRef {
    /// The consumer's end.
    pub plug: PlugRef,
    /// The provider's end.
    pub slot: SlotRef,
}

impl fmt::Display for ConnRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.plug, self.slot)
    }
}
