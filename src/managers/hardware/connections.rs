//! What a connection takes and gives back (decision 7).

use super::catalogue::{LedPlace, NamedLed};
use super::lines::wanted_direction;
use super::{Attachment, Hardware, Hold, Holder, Scope, State, gpio_fault};
use crate::domain::hardware::{Direction, Grant, LineAddress, Target};
use crate::domain::{ConnRef, ErrorKind, Fault, PlugRef, SnapName};
use crate::drivers::fs;
use crate::drivers::gpio::aggregator::{Aggregators, Made, Way};
use std::path::PathBuf;

/// What the kernel made for a connection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum KernelPart {
    /// An exported line, by its global number. One that somebody else exported is not ours to take back.
    Export { number: u32, ours: bool },
    /// A chip of some lines: its id, its node, and the plug's link to that.
    Chip {
        id: String,
        node: PathBuf,
        link: PathBuf,
    },
}

/// What a target means on this board.
enum Wanted {
    /// Lines that the agent holds; `api` says that a chip of their own was asked for.
    Lines {
        lines: Vec<LineAddress>,
        led: Option<String>,
        api: bool,
    },
    /// An LED of the kernel or the simulator.
    Led(NamedLed),
    /// A line that the kernel exports.
    Export { at: LineAddress, number: u32 },
    /// A chip of some lines.
    Chip {
        way: Way,
        label: String,
        lines: Vec<LineAddress>,
    },
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
        let attachment = match self.resolve(&state, target)? {
            Wanted::Lines { lines, led, api } => {
                self.attach_lines(&mut state, connection, target, &lines, led, api, safe)?
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
            Wanted::Export { at, number } => {
                self.attach_export(&mut state, connection, target, at, number)?
            }
            Wanted::Chip { way, label, lines } => {
                self.attach_chip(&mut state, connection, target, way, &label, lines)?
            }
        };
        let (lines, led) = (attachment.lines.clone(), attachment.led.clone());
        state.attachments.insert(connection.clone(), attachment);
        for at in &lines {
            self.tell_line(&state, at, "connect");
        }
        if let Some(led) = led {
            self.tell_led(&state, &led, "connect");
        }
        let grants = state
            .attachments
            .get(connection)
            .map(|attachment| attachment.grants.clone());
        Ok(grants.unwrap_or_default())
    }

