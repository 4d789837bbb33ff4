//! Gadget snaps made from board files: a slot for every line and LED, and the boot files that put outputs at their safe
//! values before any program runs (decision 10).

use super::board::{Board, LedKind, Line};
use std::collections::BTreeMap;
use std::fmt::Write;

#[cfg(test)]
mod tests;

/// One slot: its name, and what stands behind it in a YAML flow mapping.
type Slots = BTreeMap<Key, String>;

/// Slots in the order of their numbers, not of their digits.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
struct Key {
    stem: String,
    number: u32,
    name: String,
}

impl Key {
    fn new(name: &str) -> Self {
        let stem = name.trim_end_matches(|c: char| c.is_ascii_digit());
        Self {
            stem: stem.to_owned(),
            number: name[stem.len()..].parse().unwrap_or_default(),
            name: name.to_owned(),
        }
    }
}

/// A name as slots may have it: small letters, digits and single dashes, a letter first.
pub fn slot_name(name: &str) -> String {
    let mut slot = String::with_capacity(name.len());
    for c in name.chars().map(|c| c.to_ascii_lowercase()) {
        if c.is_ascii_alphanumeric() {
            slot.push(c);
        } else if !slot.ends_with('-') {
            slot.push('-');
        }
    }
    let slot = slot.trim_matches('-');
    match slot.starts_with(|c: char| c.is_ascii_alphabetic()) {
        true => slot.to_owned(),
        false => format!("line-{slot}").trim_end_matches('-').to_owned(),
    }
}

/// A line's number as gadgets count, where the board file gives its chip a base.
fn number(board: &Board, line: &Line) -> Option<u32> {
    let chip = board.chips.iter().find(|chip| chip.label == line.chip)?;
    chip.base?.checked_add(line.offset)
}

/// A text between quotes of YAML.
fn quoted(text: &str) -> String {
    format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""))
}

/// The slots of a board: its lines as `gpio`, the pins of its only header as the file that sysfs has for them, its LEDs as
/// the whole LED and as its brightness.
fn slots(board: &Board) -> Slots {
    let mut slots = Slots::new();
    let mut slot = |name: String, interface: &str, rest: String| {
        slots
            .entry(Key::new(&name))
            .or_insert_with(|| format!("{{interface: {interface}, {rest}}}"));
    };
    for line in &board.lines {
        let broadcom = line.aliases.iter().find(|alias| alias.starts_with("bcm-gpio-"));
        let name = broadcom.map_or_else(|| slot_name(&line.name), String::clone);
        let mut rest = match number(board, line) {
            Some(number) => format!("number: {number}"),
            None => format!("chip: {}, line: {}", quoted(&line.chip), line.offset),
        };
        if let Some(value) = line.safe_value {
            let _ = write!(rest, ", safe-value: {value}");
        }
        slot(name, "gpio", rest);
        if let (Some(pin), "", Some(number)) = (line.header_pin, line.header.as_str(), number(board, line)) {
            let path = format!("path: /sys/class/gpio/gpio{number}/value");
            slot(format!("pin-{pin}"), "bool-file", path);
        }
    }
    for led in &board.leds {
        let name = slot_name(&led.name);
        if matches!(led.kind, LedKind::Class(_)) {
            let path = format!(
                "path: {}",
                quoted(&format!("/sys/class/leds/{}/brightness", led.name))
            );
            slot(format!("{name}-led"), "bool-file", path);
        }
        slot(
            format!("led-{name}"),
            "led",
            format!("led: {}", quoted(&led.name)),
        );
    }
    slots
}

/// The gadget's snap.yaml.
pub fn snap_yaml(board: &Board, name: &str, head: &str) -> String {
    let mut yaml = format!("{head}name: {name}\nversion: '1'\n");
    let _ = writeln!(
        yaml,
        "summary: {}",
        quoted(&format!("Slots of the {}", board.model))
    );
    yaml.push_str(DESCRIPTION);
    for (key, value) in slots(board) {
        let _ = writeln!(yaml, "  {}: {value}", key.name);
    }
    yaml
}

const DESCRIPTION: &str = "\
description: |
  A line is connected through one slot at a time. pin-N is the line on pin N of the header, as the file that sysfs has
  for it. led-NAME is the whole LED with its trigger, NAME-led its brightness.
type: gadget
architectures: [all]
confinement: strict
grade: stable
base: none

slots:
";

/// What the firmware of a Raspberry Pi reads before any program runs: the safe values as outputs (`gpio=`). Empty where
/// no line has one, or the board is another.
pub fn config_txt(board: &Board) -> String {
    let mut text = String::new();
    if !board
        .compatible
        .iter()
        .any(|name| name.starts_with("raspberrypi,"))
    {
        return text;
    }
    for line in &board.lines {
        if let (Some(value), Some(number)) = (line.safe_value, number(board, line)) {
            let level = if value == 0 { "dl" } else { "dh" };
            let _ = writeln!(text, "# {}\ngpio={number}=op,{level}", line.name);
        }
    }
    text
}

/// The gadget's gadget.yaml: slots only, for a board that boots already.
pub const GADGET_YAML: &str = "\
# Slots only: this gadget is for a board that boots already. Whoever builds an image adds the volumes, with the boot
# files of the boards that the image is for.
volumes: {}
";
