//! What a connection takes and gives back (decision 7).

use super::catalogue::LedPlace;
use super::kernel::KernelPart;
use super::lines::wanted_direction;
use super::targets::Wanted;
use super::{Attachment, Hardware, Holder, State};
use crate::domain::hardware::{Direction, Grant, LineAddress, Target};
use crate::domain::{ConnRef, ErrorKind, Fault, PlugRef, SnapName};

/// What becomes of what an app has open of a connection that ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Freed {
    /// It has nothing open.
    Closed,
    /// The kernel's chip is gone, and what is open on it with it; its id.
    Deleted(String),
    /// Others have the chip, too: what is open stays open until its process ends.
    StillOpen,
}

impl Hardware {
    /// Takes for a connection what its slot stands for; `safe` is the safe value that the slot says. Idempotent.
    ///
    /// # Errors
    /// `LineBusy` when somebody else, or another slot, has a line (value: who); `LineNotFound` for a chip, line or LED
    /// that is not there.
    pub fn attach(
        &self,
        connection: &ConnRef,
        target: &Target,
        safe: Option<u8>,
    ) -> Result<Vec<Grant>, Fault> {
        if let Target::Chip { .. } = target {
            self.load_aggregator();
        }
        let mut state = self.state();
        if state.closed {
            return Err(Fault::new(
                ErrorKind::HardwareError,
                "the agent is stopping and takes no lines any more",
            ));
        }
        if let Some(present) = state.attachments.get(connection) {
            if present.target == *target {
                return Ok(present.grants.clone());
            }
            // The slot says something else since its snap was refreshed.
            self.let_go(&mut state, connection)?;
        }
        self.refresh(&mut state);
        let grants = self.take(&mut state, connection, target, safe, "connect")?;
        state.waiting.remove(connection);
        Ok(grants)
    }

    /// Takes what is there, and tells so.
    pub(super) fn take(
        &self,
        state: &mut State,
        connection: &ConnRef,
        target: &Target,
        safe: Option<u8>,
        cause: &str,
    ) -> Result<Vec<Grant>, Fault> {
        let attachment = match self.resolve(state, target)? {
            Wanted::Lines { lines, led, api } => {
                self.attach_lines(state, connection, target, &lines, led, api, safe)?
            }
            Wanted::Led(led) => Attachment {
                target: target.clone(),
                grants: vec![Grant::Led {
                    path: match &led.place {
                        LedPlace::Driver(name) => self.leds.folder(name),
                        LedPlace::Line(_) => None,
                    },
                    name: led.name.clone(),
                }],
                lines: Vec::new(),
                led: Some(led.name),
                kernel: None,
            },
            Wanted::Export { at, number } => self.attach_export(state, connection, target, at, number)?,
            Wanted::Chip { way, label, lines } => {
                self.attach_chip(state, connection, target, way, &label, lines)?
            }
        };
        let (grants, lines, led) = (
            attachment.grants.clone(),
            attachment.lines.clone(),
            attachment.led.clone(),
        );
        state.attachments.insert(connection.clone(), attachment);
        for at in &lines {
            self.tell_line(state, at, cause);
        }
        if let Some(led) = led {
            self.tell_led(state, &led, cause);
        }
        Ok(grants)
    }

    /// Gives back what a connection has. The last plug of a slot leaves an output at its safe value, still held.
    /// Idempotent.
    pub fn detach(&self, connection: &ConnRef) -> Result<Freed, Fault> {
        self.let_go(&mut self.state(), connection)
    }

    /// The connection has what it asked for.
    pub fn is_attached(&self, connection: &ConnRef) -> bool {
        self.state().attachments.contains_key(connection)
    }

    /// All connections that have something.
    pub fn attached(&self) -> Vec<ConnRef> {
        self.state().attachments.keys().cloned().collect()
    }

    /// What a snap's plugs have.
    pub fn grants_of(&self, snap: &SnapName) -> Vec<(PlugRef, Grant)> {
        let state = self.state();
        state
            .attachments
            .iter()
            .filter(|(connection, _)| connection.plug.snap == *snap)
            .flat_map(|(connection, attachment)| {
                let grants = attachment.grants.iter();
                grants.map(|grant| (connection.plug.clone(), grant.clone()))
            })
            .collect()
    }

