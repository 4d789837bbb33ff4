//! Board files: what a board's lines, LEDs and header are called. One TOML file per board, kept in the binary or given
//! by `--board FILE`.

use crate::domain::hardware::OnRelease;
use check::Checker;
use text::FileText;

mod check;
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
