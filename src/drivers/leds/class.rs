//! The kernel's LED class: one folder an LED in `/sys/class/leds`.

use super::{LedError, LedState, Leds};
use crate::domain::sort;
use crate::drivers::fs::Named;
use std::fs;
use std::path::{Path, PathBuf};

/// `/sys/class/leds`, or a folder of the same form.
pub struct ClassLeds {
    root: PathBuf,
}

impl ClassLeds {
    /// The folder that stands for `/sys/class/leds`.
    pub fn new(root: impl Into<PathBuf>) -> Self {
        Self { root: root.into() }
    }

    fn dir(&self, name: &str) -> Result<PathBuf, LedError> {
        let dir = self.root.join(name);
        if !name.is_empty() && !name.contains('/') && !name.starts_with('.') && dir.is_dir() {
            return Ok(dir);
        }
        Err(LedError::NotFound {
            name: name.to_owned(),
            place: self.root.display().to_string(),
        })
    }
}

impl Leds for ClassLeds {
    fn names(&self) -> Vec<String> {
        let Ok(entries) = fs::read_dir(&self.root) else {
            return Vec::new();
        };
        let mut names: Vec<_> = entries
            .filter_map(Result::ok)
            .filter_map(|entry| entry.file_name().into_string().ok())
            .collect();
        sort::by(&mut names, Ord::cmp);
        names
    }

    fn state(&self, name: &str) -> Result<LedState, LedError> {
        let dir = self.dir(name)?;
        // An LED without triggers has no such file.
        let (trigger, triggers) =
            parse_triggers(&fs::read_to_string(dir.join("trigger")).unwrap_or_default());
        Ok(LedState {
            brightness: read_number(&dir.join("brightness"))?,
            max_brightness: read_number(&dir.join("max_brightness")).unwrap_or(1),
            trigger,
            triggers,
        })
    }

    fn set_brightness(&self, name: &str, brightness: u32) -> Result<(), LedError> {
        write(&self.dir(name)?.join("brightness"), &brightness.to_string())
    }

    fn set_trigger(&self, name: &str, trigger: &str) -> Result<(), LedError> {
        let state = self.state(name)?;
        if trigger == "none" && state.triggers.is_empty() {
            return Ok(());
        }
        if !state.triggers.iter().any(|known| known == trigger) {
            return Err(LedError::NoTrigger {
                name: name.to_owned(),
                trigger: trigger.to_owned(),
                known: state.triggers.join(", "),
            });
        }
        write(&self.dir(name)?.join("trigger"), trigger)
    }

    fn set_delays(&self, name: &str, on: u32, off: u32) -> Result<(), LedError> {
        let dir = self.dir(name)?;
        write(&dir.join("delay_on"), &on.to_string())?;
        write(&dir.join("delay_off"), &off.to_string())
    }

    fn folder(&self, name: &str) -> Option<String> {
        Some(self.dir(name).ok()?.display().to_string())
    }
}

fn write(path: &Path, text: &str) -> Result<(), LedError> {
    Ok(fs::write(path, text).named("write", path)?)
}

fn read_number(path: &Path) -> Result<u32, LedError> {
    let text = fs::read_to_string(path).named("read", path)?;
    Ok(text.trim().parse().unwrap_or(0))
}

/// The file's form: all triggers in a row, the chosen one in brackets.
fn parse_triggers(text: &str) -> (String, Vec<String>) {
    let mut chosen = String::from("none");
    let triggers = text
        .split_whitespace()
        .map(
            |word| match word.strip_prefix('[').and_then(|word| word.strip_suffix(']')) {
                Some(word) => {
                    word.clone_into(&mut chosen);
                    word.to_owned()
                }
                None => word.to_owned(),
            },
        )
        .collect();
    (chosen, triggers)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn led(trigger: Option<&str>) -> (tempfile::TempDir, ClassLeds) {
        let root = tempfile::tempdir().expect("a folder");
        let dir = root.path().join("ACT");
        fs::create_dir(&dir).expect("led");
        fs::write(dir.join("brightness"), "0\n").expect("brightness");
        fs::write(dir.join("max_brightness"), "255\n").expect("max");
        if let Some(trigger) = trigger {
            fs::write(dir.join("trigger"), trigger).expect("trigger");
        }
        let leds = ClassLeds::new(root.path());
        (root, leds)
    }

    #[test]
    fn brightness_and_trigger_go_to_their_files() {
        let (root, leds) = led(Some("none timer [mmc0] heartbeat\n"));
        let state = leds.state("ACT").expect("state");
        assert_eq!((state.brightness, state.max_brightness), (0, 255));
        assert_eq!(state.trigger, "mmc0");
        assert_eq!(state.triggers, ["none", "timer", "mmc0", "heartbeat"]);
        leds.set_brightness("ACT", 255).expect("lit");
        assert_eq!(
            fs::read_to_string(root.path().join("ACT/brightness")).expect("read"),
            "255"
        );
        let error = leds
            .set_trigger("ACT", "disco")
            .expect_err("no such trigger")
            .to_string();
        assert!(error.contains("heartbeat"), "{error}");
        leds.set_trigger("ACT", "timer").expect("set");
        assert_eq!(
            fs::read_to_string(root.path().join("ACT/trigger")).expect("read"),
            "timer"
        );
    }

    #[test]
    fn an_led_without_triggers_can_be_lit() {
        let (_root, leds) = led(None);
        leds.set_trigger("ACT", "none").expect("nothing to do");
        assert!(leds.set_trigger("ACT", "timer").is_err());
    }

    #[test]
    fn names_stay_in_the_folder() {
        let (_root, leds) = led(None);
        for name in ["", "..", "../x", "PWR", "a/b"] {
            assert!(leds.state(name).is_err(), "{name}");
        }
        assert_eq!(leds.names(), ["ACT"]);
    }
}
