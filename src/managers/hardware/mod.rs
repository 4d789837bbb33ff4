//! The board: lines, LEDs, chips, who holds what, safe values, edge events (decisions 6 to 12).

mod catalogue;
mod connections;
mod kernel;
mod leds;
mod lines;
mod plugged;
mod targets;
mod view;
mod waiting;

#[cfg(all(test, feature = "sim"))]
mod tests;

pub use crate::config::board::{Header, Unverified};
pub use connections::Freed;
pub use leds::{LedConfig, MAX_BLINK_MS};
pub use lines::{LineConfig, MAX_PULSE_MS};
pub use view::{BoardView, ChipView, HardwareView, LedView, LineView};
pub use waiting::Waits;

use crate::config::board::{self, Board, ChoiceError, Driver};
use crate::domain::hardware::{Direction, Grant, LineAddress, Target};
use crate::domain::record::{LedSetting, LineSetting};
use crate::domain::requester::Transport;
use crate::domain::{ConnRef, Dirs, ErrorKind, Fault, PlugRef, Requester, SlotRef, SnapName};
use crate::drivers::clock::Clock;
use crate::drivers::gpio::cdev::Cdev;
use crate::drivers::gpio::numbers::SysfsGpio;
use crate::drivers::gpio::{Chips, GpioError, Held};
use crate::drivers::leds::class::ClassLeds;
use crate::drivers::leds::{LedError, Leds};
use crate::events::{Audience, Bus};
use crate::store::Store;
pub use catalogue::settle;
use catalogue::{Catalogue, NamedLed};
use serde_json::json;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use tokio::runtime::Handle;
use tokio::task::AbortHandle;

/// The name under which the agent holds what nobody is connected to.
const OWN: &str = "pinion";

/// The hardware of this device.
pub struct Hardware {
    board: Option<Board>,
    chips: Arc<dyn Chips>,
    leds: Arc<dyn Leds>,
    sysfs: SysfsGpio,
    dirs: Dirs,
    store: Arc<Store>,
    bus: Arc<Bus>,
    runtime: Handle,
    state: Mutex<State>,
    me: Weak<Self>,
}

/// Everything that changes.
#[derive(Default)]
struct State {
    catalogue: Catalogue,
    holds: BTreeMap<LineAddress, Hold>,
    attachments: BTreeMap<ConnRef, Attachment>,
    /// Connections whose hardware could not be had, and why; it is taken once it is there.
    waiting: BTreeMap<ConnRef, waiting::Wish>,
    /// What was configured has been taken once; from then on it is taken as soon as it is there.
    restored: bool,
    /// The LEDs of the driver as of the last look.
    leds: Vec<String>,
    /// What is to be warned of, once nobody waits for this state.
    warnings: Vec<String>,
    /// LEDs that the agent blinks, or whose trigger it plays.
    shows: BTreeMap<String, leds::Show>,
    /// Numbers timers, so that one that was replaced while it waited for the lock does nothing.
    turns: u64,
    /// Everything has been let go; nothing is taken any more.
    closed: bool,
}

/// One line that the agent holds or knows to be held for a connection.
struct Hold {
    holder: Holder,
    direction: Direction,
    active_low: bool,
    /// The logical safe value that the slot says; the setting goes before it.
    safe: Option<u8>,
    slot: Option<SlotRef>,
    plugs: Vec<PlugRef>,
    /// The LED that it lights.
    led: Option<String>,
    pulse: Option<Timer>,
}

/// Who has the line's descriptor.
enum Holder {
    /// The agent.
    Agent(Box<dyn Held>),
    /// The kernel: an export or an aggregator, named.
    Kernel(String),
    /// Nobody: the chip went away. It is taken again when the chip is back.
    Gone,
}

/// A task that acts once its time has come, unless its turn is over.
struct Timer {
    turn: u64,
    task: AbortHandle,
}

impl Drop for Timer {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// What one connection has.
struct Attachment {
    target: Target,
    grants: Vec<Grant>,
    lines: Vec<LineAddress>,
    led: Option<String>,
    kernel: Option<kernel::KernelPart>,
}

impl Hold {
    /// The level, where the agent can read it.
    fn level(&self) -> Option<u8> {
        match &self.holder {
            Holder::Agent(held) => held.get().ok(),
            Holder::Kernel(_) | Holder::Gone => None,
        }
    }

