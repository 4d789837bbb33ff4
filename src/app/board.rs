//! `pinion board probe`, `pinion board check FILE`, `pinion gadget FILE`: board files made from the running board, held
//! against it, and gadgets made from them. No daemon is asked, and no line is requested.

use crate::config::board::{self, Board, BoardError, LedKind, Place, Places};
use crate::config::gadget;
use crate::domain::hardware::LineAddress;
use crate::drivers::clock::Clock;
use crate::drivers::gpio::cdev::Cdev;
use crate::drivers::gpio::numbers::SysfsGpio;
use crate::drivers::gpio::{ChipInfo, Chips};
use crate::drivers::leds::Leds;
use crate::drivers::leds::class::ClassLeds;
use crate::managers::hardware::settle;
use std::fmt::Write;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

#[cfg(test)]
mod tests;

/// The board that this program runs on, as the kernel tells it.
struct Running<'a> {
    chips: &'a dyn Chips,
    leds: &'a dyn Leds,
    /// The content of `/proc/device-tree/compatible`.
    compatible: Vec<u8>,
    /// The content of `/proc/device-tree/model`.
    model: Vec<u8>,
}

impl Running<'_> {
    /// The texts of `compatible`, the most precise first.
    fn names(&self) -> Vec<&str> {
        self.compatible
            .split(|byte| *byte == 0)
            .filter_map(|name| std::str::from_utf8(name).ok())
            .filter(|name| !name.is_empty())
            .collect()
    }
}

