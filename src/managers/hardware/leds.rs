//! LEDs: lighting, blinking, triggers. The kernel plays its own triggers; for the simulator's LEDs and for those that
//! are wired to lines the agent plays `timer` and `heartbeat`.

use super::catalogue::{LedPlace, NamedLed};
use super::lines::store_fault;
use super::{Hardware, LedView, Scope, State, Timer, led_fault};
use crate::domain::record::LedSetting;
use crate::domain::{ErrorKind, Fault, PlugRef, Requester, work};
use crate::drivers::leds::LedState;
use crate::events::Audience;
use serde_json::json;
use std::sync::Weak;
use std::time::Duration;

/// An LED is on, or off, for this long at most while it blinks, in milliseconds.
pub const MAX_BLINK_MS: u32 = 60_000;
/// An LED identifies itself for this long at most, in seconds.
const MAX_IDENTIFY_S: u32 = 300;
/// The two phases of one blink of `identify`, in milliseconds.
const IDENTIFY_MS: u32 = 100;
/// The triggers of LEDs that are wired to lines.
const LINE_TRIGGERS: &[&str] = &["none", "timer", "heartbeat", "default-on"];

/// What `configure` may say of an LED; what is absent stays as it is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LedConfig {
    pub brightness: Option<u32>,
    pub trigger: Option<String>,
}

/// What the agent plays on an LED.
pub(super) struct Show {
    /// The trigger that it stands for; `none` for a blink that was asked for.
    trigger: String,
    /// Milliseconds on and off.
    pub(super) blink: Option<(u32, u32)>,
    timer: Option<Timer>,
}

/// What an LED goes back to after it identified itself.
struct Before {
    state: LedState,
    blink: Option<(u32, u32)>,
}

/// One run of on and off.
struct Run {
    led: NamedLed,
    turn: u64,
    on: u32,
    off: u32,
    /// Without end when absent.
    count: Option<u32>,
    then: Option<Before>,
}

impl Hardware {
    /// One LED.
    pub fn led(&self, name: &str, who: &Requester) -> Result<LedView, Fault> {
        let scope = Scope::of(who)?;
        let mut state = self.state();
        self.refresh(&mut state);
        let led = self.find_led(&state, name, &scope)?;
        self.led_view(&state, &led)
    }

    /// Lights an LED; more than it can is as much as it can. What drove it no longer does.
    pub fn set_led(&self, name: &str, brightness: u32, who: &Requester) -> Result<LedView, Fault> {
        self.act(name, who, "set", |state, led| {
            self.light_steadily(state, led, brightness)
        })
    }

    /// Blinks an LED, `count` times or until it is told otherwise. Times in milliseconds.
    pub fn blink_led(
        &self,
        name: &str,
        on: u32,
        off: u32,
        count: Option<u32>,
        who: &Requester,
    ) -> Result<LedView, Fault> {
        let fits = |time: u32| (1..=MAX_BLINK_MS).contains(&time);
        if !fits(on) || !fits(off) || count == Some(0) {
            return Err(Fault::bad(format!(
                "an LED blinks with on-ms and off-ms from 1 to {MAX_BLINK_MS}, and a count from 1"
            )));
        }
        self.act(name, who, "blink", |state, led| {
            let kernel = match &led.place {
                LedPlace::Driver(driver) if count.is_none() && !self.is_simulated() => {
                    let has_timer = self
                        .leds
                        .state(driver)
                        .is_ok_and(|now| now.triggers.iter().any(|name| name == "timer"));
                    has_timer.then_some(driver)
                }
                _ => None,
            };
            match kernel {
                Some(driver) => {
                    self.leds.set_trigger(driver, "timer").map_err(led_fault)?;
                    self.leds.set_delays(driver, on, off).map_err(led_fault)
                }
                None => {
                    self.plain(led)?;
                    self.play(state, led, "none", (on, off), count, None);
                    Ok(())
                }
            }
        })
    }

    /// Gives an LED to a trigger.
    pub fn trigger_led(&self, name: &str, trigger: &str, who: &Requester) -> Result<LedView, Fault> {
        self.act(name, who, "trigger", |state, led| {
            self.give_to(state, led, trigger)
        })
    }