    /// The agent decides its level.
    fn is_driven(&self) -> bool {
        matches!(self.holder, Holder::Agent(_)) && self.direction == Direction::Output
    }

    fn consumer(&self) -> String {
        if self.plugs.is_empty() {
            return match (&self.led, &self.holder) {
                (Some(led), _) => format!("LED {led}"),
                (None, Holder::Kernel(consumer)) => consumer.clone(),
                (None, Holder::Agent(_) | Holder::Gone) => String::from(OWN),
            };
        }
        let names: Vec<_> = self.plugs.iter().map(ToString::to_string).collect();
        names.join(", ")
    }
}

/// How far a requester sees.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Scope {
    All,
    /// What this snap's plugs are connected to.
    Snap(SnapName),
}

impl Scope {
    fn of(who: &Requester) -> Result<Self, Fault> {
        match (who.transport, &who.snap) {
            (Transport::MainSocket | Transport::Tls, _) => Ok(Self::All),
            (Transport::SnapSocket, Some(snap)) => Ok(Self::Snap(snap.clone())),
            (Transport::SnapSocket, None) => Err(Fault::new(
                ErrorKind::Forbidden,
                "only a snap may use hardware here: call from an app of a snap, or use the main socket",
            )),
        }
    }

    fn sees_line(&self, state: &State, at: &LineAddress) -> bool {
        match self {
            Self::All => true,
            Self::Snap(snap) => {
                let hold = state.holds.get(at);
                hold.is_some_and(|hold| hold.plugs.iter().any(|plug| plug.snap == *snap))
            }
        }
    }

    fn sees_led(&self, state: &State, led: &str) -> bool {
        match self {
            Self::All => true,
            Self::Snap(snap) => state.attachments.iter().any(|(connection, attachment)| {
                connection.plug.snap == *snap && attachment.led.as_deref() == Some(led)
            }),
        }
    }
}

/// The board that this device is (decision 6); `asked` is what `--board` said.
pub fn choose_board(asked: Option<&str>) -> Result<Option<Board>, ChoiceError> {
    let device_tree = std::fs::read("/proc/device-tree/compatible").unwrap_or_default();
    let has_chip = std::fs::read_dir("/dev").is_ok_and(|entries| {
        entries
            .filter_map(Result::ok)
            .any(|entry| entry.file_name().to_string_lossy().starts_with("gpiochip"))
    });
    board::choose(asked, &device_tree, has_chip)
}

impl Hardware {
    /// The hardware of `board` with the drivers that it asks for. Touches nothing before [`Hardware::restore`].
    pub fn open(
        board: Option<Board>,
        dirs: &Dirs,
        store: Arc<Store>,
        bus: Arc<Bus>,
        clock: &Clock,
        runtime: Handle,
    ) -> Arc<Self> {
        let sysfs = SysfsGpio::new("/sys/class/gpio");
        let (chips, leds): (Arc<dyn Chips>, Arc<dyn Leds>) = match &board {
            #[cfg(feature = "sim")]
            Some(board) if board.driver == Driver::Simulator => simulate(board, clock),
            _ => (
                Arc::new(Cdev::new("/dev", sysfs.clone(), clock.clone(), runtime.clone())),
                Arc::new(ClassLeds::new("/sys/class/leds")),
            ),
        };
        Self::with_drivers(board, chips, leds, sysfs, dirs, store, bus, runtime)
    }

    #[allow(clippy::too_many_arguments)] // Built in two places: `open`, and tests with drivers of their own.
    fn with_drivers(
        board: Option<Board>,
        chips: Arc<dyn Chips>,
        leds: Arc<dyn Leds>,
        sysfs: SysfsGpio,
        dirs: &Dirs,
        store: Arc<Store>,
        bus: Arc<Bus>,
        runtime: Handle,
    ) -> Arc<Self> {
        let board = board.map(|board| settle(board, &*chips));
        Arc::new_cyclic(|me| Self {
            board,
            chips,
            leds,
            sysfs,
            dirs: dirs.clone(),
            store,
            bus,
            runtime,
            state: Mutex::default(),
            me: me.clone(),
        })
    }