    /// Takes everything again at start: connections, then what was configured for free lines and LEDs. Answers what
    /// could not be taken; the rest is.
    pub fn restore(&self, connections: &[(ConnRef, Target, Option<u8>)]) -> Vec<(ConnRef, Fault)> {
        let mut failed = Vec::new();
        for (connection, target, safe) in connections {
            if let Err(fault) = self.attach(connection, target, *safe) {
                self.wait_for(connection, target, *safe, &fault.message);
                let warning = format!("{} waits for its hardware: {}", connection.plug, fault.message);
                self.state().warnings.push(warning);
                failed.push((connection.clone(), fault));
            }
        }
        let mut state = self.state();
        self.refresh(&mut state);
        self.restore_lines(&mut state);
        state.restored = true;
        self.restore_leds(&mut state);
        drop(state);
        self.warn();
        failed
    }

    /// Takes the free lines that were configured and are there.
    pub(super) fn restore_lines(&self, state: &mut State) {
        for (name, setting) in self.store.world().lines.iter() {
            if wanted_direction(Some(setting), None).is_none() {
                continue;
            }
            let Some(at) = state.catalogue.find(name).map(|line| line.at.clone()) else {
                log::warn!(board_line = name.as_str(); "line {name:?} was configured, but this board has no such line");
                continue;
            };
            if !state.holds.contains_key(&at)
                && let Err(fault) = self.apply_setting(state, &at, setting)
            {
                log::error!("{fault}");
            }
        }
    }

    #[allow(clippy::too_many_arguments)] // One caller; the parts of one `Wanted`.
    fn attach_lines(
        &self,
        state: &mut State,
        connection: &ConnRef,
        target: &Target,
        lines: &[LineAddress],
        led: Option<String>,
        api: bool,
        safe: Option<u8>,
    ) -> Result<Attachment, Fault> {
        for (done, at) in lines.iter().enumerate() {
            if let Err(fault) = self.attach_line(state, connection, at, led.as_deref(), safe) {
                for at in &lines[..done] {
                    self.leave_line(state, at, &connection.plug);
                }
                return Err(fault);
            }
        }
        let grants = match (&led, api) {
            (Some(led), _) => vec![Grant::Led {
                name: led.clone(),
                path: None,
            }],
            (None, true) => vec![Grant::Api {
                lines: lines.iter().map(|at| state.catalogue.name_of(at)).collect(),
            }],
            (None, false) => lines
                .iter()
                .map(|at| Grant::Line {
                    name: state.catalogue.name_of(at),
                    chip: at.chip.clone(),
                    offset: at.offset,
                })
                .collect(),
        };
        Ok(Attachment {
            target: target.clone(),
            grants,
            lines: lines.to_vec(),
            led,
            kernel: None,
        })
    }

    /// Refuses a line that another slot has.
    pub(super) fn free_for(
        &self,
        state: &State,
        connection: &ConnRef,
        at: &LineAddress,
    ) -> Result<(), Fault> {
        let Some(hold) = state.holds.get(at) else {
            return Ok(());
        };
        match &hold.slot {
            Some(slot) if *slot != connection.slot => {
                let message = format!(
                    "line {:?} is connected through the slot {slot} (to {}) already: disconnect that before connecting {}",
                    state.catalogue.name_of(at),
                    hold.consumer(),
                    connection.slot
                );
                Err(Fault::new(ErrorKind::LineBusy, message).with(hold.consumer()))
            }
            _ => Ok(()),
        }
    }