/// Does something with the running board.
fn with_running<T>(act: impl FnOnce(&Running<'_>) -> T) -> Result<T, String> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .build()
        .map_err(|error| format!("cannot look at the board: {error}"))?;
    let sysfs = SysfsGpio::new("/sys/class/gpio");
    let chips = Cdev::new("/dev", sysfs, Clock::system(), runtime.handle().clone());
    let leds = ClassLeds::new("/sys/class/leds");
    let tree = |name: &str| std::fs::read(Path::new("/proc/device-tree").join(name)).unwrap_or_default();
    Ok(act(&Running {
        chips: &chips,
        leds: &leds,
        compatible: tree("compatible"),
        model: tree("model"),
    }))
}

fn failed(error: &str) -> ExitCode {
    eprintln!("error: {error}");
    ExitCode::FAILURE
}

/// Prints a board file of the running board.
pub fn probe() -> ExitCode {
    match with_running(describe) {
        Ok(Ok(text)) => {
            print!("{text}");
            ExitCode::SUCCESS
        }
        Ok(Err(error)) | Err(error) => failed(&error),
    }
}

/// A text between quotes of TOML.
fn quoted(text: &str) -> String {
    let mut quoted = String::from("\"");
    for c in text.chars() {
        match c {
            '"' | '\\' => quoted.extend(['\\', c]),
            c if c.is_control() => {
                let _ = write!(quoted, "\\u{:04X}", u32::from(c));
            }
            c => quoted.push(c),
        }
    }
    quoted.push('"');
    quoted
}

/// What a kernel's line name gives: a name that board files may have, and what it says in brackets.
fn split_name(kernel: &str) -> (String, Option<&str>) {
    let (name, rest) = kernel.split_once(['[', ' ']).unwrap_or((kernel, ""));
    let name: String = name
        .chars()
        .map(|c| match c.is_ascii_alphanumeric() || "._:@+-".contains(c) {
            true => c,
            false => '_',
        })
        .take(64)
        .collect();
    let function = rest.trim_matches(|c: char| "[] ".contains(c));
    (
        name.trim_start_matches(['.', '-']).to_owned(),
        (!function.is_empty()).then_some(function),
    )
}

/// The board file.
fn describe(running: &Running<'_>) -> Result<String, String> {
    let chips = running.chips.list();
    let leds = running.leds.names();
    if chips.is_empty() && leds.is_empty() {
        return Err(String::from(
            "there is no GPIO chip and no LED here: run this on the board, as root, where /dev/gpiochip0 is",
        ));
    }
    let names = running.names();
    let own = names.first().copied().unwrap_or("unknown,board");
    let name = gadget::slot_name(own.split_once(',').map_or(own, |(_, board)| board));
    let model = String::from_utf8_lossy(&running.model);
    let model = model.trim_end_matches('\0');
    let mut text = String::from(
        "# Made by `pinion board probe`. `pinion board check FILE` holds it against the board.\n",
    );
    let _ = writeln!(text, "name = {}", quoted(&name));
    let _ = writeln!(
        text,
        "model = {}",
        quoted(if model.is_empty() { own } else { model })
    );
    match names.first() {
        Some(own) => drop(writeln!(text, "compatible = [{}]", quoted(own))),
        None => {
            text.push_str("# This board has no device tree: choose it by --board FILE.\ncompatible = []\n")
        }
    }
    text.push_str("# Lines and LEDs that are not named here keep the kernel's names.\ndiscover = true\n");

    let mut taken: Vec<String> = Vec::new();
    let mut marks: Vec<Option<(u32, String)>> = Vec::new();
    let mut lines = String::new();
    for chip in &chips {
        let mut mark = None;
        for offset in 0..chip.lines {
            let at = LineAddress {
                chip: chip.key.clone(),
                offset,
            };
            let Some(kernel) = running.chips.line(&at).ok().and_then(|info| info.name) else {
                continue;
            };
            let (name, function) = split_name(&kernel);
            if name.is_empty() || name == "NC" || taken.contains(&name) {
                continue;
            }
            let _ = write!(
                lines,
                "  {{ name = {}, chip = {}, offset = {offset}",
                quoted(&name),
                quoted(&chip.key)
            );
            if let Some(function) = function {
                let _ = write!(lines, ", function = {}", quoted(function));
            }
            lines.push_str(" },\n");
            taken.push(name);
            mark.get_or_insert((offset, kernel));
        }
        marks.push(mark);
    }
    if !lines.is_empty() {
        let _ = write!(text, "\nlines = [\n{lines}]\n");
    }
    for (chip, mark) in chips.iter().zip(marks) {
        let _ = write!(
            text,
            "\n[[chips]]\nlabel = {}\nlines = {}\n",
            quoted(&chip.key),
            chip.lines
        );
        if let Some((offset, kernel)) = mark {
            let _ = writeln!(
                text,
                "marked-by = {{ offset = {offset}, name = {} }}",
                quoted(&kernel)
            );
        }
        text.push_str("# What a line does when its holder lets go: \"input\", \"keep\" or \"pull\".\non-release = \"input\"\n");
    }
    for led in leds {
        let name = led.replace(
            |c: char| !(c.is_ascii_alphanumeric() || "._:@+-".contains(c)),
            "_",
        );
        let _ = write!(
            text,
            "\n[[leds]]\nname = {}\nkind = \"class\"\npaths = [{}]\n",
            quoted(&name),
            quoted(&led)
        );
    }
    Ok(text)
}

fn read_board(file: &Path) -> Result<(Board, Places), String> {
    let text =
        std::fs::read_to_string(file).map_err(|error| format!("cannot read {}: {error}", file.display()))?;
    board::parse_with_places(&file.display().to_string(), &text).map_err(|error| error.to_string())
}

/// Holds a board file against the running board and prints what does not fit, each with its place.
pub fn check(file: &Path, json: bool) -> ExitCode {
    let (board, places) = match read_board(file) {
        Ok(read) => read,
        Err(error) => return failed(&error),
    };
    let misfits = match with_running(|running| misfits(&board, running)) {
        Ok(misfits) => misfits,
        Err(error) => return failed(&error),
    };
    let placed: Vec<BoardError> = misfits
        .into_iter()
        .map(|(place, message)| {
            let at = places.iter().find(|(known, _)| *known == place);
            let (line, column) = at.map_or((1, 1), |(_, at)| *at);
            BoardError {
                file: file.display().to_string(),
                line,
                column,
                message,
            }
        })
        .collect();
    if json {
        let list: Vec<_> = placed
            .iter()
            .map(|misfit| {
                serde_json::json!({"file": misfit.file, "line": misfit.line, "column": misfit.column, "message": misfit.message})
            })
            .collect();
        println!("{}", serde_json::Value::Array(list));
    } else if placed.is_empty() {
        println!(
            "ok: {} with {} chips, {} lines and {} LEDs fits this board",
            board.name,
            board.chips.len(),
            board.lines.len(),
            board.leds.len()
        );
    } else {
        placed.iter().for_each(|misfit| println!("{misfit}"));
    }
    match placed.is_empty() {
        true => ExitCode::SUCCESS,
        false => ExitCode::FAILURE,
    }
}

/// Where the running board is another than the file says.
fn misfits(board: &Board, running: &Running<'_>) -> Vec<(Place, String)> {
    let mut misfits = Vec::new();
    let names = running.names();
    if !names.is_empty()
        && !board
            .compatible
            .iter()
            .any(|known| names.contains(&known.as_str()))
    {
        let message = format!(
            "this board is {}: write compatible = [{}], or the file is not chosen by itself",
            names.join(", "),
            quoted(names[0])
        );
        misfits.push((Place::Compatible, message));
    }
    let present = running.chips.list();
    // A chip may have another label here; it is told by the one that the file has.
    let settled = settle(board.clone(), running.chips);
    for (chip, here) in board.chips.iter().zip(&settled.chips) {
        match present.iter().find(|there| there.key == here.label) {
            Some(there) => {
                if chip.lines.is_some_and(|lines| lines != there.lines) {
                    let message = format!(
                        "chip {:?} has {} lines here: write lines = {}",
                        chip.label, there.lines, there.lines
                    );
                    misfits.push((Place::Chip(chip.label.clone()), message));
                }
                misfits.extend(misnamed(&settled, running.chips, there));
            }
            None => {
                let labels: Vec<&str> = present.iter().map(|there| there.key.as_str()).collect();
                let message = format!(
                    "there is no chip {:?} here: write one of {}, or remove it with its lines",
                    chip.label,
                    if labels.is_empty() {
                        String::from("(none)")
                    } else {
                        labels.join(", ")
                    }
                );
                misfits.push((Place::Chip(chip.label.clone()), message));
            }
        }
    }
    let leds = running.leds.names();
    for led in &board.leds {
        if let LedKind::Class(paths) = &led.kind
            && !paths.iter().any(|path| leds.contains(path))
        {
            let message = format!(
                "there is no LED {} in /sys/class/leds here: write one of {}, or remove it",
                paths.join(" or "),
                if leds.is_empty() {
                    String::from("(none)")
                } else {
                    leds.join(", ")
                }
            );
            misfits.push((Place::Led(led.name.clone()), message));
        }
    }
    misfits
}

/// Lines of a chip beyond its end, and those that the kernel gives a name which the file does not know.
fn misnamed(board: &Board, chips: &dyn Chips, chip: &ChipInfo) -> Vec<(Place, String)> {
    let mut misfits = Vec::new();
    for line in board.lines.iter().filter(|line| line.chip == chip.key) {
        let place = || Place::Line(line.name.clone());
        if line.offset >= chip.lines {
            let message = format!(
                "chip {:?} has the offsets 0 to {} here: write one of them instead of {}",
                chip.key,
                chip.lines.saturating_sub(1),
                line.offset
            );
            misfits.push((place(), message));
            continue;
        }
        let at = LineAddress {
            chip: chip.key.clone(),
            offset: line.offset,
        };
        let Some(kernel) = chips.line(&at).ok().and_then(|info| info.name) else {
            continue;
        };
        if !knows(line, &kernel) {
            let message = format!(
                "the kernel calls offset {} of {:?} {kernel:?}: add that to the aliases of {:?}, or correct the offset",
                line.offset, chip.key, line.name
            );
            misfits.push((place(), message));
        }
    }
    misfits
}

/// The file has the kernel's name of a line: as name or alias, or in two parts as name and function.
pub fn knows(line: &board::Line, kernel: &str) -> bool {
    let (name, function) = split_name(kernel);
    let named = line.name == name || line.aliases.iter().any(|alias| *alias == name || alias == kernel);
    let only_function = name.is_empty() && line.function.as_deref() == function;
    named || only_function || matches!(name.as_str(), "NC" | "") && function.is_none()
}

/// Makes a gadget snap's folder from a board file.
pub fn make_gadget(file: &Path, out: Option<PathBuf>) -> ExitCode {
    let board = match read_board(file) {
        Ok((board, _)) => board,
        Err(error) => return failed(&error),
    };
    let name = gadget::slot_name(&board.name);
    let out = out.unwrap_or_else(|| PathBuf::from(format!("{name}-gadget")));
    if out.exists() {
        return failed(&format!(
            "{} is there already: name a folder that is not, or remove it",
            out.display()
        ));
    }
    let head = format!("# Made from {} by `pinion gadget`.\n", file.display());
    let mut made = vec![
        ("meta/snap.yaml", gadget::snap_yaml(&board, &name, &head)),
        ("meta/gadget.yaml", gadget::GADGET_YAML.to_owned()),
    ];
    let config = gadget::config_txt(&board);
    if !config.is_empty() {
        made.push(("boot-assets/config.txt", config));
    }
    for (path, text) in &made {
        let path = out.join(path);
        let folder = path.parent().unwrap_or(&out);
        if let Err(error) = std::fs::create_dir_all(folder).and_then(|()| std::fs::write(&path, text)) {
            return failed(&format!("cannot write {}: {error}", path.display()));
        }
    }
    println!("{}: pack it by `pinion pack {}`", out.display(), out.display());
    ExitCode::SUCCESS
}
