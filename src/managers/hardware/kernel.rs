//! What the kernel holds for a connection: exported lines, and chips made of some lines.

use super::{Attachment, Hardware, Hold, Holder, State, gpio_fault};
use crate::domain::hardware::{Direction, Grant, LineAddress, Target};
use crate::domain::{ConnRef, ErrorKind, Fault};
use crate::drivers::fs;
use crate::drivers::gpio::GpioError;
use crate::drivers::gpio::aggregator::{AggregatorError, Aggregators, Made, Way};
use std::path::{Path, PathBuf};

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

impl Hardware {
    /// Asks for the kernel's module where it may help; before the lock is taken, since that may last.
    pub(super) fn load_aggregator(&self) {
        let kernel = aggregators();
        if !self.is_simulated() && nix::unistd::geteuid().is_root() && kernel.way().is_none() {
            kernel.load();
        }
    }

    pub(super) fn attach_export(
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

    pub(super) fn attach_chip(
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
        node: &Path,
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
                        AggregatorError::File(error) => error.in_full(),
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
            let info = match self.chips.line(at) {
                Ok(info) => info,
                // The aggregator does without what we lack, and says by itself when a line is taken.
                Err(GpioError::NoAbi { .. }) => continue,
                Err(error) => return Err(gpio_fault(error)),
            };
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

    fn undo_chip(&self, state: &State, connection: &ConnRef, id: &str, node: &Path) {
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

    /// Takes apart what the kernel made; `last`: the slot has no other connection.
    pub(super) fn undo_kernel_part(&self, part: &KernelPart, last: bool) -> Result<(), fs::FileError> {
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
pub(super) fn aggregators() -> Aggregators {
    Aggregators::new("/sys", "/dev")
}
