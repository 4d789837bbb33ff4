//! Hardware that comes and goes (R15): what waits for it, and what is taken again when it is there.

use super::catalogue::{Catalogue, LedPlace};
use super::kernel::KernelPart;
use super::{Hardware, Holder, Scope, State};
use crate::domain::hardware::{LineAddress, Target};
use crate::domain::{ConnRef, Fault, work};
use crate::drivers::gpio::ChipInfo;
use crate::drivers::serial;
use crate::drivers::uevents::{Nodes, Uevents};
use std::path::Path;
use std::sync::Arc;

/// What a connection wants that is not there.
pub(super) struct Wish {
    target: Target,
    safe: Option<u8>,
    why: String,
}

/// A connection that waits for its hardware.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Waits {
    pub connection: ConnRef,
    /// What is missing, in a sentence.
    pub why: String,
}

impl Hardware {
    /// Brings names and holds up to date with the chips that are present.
    pub(super) fn refresh(&self, state: &mut State) {
        let Some(board) = &self.board else { return };
        let present = self.chips.list();
        if state.catalogue.chips == present && !state.catalogue.lines.is_empty() {
            return;
        }
        let before =
            std::mem::replace(&mut state.catalogue, Catalogue::new(board, &*self.chips, present)).chips;
        self.follow_chips(state, &before);
    }

    /// Looks whenever the kernel tells of a chip or an LED, or the node of a chip comes, goes or is given to somebody in
    /// the folder of devices: what went is told at once, and taken again when it is back. `then` is called after each
    /// look. Ends only when neither can be followed.
    pub async fn follow_devices(self: Arc<Self>, devices: &Path, then: Arc<dyn Fn() + Send + Sync>) {
        if let Err(error) = self.follow(devices, then).await {
            log::warn!("hardware that comes and goes is noticed with the next request only: {error}");
        }
    }

    async fn follow(
        self: Arc<Self>,
        devices: &Path,
        then: Arc<dyn Fn() + Send + Sync>,
    ) -> std::io::Result<()> {
        let nodes = Nodes::follow(devices)?;
        // Containers are told nothing; their nodes can be seen all the same.
        let uevents = Uevents::open();
        if let Err(error) = &uevents {
            log::info!("the kernel tells nothing of its devices: {error}");
        }
        let starts: Vec<&str> = serial::NODES.iter().copied().chain(["gpiochip"]).collect();
        loop {
            // The first look is for what came before anybody listened.
            let (hardware, then) = (Arc::clone(&self), Arc::clone(&then));
            work::blocking(move || {
                hardware.look_again();
                then();
            })
            .await?;
            match &uevents {
                Ok(uevents) => tokio::select! {
                    changed = nodes.changed(&starts) => changed?,
                    told = uevents.about(&["gpio", "leds", "tty"]) => told?,
                },
                Err(_) => nodes.changed(&starts).await?,
            }
        }
    }

    fn look_again(&self) {
        let mut state = self.state();
        self.refresh(&mut state);
        self.follow_leds(&mut state);
        drop(state);
        self.warn();
    }

    /// Raises what is to be warned of. Never with the state's lock: who writes the store may wait for that.
    pub(super) fn warn(&self) {
        let warnings = std::mem::take(&mut self.state().warnings);
        if warnings.is_empty() {
            return;
        }
        let raised = self
            .store
            .commit(move |tx| warnings.iter().try_for_each(|text| tx.add_warning(text)));
        if let Err(error) = raised {
            log::warn!("a warning could not be kept: {error}");
        }
    }

    /// Lets go of the lines of chips that went away, and takes them again when their chip is back: outputs at their safe
    /// values.
    fn follow_chips(&self, state: &mut State, before: &[ChipInfo]) {
        let chips = state.catalogue.chips.clone();
        let now = |key: &str| chips.iter().find(|chip| chip.key == key).map(|chip| chip.node);
        let went = |key: &str| {
            let then = before.iter().find(|chip| chip.key == key).map(|chip| chip.node);
            then.is_some() && then != now(key)
        };
        let mut gone = Vec::new();
        for (at, hold) in &mut state.holds {
            if went(&at.chip) {
                log::warn!(board_line:% = format_args!("{}:{}", at.chip, at.offset); "line {} of {} went away with its chip", at.offset, at.chip);
                hold.pulse = None;
                hold.holder = Holder::Gone;
                gone.push(at.clone());
            }
        }
        for at in &gone {
            self.tell_line(state, at, "gone");
        }
        self.end_kernel_parts(state, &gone);
        for chip in before.iter().filter(|chip| now(&chip.key).is_none()) {
            let wait: Vec<String> = state
                .attachments
                .iter()
                .filter(|(_, attachment)| attachment.lines.iter().any(|at| at.chip == chip.key))
                .map(|(connection, _)| connection.plug.to_string())
                .collect();
            if !wait.is_empty() {
                state.warnings.push(format!(
                    "the GPIO chip {:?} went away: {} wait until it is back",
                    chip.label,
                    wait.join(", ")
                ));
            }
        }
        let ours = |state: &State, at: &LineAddress| {
            let parts = state.attachments.iter();
            !parts
                .filter(|(connection, _)| state.waiting.contains_key(connection))
                .any(|(_, attachment)| attachment.lines.contains(at))
        };
        let back: Vec<LineAddress> = state
            .holds
            .iter()
            .filter(|(at, hold)| matches!(hold.holder, Holder::Gone) && now(&at.chip).is_some())
            .map(|(at, _)| at.clone())
            .collect();
        for at in back {
            let Some(hold) = state.holds.get(&at).filter(|_| ours(state, &at)) else {
                continue;
            };
            let (direction, active_low) = (hold.direction, hold.active_low);
            let value = self.safe_value(state, &at);
            if let Err(fault) = self.hold_again(state, &at, direction, active_low, value) {
                log::error!("{fault}");
            }
            self.tell_line(state, &at, "back");
        }
        if chips != before {
            self.take_what_waits(state);
            if state.restored {
                self.restore_lines(state);
            }
        }
    }

