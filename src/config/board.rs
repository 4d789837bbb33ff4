//! Board files: what a board's lines, LEDs and header are called. One TOML file per board, kept in the binary or given
//! by `--board FILE`.

use crate::domain::hardware::OnRelease;
use std::collections::BTreeMap;
use std::ops::Range;
use text::{ChipText, FileText, HeaderText, LedKindText, LedText, LineText};
use toml::Spanned;

#[cfg(test)]
mod tests;
mod text;
#[cfg(test)]
mod trees;

/// A board file may be this long (bytes).
pub const MAX_FILE: usize = 256 * 1024;
/// A board may have this many lines, and as many LEDs.
pub const MAX_LINES: usize = 4096;
/// What a header's pin may be called besides a line's name.
pub const SUPPLIES: &[&str] = &[
    "3V3", "5V", "1V8", "12V", "VIN", "GND", "NC", "SYS_5V", "VDD_ADC", "GND_ADC", "AIN0", "AIN1", "AIN2",
    "AIN3", "AIN4", "AIN5", "AIN6", "AIN7", "RESET", "PWR_BUT",
];

/// The board files in the binary: name and text.
const BUILT_IN: &[(&str, &str)] = &[
    #[cfg(feature = "sim")]
    ("sim", include_str!("../../board-configs/sim.toml")),
    ("generic", include_str!("../../board-configs/generic.toml")),
    (
        "raspberry-pi-2",
        include_str!("../../board-configs/raspberry-pi-2.toml"),
    ),
    (
        "raspberry-pi-3",
        include_str!("../../board-configs/raspberry-pi-3.toml"),
    ),
    (
        "raspberry-pi-3-plus",
        include_str!("../../board-configs/raspberry-pi-3-plus.toml"),
    ),
    (
        "raspberry-pi-zero-2-w",
        include_str!("../../board-configs/raspberry-pi-zero-2-w.toml"),
    ),
    (
        "raspberry-pi-4",
        include_str!("../../board-configs/raspberry-pi-4.toml"),
    ),
    (
        "raspberry-pi-400",
        include_str!("../../board-configs/raspberry-pi-400.toml"),
    ),
    (
        "raspberry-pi-cm4",
        include_str!("../../board-configs/raspberry-pi-cm4.toml"),
    ),
    (
        "raspberry-pi-5",
        include_str!("../../board-configs/raspberry-pi-5.toml"),
    ),
    (
        "beaglebone-black",
        include_str!("../../board-configs/beaglebone-black.toml"),
    ),
    (
        "verdin-imx8mp-mallow",
        include_str!("../../board-configs/verdin-imx8mp-mallow.toml"),
    ),
];

/// Who drives the lines and LEDs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Driver {
    /// The kernel: GPIO character device, LED class.
    #[default]
    Kernel,
    /// Nobody: it is all in the agent's memory.
    Simulator,
}

/// What is known of one board.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Board {
    /// The name that `--board` takes.
    pub name: String,
    /// What people call it.
    pub model: String,
    /// What its device tree says under `compatible`.
    pub compatible: Vec<String>,
    /// Who drives it.
    pub driver: Driver,
    /// Lines and LEDs that the file does not name are taken from the kernel.
    pub discover: bool,
    /// What is to know of some chips.
    pub chips: Vec<Chip>,
    /// Lines by name.
    pub lines: Vec<Line>,
    /// LEDs by name.
    pub leds: Vec<Led>,
    /// The headers that lines are brought out on.
    pub headers: Vec<Header>,
    /// What of it no device tree shows.
    pub unverified: Vec<Unverified>,
}

/// One header of a board.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Header {
    /// Where there are several: what stands before a pin's number, as in `P9_12`. Empty where there is one.
    pub name: String,
    /// Its pins, pin 1 first: a line's name or a supply.
    pub pins: Vec<String>,
}

/// A fact of a board file that was taken from elsewhere than the board's device tree.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unverified {
    /// Of what: `chip pinctrl-rp1`, `LED ACT`.
    pub what: String,
    /// Where it is from.
    pub source: String,
}

/// What is to know of a chip.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Chip {
    /// The kernel's label of it; its number changes from boot to boot.
    pub label: String,
    /// How many lines it has.
    pub lines: Option<u32>,
    /// The global number of its first line as gadgets count it; used where the kernel gives none that fits.
    pub base: Option<u32>,
    /// What a line does when its holder lets go.
    pub on_release: OnRelease,
    /// `gpio` connections export the line in sysfs instead of holding it.
    pub sysfs: bool,
    /// A line by which the chip is known where its label is another one: offset, and the kernel's name.
    pub marked_by: Option<(u32, String)>,
}

