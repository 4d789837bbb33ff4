use super::*;
use crate::config::board::parse_with_places;
use crate::domain::hardware::Direction;
use crate::drivers::gpio::{GpioError, Held, LineInfo, Request};
use crate::drivers::leds::{LedError, LedState};

/// Chips with named lines, as a kernel tells them to somebody who only looks.
struct Named(Vec<(&'static str, Vec<&'static str>)>);

impl Chips for Named {
    fn list(&self) -> Vec<ChipInfo> {
        let chip = |(number, (label, lines)): (usize, &(&str, Vec<&str>))| ChipInfo {
            name: format!("gpiochip{number}"),
            label: (*label).to_owned(),
            key: (*label).to_owned(),
            lines: lines.len() as u32,
            node: 0,
            capabilities: &[],
        };
        self.0.iter().enumerate().map(chip).collect()
    }

    fn line(&self, at: &LineAddress) -> Result<LineInfo, GpioError> {
        let chip = self.0.iter().find(|(label, _)| *label == at.chip);
        let name = chip.and_then(|(_, lines)| lines.get(at.offset as usize));
        Ok(LineInfo {
            name: name
                .filter(|name| !name.is_empty())
                .map(|name| (*name).to_owned()),
            direction: Direction::Input,
            active_low: false,
            used: false,
            consumer: None,
        })
    }

    fn request(&self, at: &LineAddress, _: &Request) -> Result<Box<dyn Held>, GpioError> {
        panic!("looking at a board requests no line, but {at:?} was");
    }

    fn by_number(&self, _: u32) -> Option<LineAddress> {
        None
    }
}

struct Lit(&'static [&'static str]);

impl Leds for Lit {
    fn names(&self) -> Vec<String> {
        self.0.iter().map(|name| (*name).to_owned()).collect()
    }

    fn state(&self, name: &str) -> Result<LedState, LedError> {
        panic!("looking at a board reads no LED, but {name} was")
    }

    fn set_brightness(&self, name: &str, _: u32) -> Result<(), LedError> {
        panic!("looking at a board lights no LED, but {name} was")
    }

    fn set_trigger(&self, name: &str, _: &str) -> Result<(), LedError> {
        panic!("looking at a board sets no trigger, but {name}'s was")
    }

    fn set_delays(&self, name: &str, _: u32, _: u32) -> Result<(), LedError> {
        panic!("looking at a board makes nothing blink, but {name} was")
    }

    fn folder(&self, _: &str) -> Option<String> {
        None
    }
}

fn bone() -> Named {
    Named(vec![
        (
            "gpio-0-31",
            vec!["[mdio_data]", "P9_22 [spi0_sclk]", "NC", "", "a \"b\""],
        ),
        ("gpio-32-63", vec!["P8_25 [mmc1_dat0]", "P9_12"]),
    ])
}

fn running<'a>(chips: &'a dyn Chips, leds: &'a dyn Leds) -> Running<'a> {
    Running {
        chips,
        leds,
        compatible: b"ti,am335x-bone-black\0ti,am33xx\0".to_vec(),
        model: b"TI AM335x BeagleBone Black\0".to_vec(),
    }
}

#[test]
fn what_probe_writes_parses_and_fits_the_same_board() {
    let (chips, leds) = (bone(), Lit(&["beaglebone:green:usr2", "odd name"]));
    let running = running(&chips, &leds);
    let text = describe(&running).expect("a board");
    let (board, _) =
        parse_with_places("probed.toml", &text).unwrap_or_else(|error| panic!("{error}\n{text}"));
    assert_eq!(board.name, "am335x-bone-black");
    assert_eq!(board.model, "TI AM335x BeagleBone Black");
    assert_eq!(board.compatible, ["ti,am335x-bone-black"]);
    let names: Vec<_> = board.lines.iter().map(|line| line.name.as_str()).collect();
    assert_eq!(names, ["P9_22", "a", "P8_25", "P9_12"], "{text}");
    assert_eq!(board.lines[0].function.as_deref(), Some("spi0_sclk"));
    assert_eq!(
        board.chips[1].marked_by,
        Some((0, String::from("P8_25 [mmc1_dat0]")))
    );
    assert_eq!(misfits(&board, &running), []);
}

