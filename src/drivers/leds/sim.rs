//! LEDs in memory, with the manners of the LED class.

use super::{LedError, LedState, Leds};
use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// The triggers that a simulated LED has. `timer` and `heartbeat` are shown, not acted out.
pub const TRIGGERS: &[&str] = &["none", "timer", "heartbeat", "default-on"];
/// The same as most boards' LEDs have.
pub const MAX_BRIGHTNESS: u32 = 255;

/// The simulated LEDs.
#[derive(Default)]
pub struct SimLeds {
    leds: Mutex<BTreeMap<String, (u32, String)>>,
}

impl SimLeds {
    /// LEDs of these names, dark, driven by nothing.
    pub fn new<'a>(names: impl Iterator<Item = &'a str>) -> Self {
        let leds = names
            .map(|name| (name.to_owned(), (0, String::from("none"))))
            .collect();
        Self {
            leds: Mutex::new(leds),
        }
    }

    fn leds(&self) -> MutexGuard<'_, BTreeMap<String, (u32, String)>> {
        self.leds.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn with<T>(&self, name: &str, act: impl FnOnce(&mut (u32, String)) -> T) -> Result<T, LedError> {
        self.leds()
            .get_mut(name)
            .map(act)
            .ok_or_else(|| LedError::NotFound {
                name: name.to_owned(),
                place: String::from("the simulated board"),
            })
    }
}

impl Leds for SimLeds {
    fn names(&self) -> Vec<String> {
        self.leds().keys().cloned().collect()
    }

    fn state(&self, name: &str) -> Result<LedState, LedError> {
        self.with(name, |(brightness, trigger)| LedState {
            brightness: *brightness,
            max_brightness: MAX_BRIGHTNESS,
            trigger: trigger.clone(),
            triggers: TRIGGERS.iter().map(|&name| name.to_owned()).collect(),
        })
    }

    fn set_brightness(&self, name: &str, brightness: u32) -> Result<(), LedError> {
        self.with(name, |led| led.0 = brightness.min(MAX_BRIGHTNESS))
    }

    fn set_trigger(&self, name: &str, trigger: &str) -> Result<(), LedError> {
        if !TRIGGERS.contains(&trigger) {
            return Err(LedError::NoTrigger {
                name: name.to_owned(),
                trigger: trigger.to_owned(),
                known: TRIGGERS.join(", "),
            });
        }
        self.with(name, |led| {
            trigger.clone_into(&mut led.1);
            match trigger {
                "none" => led.0 = 0,
                "default-on" => led.0 = MAX_BRIGHTNESS,
                _ => {}
            }
        })
    }

    fn set_delays(&self, name: &str, _on: u32, _off: u32) -> Result<(), LedError> {
        self.with(name, |_| ())
    }

    fn folder(&self, _name: &str) -> Option<String> {
        None
    }
}