/// One line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line {
    pub name: String,
    /// The label of its chip.
    pub chip: String,
    pub offset: u32,
    /// The pin of its header that it is on, counted from 1.
    pub header_pin: Option<u16>,
    /// The name of that header, where the board has several.
    pub header: String,
    /// Other names of it; `pin-N` is one where it is on pin N.
    pub aliases: Vec<String>,
    /// What the board can use it for besides input and output.
    pub function: Option<String>,
    /// The level that does no harm, from power-on to the end.
    pub safe_value: Option<u8>,
}

/// How an LED is lit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LedKind {
    /// By the kernel's LED class; the names to look for, the newest first.
    Class(Vec<String>),
    /// By a line of the board.
    Line(String),
    /// In the agent's memory.
    Sim,
}

/// One LED.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Led {
    pub name: String,
    pub kind: LedKind,
    /// Other names of it.
    pub aliases: Vec<String>,
    /// What drives it until somebody says otherwise.
    pub trigger: Option<String>,
}

/// A board file that cannot be used, with the place.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{file}:{line}:{column}: {message}")]
pub struct BoardError {
    /// The file as it was named.
    pub file: String,
    /// Counted from 1.
    pub line: usize,
    /// Counted from 1, in characters.
    pub column: usize,
    /// What is wrong, and what to write instead.
    pub message: String,
}

/// A part of a board file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Place {
    /// The list of names that device trees have for the board.
    Compatible,
    /// A chip, by its label.
    Chip(String),
    /// A line, by its name.
    Line(String),
    /// An LED, by its name.
    Led(String),
}

/// Where the parts of a file stand: line and column, counted from 1.
pub type Places = Vec<(Place, (usize, usize))>;

/// Why no board could be chosen.
#[derive(Debug, thiserror::Error)]
pub enum ChoiceError {
    #[error(transparent)]
    File(#[from] BoardError),
    #[error(
        "cannot read the board file {path}: {source}; give a file that exists or one of the boards {known}"
    )]
    Read {
        path: String,
        known: String,
        #[source]
        source: std::io::Error,
    },
    #[error("there is no board {name:?}: say one of {known}, or the path of a board file")]
    Unknown { name: String, known: String },
}

/// The names of the boards in the binary.
pub fn built_in_names() -> impl Iterator<Item = &'static str> {
    BUILT_IN.iter().map(|(name, _)| *name)
}

/// A board of the binary.
pub fn built_in(name: &str) -> Option<Result<Board, BoardError>> {
    let (name, text) = BUILT_IN.iter().find(|(known, _)| *known == name)?;
    Some(parse_board(&format!("board-configs/{name}.toml"), text))
}

/// Chooses the board (decision 6): what was asked for (a name of [`built_in_names`] or a file's path), else the first
/// whose `compatible` the device tree names, else `generic` where there is a GPIO chip, else none.
///
/// `device_tree` is the content of `/proc/device-tree/compatible`: names ended by NUL, the most precise first.
pub fn choose(asked: Option<&str>, device_tree: &[u8], has_chip: bool) -> Result<Option<Board>, ChoiceError> {
    if let Some(asked) = asked {
        return by_name_or_file(asked).map(Some);
    }
    for compatible in device_tree.split(|b| *b == 0).filter(|part| !part.is_empty()) {
        let Ok(compatible) = std::str::from_utf8(compatible) else {
            continue;
        };
        // Only a file that has the word in it is worth parsing.
        let candidates = BUILT_IN.iter().filter(|(_, text)| text.contains(compatible));
        for board in candidates.filter_map(|(name, _)| built_in(name)) {
            let board = board?;
            if board.compatible.iter().any(|known| known == compatible) {
                return Ok(Some(board));
            }
        }
    }
    match built_in("generic") {
        Some(board) if has_chip => Ok(Some(board?)),
        _ => Ok(None),
    }
}

fn by_name_or_file(asked: &str) -> Result<Board, ChoiceError> {
    if let Some(board) = built_in(asked) {
        return Ok(board?);
    }
    let known = || built_in_names().collect::<Vec<_>>().join(", ");
    if !asked.contains('/') && !asked.ends_with(".toml") {
        return Err(ChoiceError::Unknown {
            name: asked.to_owned(),
            known: known(),
        });
    }
    let text = std::fs::read_to_string(asked).map_err(|source| ChoiceError::Read {
        path: asked.to_owned(),
        known: known(),
        source,
    })?;
    Ok(parse_board(asked, &text)?)
}

