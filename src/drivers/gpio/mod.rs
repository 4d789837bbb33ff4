//! GPIO chips: the kernel's character device, or the simulated board.

pub mod aggregator;
pub mod cdev;
pub mod numbers;
#[cfg(feature = "sim")]
pub mod sim;

use crate::domain::Timestamp;
use crate::domain::hardware::{Direction, LineAddress};
use std::sync::Arc;

/// What one chip can do through the ABI that drives it, in words for the API (decision 11).
pub const CDEV_V1: &[&str] = &["input", "output", "active-low", "edges"];

/// One chip that is present.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ChipInfo {
    /// The kernel's name (`gpiochip0`); changes from boot to boot.
    pub name: String,
    /// The driver's label.
    pub label: String,
    /// How addresses name it: the label, or the name where two chips have one label.
    pub key: String,
    /// How many lines it has.
    pub lines: u32,
    /// Which of all the chips that ever had this name it is: what was held of an earlier one is gone.
    pub node: u64,
    /// What can be done with it; empty where the kernel lacks the ABI.
    pub capabilities: &'static [&'static str],
}

/// What the driver knows of a line without holding it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LineInfo {
    /// The kernel's name of it.
    pub name: Option<String>,
    pub direction: Direction,
    pub active_low: bool,
    /// Somebody holds it.
    pub used: bool,
    /// Who holds it, where they said so.
    pub consumer: Option<String>,
}

/// A change of an input's level.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Edge {
    /// The logical level after it.
    pub value: u8,
    /// CLOCK_MONOTONIC nanoseconds.
    pub monotonic_ns: u64,
    /// The same moment by the wall clock.
    pub time: Timestamp,
    /// Edges before this one may have been lost; `value` is the level that was read.
    pub resync: bool,
}

/// Where the edges of a held input go. Called without any lock of the driver held.
pub type EdgeSink = Arc<dyn Fn(Edge) + Send + Sync>;

/// How a line is to be held.
#[derive(Clone)]
pub struct Request {
    pub direction: Direction,
    pub active_low: bool,
    /// The logical level that an output starts with.
    pub value: u8,
    /// Who holds it, for everybody who looks (the kernel keeps 31 bytes).
    pub consumer: String,
    /// Where an input's edges go.
    pub edges: Option<EdgeSink>,
}

/// A line that is held until this is dropped. Levels are logical: active-low is undone by the driver.
pub trait Held: Send {
    /// The level now.
    fn get(&self) -> Result<u8, GpioError>;
    /// Sets an output.
    fn set(&self, value: u8) -> Result<(), GpioError>;
    /// Edges are being reported: the line is an input and its chip can interrupt.
    fn has_edges(&self) -> bool;
}

/// All chips of a board.
pub trait Chips: Send + Sync {
    /// The chips that are present, in the order of their names' numbers. The other functions know the chips as of the
    /// last list.
    fn list(&self) -> Vec<ChipInfo>;
    /// What is known of a line, without side effects.
    fn line(&self, at: &LineAddress) -> Result<LineInfo, GpioError>;
    /// Holds a line.
    fn request(&self, at: &LineAddress, request: &Request) -> Result<Box<dyn Held>, GpioError>;
    /// The line of a global number, by the kernel's own table.
    fn by_number(&self, number: u32) -> Option<LineAddress>;
    /// Gives an input of the simulated board a level; `None` on every other board.
    fn drive(&self, _at: &LineAddress, _value: u8) -> Option<Result<(), GpioError>> {
        None
    }
}

/// The kernel calls that line of the chip so.
pub fn is_marked(chips: &dyn Chips, chip: &ChipInfo, offset: u32, name: &str) -> bool {
    let at = LineAddress {
        chip: chip.key.clone(),
        offset,
    };
    chips
        .line(&at)
        .is_ok_and(|info| info.name.as_deref() == Some(name))
}

/// What can go wrong with a line.
#[derive(Debug, thiserror::Error)]
pub enum GpioError {
    #[error("there is no GPIO chip {label:?} on this board; the chips are: {present}")]
    NoChip { label: String, present: String },
    #[error("chip {label:?} has the lines 0 to {last}, not {offset}")]
    NoLine { label: String, offset: u32, last: u32 },
    #[error("line {offset} of chip {label:?} is held by {consumer:?}")]
    Busy {
        label: String,
        offset: u32,
        consumer: String,
    },
    #[error("line {offset} of chip {label:?} is an input")]
    NotOutput { label: String, offset: u32 },
    #[error(
        "the kernel lacks version 1 of the GPIO character device (CONFIG_GPIO_CDEV_V1), which chip {label:?} needs"
    )]
    NoAbi { label: String },
    #[error("cannot {action} line {offset} of chip {label:?}")]
    Io {
        action: &'static str,
        label: String,
        offset: u32,
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
}

/// The error for a chip that is not there, naming those that are.
fn no_chip<'a>(label: &str, present: impl Iterator<Item = &'a ChipInfo>) -> GpioError {
    let present: Vec<_> = present.map(|chip| chip.key.as_str()).collect();
    GpioError::NoChip {
        label: label.to_owned(),
        present: if present.is_empty() {
            String::from("none")
        } else {
            present.join(", ")
        },
    }
}