    /// Takes one line for a connection, or shares it with the slot's other plugs.
    fn attach_line(
        &self,
        state: &mut State,
        connection: &ConnRef,
        at: &LineAddress,
        led: Option<&str>,
        safe: Option<u8>,
    ) -> Result<(), Fault> {
        self.free_for(state, connection, at)?;
        let setting = self.line_setting(&state.catalogue.name_of(at));
        let wanted = match led {
            Some(_) => Some(Direction::Output),
            None => wanted_direction(setting.as_deref(), safe),
        };
        let active_low = setting
            .as_ref()
            .and_then(|setting| setting.active_low)
            .unwrap_or(false);
        let value = setting
            .as_ref()
            .and_then(|setting| setting.safe_value)
            .or(safe)
            .unwrap_or(0);
        match state.holds.get_mut(at) {
            None => {
                let direction = wanted.unwrap_or(Direction::Input);
                self.hold_line(
                    state,
                    at,
                    direction,
                    active_low,
                    value,
                    &connection.plug.to_string(),
                )?;
            }
            Some(hold) if hold.slot.is_some() => {
                if !hold.plugs.contains(&connection.plug) {
                    hold.plugs.push(connection.plug.clone());
                }
                return Ok(());
            }
            Some(hold) => {
                // Ours until now. An output that is as it should be is kept as it is, since taking it anew would let it
                // float for a moment; an input is taken anew under its new user's name.
                let direction = wanted.unwrap_or(hold.direction);
                if direction != hold.direction
                    || active_low != hold.active_low
                    || direction == Direction::Input
                {
                    hold.plugs = vec![connection.plug.clone()];
                    if let Err(fault) = self.hold_again(state, at, direction, active_low, value) {
                        if let Some(hold) = state.holds.get_mut(at) {
                            hold.plugs.clear();
                        }
                        return Err(fault);
                    }
                }
            }
        }
        if let Some(hold) = state.holds.get_mut(at) {
            hold.plugs = vec![connection.plug.clone()];
            hold.slot = Some(connection.slot.clone());
            hold.safe = safe;
            hold.led = led.map(str::to_owned);
        }
        Ok(())
    }

    /// Takes a plug off a line. After the last one an output stays at its safe value; an input is let go unless it was
    /// configured as one.
    pub(super) fn leave_line(&self, state: &mut State, at: &LineAddress, plug: &PlugRef) {
        let setting = self.line_setting(&state.catalogue.name_of(at));
        let Some(hold) = state.holds.get_mut(at) else {
            return;
        };
        hold.plugs.retain(|known| known != plug);
        if !hold.plugs.is_empty() {
            return;
        }
        hold.slot = None;
        let keep = match (&hold.holder, hold.direction) {
            (Holder::Kernel(_) | Holder::Gone, _) => false,
            (Holder::Agent(_), Direction::Output) => true,
            (Holder::Agent(_), Direction::Input) => {
                setting.is_some_and(|setting| setting.direction.is_some())
            }
        };
        if keep {
            self.make_safe(state, at);
        } else {
            state.holds.remove(at);
        }
    }

    fn let_go(&self, state: &mut State, connection: &ConnRef) -> Result<Freed, Fault> {
        state.waiting.remove(connection);
        let Some(attachment) = state.attachments.get(connection) else {
            return Ok(Freed::Closed);
        };
        let last = !state
            .attachments
            .keys()
            .any(|other| other.slot == connection.slot && other != connection);
        if let Some(part) = &attachment.kernel {
            self.undo_kernel_part(part, last)
                .map_err(|error| Fault::new(ErrorKind::HardwareError, error.in_full()))?;
        }
        let Some(attachment) = state.attachments.remove(connection) else {
            return Ok(Freed::Closed);
        };
        let freed = match &attachment.kernel {
            Some(KernelPart::Chip { .. }) if !last => Freed::StillOpen,
            Some(KernelPart::Chip { id, .. }) => Freed::Deleted(id.clone()),
            _ => Freed::Closed,
        };
        for at in &attachment.lines {
            // Whoever sees the line's events until now sees its last one, too.
            self.leave_line(state, at, &connection.plug);
            self.tell_line_to(state, at, "disconnect", std::slice::from_ref(&connection.plug));
        }
        if let Some(led) = &attachment.led {
            if !state
                .attachments
                .values()
                .any(|other| other.led.as_ref() == Some(led))
            {
                self.calm_led(state, led);
            }
            self.tell_led(state, led, "disconnect");
        }
        Ok(freed)
    }
}