    /// Blinks an LED quickly for some seconds, then puts it back to what it did.
    pub fn identify_led(&self, name: &str, seconds: u32, who: &Requester) -> Result<LedView, Fault> {
        if !(1..=MAX_IDENTIFY_S).contains(&seconds) {
            return Err(Fault::bad(format!(
                "an LED identifies itself for 1 to {MAX_IDENTIFY_S} seconds, not {seconds}"
            )));
        }
        let scope = Scope::of(who)?;
        let before = {
            let state = self.state();
            let led = self.find_led(&state, name, &scope)?;
            Before {
                state: self.led_state(&state, &led)?,
                blink: state.shows.get(&led.name).and_then(|show| show.blink),
            }
        };
        self.act(name, who, "identify", |state, led| {
            self.plain(led)?;
            let count = seconds * 1000 / (2 * IDENTIFY_MS);
            self.play(
                state,
                led,
                "none",
                (IDENTIFY_MS, IDENTIFY_MS),
                Some(count),
                Some(before),
            );
            Ok(())
        })
    }

    /// Keeps brightness and trigger of an LED, now and over restarts. Blocks until it is durable.
    pub fn configure_led(&self, name: &str, config: &LedConfig, who: &Requester) -> Result<LedView, Fault> {
        let scope = Scope::of(who)?;
        if scope != Scope::All {
            return Err(Fault::new(
                ErrorKind::Forbidden,
                "a snap cannot configure an LED for good: set it, or ask the device's administrator",
            ));
        }
        let led = self.find_led(&self.state(), name, &scope)?;
        if let Some(trigger) = &config.trigger {
            let known = self.led_state(&self.state(), &led)?.triggers;
            if !known.contains(trigger) {
                let message = format!(
                    "the LED {name:?} has no trigger {trigger:?}: it has {}",
                    known.join(", ")
                );
                return Err(Fault::new(ErrorKind::HardwareUnsupported, message).with(trigger.as_str()));
            }
        }
        let old = self
            .led_setting(&led.name)
            .map(|old| LedSetting::clone(&old))
            .unwrap_or_default();
        let setting = LedSetting {
            led: led.name,
            brightness: config.brightness.or(old.brightness),
            trigger: config.trigger.clone().or(old.trigger),
        };
        self.store
            .commit({
                let setting = setting.clone();
                move |tx| tx.put_led(setting)
            })
            .map_err(store_fault)?;
        self.act(name, who, "configure", |state, led| {
            self.apply_led(state, led, &setting)
        })
    }

    /// Does something to an LED that the requester may use, and tells everybody.
    fn act(
        &self,
        name: &str,
        who: &Requester,
        cause: &str,
        act: impl FnOnce(&mut State, &NamedLed) -> Result<(), Fault>,
    ) -> Result<LedView, Fault> {
        let scope = Scope::of(who)?;
        let mut state = self.state();
        if state.closed {
            return Err(Fault::new(
                ErrorKind::HardwareError,
                "the agent is stopping and drives no LEDs any more",
            ));
        }
        self.refresh(&mut state);
        let led = self.find_led(&state, name, &scope)?;
        if let LedPlace::Line(at) = &led.place
            && let Some(hold) = state.holds.get(at)
            && hold.slot.is_some()
            && hold.led.is_none()
        {
            let message = format!(
                "the LED {name:?} is wired to line {:?}, which {} uses: disconnect that first",
                state.catalogue.name_of(at),
                hold.consumer()
            );
            return Err(Fault::new(ErrorKind::LineBusy, message).with(hold.consumer()));
        }
        state.shows.remove(&led.name);
        let result = act(&mut state, &led);
        self.tell_led(&state, &led.name, cause);
        result?;
        self.led_view(&state, &led)
    }

    /// What an LED is doing.
    pub(super) fn led_state(&self, state: &State, led: &NamedLed) -> Result<LedState, Fault> {
        match &led.place {
            LedPlace::Driver(name) => self.leds.state(name).map_err(led_fault),
            LedPlace::Line(at) => {
                let show = state.shows.get(&led.name);
                let level = state.holds.get(at).and_then(super::Hold::level);
                Ok(LedState {
                    brightness: u32::from(level.unwrap_or(0)),
                    max_brightness: 1,
                    trigger: show.map_or_else(|| String::from("none"), |show| show.trigger.clone()),
                    triggers: LINE_TRIGGERS.iter().map(|&name| name.to_owned()).collect(),
                })
            }
        }
    }

