//! `line` and `led`: the hardware that is connected to the snap's own plugs.

use super::{Caller, Flags, SnapctlOutput, check_rights, required};
use crate::domain::requester::Transport;
use crate::domain::{ErrorKind, Fault, PlugRef, Requester};
use crate::managers::settings::Settings;

/// How long `blink` lights an LED and leaves it dark, unless it is said, in milliseconds.
const BLINK: u32 = 500;

impl Settings {
    /// The snap itself as a requester: a caller is already known to be it.
    fn as_snap(caller: &Caller<'_>) -> Requester {
        Requester {
            transport: Transport::SnapSocket,
            snap: Some(caller.snap.clone()),
            ..caller.who.clone()
        }
    }

    pub(super) fn line(&self, caller: &Caller<'_>, flags: &Flags) -> Result<SnapctlOutput, Fault> {
        let (name, action) = name_and_action(flags, "line")?;
        if action.is_some() {
            check_rights(caller.who, "line")?;
        }
        let who = Self::as_snap(caller);
        let plug = PlugRef::new(caller.snap.clone(), name);
        let view = self.hardware.view(&who)?;
        let found = view
            .lines
            .iter()
            .find(|line| line.plugs.contains(&plug))
            .or_else(|| view.lines.iter().find(|line| line.name == name));
        let line = found.ok_or_else(|| not_connected(caller, name))?;
        let line = match action {
            None => self.hardware.line(&line.name, &who)?,
            Some("0") => self.hardware.set_line(&line.name, 0, &who)?,
            Some("1") => self.hardware.set_line(&line.name, 1, &who)?,
            Some(_) => return Err(Fault::bad(format!("line {name:?} can be set to 0 or 1"))),
        };
        if action.is_some() {
            return Ok(SnapctlOutput::default());
        }
        let value = line.value.ok_or_else(|| {
            Fault::new(
                ErrorKind::HardwareUnsupported,
                format!(
                    "line {name:?} is held by the kernel: use the file or device that the connection gives"
                ),
            )
        })?;
        Ok(SnapctlOutput::printed(format!("{value}\n")))
    }

    pub(super) fn led(&self, caller: &Caller<'_>, flags: &Flags) -> Result<SnapctlOutput, Fault> {
        let name = flags.words.first().ok_or_else(|| missing("led"))?;
        if flags.words.len() > 1 {
            check_rights(caller.who, "led")?;
        }
        let who = Self::as_snap(caller);
        let plug = PlugRef::new(caller.snap.clone(), name.as_str());
        let view = self.hardware.view(&who)?;
        let found = view
            .leds
            .iter()
            .find(|led| led.plugs.contains(&plug))
            .or_else(|| view.leds.iter().find(|led| led.name == *name));
        let led = found.ok_or_else(|| not_connected(caller, name))?;
        let number = |text: &String| {
            text.parse::<u32>()
                .map_err(|_| Fault::bad(format!("{text:?} is not on, off, blink or a brightness")))
        };
        match flags.words.get(1..).unwrap_or_default() {
            [] => return Ok(SnapctlOutput::printed(format!("{}\n", led.brightness))),
            [word] if word == "on" => self.hardware.set_led(&led.name, led.max_brightness, &who)?,
            [word] if word == "off" => self.hardware.set_led(&led.name, 0, &who)?,
            [word] if word == "blink" => self.hardware.blink_led(&led.name, BLINK, BLINK, None, &who)?,
            [word, on, off] if word == "blink" => {
                self.hardware
                    .blink_led(&led.name, number(on)?, number(off)?, None, &who)?
            }
            [brightness] => self.hardware.set_led(&led.name, number(brightness)?, &who)?,
            _ => return Err(Fault::bad("too many words for led")),
        };
        Ok(SnapctlOutput::default())
    }
}

fn missing(command: &str) -> Fault {
    required(&format!("<{command}>"))
}

fn name_and_action<'f>(flags: &'f Flags, command: &str) -> Result<(&'f str, Option<&'f str>), Fault> {
    match flags.words.as_slice() {
        [name] => Ok((name, None)),
        [name, action] => Ok((name, Some(action))),
        [] => Err(missing(command)),
        _ => Err(Fault::bad(format!("too many words for {command}"))),
    }
}

fn not_connected(caller: &Caller<'_>, name: &str) -> Fault {
    Fault::new(
        ErrorKind::LineNotFound,
        format!(
            "nothing named {name:?} is connected to snap {:?}; connect its plug first",
            caller.snap.as_str()
        ),
    )
}