/// Reads a board file. Pure: the same text gives the same board or the same error.
///
/// # Errors
/// The first thing that is wrong, with the line and column that it stands at.
pub fn parse_board(file: &str, text: &str) -> Result<Board, BoardError> {
    parse_with_places(file, text).map(|(board, _)| board)
}

/// The same, and where each part stands.
///
/// # Errors
/// As [`parse_board`].
pub fn parse_with_places(file: &str, text: &str) -> Result<(Board, Places), BoardError> {
    let checker = Checker { file, text };
    if text.len() > MAX_FILE {
        return Err(checker.error(
            0..0,
            format!("a board file has at most {MAX_FILE} bytes; leave out the lines that nobody uses"),
        ));
    }
    let read = FileText::read(text).map_err(|wrong| {
        let message = format!("{}; `pinion help hardware` shows the form", wrong.what);
        checker.error(wrong.at, message)
    })?;
    let places = checker.places(&read);
    Ok((checker.board(read)?, places))
}

/// Keeps a page of somebody's text out of an error.
fn shortened(message: String) -> String {
    const MOST: usize = 400;
    if message.chars().count() <= MOST {
        return message;
    }
    let head: String = message.chars().take(MOST / 2).collect();
    let tail: String = message.chars().rev().take(MOST / 2).collect();
    format!("{head} … {}", tail.chars().rev().collect::<String>())
}

// ---------------------------------------------------------------- what must hold

struct Checker<'a> {
    file: &'a str,
    text: &'a str,
}

/// Names that are taken, with the place of the first use.
type Taken = BTreeMap<String, Range<usize>>;