    /// Lights an LED, whatever plays on it.
    fn light(&self, state: &mut State, led: &NamedLed, brightness: u32) -> Result<(), Fault> {
        match &led.place {
            LedPlace::Driver(name) => {
                let max = self.leds.state(name).map_err(led_fault)?.max_brightness;
                self.leds
                    .set_brightness(name, brightness.min(max))
                    .map_err(led_fault)
            }
            LedPlace::Line(at) => {
                self.drive_line(state, at, u8::from(brightness > 0))?;
                if let Some(hold) = state.holds.get_mut(at) {
                    hold.led = Some(led.name.clone());
                }
                Ok(())
            }
        }
    }

    /// Takes an LED from its trigger.
    fn plain(&self, led: &NamedLed) -> Result<(), Fault> {
        match &led.place {
            LedPlace::Driver(name) => self.leds.set_trigger(name, "none").map_err(led_fault),
            LedPlace::Line(_) => Ok(()),
        }
    }

    fn light_steadily(&self, state: &mut State, led: &NamedLed, brightness: u32) -> Result<(), Fault> {
        self.plain(led)?;
        self.light(state, led, brightness)
    }

    fn give_to(&self, state: &mut State, led: &NamedLed, trigger: &str) -> Result<(), Fault> {
        match &led.place {
            LedPlace::Driver(name) => self.leds.set_trigger(name, trigger).map_err(led_fault)?,
            LedPlace::Line(_) if !LINE_TRIGGERS.contains(&trigger) => {
                let message = format!(
                    "an LED that is wired to a line has the triggers {}",
                    LINE_TRIGGERS.join(", ")
                );
                return Err(Fault::new(ErrorKind::HardwareUnsupported, message).with(trigger));
            }
            LedPlace::Line(_) => {
                self.light(state, led, u32::from(trigger == "default-on"))?;
                if trigger == "default-on" {
                    state.shows.insert(
                        led.name.clone(),
                        Show {
                            trigger: trigger.to_owned(),
                            blink: None,
                            timer: None,
                        },
                    );
                }
            }
        }
        let ours = self.is_simulated() || matches!(led.place, LedPlace::Line(_));
        match trigger {
            "timer" if ours => self.play(state, led, trigger, (500, 500), None, None),
            "heartbeat" if ours => self.play(state, led, trigger, (100, 900), None, None),
            _ => {}
        }
        Ok(())
    }

    /// Starts a run of on and off on an LED, in place of what ran before.
    fn play(
        &self,
        state: &mut State,
        led: &NamedLed,
        trigger: &str,
        (on, off): (u32, u32),
        count: Option<u32>,
        then: Option<Before>,
    ) {
        state.turns += 1;
        let run = Run {
            led: led.clone(),
            turn: state.turns,
            on,
            off,
            count,
            then,
        };
        let task = work::spawn_on(&self.runtime, Box::pin(blink(self.me.clone(), run)));
        state.shows.insert(
            led.name.clone(),
            Show {
                trigger: trigger.to_owned(),
                blink: Some((on, off)),
                timer: Some(Timer {
                    turn: state.turns,
                    task: task.abort_handle(),
                }),
            },
        );
    }

    /// One step of a run; false when its turn is over.
    fn step(&self, run: &Run, on: bool) -> bool {
        let mut state = self.state();
        if !is_turn(&state, run) {
            return false;
        }
        let brightness = if on { u32::MAX } else { 0 };
        if let Err(fault) = self.light(&mut state, &run.led, brightness) {
            log::warn!("the LED {} cannot blink: {fault}", run.led.name);
            state.shows.remove(&run.led.name);
            return false;
        }
        self.tell_led(&state, &run.led.name, "step");
        true
    }

    /// The end of a run that was counted.
    fn end_run(&self, run: Run) {
        let mut state = self.state();
        if !is_turn(&state, &run) {
            return;
        }
        state.shows.remove(&run.led.name);
        if let Some(before) = run.then {
            let trigger = before.state.trigger;
            let result = match before.blink {
                Some(phases) => {
                    self.play(&mut state, &run.led, &trigger, phases, None, None);
                    Ok(())
                }
                None if trigger != "none" => self.give_to(&mut state, &run.led, &trigger),
                None => self.light(&mut state, &run.led, before.state.brightness),
            };
            if let Err(fault) = result {
                log::warn!("the LED {} cannot go back to what it did: {fault}", run.led.name);
            }
        }
        self.tell_led(&state, &run.led.name, "end");
    }

