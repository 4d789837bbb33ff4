use super::*;
use crate::config::board::{built_in, parse_board};
use std::collections::BTreeSet;
use std::path::PathBuf;

/// The gadgets of the repository: folder, name, and the board that each is made from.
const GADGETS: &[(&str, &str, &str)] = &[
    ("gadget/pi", "pi", "raspberry-pi-4"),
    ("gadget/beaglebone", "beaglebone", "beaglebone-black"),
];

/// The boards that the gadget `pi` serves; the simulated board has their header.
const FAMILY: &[&str] = &[
    "raspberry-pi-2",
    "raspberry-pi-3",
    "raspberry-pi-3-plus",
    "raspberry-pi-zero-2-w",
    "raspberry-pi-4",
    "raspberry-pi-400",
    "raspberry-pi-cm4",
    "raspberry-pi-5",
    "sim",
];

const HEAD: &str = "# Made from board-configs; `PINION_BLESS=1 cargo test gadget` makes it anew.\n";

fn board(name: &str) -> Board {
    built_in(name).expect("in the binary").expect("parses")
}

fn file(path: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join(path)
}

fn names(yaml: &str) -> Vec<&str> {
    yaml.lines()
        .filter_map(|line| line.strip_prefix("  ")?.split_once(": {"))
        .map(|(name, _)| name)
        .collect()
}

#[test]
fn the_gadgets_are_what_the_board_files_say() {
    for (folder, name, of) in GADGETS {
        for (path, wanted) in [
            ("meta/snap.yaml", snap_yaml(&board(of), name, HEAD)),
            ("meta/gadget.yaml", GADGET_YAML.to_owned()),
        ] {
            let path = file(&format!("{folder}/{path}"));
            if std::env::var_os("PINION_BLESS").is_some() {
                std::fs::create_dir_all(path.parent().expect("a folder")).expect("made");
                std::fs::write(&path, &wanted).expect("written");
            }
            let present = std::fs::read_to_string(&path).unwrap_or_default();
            assert_eq!(
                present,
                wanted,
                "{}: run PINION_BLESS=1 cargo test gadget",
                path.display()
            );
        }
    }
}

#[test]
fn the_pi_has_the_slots_that_its_users_know() {
    let yaml = snap_yaml(&board("raspberry-pi-4"), "pi", HEAD);
    let names = names(&yaml);
    let unique: BTreeSet<&str> = names.iter().copied().collect();
    assert_eq!(unique.len(), names.len());
    for number in 0..28 {
        assert!(unique.contains(format!("bcm-gpio-{number}").as_str()), "{number}");
    }
    let pins = names.iter().filter(|name| name.starts_with("pin-")).count();
    assert_eq!(pins, 28, "28 of the 40 pins are lines");
    assert!(yaml.contains("  pin-13: {interface: bool-file, path: /sys/class/gpio/gpio27/value}\n"));
    let order: Vec<_> = names
        .iter()
        .filter(|name| name.starts_with("bcm-gpio-"))
        .collect();
    assert_eq!(*order[2], "bcm-gpio-2", "by number, not by digit: {order:?}");
}

#[test]
fn the_beaglebone_has_a_slot_for_every_pin_that_is_a_line() {
    let board = board("beaglebone-black");
    let yaml = snap_yaml(&board, "beaglebone", HEAD);
    let names = names(&yaml);
    for line in &board.lines {
        assert!(names.contains(&slot_name(&line.name).as_str()), "{}", line.name);
    }
    // GPIO1_28: bank 1, line 28, so number 60 as Linux counted on this board.
    assert!(
        yaml.contains("  p9-12: {interface: gpio, number: 60}\n"),
        "{yaml}"
    );
}

/// One gadget serves the family because its boards agree: the same numbers and pins, and the same names of LEDs.
#[test]
fn the_family_agrees() {
    let first = board("raspberry-pi-4");
    for name in FAMILY {
        let board = board(name);
        assert_eq!(board.headers, first.headers, "{name}");
        for line in &first.lines {
            let same = board
                .lines
                .iter()
                .find(|known| known.name == line.name)
                .expect("the line");
            assert_eq!(
                number(&board, same),
                number(&first, line),
                "{name}: {}",
                line.name
            );
        }
        for led in &first.leds {
            let other = board.leds.iter().find(|known| known.name == led.name);
            assert!(
                other.is_none_or(|other| other.aliases == led.aliases),
                "{name}: {}",
                led.name
            );
        }
    }
}

#[test]
fn safe_values_reach_the_slots_and_the_boot_files() {
    let text = "name = \"b\"\ncompatible = [\"raspberrypi,x\"]\n[[chips]]\nlabel = \"c\"\nlines = 8\nbase = 16\n\
                [[lines]]\nname = \"pump\"\noffset = 1\nsafe-value = 0\n[[lines]]\nname = \"valve\"\noffset = 2\n\
                safe-value = 1\n[[lines]]\nname = \"free\"\noffset = 3\n";
    let board = parse_board("b.toml", text).expect("parses");
    assert_eq!(
        config_txt(&board),
        "# pump\ngpio=17=op,dl\n# valve\ngpio=18=op,dh\n"
    );
    let yaml = snap_yaml(&board, "b", "");
    assert!(
        yaml.contains("  pump: {interface: gpio, number: 17, safe-value: 0}\n"),
        "{yaml}"
    );
    assert!(yaml.contains("  free: {interface: gpio, number: 19}\n"), "{yaml}");
}

#[test]
fn names_of_slots_fit_their_grammar() {
    for (name, slot) in [
        ("GPIO17", "gpio17"),
        ("P9_12", "p9-12"),
        ("LED1-red", "led1-red"),
        ("30200000.gpio-4", "line-30200000-gpio-4"),
        ("a__b..c", "a-b-c"),
        ("+", "line"),
    ] {
        assert_eq!(slot_name(name), slot);
    }
}