    /// Takes apart what the kernel made of lines that are gone: an app that has such a chip open is told by it. The
    /// connections wait.
    fn end_kernel_parts(&self, state: &mut State, gone: &[LineAddress]) {
        let mut over: Vec<(ConnRef, KernelPart)> = Vec::new();
        for (connection, attachment) in &mut state.attachments {
            if attachment.lines.iter().any(|at| gone.contains(at))
                && let Some(part) = attachment.kernel.take()
            {
                let wish = Wish {
                    target: attachment.target.clone(),
                    safe: None,
                    why: String::from("its chip went away"),
                };
                state.waiting.insert(connection.clone(), wish);
                over.push((connection.clone(), part));
            }
        }
        for (connection, part) in over {
            if let Err(error) = self.undo_kernel_part(&part, true) {
                log::warn!("{connection}: {}", error.in_full());
            }
        }
    }

    /// Remembers a connection whose hardware could not be had.
    pub fn wait_for(&self, connection: &ConnRef, target: &Target, safe: Option<u8>, why: &str) {
        let wish = Wish {
            target: target.clone(),
            safe,
            why: why.to_owned(),
        };
        self.state().waiting.insert(connection.clone(), wish);
    }

    /// Tries again for all that waits.
    fn take_what_waits(&self, state: &mut State) {
        if state.closed {
            return;
        }
        for (connection, mut wish) in std::mem::take(&mut state.waiting) {
            // What it had stays its own until it is had again.
            let old = state.attachments.remove(&connection);
            for at in old.iter().flat_map(|old| &old.lines) {
                self.leave_line(state, at, &connection.plug);
            }
            match self.take(state, &connection, &wish.target, wish.safe, "back") {
                Ok(_) => log::info!("{connection} has its hardware again"),
                Err(fault) => {
                    wish.why = fault.message;
                    state.waiting.insert(connection.clone(), wish);
                    state.attachments.extend(old.map(|old| (connection, old)));
                }
            }
        }
    }

    /// Sets up LEDs that came, and gives them to those who wait for them.
    pub(super) fn follow_leds(&self, state: &mut State) {
        let names = self.leds.names();
        let before = std::mem::replace(&mut state.leds, names);
        let came = |state: &State, name: &String| state.leds.contains(name) && !before.contains(name);
        if !state.leds.iter().any(|name| !before.contains(name)) {
            return;
        }
        self.take_what_waits(state);
        for led in self.named_leds() {
            if let LedPlace::Driver(driver) = &led.place
                && came(state, driver)
            {
                self.set_up_led(state, &led);
                self.tell_led(state, &led.name, "back");
            }
        }
    }

    /// The connections that wait, and for what.
    pub(super) fn waits(&self, state: &State, scope: &Scope) -> Vec<Waits> {
        let mut all: Vec<Waits> = state
            .waiting
            .iter()
            .map(|(connection, wish)| Waits {
                connection: connection.clone(),
                why: wish.why.clone(),
            })
            .collect();
        for (connection, attachment) in &state.attachments {
            if state.waiting.contains_key(connection) {
                continue;
            }
            let gone = |at: &&LineAddress| {
                let hold = state.holds.get(at);
                hold.is_none_or(|hold| matches!(hold.holder, Holder::Gone))
            };
            let why = match (attachment.lines.iter().find(gone), &attachment.led) {
                (Some(at), _) => format!("line {} of chip {:?} is not there", at.offset, at.chip),
                (None, Some(led)) => match self.find_led(state, led, &Scope::All) {
                    Ok(_) => continue,
                    Err(Fault { message, .. }) => message,
                },
                (None, None) => continue,
            };
            let connection = connection.clone();
            all.push(Waits { connection, why });
        }
        all.retain(|wait| match scope {
            Scope::All => true,
            Scope::Snap(snap) => wait.connection.plug.snap == *snap,
        });
        all
    }
}
