//! LEDs: the kernel's LED class, or the simulated board.

pub mod class;
#[cfg(feature = "sim")]
pub mod sim;

use crate::drivers::fs::FileError;

/// What an LED is doing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LedState {
    /// 0 is off.
    pub brightness: u32,
    pub max_brightness: u32,
    /// What drives it; `none` is the agent or an app.
    pub trigger: String,
    /// What could drive it.
    pub triggers: Vec<String>,
}

/// The LEDs of a board that are not wired to lines.
pub trait Leds: Send + Sync {
    /// The names of all, sorted.
    fn names(&self) -> Vec<String>;
    /// What one is doing.
    fn state(&self, name: &str) -> Result<LedState, LedError>;
    /// Lights it.
    fn set_brightness(&self, name: &str, brightness: u32) -> Result<(), LedError>;
    /// Gives it to a trigger; `none` takes it back.
    fn set_trigger(&self, name: &str, trigger: &str) -> Result<(), LedError>;
    /// How long the trigger `timer` keeps it on and off, in milliseconds.
    fn set_delays(&self, name: &str, on: u32, off: u32) -> Result<(), LedError>;
    /// Its sysfs folder, where there is one.
    fn folder(&self, name: &str) -> Option<String>;
}

/// What can go wrong with an LED.
#[derive(Debug, thiserror::Error)]
pub enum LedError {
    #[error("there is no LED {name:?} in {place}")]
    NotFound { name: String, place: String },
    #[error("the LED {name:?} has no trigger {trigger:?}; it has {known}")]
    NoTrigger {
        name: String,
        trigger: String,
        known: String,
    },
    #[error(transparent)]
    File(#[from] FileError),
}
