//! Lines: taking, setting, pulsing, configuring and letting go of them.

use super::{Hardware, Hold, Holder, LineView, OWN, Scope, State, Timer, gpio_fault};
use crate::domain::hardware::{Direction, LineAddress};
use crate::domain::record::LineSetting;
use crate::domain::{ErrorKind, Fault, Requester, work};
use crate::drivers::gpio::{Edge, EdgeSink, Request};
use crate::events::Audience;
use crate::store::StoreError;
use serde_json::json;
use std::sync::Arc;
use std::time::Duration;

/// A pulse lasts this long at most, in milliseconds.
pub const MAX_PULSE_MS: u64 = 60_000;

/// What `configure` may say of a line; what is absent stays as it is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LineConfig {
    pub direction: Option<Direction>,
    /// Logical.
    pub safe_value: Option<u8>,
    pub active_low: Option<bool>,
    /// Wishes that version 1 of the character device cannot fulfil: `bias`, `debounce`, `drive`.
    pub beyond_abi: Vec<&'static str>,
}

impl Hardware {
    /// One line.
    pub fn line(&self, name: &str, who: &Requester) -> Result<LineView, Fault> {
        let scope = Scope::of(who)?;
        let mut state = self.state();
        let at = self.address(&mut state, name, &scope)?;
        Ok(self.line_view(&state, &at))
    }

    /// Sets an output to a logical level. A line that nobody gave a direction becomes an output; one that nobody holds
    /// is held by the agent from now on.
    pub fn set_line(&self, name: &str, value: u8, who: &Requester) -> Result<LineView, Fault> {
        let scope = Scope::of(who)?;
        let mut state = self.state();
        let at = self.address(&mut state, name, &scope)?;
        self.drive_line(&mut state, &at, level(value)?)?;
        self.tell_line(&state, &at, "set");
        Ok(self.line_view(&state, &at))
    }

    /// Sets an output to a level for a while (milliseconds), then to the other one.
    pub fn pulse(
        &self,
        name: &str,
        value: u8,
        milliseconds: u64,
        who: &Requester,
    ) -> Result<LineView, Fault> {
        let scope = Scope::of(who)?;
        if !(1..=MAX_PULSE_MS).contains(&milliseconds) {
            return Err(Fault::bad(format!(
                "a pulse lasts 1 to {MAX_PULSE_MS} milliseconds, not {milliseconds}"
            )));
        }
        let value = level(value)?;
        let mut state = self.state();
        let at = self.address(&mut state, name, &scope)?;
        self.drive_line(&mut state, &at, value)?;
        state.turns += 1;
        let turn = state.turns;
        let task = {
            let (me, at) = (self.me.clone(), at.clone());
            let end = async move {
                tokio::time::sleep(Duration::from_millis(milliseconds)).await;
                if let Some(me) = me.upgrade() {
                    me.end_pulse(&at, turn, 1 - value);
                }
            };
            work::spawn_on(&self.runtime, Box::pin(end))
        };
        if let Some(hold) = state.holds.get_mut(&at) {
            hold.pulse = Some(Timer {
                turn,
                task: task.abort_handle(),
            });
        }
        self.tell_line(&state, &at, "pulse");
        Ok(self.line_view(&state, &at))
    }

    fn end_pulse(&self, at: &LineAddress, turn: u64, value: u8) {
        let mut state = self.state();
        let Some(hold) = state.holds.get_mut(at) else {
            return;
        };
        if hold.pulse.as_ref().is_none_or(|timer| timer.turn != turn) {
            return;
        }
        hold.pulse = None;
        if let Holder::Agent(held) = &hold.holder
            && let Err(error) = held.set(value)
        {
            log::error!("the pulse of a line could not be ended: {error}");
        }
        self.tell_line(&state, at, "pulse-end");
    }

    /// Keeps direction, safe value and active-low of a line, now and over restarts. Blocks until it is durable.
    pub fn configure_line(
        &self,
        name: &str,
        config: &LineConfig,
        who: &Requester,
    ) -> Result<LineView, Fault> {
        let scope = Scope::of(who)?;
        if let Some(what) = config.beyond_abi.first() {
            let message = format!(
                "the GPIO character device's version 1 has no {what}: leave it out, or set it in the board's firmware"
            );
            return Err(Fault::new(ErrorKind::HardwareUnsupported, message).with(*what));
        }
        if config.safe_value.is_some() && scope != Scope::All {
            return Err(Fault::new(
                ErrorKind::Forbidden,
                "a snap cannot change the safe value of a line: ask the device's administrator",
            ));
        }
        let safe_value = config.safe_value.map(level).transpose()?;
        let (at, setting) = {
            let mut state = self.state();
            let at = self.address(&mut state, name, &scope)?;
            self.not_the_kernels(&state, &at)?;
            let name = state.catalogue.name_of(&at);
            let old = self
                .line_setting(&name)
                .map(|old| LineSetting::clone(&old))
                .unwrap_or_default();
            let setting = LineSetting {
                line: name,
                direction: config.direction.or(old.direction),
                safe_value: safe_value.or(old.safe_value),
                active_low: config.active_low.or(old.active_low),
            };
            (at, setting)
        };
        self.store
            .commit({
                let setting = setting.clone();
                move |tx| tx.put_line(setting)
            })
            .map_err(store_fault)?;
        let mut state = self.state();
        self.apply_setting(&mut state, &at, &setting)?;
        self.tell_line(&state, &at, "configure");
        Ok(self.line_view(&state, &at))
    }

