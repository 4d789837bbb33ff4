//! The board files against what the device trees of Debian's kernels say (`tests/fixtures/trees`, made by
//! `tests/trees/extract`): compatible names, chips, line names, LEDs.

use super::*;
use serde::Deserialize;
use std::collections::BTreeSet;
use std::path::Path;

#[derive(Deserialize)]
struct Tree {
    compatible: Vec<String>,
    chips: Vec<TreeChip>,
    leds: Vec<TreeLed>,
}

#[derive(Deserialize)]
struct TreeChip {
    node: String,
    compatible: Vec<String>,
    lines: Vec<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case")]
struct TreeLed {
    node: String,
    label: Option<String>,
    function: Option<String>,
    color: Option<usize>,
    function_enumerator: Option<u32>,
}

fn tree(board: &str) -> Option<Tree> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("tests/fixtures/trees/{board}.json"));
    let text = std::fs::read_to_string(path).ok()?;
    Some(serde_json::from_str(&text).expect("an extract"))
}

/// The boards of the binary that stand for hardware, each with its tree.
fn boards() -> Vec<(Board, Tree)> {
    let of_hardware = built_in_names().filter(|name| !["sim", "generic"].contains(name));
    of_hardware
        .map(|name| {
            let board = built_in(name).expect("named").expect("parses");
            (board, tree(name).unwrap_or_else(|| panic!("no tree for {name}")))
        })
        .collect()
}

/// How Linux names an LED that has no label: colour, function and number (Documentation/leds/leds-class.rst; the
/// colours are those of dt-bindings/leds/common.h).
fn class_name(led: &TreeLed) -> String {
    const COLOURS: &[&str] = &["white", "red", "green", "blue", "amber", "violet", "yellow"];
    if let Some(label) = &led.label {
        return label.clone();
    }
    let colour = led
        .color
        .and_then(|colour| COLOURS.get(colour).copied())
        .unwrap_or_default();
    let function = led.function.clone().unwrap_or_default();
    match led.function_enumerator {
        Some(number) => format!("{colour}:{function}-{number}"),
        None => format!("{colour}:{function}"),
    }
}

/// The labels that drivers give their chips, by the driver's binding and the node. gpio-omap counts its banks in the order in which
/// they come up, so a file marks them by a line's name.
fn has_label(chip: &TreeChip, label: &str) -> bool {
    let address = chip
        .node
        .rsplit_once('@')
        .map(|(_, address)| address)
        .unwrap_or_default();
    let is = |name: &str| chip.compatible.iter().any(|known| known == name);
    match label {
        "pinctrl-bcm2835" => is("brcm,bcm2835-gpio"),
        "pinctrl-bcm2711" => is("brcm,bcm2711-gpio"),
        "pinctrl-rp1" => is("raspberrypi,rp1-gpio"),
        label if label.starts_with("gpio-") => is("ti,omap4-gpio"),
        // A memory-mapped chip without a label of its own is called by its device.
        label => is("fsl,imx35-gpio") && label == format!("{address}.gpio"),
    }
}

/// The chip of the tree that one of the file means: by its mark where it has one, else by its driver's label.
fn chip_of<'t>(tree: &'t Tree, chip: &Chip) -> Option<&'t TreeChip> {
    tree.chips.iter().find(|known| {
        has_label(known, &chip.label)
            && chip
                .marked_by
                .as_ref()
                .is_none_or(|(offset, name)| known.lines.get(*offset as usize) == Some(name))
    })
}

#[test]
fn every_compatible_is_the_tree_s_own() {
    for (board, tree) in boards() {
        let own = &tree.compatible[0];
        assert!(
            board.compatible.contains(own),
            "{}: the tree says {own:?}, the file {:?}",
            board.name,
            board.compatible
        );
        let shared = board
            .compatible
            .iter()
            .filter(|name| tree.compatible[1..].contains(name));
        assert_eq!(
            shared.count(),
            0,
            "{}: a name that other boards have, too",
            board.name
        );
    }
}

#[test]
fn every_chip_is_in_the_tree() {
    for (board, tree) in boards() {
        for chip in &board.chips {
            let known =
                chip_of(&tree, chip).unwrap_or_else(|| panic!("{}: no chip {:?}", board.name, chip.label));
            let named = known.lines.len();
            assert!(
                chip.lines.is_none_or(|lines| named <= lines as usize),
                "{}: {:?} names {named} lines",
                board.name,
                chip.label
            );
        }
    }
}

/// `NAME [FUNCTION]`, as the trees of BeagleBones write it; elsewhere the whole is the name.
fn parts(kernel: &str) -> (&str, Option<&str>) {
    match kernel.split_once('[') {
        Some((name, function)) => (name.trim(), Some(function.trim_end_matches(']'))),
        None => (kernel, None),
    }
}

#[test]
fn every_line_has_the_tree_s_name() {
    for (board, tree) in boards() {
        let mut checked = 0;
        for line in &board.lines {
            let chip = board
                .chips
                .iter()
                .find(|chip| chip.label == line.chip)
                .expect("its chip");
            let lines = &chip_of(&tree, chip).expect("in the tree").lines;
            let Some(kernel) = lines.get(line.offset as usize).filter(|name| !name.is_empty()) else {
                assert!(
                    board
                        .unverified
                        .iter()
                        .any(|fact| fact.what == format!("chip {}", chip.label)),
                    "{}: the tree has no name for {:?} and the file does not say where it is from",
                    board.name,
                    line.name
                );
                continue;
            };
            let (name, function) = parts(kernel);
            let named = line.name == name || line.aliases.iter().any(|alias| alias == name);
            let by_function = name.is_empty() && line.function.as_deref() == function;
            assert!(
                named || by_function,
                "{}: offset {} is {kernel:?} in the tree, {:?} {:?} in the file",
                board.name,
                line.offset,
                line.name,
                line.aliases
            );
            checked += 1;
        }
        assert!(
            checked > 0 || !board.unverified.is_empty(),
            "{}: nothing was held",
            board.name
        );
    }
}

#[test]
fn every_led_is_in_the_tree_and_none_is_left_out() {
    for (board, tree) in boards() {
        let in_tree: BTreeSet<String> = tree.leds.iter().map(class_name).collect();
        let mut found = BTreeSet::new();
        for led in &board.leds {
            let LedKind::Class(paths) = &led.kind else {
                continue;
            };
            if board
                .unverified
                .iter()
                .any(|fact| fact.what == format!("LED {}", led.name))
            {
                continue;
            }
            let path = paths.iter().find(|path| in_tree.contains(*path));
            let path = path.unwrap_or_else(|| panic!("{}: no LED {paths:?} among {in_tree:?}", board.name));
            found.insert(path.clone());
        }
        assert_eq!(found, in_tree, "{}: LEDs of the tree", board.name);
        assert_eq!(
            tree.leds.len(),
            in_tree.len(),
            "{}: {:?}",
            board.name,
            tree.leds.iter().map(|led| &led.node).collect::<Vec<_>>()
        );
    }
}

/// Each tree chooses its own file, and no other.
#[test]
fn every_tree_chooses_its_file() {
    for (board, tree) in boards() {
        let mut compatible = Vec::new();
        for name in &tree.compatible {
            compatible.extend_from_slice(name.as_bytes());
            compatible.push(0);
        }
        let chosen = choose(None, &compatible, true)
            .expect("a choice")
            .expect("a board");
        assert_eq!(chosen.name, board.name);
    }
}