impl Checker<'_> {
    /// An error at a place of the text.
    fn error(&self, span: Range<usize>, message: String) -> BoardError {
        let (line, column) = self.place(span.start);
        BoardError {
            file: self.file.to_owned(),
            line,
            column,
            message: shortened(message),
        }
    }

    fn place(&self, at: usize) -> (usize, usize) {
        let before = self.text.get(..at).unwrap_or(self.text);
        let line_start = before.rfind('\n').map_or(0, |newline| newline + 1);
        let line = before.bytes().filter(|b| *b == b'\n').count() + 1;
        (line, before[line_start..].chars().count() + 1)
    }

    fn places(&self, read: &FileText) -> Places {
        let compatible = read.compatible.first().unwrap_or(&read.name).span();
        let mut places = vec![(Place::Compatible, self.place(compatible.start))];
        let mut add = |place: fn(String) -> Place, name: &Spanned<String>| {
            places.push((place(name.get_ref().clone()), self.place(name.span().start)));
        };
        read.chips.iter().for_each(|chip| add(Place::Chip, &chip.label));
        read.lines.iter().for_each(|line| add(Place::Line, &line.name));
        read.leds.iter().for_each(|led| add(Place::Led, &led.name));
        places
    }

    /// The names that device trees have for the board: `vendor,board`.
    fn compatible(&self, read: Vec<Spanned<String>>) -> Result<Vec<String>, BoardError> {
        let fits = |name: &str| {
            let known = |c: char| c.is_ascii_alphanumeric() || "+-._".contains(c);
            name.len() <= 128
                && name.split_once(',').is_some_and(|(vendor, board)| {
                    !vendor.is_empty() && !board.is_empty() && vendor.chars().chain(board.chars()).all(known)
                })
        };
        read.into_iter()
            .map(|name| match fits(name.get_ref()) {
                true => Ok(name.into_inner()),
                false => {
                    let message = format!(
                        "{:?} is not the name of a board in device trees: write one of /proc/device-tree/compatible, \
                         as in \"raspberrypi,4-model-b\"",
                        name.get_ref()
                    );
                    Err(self.error(name.span(), message))
                }
            })
            .collect()
    }

    fn board(&self, read: FileText) -> Result<Board, BoardError> {
        let name = self.name(&read.name)?;
        let mut unverified = Vec::new();
        let chips = self.chips(read.chips, &mut unverified)?;
        let mut lines = self.lines(read.lines, &chips)?;
        let headers = self.headers(read.header, read.headers, &mut lines)?;
        let leds = self.leds(read.leds, &lines, read.driver, &mut unverified)?;
        Ok(Board {
            model: read.model.unwrap_or_else(|| name.clone()),
            name,
            compatible: self.compatible(read.compatible)?,
            driver: read.driver,
            discover: read.discover,
            chips,
            lines,
            leds,
            headers,
            unverified,
        })
    }

    /// Notes a fact that no device tree shows: it says where it is from.
    fn origin(
        &self,
        noted: &mut Vec<Unverified>,
        what: String,
        (unverified, source): (bool, Option<String>),
        at: Range<usize>,
    ) -> Result<(), BoardError> {
        match (unverified, source) {
            (false, None) => Ok(()),
            (true, Some(source)) if !source.trim().is_empty() => {
                noted.push(Unverified { what, source });
                Ok(())
            }
            (true, _) => {
                let message = format!("{what} is unverified: add source = \"…\" that says where it is from");
                Err(self.error(at, message))
            }
            (false, Some(_)) => {
                let message = format!("{what} has a source: add unverified = true, or remove the source");
                Err(self.error(at, message))
            }
        }
    }

    /// A name goes into paths, commands and tables: letters, digits and `. _ : @ + -`.
    fn name(&self, name: &Spanned<String>) -> Result<String, BoardError> {
        let text = name.get_ref();
        let fits = (1..=64).contains(&text.len())
            && !text.starts_with(['.', '-'])
            && text
                .bytes()
                .all(|b| b.is_ascii_alphanumeric() || b"._:@+-".contains(&b));
        if fits {
            return Ok(text.clone());
        }
        let message = format!("{text:?} cannot be a name: use 1 to 64 letters, digits, or . _ : @ + -");
        Err(self.error(name.span(), message))
    }

    /// Takes a name that must not be taken yet.
    fn take(&self, taken: &mut Taken, what: &str, name: &Spanned<String>) -> Result<String, BoardError> {
        let text = self.name(name)?;
        if let Some(first) = taken.get(&text) {
            let (line, _) = self.place(first.start);
            let message = format!("{what} {text:?} is already named at line {line}: give each its own name");
            return Err(self.error(name.span(), message));
        }
        taken.insert(text.clone(), name.span());
        Ok(text)
    }

    fn chips(&self, read: Vec<ChipText>, unverified: &mut Vec<Unverified>) -> Result<Vec<Chip>, BoardError> {
        let mut taken = Taken::new();
        let mut chips: Vec<Chip> = Vec::with_capacity(read.len());
        for chip in read {
            let label = self.take(&mut taken, "the chip", &chip.label)?;
            if chip
                .lines
                .is_some_and(|lines| lines == 0 || lines as usize > MAX_LINES)
            {
                let message = format!(
                    "chip {label:?}: lines goes from 1 to {MAX_LINES}; leave it out to take the kernel's"
                );
                return Err(self.error(chip.label.span(), message));
            }
            let origin = (chip.unverified, chip.source);
            self.origin(unverified, format!("chip {label}"), origin, chip.label.span())?;
            let marked_by = match chip.marked_by {
                Some(mark) => {
                    let offset = *mark.offset.get_ref();
                    self.offset(&label, chip.lines, &mark.offset)?;
                    Some((offset, mark.name))
                }
                None => None,
            };
            chips.push(Chip {
                label,
                lines: chip.lines,
                base: chip.base,
                on_release: chip.on_release,
                sysfs: chip.sysfs,
                marked_by,
            });
        }
        Ok(chips)
    }

    /// An offset that the chip has.
    fn offset(&self, label: &str, lines: Option<u32>, offset: &Spanned<u32>) -> Result<(), BoardError> {
        let end = lines.unwrap_or(MAX_LINES as u32);
        if *offset.get_ref() < end {
            return Ok(());
        }
        let message = format!(
            "chip {label:?} has the offsets 0 to {}: write one of them instead of {}",
            end - 1,
            offset.get_ref()
        );
        Err(self.error(offset.span(), message))
    }

    /// The chip that a line names; where a file has one chip only, its lines need not name it.
    fn chip_of<'c>(&self, line: &LineText, chips: &'c [Chip]) -> Result<&'c Chip, BoardError> {
        match (&line.chip, chips) {
            (None, [chip]) => Ok(chip),
            (None, _) => {
                let message = format!(
                    "the line {:?} names no chip: add chip = \"LABEL\" with the label of one of [[chips]]",
                    line.name.get_ref()
                );
                Err(self.error(line.name.span(), message))
            }
            (Some(named), _) => {
                let label = named.get_ref();
                chips.iter().find(|chip| chip.label == *label).ok_or_else(|| {
                    let message = format!(
                        "there is no chip {label:?} in this file: add [[chips]] with label = {label:?}"
                    );
                    self.error(named.span(), message)
                })
            }
        }
    }

    fn lines(&self, read: Vec<LineText>, chips: &[Chip]) -> Result<Vec<Line>, BoardError> {
        let mut taken = Taken::new();
        let mut places: BTreeMap<(String, u32), (String, Range<usize>)> = BTreeMap::new();
        let mut lines = Vec::with_capacity(read.len().min(MAX_LINES));
        if read.len() > MAX_LINES {
            let span = read[MAX_LINES].name.span();
            return Err(self.error(
                span,
                format!("a board has at most {MAX_LINES} lines; leave out this one and the rest"),
            ));
        }
        for line in read {
            let name = self.take(&mut taken, "the line", &line.name)?;
            let offset = *line.offset.get_ref();
            let chip = self.chip_of(&line, chips)?;
            let label = &chip.label;
            self.offset(label, chip.lines, &line.offset)?;
            if let Some((other, first)) = places.get(&(label.clone(), offset)) {
                let (place, _) = self.place(first.start);
                let message = format!(
                    "offset {offset} of chip {label:?} is the line {other:?} at line {place} already: make {name:?} an alias of it"
                );
                return Err(self.error(line.offset.span(), message));
            }
            places.insert((label.clone(), offset), (name.clone(), line.name.span()));
            let safe_value = match &line.safe_value {
                Some(value) if *value.get_ref() > 1 => {
                    let message = format!("the line {name:?}: safe-value is 0 or 1, or left out");
                    return Err(self.error(value.span(), message));
                }
                value => value.as_ref().map(|value| u8::from(*value.get_ref() == 1)),
            };
            let aliases = line
                .aliases
                .iter()
                .map(|alias| self.take(&mut taken, "the line", alias))
                .collect::<Result<_, _>>()?;
            lines.push(Line {
                name,
                chip: label.clone(),
                offset,
                header_pin: None,
                header: String::new(),
                aliases,
                function: line.function,
                safe_value,
            });
        }
        Ok(lines)
    }

    fn headers(
        &self,
        one: Option<HeaderText>,
        several: Vec<HeaderText>,
        lines: &mut [Line],
    ) -> Result<Vec<Header>, BoardError> {
        let mut taken = Taken::new();
        let mut headers = Vec::with_capacity(several.len() + 1);
        if let Some(header) = one {
            if let Some(name) = &header.name {
                let message =
                    String::from("[header] is the only one and has no name: say [[headers]] for several");
                return Err(self.error(name.span(), message));
            }
            let pins = self.header("", header.pins, lines)?;
            headers.push(Header {
                name: String::new(),
                pins,
            });
        }
        for header in several {
            let Some(name) = &header.name else {
                let at = header.pins.first().map_or(0..0, Spanned::span);
                let message = String::from(
                    "each of [[headers]] has a name: add name = \"P1\"; one without is [header]",
                );
                return Err(self.error(at, message));
            };
            let name = self.take(&mut taken, "the header", name)?;
            let pins = self.header(&name, header.pins, lines)?;
            headers.push(Header { name, pins });
        }
        Ok(headers)
    }

    /// The pins of a header. A line on it gets the pin as one more name, if it is not called so already.
    fn header(
        &self,
        header: &str,
        read: Vec<Spanned<String>>,
        lines: &mut [Line],
    ) -> Result<Vec<String>, BoardError> {
        let mut pins = Vec::with_capacity(read.len());
        for (index, pin) in read.iter().enumerate() {
            let text = pin.get_ref();
            let number = u16::try_from(index + 1).map_err(|_| {
                self.error(
                    pin.span(),
                    String::from("a header has at most 65535 pins; end it here"),
                )
            })?;
            pins.push(text.clone());
            if SUPPLIES.contains(&text.as_str()) {
                continue;
            }
            let alias = match header {
                "" => format!("pin-{number}"),
                header => format!("{header}_{number}"),
            };
            if lines
                .iter()
                .any(|line| (line.name == alias && alias != *text) || line.aliases.contains(&alias))
            {
                let message = format!(
                    "pin {number} is called {alias:?} by itself: remove the line or alias of that name"
                );
                return Err(self.error(pin.span(), message));
            }
            let Some(line) = lines.iter_mut().find(|line| line.name == *text) else {
                let message = format!(
                    "pin {number}: there is no line {text:?}: write a line's name or one of {}",
                    SUPPLIES.join(", ")
                );
                return Err(self.error(pin.span(), message));
            };
            if let Some(other) = line.header_pin {
                let message = format!(
                    "the line {text:?} is on pin {other} already: a line is on one pin of the header"
                );
                return Err(self.error(pin.span(), message));
            }
            line.header_pin = Some(number);
            header.clone_into(&mut line.header);
            if line.name != alias {
                line.aliases.push(alias);
            }
        }
        Ok(pins)
    }

    fn leds(
        &self,
        read: Vec<LedText>,
        lines: &[Line],
        driver: Driver,
        unverified: &mut Vec<Unverified>,
    ) -> Result<Vec<Led>, BoardError> {
        let mut taken = Taken::new();
        let mut wired: BTreeMap<String, String> = BTreeMap::new();
        let mut leds = Vec::with_capacity(read.len().min(MAX_LINES));
        for led in read {
            let name = self.take(&mut taken, "the LED", &led.name)?;
            let aliases = led
                .aliases
                .iter()
                .map(|alias| self.take(&mut taken, "the LED", alias))
                .collect::<Result<_, _>>()?;
            let kind = self.led_kind(&name, &led, lines, driver)?;
            if let (LedKind::Line(line), Some(at)) = (&kind, &led.line)
                && let Some(other) = wired.insert(line.clone(), name.clone())
            {
                let message =
                    format!("the line {line:?} lights the LED {other:?} already: give {name:?} another line");
                return Err(self.error(at.span(), message));
            }
            let origin = (led.unverified, led.source);
            self.origin(unverified, format!("LED {name}"), origin, led.name.span())?;
            leds.push(Led {
                name,
                kind,
                aliases,
                trigger: led.trigger,
            });
        }
        Ok(leds)
    }

    fn led_kind(
        &self,
        name: &str,
        led: &LedText,
        lines: &[Line],
        driver: Driver,
    ) -> Result<LedKind, BoardError> {
        let misplaced = |span: Range<usize>, what: &str, kind: &str| {
            let message =
                format!("LED {name:?}: {what} belongs to kind = {kind:?} only: remove it or change the kind");
            Err(self.error(span, message))
        };
        let kind = *led.kind.get_ref();
        match (&led.paths, kind) {
            (Some(paths), LedKindText::Line | LedKindText::Sim) => {
                return misplaced(paths.span(), "paths", "class");
            }
            (None, LedKindText::Class) => {
                let message =
                    format!("LED {name:?}: add paths = [\"NAME\"] with its name in /sys/class/leds");
                return Err(self.error(led.kind.span(), message));
            }
            _ => {}
        }
        match (&led.line, kind) {
            (Some(line), LedKindText::Class | LedKindText::Sim) => {
                return misplaced(line.span(), "line", "line");
            }
            (None, LedKindText::Line) => {
                let message =
                    format!("LED {name:?}: add line = \"NAME\" with the name of the line that lights it");
                return Err(self.error(led.kind.span(), message));
            }
            _ => {}
        }
        if kind == LedKindText::Sim && driver == Driver::Kernel {
            let message = format!(
                "LED {name:?}: kind = \"sim\" needs driver = \"simulator\": say \"class\" or \"line\""
            );
            return Err(self.error(led.kind.span(), message));
        }
        if kind == LedKindText::Class && driver == Driver::Simulator {
            let message = format!("LED {name:?}: the simulator has no LED class: say kind = \"sim\"");
            return Err(self.error(led.kind.span(), message));
        }
        match (&led.paths, &led.line) {
            (Some(paths), _) => {
                let names = paths.get_ref();
                let bad = |path: &String| {
                    path.is_empty() || path.contains('/') || path.starts_with('.') || path.len() > 255
                };
                if names.is_empty() || names.iter().any(bad) {
                    let message =
                        format!("LED {name:?}: paths are names in /sys/class/leds, without a slash");
                    return Err(self.error(paths.span(), message));
                }
                Ok(LedKind::Class(names.clone()))
            }
            (None, Some(line)) => {
                let wanted = line.get_ref();
                if !lines.iter().any(|known| known.name == *wanted) {
                    let message = format!("LED {name:?}: there is no line {wanted:?}: name one of [[lines]]");
                    return Err(self.error(line.span(), message));
                }
                Ok(LedKind::Line(wanted.clone()))
            }
            (None, None) => Ok(LedKind::Sim),
        }
    }
}
