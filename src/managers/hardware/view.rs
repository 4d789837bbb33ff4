//! What a reader is shown. Reading has no side effects: a line that the agent does not hold has no `value`
//! (decision 9).

use super::waiting::Waits;
use super::{Hardware, Hold, Holder, Scope, State, catalogue::LedPlace, catalogue::NamedLed};
use super::{Header, Unverified};
use crate::config::board::Board;
use crate::domain::hardware::{Direction, LineAddress, OnRelease};
use crate::domain::{Fault, PlugRef, Requester, SlotRef};
use crate::drivers::gpio::ChipInfo;

/// The board and all that is on it, as far as the reader may see it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct HardwareView {
    pub board: Option<BoardView>,
    pub chips: Vec<ChipView>,
    pub lines: Vec<LineView>,
    pub leds: Vec<LedView>,
}

/// Which board it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BoardView {
    pub name: String,
    pub model: String,
    /// Nothing of it is real.
    pub simulated: bool,
    /// The headers that lines are brought out on.
    pub headers: Vec<Header>,
    /// What of the board file no device tree shows.
    pub unverified: Vec<Unverified>,
    /// Chips of the board file that are not there.
    pub missing: Vec<String>,
    /// Connections whose hardware is not there.
    pub waiting: Vec<Waits>,
}

/// One GPIO chip.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ChipView {
    pub name: String,
    pub label: String,
    pub lines: u32,
    pub capabilities: &'static [&'static str],
    pub on_release: OnRelease,
}

/// One line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LineView {
    pub name: String,
    pub chip: String,
    pub offset: u32,
    pub header_pin: Option<u16>,
    /// The name of the header of that pin, where there are several.
    pub header: Option<String>,
    pub aliases: Vec<String>,
    pub function: Option<String>,
    /// Absent where the chip is.
    pub direction: Option<Direction>,
    /// The logical level, where the agent holds the line.
    pub value: Option<u8>,
    pub active_low: bool,
    pub consumer: Option<String>,
    /// The first of the plugs that it is connected to.
    pub plug: Option<PlugRef>,
    /// All of them.
    pub plugs: Vec<PlugRef>,
    pub slot: Option<SlotRef>,
    pub safe_value: Option<u8>,
    /// Its edges are reported.
    pub edges: bool,
}

/// One LED.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LedView {
    pub name: String,
    pub aliases: Vec<String>,
    pub brightness: u32,
    pub max_brightness: u32,
    pub trigger: String,
    pub triggers: Vec<String>,
    /// Milliseconds on and off, while the agent blinks it.
    pub blink: Option<(u32, u32)>,
    /// Its sysfs folder.
    pub path: Option<String>,
    /// The line that lights it.
    pub line: Option<String>,
    pub plugs: Vec<PlugRef>,
    pub slot: Option<SlotRef>,
}

impl Hardware {
    /// What the requester may see.
    ///
    /// # Errors
    /// `Forbidden` for a process on the snap socket that did not prove to be a snap.
    pub fn view(&self, who: &Requester) -> Result<HardwareView, Fault> {
        let scope = Scope::of(who)?;
        let mut state = self.state();
        let Some(board) = &self.board else {
            return Ok(HardwareView::default());
        };
        self.refresh(&mut state);
        let lines: Vec<LineView> = self
            .addresses(&state)
            .iter()
            .filter(|at| scope.sees_line(&state, at))
            .map(|at| self.line_view(&state, at))
            .collect();
        let leds = self
            .named_leds()
            .iter()
            .filter(|led| scope.sees_led(&state, &led.name))
            .filter_map(|led| self.led_view(&state, led).ok())
            .collect();
        let chips = state
            .catalogue
            .chips
            .iter()
            .filter(|chip| scope == Scope::All || lines.iter().any(|line| line.chip == chip.key))
            .map(|chip| self.chip_view(chip))
            .collect();
        Ok(HardwareView {
            board: Some(BoardView {
                name: board.name.clone(),
                model: board.model.clone(),
                simulated: self.is_simulated(),
                headers: board.headers.clone(),
                unverified: board.unverified.clone(),
                missing: missing(board, &state.catalogue.chips),
                waiting: self.waits(&state, &scope),
            }),
            chips,
            lines,
            leds,
        })
    }

