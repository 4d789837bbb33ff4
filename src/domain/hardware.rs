//! Lines, LEDs and chips as the board file names them.

use super::Attrs;
use super::snap::EndInfo;
use serde::{Deserialize, Serialize};

/// Which way a line goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "lowercase")]
pub enum Direction {
    Input,
    Output,
}

/// What a chip does with a line when its holder lets go (decision 10).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "lowercase")]
pub enum OnRelease {
    Input,
    #[default]
    Keep,
    Pull,
}

/// One line by its chip's label and its offset: the only address that survives a reboot.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct LineAddress {
    /// The chip's label (`pinctrl-bcm2711`).
    pub chip: String,
    /// The line's offset in the chip.
    pub offset: u32,
}

/// What a connection asks the hardware for. Made by an interface from a slot's attributes.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Target {
    /// A line by its global number, resolved through the chips' bases.
    Number(u32),
    /// A line by chip and offset.
    Line(LineAddress),
    /// An LED by its board name.
    Led(String),
    /// A sysfs file: `/sys/class/leds/NAME/brightness` or `/sys/class/gpio/gpioN/value`.
    BoolFile(String),
    /// Lines of the one present chip among several labels, as a chip of their own.
    Chip { labels: Vec<String>, offsets: Vec<u32> },
}

/// What a connection got, for the snap's environment and the socket's view.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Grant {
    /// A line that the agent holds for the plug; its board name.
    Line { name: String, chip: String, offset: u32 },
    /// A line that the kernel exported in sysfs; its folder is the app's to use.
    Sysfs { name: String, path: String },
    /// An LED; its board name, and its sysfs folder where there is one.
    Led { name: String, path: Option<String> },
    /// A chip with only its own lines: its device node. `aggregator` is what deletes it.
    Chip {
        path: String,
        aggregator: String,
        lines: Vec<u32>,
    },
    /// No aggregator here: the lines are held by the agent, reached over the socket only.
    Api { lines: Vec<String> },
}

/// A device that came beside the board's own, and what a slot of it says.
#[derive(Clone, Debug, PartialEq)]
pub struct Device {
    /// What it is known by when it comes back: an adapter's ids and serial number, a chip's label.
    pub key: String,
    pub interface: &'static str,
    /// What it calls itself, for people; may be empty.
    pub name: String,
    pub attrs: Attrs,
}

/// The slot of a device that is there.
#[derive(Clone, Debug, PartialEq)]
pub struct PluggedSlot {
    /// The device's.
    pub key: String,
    pub end: EndInfo,
}