    /// Forgets what was configured for a line and, where no snap is connected, lets go of it. Blocks until it is
    /// durable.
    pub fn release_line(&self, name: &str, who: &Requester) -> Result<LineView, Fault> {
        let scope = Scope::of(who)?;
        if scope != Scope::All {
            return Err(Fault::new(
                ErrorKind::Forbidden,
                "a snap lets go of a line by being disconnected from it: ask the device's administrator",
            ));
        }
        let (at, name) = {
            let mut state = self.state();
            let at = self.address(&mut state, name, &scope)?;
            if let Some(hold) = state.holds.get(&at)
                && !hold.plugs.is_empty()
            {
                let message = format!(
                    "line {name:?} is connected to {}: disconnect that first",
                    hold.consumer()
                );
                return Err(Fault::new(ErrorKind::LineBusy, message).with(hold.consumer()));
            }
            let name = state.catalogue.name_of(&at);
            (at, name)
        };
        if self.line_setting(&name).is_some() {
            self.store
                .commit(move |tx| {
                    tx.put_line(LineSetting {
                        line: name,
                        ..LineSetting::default()
                    })
                })
                .map_err(store_fault)?;
        }
        let mut state = self.state();
        // Connected in the meantime: then it is that snap's.
        if state.holds.get(&at).is_some_and(|hold| hold.plugs.is_empty()) {
            self.make_safe(&mut state, &at);
            state.holds.remove(&at);
        }
        self.tell_line(&state, &at, "release");
        Ok(self.line_view(&state, &at))
    }

    /// Makes a line what its setting says. A free line with a direction is held by the agent.
    pub(super) fn apply_setting(
        &self,
        state: &mut State,
        at: &LineAddress,
        setting: &LineSetting,
    ) -> Result<(), Fault> {
        let active_low = setting.active_low.unwrap_or(false);
        let Some(hold) = state.holds.get(at) else {
            let Some(direction) = wanted_direction(Some(setting), None) else {
                return Ok(());
            };
            let value = setting.safe_value.unwrap_or(0);
            return self.hold_line(state, at, direction, active_low, value, OWN);
        };
        let direction = setting.direction.unwrap_or(hold.direction);
        if direction == hold.direction && active_low == hold.active_low {
            return Ok(());
        }
        let value = match hold.direction {
            Direction::Output => hold.level().unwrap_or(0),
            Direction::Input => self.safe_value(state, at),
        };
        self.hold_again(state, at, direction, active_low, value)
    }

    /// Sets a line, taking it and turning it round where nobody said otherwise.
    pub(super) fn drive_line(&self, state: &mut State, at: &LineAddress, value: u8) -> Result<(), Fault> {
        self.not_the_kernels(state, at)?;
        let name = state.catalogue.name_of(at);
        let setting = self.line_setting(&name);
        if setting
            .as_ref()
            .is_some_and(|setting| setting.direction == Some(Direction::Input))
        {
            return Err(Fault::new(
                ErrorKind::LineDirection,
                format!("line {name:?} is configured as an input: configure its direction as output first"),
            ));
        }
        let active_low = setting.and_then(|setting| setting.active_low).unwrap_or(false);
        let Some(hold) = state.holds.get_mut(at) else {
            return self.hold_line(state, at, Direction::Output, active_low, value, OWN);
        };
        hold.pulse = None;
        match &hold.holder {
            Holder::Agent(held) if hold.direction == Direction::Output => held.set(value).map_err(gpio_fault),
            _ => self.hold_again(state, at, Direction::Output, active_low, value),
        }
    }

    /// Refuses a line that the kernel holds for a connection: it cannot be driven from here.
    fn not_the_kernels(&self, state: &State, at: &LineAddress) -> Result<(), Fault> {
        if state.closed {
            return Err(Fault::new(
                ErrorKind::HardwareError,
                "the agent is stopping and has let go of all lines",
            ));
        }
        let Some(hold) = state.holds.get(at) else {
            return Ok(());
        };
        let Holder::Kernel(by) = &hold.holder else {
            return Ok(());
        };
        let name = state.catalogue.name_of(at);
        let message = format!(
            "line {name:?} is given to {} through {by}: only that snap can drive it",
            hold.consumer()
        );
        Err(Fault::new(ErrorKind::LineBusy, message).with(hold.consumer()))
    }

    /// Takes a free line.
    pub(super) fn hold_line(
        &self,
        state: &mut State,
        at: &LineAddress,
        direction: Direction,
        active_low: bool,
        value: u8,
        consumer: &str,
    ) -> Result<(), Fault> {
        let held = self
            .chips
            .request(at, &self.line_request(at, direction, active_low, value, consumer))
            .map_err(|error| {
                let fault = gpio_fault(error);
                let name = state.catalogue.name_of(at);
                Fault {
                    message: format!("line {name:?} cannot be taken: {}", fault.message),
                    ..fault
                }
            })?;
        let hold = Hold {
            holder: Holder::Agent(held),
            direction,
            active_low,
            safe: None,
            slot: None,
            plugs: Vec::new(),
            led: None,
            pulse: None,
        };
        state.holds.insert(at.clone(), hold);
        Ok(())
    }

