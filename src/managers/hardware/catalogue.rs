//! What the board's lines and LEDs are called: from the board file, or from the kernel where the file says so.

use crate::config::board::{Board, LedKind};
use crate::domain::hardware::LineAddress;
use crate::drivers::gpio::{ChipInfo, Chips, is_marked};
use crate::drivers::leds::Leds;

/// One line by all its names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct NamedLine {
    pub name: String,
    pub at: LineAddress,
    pub header_pin: Option<u16>,
    pub header: String,
    pub aliases: Vec<String>,
    pub function: Option<String>,
}

/// The board with its chips under the labels that they have on this kernel. A driver may label its chips in the order in
/// which they come up; such a chip is known by a line that the device tree names. Where another chip of the board has
/// the label here, the chip of the file is not there: it gets a label that none has.
pub fn settle(mut board: Board, chips: &dyn Chips) -> Board {
    let present = chips.list();
    let marked: Vec<Option<String>> = board
        .chips
        .iter()
        .map(|chip| {
            let (offset, name) = chip.marked_by.as_ref()?;
            let found = present
                .iter()
                .find(|there| is_marked(chips, there, *offset, name))?;
            Some(found.key.clone())
        })
        .collect();
    let renamed: Vec<(String, String)> = board
        .chips
        .iter()
        .zip(&marked)
        .filter_map(|(chip, found)| {
            let taken = || marked.iter().flatten().any(|key| *key == chip.label);
            let now = match (found, &chip.marked_by) {
                (Some(found), _) => found.clone(),
                (None, Some((_, line))) if taken() => format!("{} with {line}", chip.label),
                (None, None) if taken() => format!("{} of the board file", chip.label),
                (None, _) => return None,
            };
            (now != chip.label).then(|| (chip.label.clone(), now))
        })
        .collect();
    let label = |known: &mut String| {
        if let Some((_, now)) = renamed.iter().find(|(file, _)| file == known) {
            known.clone_from(now);
        }
    };
    for (file, now) in &renamed {
        log::info!("the chip {file:?} of the board file is {now:?} here");
    }
    board.chips.iter_mut().for_each(|chip| label(&mut chip.label));
    board.lines.iter_mut().for_each(|line| label(&mut line.chip));
    board
}

/// How an LED is reached.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum LedPlace {
    /// By the LED driver, under this name.
    Driver(String),
    /// By a line.
    Line(LineAddress),
}

/// One LED by all its names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct NamedLed {
    pub name: String,
    pub place: LedPlace,
    pub aliases: Vec<String>,
    /// What the board file wants to drive it from the start.
    pub trigger: Option<String>,
}

/// All names of a board, as of the chips that were present when it was made.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Catalogue {
    pub chips: Vec<ChipInfo>,
    pub lines: Vec<NamedLine>,
}

impl Catalogue {
    /// The names for these chips.
    pub fn new(board: &Board, chips: &dyn Chips, present: Vec<ChipInfo>) -> Self {
        let mut lines: Vec<NamedLine> = board
            .lines
            .iter()
            .map(|line| NamedLine {
                name: line.name.clone(),
                at: LineAddress {
                    chip: line.chip.clone(),
                    offset: line.offset,
                },
                header_pin: line.header_pin,
                header: line.header.clone(),
                aliases: line.aliases.clone(),
                function: line.function.clone(),
            })
            .collect();
        if board.discover {
            discover(&mut lines, chips, &present);
        }
        Self {
            chips: present,
            lines,
        }
    }

    /// The line that a name or alias means.
    pub fn find(&self, name: &str) -> Option<&NamedLine> {
        self.lines.iter().find(|line| line.name == name).or_else(|| {
            self.lines
                .iter()
                .find(|line| line.aliases.iter().any(|alias| alias == name))
        })
    }

    /// The line at an address.
    pub fn at(&self, at: &LineAddress) -> Option<&NamedLine> {
        self.lines.iter().find(|line| line.at == *at)
    }

    /// What the line at an address is called; one that the board does not name is called by its chip and offset.
    pub fn name_of(&self, at: &LineAddress) -> String {
        self.at(at).map_or_else(|| unnamed(at), |line| line.name.clone())
    }
}

/// The name of a line that has none.
fn unnamed(at: &LineAddress) -> String {
    let chip: String = at
        .chip
        .chars()
        .map(|c| {
            if c.is_ascii_alphanumeric() || "._:@+-".contains(c) {
                c
            } else {
                '-'
            }
        })
        .collect();
    format!("{chip}-{}", at.offset)
}

/// Adds the lines of chips that the file does not name, by the kernel's names. Those need not be unique: a name that
/// is taken gives way to chip and offset.
fn discover(lines: &mut Vec<NamedLine>, chips: &dyn Chips, present: &[ChipInfo]) {
    for chip in present {
        for offset in 0..chip.lines {
            let at = LineAddress {
                chip: chip.key.clone(),
                offset,
            };
            if lines.iter().any(|line| line.at == at) {
                continue;
            }
            let name = chips
                .line(&at)
                .ok()
                .and_then(|info| info.name)
                .filter(|name| !lines.iter().any(|line| line.name == *name))
                .unwrap_or_else(|| unnamed(&at));
            lines.push(NamedLine {
                name,
                at,
                header_pin: None,
                header: String::new(),
                aliases: Vec::new(),
                function: None,
            });
        }
    }
}

/// The LEDs that are there now.
pub(super) fn leds(board: &Board, driver: &dyn Leds) -> Vec<NamedLed> {
    let present = driver.names();
    let mut leds: Vec<NamedLed> = board
        .leds
        .iter()
        .filter_map(|led| {
            let place = match &led.kind {
                LedKind::Class(names) => {
                    LedPlace::Driver(names.iter().find(|name| present.contains(name))?.clone())
                }
                LedKind::Sim => LedPlace::Driver(led.name.clone()),
                LedKind::Line(name) => {
                    let line = board.lines.iter().find(|line| line.name == *name)?;
                    LedPlace::Line(LineAddress {
                        chip: line.chip.clone(),
                        offset: line.offset,
                    })
                }
            };
            Some(NamedLed {
                name: led.name.clone(),
                place,
                aliases: led.aliases.clone(),
                trigger: led.trigger.clone(),
            })
        })
        .collect();
    if board.discover {
        let known = |name: &String| leds.iter().any(|led| led.place == LedPlace::Driver(name.clone()));
        let found: Vec<NamedLed> = present
            .iter()
            .filter(|name| !known(name))
            .map(|name| NamedLed {
                name: name.clone(),
                place: LedPlace::Driver(name.clone()),
                aliases: Vec::new(),
                trigger: None,
            })
            .collect();
        leds.extend(found);
    }
    leds
}