    fn apply_led(&self, state: &mut State, led: &NamedLed, setting: &LedSetting) -> Result<(), Fault> {
        match (&setting.trigger, setting.brightness) {
            (Some(trigger), _) if trigger != "none" => self.give_to(state, led, trigger),
            (_, Some(brightness)) => self.light_steadily(state, led, brightness),
            (Some(_), None) => self.plain(led),
            (None, None) => Ok(()),
        }
    }

    /// What an LED does when nobody is connected to it any more: what was configured, what the board file says, or
    /// nothing.
    pub(super) fn calm_led(&self, state: &mut State, name: &str) {
        state.shows.remove(name);
        let Ok(led) = self.find_led(state, name, &Scope::All) else {
            return;
        };
        let setting = self.led_setting(name).map(|setting| LedSetting::clone(&setting));
        let setting = setting.or_else(|| {
            led.trigger.clone().map(|trigger| LedSetting {
                led: name.to_owned(),
                brightness: None,
                trigger: Some(trigger),
            })
        });
        let result = match setting {
            Some(setting) if setting.trigger.as_deref() != Some("none") || setting.brightness.is_some() => {
                self.apply_led(state, &led, &setting)
            }
            _ => self.light_steadily(state, &led, 0),
        };
        if let Err(fault) = result {
            log::warn!("the LED {name} could not be calmed: {fault}");
        }
    }

    /// Gives the LEDs what was configured for them, or what the board file says.
    pub(super) fn restore_leds(&self, state: &mut State) {
        state.leds = self.leds.names();
        for led in self.named_leds() {
            self.set_up_led(state, &led);
        }
    }

    pub(super) fn set_up_led(&self, state: &mut State, led: &NamedLed) {
        let setting = self.led_setting(&led.name);
        let result = match (&setting, &led.trigger) {
            (Some(setting), _) => self.apply_led(state, led, setting),
            (None, Some(trigger)) => self.give_to(state, led, trigger),
            (None, None) => Ok(()),
        };
        if let Err(fault) = result {
            log::warn!("the LED {} could not be set up: {fault}", led.name);
        }
    }

    /// Tells the bus what an LED has become.
    pub(super) fn tell_led(&self, state: &State, name: &str, cause: &str) {
        let mut data = json!({ "led": name, "cause": cause });
        if let Ok(led) = self.find_led(state, name, &Scope::All)
            && let Ok(now) = self.led_state(state, &led)
        {
            data["brightness"] = now.brightness.into();
            data["trigger"] = now.trigger.into();
        }
        if let Some((on, off)) = state.shows.get(name).and_then(|show| show.blink) {
            data["blink"] = json!({ "on-ms": on, "off-ms": off });
        }
        let plugs: Vec<PlugRef> = state
            .attachments
            .iter()
            .filter(|(_, attachment)| attachment.led.as_deref() == Some(name))
            .map(|(connection, _)| connection.plug.clone())
            .collect();
        data["plug"] = match plugs.first() {
            Some(plug) => json!({ "snap": plug.snap.as_str(), "plug": plug.name }),
            None => serde_json::Value::Null,
        };
        self.bus.publish("hardware.led", Audience::plugs(plugs), data);
    }
}

fn is_turn(state: &State, run: &Run) -> bool {
    let timer = state
        .shows
        .get(&run.led.name)
        .and_then(|show| show.timer.as_ref());
    timer.is_some_and(|timer| timer.turn == run.turn)
}

async fn blink(hardware: Weak<Hardware>, run: Run) {
    let mut done = 0;
    loop {
        for (on, time) in [(true, run.on), (false, run.off)] {
            match hardware.upgrade() {
                Some(hardware) if hardware.step(&run, on) => {}
                _ => return,
            }
            tokio::time::sleep(Duration::from_millis(u64::from(time))).await;
        }
        done += 1;
        if run.count.is_some_and(|count| done >= count) {
            break;
        }
    }
    if let Some(hardware) = hardware.upgrade() {
        hardware.end_run(run);
    }
}