#[test]
fn a_machine_without_chips_is_told_so() {
    let (chips, leds) = (Named(Vec::new()), Lit(&[]));
    let error = describe(&running(&chips, &leds)).expect_err("nothing to describe");
    assert!(error.contains("/dev/gpiochip0"), "{error}");
}

#[test]
fn what_does_not_fit_is_named_with_its_part() {
    let text = "name = \"b\"\ncompatible = [\"acme,one\"]\n\
        [[chips]]\nlabel = \"gpio-0-31\"\nlines = 32\n\
        [[chips]]\nlabel = \"expander\"\n\
        [[chips]]\nlabel = \"gpio-96-127\"\nmarked-by = { offset = 1, name = \"P9_12\" }\n\
        [[lines]]\nname = \"P9_21\"\nchip = \"gpio-0-31\"\noffset = 1\n\
        [[lines]]\nname = \"far\"\nchip = \"gpio-0-31\"\noffset = 30\n\
        [[lines]]\nname = \"free\"\nchip = \"gpio-0-31\"\noffset = 3\n\
        [[leds]]\nname = \"ACT\"\nkind = \"class\"\npaths = [\"led0\"]\n";
    let (board, places) = parse_with_places("b.toml", text).expect("parses");
    let (chips, leds) = (bone(), Lit(&["ACT"]));
    let found = misfits(&board, &running(&chips, &leds));
    let said = |place: &Place, part: &str| {
        let (_, message) = found
            .iter()
            .find(|(known, message)| known == place && message.contains(part))
            .unwrap_or_else(|| panic!("{place:?} {part:?} in {found:?}"));
        message.clone()
    };
    said(&Place::Compatible, "compatible = [\"ti,am335x-bone-black\"]");
    said(&Place::Chip(String::from("gpio-0-31")), "write lines = 5");
    said(&Place::Chip(String::from("expander")), "gpio-0-31, gpio-32-63");
    said(&Place::Line(String::from("P9_21")), "P9_22 [spi0_sclk]");
    said(&Place::Line(String::from("far")), "0 to 4");
    said(&Place::Led(String::from("ACT")), "write one of ACT");
    assert_eq!(
        found.len(),
        6,
        "the marked chip and the unnamed line fit: {found:?}"
    );
    let line = places
        .iter()
        .find(|(place, _)| *place == Place::Line(String::from("P9_21")));
    assert_eq!(line.map(|(_, at)| *at), Some((12, 8)));
}

/// The banks came up the other way round: each has the other's label, and each is known by its mark.
#[test]
fn chips_that_swapped_labels_fit() {
    let text = "name = \"b\"\ncompatible = [\"ti,am335x-bone-black\"]\n\
        [[chips]]\nlabel = \"gpio-0-31\"\nmarked-by = { offset = 1, name = \"P9_12\" }\n\
        [[chips]]\nlabel = \"gpio-32-63\"\nmarked-by = { offset = 1, name = \"P9_22 [spi0_sclk]\" }\n\
        [[lines]]\nname = \"P9_12\"\nchip = \"gpio-0-31\"\noffset = 1\n\
        [[lines]]\nname = \"P8_26\"\nchip = \"gpio-0-31\"\noffset = 0\n";
    let (board, _) = parse_with_places("b.toml", text).expect("parses");
    let (chips, leds) = (bone(), Lit(&[]));
    let found = misfits(&board, &running(&chips, &leds));
    let [(place, message)] = &found[..] else {
        panic!("{found:?}")
    };
    assert_eq!(*place, Place::Line(String::from("P8_26")));
    assert!(
        message.contains("P8_25") && message.contains("gpio-32-63"),
        "{message}"
    );
}
