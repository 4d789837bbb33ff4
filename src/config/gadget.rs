//! The gadget snap of the Raspberry Pi family, made from the board files. `PINION_BLESS=1 cargo test gadget` writes it
//! anew after a board file changed.

use super::board::{Board, LedKind, built_in};
use std::collections::BTreeSet;
use std::fmt::Write;
use std::path::PathBuf;

/// The board files of the family; the simulated board has its header.
const FAMILY: &[&str] = &["raspberry-pi-4", "sim"];

const HEAD: &str = "\
# Made from board-configs by the test in src/config/gadget.rs; change those and bless it.
name: pi
version: '1'
summary: Slots of the boards of the Raspberry Pi family
description: |
  bcm-gpio-N is a line by the number that Broadcom gave it, pin-N is the line on pin N of the 40-pin header, as the
  file that sysfs has for it. A line is connected through one slot at a time. act-led and pwr-led are the brightness
  of an LED; led-act and led-pwr are the whole LED, with its trigger.
type: gadget
architectures: [all]
confinement: strict
grade: stable
base: none

slots:
";

fn boards() -> Vec<Board> {
    let board = |name: &&str| built_in(name).expect("in the binary").expect("parses");
    FAMILY.iter().map(board).collect()
}

/// A line's number as gadgets count: from the base that the board file gives its chip.
fn number(board: &Board, line: &str) -> u32 {
    let line = board
        .lines
        .iter()
        .find(|known| known.name == line)
        .expect("a line");
    let chip = board
        .chips
        .iter()
        .find(|chip| chip.label == line.chip)
        .expect("a chip");
    chip.base.expect("a base") + line.offset
}

/// The gadget's snap.yaml for a family's first board.
fn snap_yaml(board: &Board) -> String {
    let mut yaml = String::from(HEAD);
    let mut slot = |name: &str, interface: &str, attribute: &str, value: &str| {
        writeln!(yaml, "  {name}: {{interface: {interface}, {attribute}: {value}}}").expect("memory");
    };
    for line in &board.lines {
        for alias in line.aliases.iter().filter(|alias| alias.starts_with("bcm-gpio-")) {
            slot(alias, "gpio", "number", &number(board, &line.name).to_string());
        }
    }
    for (index, pin) in board.header.iter().enumerate() {
        if board.lines.iter().any(|line| line.name == *pin) {
            let path = format!("/sys/class/gpio/gpio{}/value", number(board, pin));
            slot(&format!("pin-{}", index + 1), "bool-file", "path", &path);
        }
    }
    for led in board
        .leds
        .iter()
        .filter(|led| matches!(led.kind, LedKind::Class(_)))
    {
        let name = led.name.to_lowercase();
        let path = format!("/sys/class/leds/{}/brightness", led.name);
        slot(&format!("{name}-led"), "bool-file", "path", &path);
        slot(&format!("led-{name}"), "led", "led", &led.name);
    }
    yaml
}

fn file() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("gadget/pi/meta/snap.yaml")
}

#[test]
fn the_gadget_is_what_the_board_files_say() {
    let wanted = snap_yaml(&boards()[0]);
    if std::env::var_os("PINION_BLESS").is_some() {
        std::fs::write(file(), &wanted).expect("written");
    }
    let present = std::fs::read_to_string(file()).expect("the gadget");
    assert_eq!(present, wanted, "run PINION_BLESS=1 cargo test gadget");
}

#[test]
fn every_slot_is_there_once() {
    let yaml = snap_yaml(&boards()[0]);
    let names: Vec<&str> = yaml
        .lines()
        .filter_map(|line| line.strip_prefix("  ")?.split_once(": {"))
        .map(|(name, _)| name)
        .collect();
    let unique: BTreeSet<&str> = names.iter().copied().collect();
    assert_eq!(unique.len(), names.len());
    for number in 0..28 {
        assert!(unique.contains(format!("bcm-gpio-{number}").as_str()), "{number}");
    }
    let pins = names.iter().filter(|name| name.starts_with("pin-")).count();
    assert_eq!(pins, 28, "28 of the 40 pins are lines");
    assert!(yaml.contains("  pin-13: {interface: bool-file, path: /sys/class/gpio/gpio27/value}\n"));
}

/// One gadget serves the family because its boards agree: the same numbers, pins and LEDs.
#[test]
fn the_family_agrees() {
    let boards = boards();
    for board in &boards[1..] {
        assert_eq!(board.header, boards[0].header, "{}", board.name);
        for line in boards[0].lines.iter() {
            assert_eq!(
                number(board, &line.name),
                number(&boards[0], &line.name),
                "{}: {}",
                board.name,
                line.name
            );
        }
        for led in &boards[0].leds {
            let same = board
                .leds
                .iter()
                .any(|known| known.name == led.name && known.aliases == led.aliases);
            assert!(same, "{}: {}", board.name, led.name);
        }
    }
}