    /// Nothing of the board is real.
    pub fn is_simulated(&self) -> bool {
        self.board
            .as_ref()
            .is_some_and(|board| board.driver == Driver::Simulator)
    }

    /// The name of the board, where there is one.
    pub fn board_name(&self) -> Option<&str> {
        self.board.as_ref().map(|board| board.name.as_str())
    }

    /// Gives an input of the simulated board a physical level.
    pub fn sim_drive(&self, name: &str, value: u8) -> Result<LineView, Fault> {
        let at = {
            let mut state = self.state();
            let at = self.address(&mut state, name, &Scope::All)?;
            if let Some(hold) = state.holds.get(&at)
                && hold.direction == Direction::Output
            {
                return Err(Fault::new(
                    ErrorKind::LineDirection,
                    format!(
                        "line {name:?} is an output of {}: only inputs can be driven from outside",
                        hold.consumer()
                    ),
                ));
            }
            at
        };
        // Without our lock: the driver tells the edge, whose sink takes it.
        match self.chips.drive(&at, value) {
            Some(result) => result.map_err(gpio_fault)?,
            None => {
                return Err(Fault::new(
                    ErrorKind::HardwareUnsupported,
                    "only the simulated board's lines can be driven: start the daemon with --board sim",
                )
                .with("drive"));
            }
        }
        Ok(self.line_view(&self.state(), &at))
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn chip_facts(&self, label: &str) -> Option<&board::Chip> {
        self.board.as_ref()?.chips.iter().find(|chip| chip.label == label)
    }

    fn named_leds(&self) -> Vec<NamedLed> {
        self.board
            .as_ref()
            .map(|board| catalogue::leds(board, &*self.leds))
            .unwrap_or_default()
    }

    fn line_setting(&self, name: &str) -> Option<Arc<LineSetting>> {
        self.store.world().lines.get(name).cloned()
    }

    fn led_setting(&self, name: &str) -> Option<Arc<LedSetting>> {
        self.store.world().leds.get(name).cloned()
    }

    /// The line that a requester means: a snap may say its plug's name, and means only what it is connected to.
    fn address(&self, state: &mut State, name: &str, scope: &Scope) -> Result<LineAddress, Fault> {
        self.refresh(state);
        let not_found = |why: String| Err(Fault::new(ErrorKind::LineNotFound, why));
        if let Scope::Snap(snap) = scope
            && let Some((_, attachment)) = state
                .attachments
                .iter()
                .find(|(connection, _)| connection.plug.snap == *snap && connection.plug.name == name)
        {
            return match attachment.lines.as_slice() {
                [at] => Ok(at.clone()),
                [] => not_found(format!("plug {name:?} is not connected to a line")),
                _ => not_found(format!("plug {name:?} has several lines: say which by its name")),
            };
        }
        let unnamed = |state: &State| {
            let mut held = state.holds.keys();
            held.find(|at| state.catalogue.name_of(at) == name).cloned()
        };
        match state
            .catalogue
            .find(name)
            .map(|line| line.at.clone())
            .or_else(|| unnamed(state))
        {
            Some(at) if scope.sees_line(state, &at) => Ok(at),
            Some(_) => not_found(format!(
                "no plug of this snap is connected to line {name:?}: connect one first"
            )),
            None if self.board.is_none() => not_found(String::from(
                "this device has no board with lines: start the daemon with --board NAME",
            )),
            None => not_found(format!(
                "there is no line {name:?} on this board: /v2/hardware lists them"
            )),
        }
    }

    /// The LED that a requester means.
    fn find_led(&self, state: &State, name: &str, scope: &Scope) -> Result<NamedLed, Fault> {
        let own = match scope {
            Scope::All => None,
            Scope::Snap(snap) => state
                .attachments
                .iter()
                .find(|(connection, _)| connection.plug.snap == *snap && connection.plug.name == name)
                .and_then(|(_, attachment)| attachment.led.clone()),
        };
        let wanted = own.as_deref().unwrap_or(name);
        let leds = self.named_leds();
        let found = leds.iter().find(|led| led.name == wanted).or_else(|| {
            leds.iter()
                .find(|led| led.aliases.iter().any(|alias| alias == wanted))
        });
        match found {
            Some(led) if scope.sees_led(state, &led.name) => Ok(led.clone()),
            Some(_) => Err(Fault::new(
                ErrorKind::LineNotFound,
                format!("no plug of this snap is connected to the LED {name:?}: connect one first"),
            )),
            None => Err(Fault::new(
                ErrorKind::LineNotFound,
                format!("there is no LED {name:?} on this board: /v2/hardware lists them"),
            )),
        }
    }

    /// Tells the bus what a line has become.
    fn tell_line(&self, state: &State, at: &LineAddress, cause: &str) {
        self.tell_line_to(state, at, cause, &[]);
    }

    /// The same, and to plugs that have it no longer.
    fn tell_line_to(&self, state: &State, at: &LineAddress, cause: &str, former: &[PlugRef]) {
        let hold = state.holds.get(at);
        let plugs = hold.map(|hold| hold.plugs.as_slice()).unwrap_or_default();
        let plug = plugs.first();
        let slot = hold.and_then(|hold| hold.slot.as_ref());
        let data = json!({
            "line": state.catalogue.name_of(at),
            "cause": cause,
            "direction": hold.map(|hold| direction_word(hold.direction)),
            "consumer": hold.map(Hold::consumer),
            "value": hold.and_then(Hold::level),
            "plug": plug.map(|plug| json!({ "snap": plug.snap.as_str(), "plug": plug.name })),
            "slot": slot.map(|slot| json!({ "snap": slot.snap.as_str(), "slot": slot.name })),
        });
        let audience = plugs.iter().chain(former).cloned().collect();
        self.bus.publish("hardware.line", Audience::plugs(audience), data);
    }
}

#[cfg(feature = "sim")]
fn simulate(board: &Board, clock: &Clock) -> (Arc<dyn Chips>, Arc<dyn Leds>) {
    use crate::config::board::LedKind;
    use crate::drivers::gpio::sim::SimChips;
    use crate::drivers::leds::sim::SimLeds;
    let (label, lines) = match board.chips.first() {
        Some(chip) => (chip.label.as_str(), chip.lines.unwrap_or(54)),
        None => ("pinctrl-sim", 0),
    };
    let class_like = board.leds.iter().filter(|led| led.kind == LedKind::Sim);
    (
        Arc::new(SimChips::new(label, lines, clock.clone())),
        Arc::new(SimLeds::new(class_like.map(|led| led.name.as_str()))),
    )
}

/// The word for a direction in events.
fn direction_word(direction: Direction) -> &'static str {
    match direction {
        Direction::Input => "input",
        Direction::Output => "output",
    }
}