    /// The named lines, and those held ones that have no name.
    fn addresses(&self, state: &State) -> Vec<LineAddress> {
        let unnamed = state.holds.keys().filter(|at| state.catalogue.at(at).is_none());
        state
            .catalogue
            .lines
            .iter()
            .map(|line| &line.at)
            .chain(unnamed)
            .cloned()
            .collect()
    }

    fn chip_view(&self, chip: &ChipInfo) -> ChipView {
        ChipView {
            name: chip.name.clone(),
            label: chip.label.clone(),
            lines: chip.lines,
            capabilities: chip.capabilities,
            on_release: self
                .chip_facts(&chip.key)
                .map(|facts| facts.on_release)
                .unwrap_or_default(),
        }
    }

    pub(super) fn line_view(&self, state: &State, at: &LineAddress) -> LineView {
        let named = state.catalogue.at(at);
        let name = state.catalogue.name_of(at);
        let hold = state.holds.get(at);
        let info = self.chips.line(at).ok();
        let setting = self.line_setting(&name);
        let (direction, active_low) = match hold {
            Some(hold) if matches!(hold.holder, Holder::Agent(_)) => (Some(hold.direction), hold.active_low),
            _ => (
                info.as_ref().map(|info| info.direction),
                info.as_ref().is_some_and(|info| info.active_low),
            ),
        };
        let plugs = hold.map(|hold| hold.plugs.clone()).unwrap_or_default();
        LineView {
            chip: at.chip.clone(),
            offset: at.offset,
            header_pin: named.and_then(|line| line.header_pin),
            header: named
                .filter(|line| !line.header.is_empty())
                .map(|line| line.header.clone()),
            aliases: named.map(|line| line.aliases.clone()).unwrap_or_default(),
            function: named.and_then(|line| line.function.clone()),
            direction,
            value: hold.and_then(Hold::level),
            active_low,
            consumer: hold
                .map(Hold::consumer)
                .or_else(|| info.filter(|info| info.used).and_then(|info| info.consumer)),
            plug: plugs.first().cloned(),
            plugs,
            slot: hold.and_then(|hold| hold.slot.clone()),
            safe_value: setting
                .as_ref()
                .and_then(|setting| setting.safe_value)
                .or_else(|| hold.and_then(|hold| hold.safe))
                // An output of ours goes to 0 when nobody says anything else.
                .or_else(|| hold.is_some_and(Hold::is_driven).then_some(0)),
            edges: hold.is_some_and(|hold| matches!(&hold.holder, Holder::Agent(held) if held.has_edges())),
            name,
        }
    }

    pub(super) fn led_view(&self, state: &State, led: &NamedLed) -> Result<LedView, Fault> {
        let now = self.led_state(state, led)?;
        let (path, line) = match &led.place {
            LedPlace::Driver(name) => (self.leds.folder(name), None),
            LedPlace::Line(at) => (None, Some(state.catalogue.name_of(at))),
        };
        let mut plugs = Vec::new();
        let mut slot = None;
        for (connection, attachment) in &state.attachments {
            if attachment.led.as_deref() == Some(led.name.as_str()) {
                plugs.push(connection.plug.clone());
                slot = Some(connection.slot.clone());
            }
        }
        Ok(LedView {
            name: led.name.clone(),
            aliases: led.aliases.clone(),
            brightness: now.brightness,
            max_brightness: now.max_brightness,
            trigger: now.trigger,
            triggers: now.triggers,
            blink: state.shows.get(&led.name).and_then(|show| show.blink),
            path,
            line,
            plugs,
            slot,
        })
    }
}

/// The chips of the board file that are not there.
fn missing(board: &Board, present: &[ChipInfo]) -> Vec<String> {
    board
        .chips
        .iter()
        .filter(|chip| !present.iter().any(|there| there.key == chip.label))
        .map(|chip| chip.label.clone())
        .collect()
}