    /// Gives back what a connection has. The last plug of a slot leaves an output at its safe value, still held.
    /// Idempotent.
    pub fn detach(&self, connection: &ConnRef) -> Result<(), Fault> {
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
                failed.push((connection.clone(), fault));
            }
        }
        let mut state = self.state();
        self.refresh(&mut state);
        for (name, setting) in self.store.world().lines.iter() {
            if wanted_direction(Some(setting), None).is_none() {
                continue;
            }
            let Some(at) = state.catalogue.find(name).map(|line| line.at.clone()) else {
                log::warn!("line {name:?} was configured, but this board has no such line");
                continue;
            };
            if !state.holds.contains_key(&at)
                && let Err(fault) = self.apply_setting(&mut state, &at, setting)
            {
                log::error!("{fault}");
            }
        }
        self.restore_leds(&mut state);
        failed
    }

    fn resolve(&self, state: &State, target: &Target) -> Result<Wanted, Fault> {
        match target {
            Target::Number(number) => self.numbered(state, *number),
            Target::Line(at) => {
                self.chips.line(at).map_err(gpio_fault)?;
                self.line_or_export(at.clone())
            }
            Target::Led(name) => {
                let led = self.find_led(state, name, &Scope::All)?;
                Ok(Self::wanted_led(led))
            }
            Target::BoolFile(path) => self.bool_file(state, path),
            Target::Chip { labels, offsets } => self.some_lines(state, labels, offsets),
        }
    }

    fn wanted_led(led: NamedLed) -> Wanted {
        match led.place {
            LedPlace::Line(at) => Wanted::Lines {
                lines: vec![at],
                led: Some(led.name),
                api: false,
            },
            LedPlace::Driver(_) => Wanted::Led(led),
        }
    }

    fn line_or_export(&self, at: LineAddress) -> Result<Wanted, Fault> {
        if !self.chip_facts(&at.chip).is_some_and(|facts| facts.sysfs) {
            return Ok(Wanted::Lines {
                lines: vec![at],
                led: None,
                api: false,
            });
        }
        match self.sysfs.number(&at.chip, at.offset) {
            Some(number) => Ok(Wanted::Export { at, number }),
            None => {
                let message = format!(
                    "the board file says that lines of chip {:?} are exported in sysfs, but this kernel has no sysfs GPIO: set sysfs = false",
                    at.chip
                );
                Err(Fault::new(ErrorKind::HardwareUnsupported, message).with("sysfs"))
            }
        }
    }

    /// The line of a global number: by the kernel's table, else by the bases that the board file knows from older
    /// kernels, as gadgets still count.
    fn numbered(&self, state: &State, number: u32) -> Result<Wanted, Fault> {
        let by_file = || {
            let board = self.board.as_ref()?;
            let chip = board.chips.iter().find(|chip| {
                let range = chip.base.zip(chip.lines);
                range.is_some_and(|(base, lines)| number >= base && number - base < lines)
            })?;
            let present = state.catalogue.chips.iter().any(|known| known.key == chip.label);
            present.then(|| LineAddress {
                chip: chip.label.clone(),
                offset: number - chip.base.unwrap_or(0),
            })
        };
        match self.chips.by_number(number).or_else(by_file) {
            Some(at) => self.line_or_export(at),
            None => {
                let known: Vec<_> = self
                    .sysfs
                    .chips()
                    .iter()
                    .map(|chip| {
                        format!(
                            "{} has {} to {}",
                            chip.label,
                            chip.base,
                            chip.base + chip.lines.saturating_sub(1)
                        )
                    })
                    .collect();
                let known = if known.is_empty() {
                    String::from("this kernel numbers no lines: use a slot with chip and line")
                } else {
                    known.join(", ")
                };
                let message = format!("no GPIO chip of this board has the number {number}: {known}");
                Err(Fault::new(ErrorKind::LineNotFound, message))
            }
        }
    }

    fn bool_file(&self, state: &State, path: &str) -> Result<Wanted, Fault> {
        let bad = || {
            let message = format!(
                "{path:?} is neither the brightness of an LED nor the value of a GPIO line: see /v2/hardware for the LEDs"
            );
            Err(Fault::new(ErrorKind::LineNotFound, message))
        };
        if let Some(name) = path
            .strip_prefix("/sys/class/leds/")
            .and_then(|rest| rest.strip_suffix("/brightness"))
        {
            let led = self.find_led(state, name, &Scope::All).or_else(|fault| {
                // The board may call it otherwise.
                let known = self.named_leds().into_iter().find(|led| match &led.place {
                    LedPlace::Driver(driver) => driver == name,
                    LedPlace::Line(_) => false,
                });
                known.ok_or(fault)
            });
            // An LED that the board file does not name is there all the same.
            return match led {
                Ok(led) => Ok(Self::wanted_led(led)),
                Err(_) if self.leds.folder(name).is_some() => Ok(Wanted::Led(NamedLed {
                    name: name.to_owned(),
                    place: LedPlace::Driver(name.to_owned()),
                    aliases: Vec::new(),
                    trigger: None,
                })),
                Err(fault) => Err(fault),
            };
        }
        let number = path
            .strip_prefix("/sys/class/gpio/gpio")
            .and_then(|rest| rest.strip_suffix("/value"))
            .and_then(|number| number.parse::<u32>().ok());
        let Some(number) = number else { return bad() };
        let wanted = self.numbered(state, number)?;
        // Exported by somebody else: the file is there, the kernel is the holder.
        match wanted {
            Wanted::Lines { lines, .. } if !self.is_simulated() && self.sysfs.line_dir(number).exists() => {
                match lines.into_iter().next() {
                    Some(at) => Ok(Wanted::Export { at, number }),
                    None => bad(),
                }
            }
            wanted => Ok(wanted),
        }
    }

    /// The lines of the one chip among `labels` that is present.
    fn some_lines(&self, state: &State, labels: &[String], offsets: &[u32]) -> Result<Wanted, Fault> {
        let mut present = state
            .catalogue
            .chips
            .iter()
            .filter(|chip| labels.contains(&chip.label));
        let (Some(chip), None) = (present.next(), present.next()) else {
            let message = format!(
                "exactly one chip of the labels {} must be present on this board; there are {}",
                labels.join(", "),
                state
                    .catalogue
                    .chips
                    .iter()
                    .filter(|chip| labels.contains(&chip.label))
                    .count(),
            );
            return Err(Fault::new(ErrorKind::LineNotFound, message));
        };
        if let Some(offset) = offsets.iter().find(|offset| **offset >= chip.lines) {
            let message = format!(
                "chip {:?} has the lines 0 to {}, not {offset}: mend the slot's lines",
                chip.label,
                chip.lines.saturating_sub(1)
            );
            return Err(Fault::new(ErrorKind::LineNotFound, message));
        }
        let lines: Vec<LineAddress> = offsets
            .iter()
            .map(|offset| LineAddress {
                chip: chip.key.clone(),
                offset: *offset,
            })
            .collect();
        let way = self.aggregator_way();
        Ok(match way {
            Some(way) => Wanted::Chip {
                way,
                label: chip.label.clone(),
                lines,
            },
            None => Wanted::Lines {
                lines,
                led: None,
                api: true,
            },
        })
    }

    /// How chips can be made: not on the simulator, and only by root.
    fn aggregator_way(&self) -> Option<Way> {
        if self.is_simulated() || !nix::unistd::geteuid().is_root() {
            return None;
        }
        aggregators().way()
    }

    /// Asks for the kernel's module where it may help; before the lock is taken, since that may last.
    fn load_aggregator(&self) {
        let kernel = aggregators();
        if !self.is_simulated() && nix::unistd::geteuid().is_root() && kernel.way().is_none() {
            kernel.load();
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
    fn free_for(&self, state: &State, connection: &ConnRef, at: &LineAddress) -> Result<(), Fault> {
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
    fn leave_line(&self, state: &mut State, at: &LineAddress, plug: &PlugRef) {
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
            (Holder::Kernel(_), _) => false,
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

    fn attach_export(
        &self,
        state: &mut State,
        connection: &ConnRef,
        target: &Target,
        at: LineAddress,
        number: u32,
    ) -> Result<Attachment, Fault> {
        self.free_for(state, connection, &at)?;
        let ours = self.chip_facts(&at.chip).is_some_and(|facts| facts.sysfs);
        let dir = self.sysfs.export(number).map_err(|error| {
            Fault::new(
                ErrorKind::HardwareError,
                format!("line {number} could not be exported: {}", error.in_full()),
            )
        })?;
        self.kernel_hold(state, connection, &at, String::from("sysfs"));
        Ok(Attachment {
            target: target.clone(),
            grants: vec![Grant::Sysfs {
                name: state.catalogue.name_of(&at),
                path: dir.display().to_string(),
            }],
            lines: vec![at],
            led: None,
            kernel: Some(KernelPart::Export { number, ours }),
        })
    }

    /// Remembers that the kernel has a line for a connection.
    fn kernel_hold(&self, state: &mut State, connection: &ConnRef, at: &LineAddress, by: String) {
        let direction = self
            .chips
            .line(at)
            .map_or(Direction::Input, |info| info.direction);
        let hold = state.holds.entry(at.clone()).or_insert_with(|| Hold {
            holder: Holder::Kernel(by),
            direction,
            active_low: false,
            safe: None,
            slot: Some(connection.slot.clone()),
            plugs: Vec::new(),
            led: None,
            pulse: None,
        });
        if !hold.plugs.contains(&connection.plug) {
            hold.plugs.push(connection.plug.clone());
        }
    }

    fn attach_chip(
        &self,
        state: &mut State,
        connection: &ConnRef,
        target: &Target,
        way: Way,
        label: &str,
        lines: Vec<LineAddress>,
    ) -> Result<Attachment, Fault> {
        for at in &lines {
            self.free_for(state, connection, at)?;
        }
        let folder = self.dirs.snap_devices().join("gpio-chardev");
        let (slot, plug) = (&connection.slot, &connection.plug);
        let node = folder.join(slot.snap.as_str()).join(&slot.name);
        let link = folder.join(plug.snap.as_str()).join(&plug.name);
        let shared = state
            .attachments
            .iter()
            .find_map(|(other, attachment)| match &attachment.kernel {
                Some(KernelPart::Chip { id, .. }) if other.slot == *slot => Some(id.clone()),
                _ => None,
            });
        let id = match shared {
            Some(id) => id,
            None => self.make_chip(state, connection, way, label, &lines, &node)?,
        };
        let failed = |error: &fs::FileError| Fault::new(ErrorKind::HardwareError, error.in_full());
        let linked = link
            .parent()
            .map_or(Ok(()), |dir| fs::make_dir(dir, 0o755))
            .and_then(|()| fs::link_atomic(&node, &link));
        if let Err(error) = linked {
            self.undo_chip(state, connection, &id, &node);
            return Err(failed(&error));
        }
        for at in &lines {
            self.kernel_hold(state, connection, at, String::from("gpio-aggregator"));
        }
        Ok(Attachment {
            target: target.clone(),
            grants: vec![Grant::Chip {
                path: link.display().to_string(),
                aggregator: id.clone(),
                lines: lines.iter().map(|at| at.offset).collect(),
            }],
            lines,
            led: None,
            kernel: Some(KernelPart::Chip { id, node, link }),
        })
    }

    fn make_chip(
        &self,
        state: &mut State,
        connection: &ConnRef,
        way: Way,
        label: &str,
        lines: &[LineAddress],
        node: &std::path::Path,
    ) -> Result<String, Fault> {
        let kernel = aggregators();
        let offsets: Vec<u32> = lines.iter().map(|at| at.offset).collect();
        let made = match self.left_over(&kernel, way, lines) {
            Some(made) => made,
            None => {
                // Lines that we kept at their safe values have to be free for the aggregator.
                for at in lines {
                    if state.holds.get(at).is_some_and(|hold| hold.slot.is_none()) {
                        state.holds.remove(at);
                    }
                }
                self.all_free(state, lines)?;
                let group = format!("snap.{}.{}", connection.slot.snap, connection.slot.name);
                kernel.create(way, &group, label, &offsets).map_err(|error| {
                    let cause = match &error {
                        crate::drivers::gpio::aggregator::AggregatorError::File(error) => error.in_full(),
                        other => other.to_string(),
                    };
                    Fault::new(
                        ErrorKind::HardwareError,
                        format!("the kernel made no chip for slot {}: {cause}", connection.slot),
                    )
                })?
            }
        };
        if let Err(error) = kernel.make_node(&made.chip, node) {
            self.undo_chip(state, connection, &made.id, node);
            return Err(Fault::new(ErrorKind::HardwareError, error.in_full()));
        }
        Ok(made.id)
    }

    /// The kernel takes a line from nobody: tells who has one before it is asked.
    fn all_free(&self, state: &State, lines: &[LineAddress]) -> Result<(), Fault> {
        for at in lines {
            let info = self.chips.line(at).map_err(gpio_fault)?;
            if info.used
                && !info
                    .consumer
                    .as_deref()
                    .is_some_and(|consumer| consumer.starts_with("gpio-aggregator"))
            {
                let consumer = info.consumer.unwrap_or_else(|| String::from("somebody unnamed"));
                let message = format!(
                    "line {:?} is held by {consumer:?}: end that use first",
                    state.catalogue.name_of(at)
                );
                return Err(Fault::new(ErrorKind::LineBusy, message).with(consumer));
            }
        }
        Ok(())
    }

    /// The chip that an agent before us made of exactly these lines: they all say one aggregator as their consumer.
    fn left_over(&self, kernel: &Aggregators, way: Way, lines: &[LineAddress]) -> Option<Made> {
        if way == Way::Configfs {
            return None; // Found by its name, and replaced.
        }
        let mut consumers = lines.iter().map(|at| self.chips.line(at).ok()?.consumer);
        let first = consumers.next()??;
        consumers
            .all(|other| other.as_deref() == Some(&first))
            .then(|| kernel.adopt(&first))?
    }

    fn undo_chip(&self, state: &State, connection: &ConnRef, id: &str, node: &std::path::Path) {
        let in_use = state
            .attachments
            .iter()
            .any(|(other, attachment)| other.slot == connection.slot && attachment.kernel.is_some());
        if in_use {
            return;
        }
        for error in [fs::remove_file(node), aggregators().delete(id)]
            .into_iter()
            .filter_map(Result::err)
        {
            log::warn!("{}", error.in_full());
        }
    }

    fn let_go(&self, state: &mut State, connection: &ConnRef) -> Result<(), Fault> {
        let Some(attachment) = state.attachments.get(connection) else {
            return Ok(());
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
            return Ok(());
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
        Ok(())
    }

    fn undo_kernel_part(&self, part: &KernelPart, last: bool) -> Result<(), fs::FileError> {
        match part {
            KernelPart::Export { number, ours: true } if last => self.sysfs.unexport(*number),
            KernelPart::Export { .. } => Ok(()),
            KernelPart::Chip { id, node, link } => {
                fs::remove_file(link)?;
                if !last {
                    return Ok(());
                }
                fs::remove_file(node)?;
                for dir in [link, node].into_iter().filter_map(|path| path.parent()) {
                    fs::remove_empty_dir(dir);
                }
                aggregators().delete(id)
            }
        }
    }
}

/// The kernel's aggregator is where the kernel puts it, whatever the agent's root is.
fn aggregators() -> Aggregators {
    Aggregators::new("/sys", "/dev")
}