    /// Takes a line anew in another way. Version 1 of the ABI as the crate has it cannot change a held line, so it is
    /// free for a moment; when the new way fails, the old one is tried again.
    pub(super) fn hold_again(
        &self,
        state: &mut State,
        at: &LineAddress,
        direction: Direction,
        active_low: bool,
        value: u8,
    ) -> Result<(), Fault> {
        let Some(mut hold) = state.holds.remove(at) else {
            return self.hold_line(state, at, direction, active_low, value, OWN);
        };
        let consumer = hold.consumer();
        let before = (hold.direction, hold.active_low, hold.level().unwrap_or(0));
        hold.pulse = None;
        // Only the descriptor goes; who the line belongs to stays.
        hold.holder = Holder::Gone;
        let result = self
            .hold_line(state, at, direction, active_low, value, &consumer)
            .or_else(|fault| {
                self.hold_line(state, at, before.0, before.1, before.2, &consumer)?;
                Err(fault)
            });
        match state.holds.get_mut(at) {
            Some(new) => {
                new.safe = hold.safe;
                new.slot = hold.slot;
                new.plugs = hold.plugs;
                new.led = hold.led;
            }
            None => drop(state.holds.insert(at.clone(), hold)),
        }
        result
    }

    fn line_request(
        &self,
        at: &LineAddress,
        direction: Direction,
        active_low: bool,
        value: u8,
        consumer: &str,
    ) -> Request {
        let edges = (direction == Direction::Input).then(|| {
            let (me, at) = (self.me.clone(), at.clone());
            let sink: EdgeSink = Arc::new(move |edge| {
                if let Some(me) = me.upgrade() {
                    me.tell_edge(&at, edge);
                }
            });
            sink
        });
        Request {
            direction,
            active_low,
            value,
            consumer: consumer.to_owned(),
            edges,
        }
    }

    fn tell_edge(&self, at: &LineAddress, edge: Edge) {
        let state = self.state();
        let Some(hold) = state.holds.get(at) else { return };
        let mut data = json!({
            "line": state.catalogue.name_of(at),
            "value": edge.value,
            "edge": if edge.value == 1 { "rising" } else { "falling" },
            "monotonic-ns": edge.monotonic_ns,
            "time": edge.time.rfc3339(),
        });
        if edge.resync {
            data["resync"] = true.into();
        }
        if let Some(plug) = hold.plugs.first() {
            data["plug"] = json!({ "snap": plug.snap.as_str(), "plug": plug.name });
        }
        self.bus
            .publish("hardware.edge", Audience::plugs(hold.plugs.clone()), data);
    }

    /// The logical level that a line goes to when its user lets go: what is configured, else what the slot says, else
    /// inactive.
    pub(super) fn safe_value(&self, state: &State, at: &LineAddress) -> u8 {
        let name = state.catalogue.name_of(at);
        self.line_setting(&name)
            .and_then(|setting| setting.safe_value)
            .or_else(|| state.holds.get(at).and_then(|hold| hold.safe))
            .unwrap_or(0)
    }

    /// Writes the safe value of an output that the agent holds.
    pub(super) fn make_safe(&self, state: &mut State, at: &LineAddress) {
        let safe = self.safe_value(state, at);
        let Some(hold) = state.holds.get_mut(at) else {
            return;
        };
        hold.pulse = None;
        if let Holder::Agent(held) = &hold.holder
            && hold.direction == Direction::Output
            && let Err(error) = held.set(safe)
        {
            log::error!(
                board_line:% = format_args!("{}:{}", at.chip, at.offset);
                "line {} of {}: the safe value {safe} could not be written: {error}",
                at.offset,
                at.chip
            );
        }
    }

    /// Writes all safe values and lets go of everything; nothing is taken afterwards. The agent's last act.
    pub fn release_all(&self) {
        let mut state = self.state();
        state.closed = true;
        state.shows.clear();
        let held: Vec<LineAddress> = state.holds.keys().cloned().collect();
        for at in &held {
            self.make_safe(&mut state, at);
        }
        state.holds.clear();
    }
}

/// The direction that somebody chose for a line, or that having a safe value implies.
pub(super) fn wanted_direction(setting: Option<&LineSetting>, safe: Option<u8>) -> Option<Direction> {
    setting
        .and_then(|setting| setting.direction)
        .or_else(|| (safe.is_some() || setting?.safe_value.is_some()).then_some(Direction::Output))
}

/// A logical level.
fn level(value: u8) -> Result<u8, Fault> {
    if value > 1 {
        return Err(Fault::bad(format!("a line is 0 or 1, not {value}")));
    }
    Ok(value)
}

pub(super) fn store_fault(error: StoreError) -> Fault {
    Fault::internal(error.to_string())
}