/// What a requester is told of a line driver's error.
fn gpio_fault(error: GpioError) -> Fault {
    let message = error.to_string();
    match error {
        GpioError::NoChip { .. } | GpioError::NoLine { .. } => Fault::new(ErrorKind::LineNotFound, message),
        GpioError::Busy { consumer, .. } => {
            Fault::new(ErrorKind::LineBusy, format!("{message}: end that use first")).with(consumer)
        }
        GpioError::NotOutput { .. } => Fault::new(
            ErrorKind::LineDirection,
            format!("{message}: configure its direction as output first"),
        ),
        GpioError::NoAbi { .. } => Fault::new(ErrorKind::HardwareUnsupported, message).with("gpio-cdev-v1"),
        GpioError::Io { source, .. } => Fault::new(ErrorKind::HardwareError, format!("{message}: {source}")),
    }
}

/// What a requester is told of an LED driver's error.
fn led_fault(error: LedError) -> Fault {
    match error {
        LedError::NotFound { .. } => Fault::new(ErrorKind::LineNotFound, error.to_string()),
        LedError::NoTrigger { trigger, .. } => {
            let message =
                format!("there is no trigger {trigger:?} for this LED: its view lists those that it has");
            Fault::new(ErrorKind::HardwareUnsupported, message).with(trigger)
        }
        LedError::File(error) => Fault::new(ErrorKind::HardwareError, error.in_full()),
    }
}
