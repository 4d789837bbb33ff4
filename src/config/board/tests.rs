use super::*;
use proptest::prelude::*;

#[test]
fn every_board_of_the_binary_parses() {
    for name in built_in_names() {
        let board = built_in(name)
            .expect("named")
            .unwrap_or_else(|error| panic!("{error}"));
        assert_eq!(board.name, name);
    }
}

#[test]
fn the_simulated_board_is_as_decided() {
    let board = built_in("sim").expect("named").expect("parses");
    assert_eq!(board.driver, Driver::Simulator);
    assert_eq!(board.lines.len(), 54);
    assert_eq!(board.chips[0].label, "pinctrl-sim");
    assert_eq!(board.chips[0].base, Some(0));
    assert_eq!(board.headers[0].pins.len(), 40);
    let pin_13 = board
        .lines
        .iter()
        .find(|line| line.aliases.iter().any(|alias| alias == "pin-13"))
        .expect("pin 13");
    assert_eq!(
        (pin_13.name.as_str(), pin_13.offset, pin_13.header_pin),
        ("GPIO27", 27, Some(13))
    );
    let names: Vec<_> = board.leds.iter().map(|led| led.name.as_str()).collect();
    assert_eq!(names, ["ACT", "PWR", "USER"]);
}

#[test]
fn the_choice_follows_the_rule() {
    let pi = b"raspberrypi,4-model-b\0brcm,bcm2711\0";
    let name = |asked, tree: &[u8], chip| {
        choose(asked, tree, chip)
            .expect("a choice")
            .map(|board| board.name)
    };
    assert_eq!(name(Some("sim"), pi, true).as_deref(), Some("sim"));
    assert_eq!(name(None, pi, true).as_deref(), Some("raspberry-pi-4"));
    assert_eq!(name(None, b"acme,board\0", true).as_deref(), Some("generic"));
    assert_eq!(name(None, b"", false), None);
    assert_eq!(
        name(None, b"raspberrypi\0", false),
        None,
        "a part of a name is not a name"
    );
    let unknown = choose(Some("toaster"), b"", true)
        .expect_err("no such board")
        .to_string();
    assert!(
        unknown.contains("toaster") && unknown.contains("generic"),
        "{unknown}"
    );
    let missing = choose(Some("/nonexistent/b.toml"), b"", true)
        .expect_err("no file")
        .to_string();
    assert!(missing.contains("/nonexistent/b.toml"), "{missing}");
}

const CHIP: &str = "name = \"b\"\n[[chips]]\nlabel = \"c\"\nlines = 8\n";

/// A text, the line and column that it is wrong at, and what the message must hold.
#[test]
fn what_is_wrong_is_said_with_its_place() {
    let line =
        |name: &str, offset: u32| format!("[[lines]]\nname = \"{name}\"\nchip = \"c\"\noffset = {offset}\n");
    let led = |name: &str, rest: &str| {
        format!("name = \"b\"\n[[leds]]\nname = \"{name}\"\nkind = \"class\"\n{rest}\n")
    };
    let cases: Vec<(String, (usize, usize), &str)> = vec![
        (
            format!("{CHIP}{}{}", line("a", 0), line("a", 1)),
            (10, 8),
            "line 6",
        ),
        (
            format!("{CHIP}{}{}", line("a", 3), line("b", 3)),
            (12, 10),
            "alias",
        ),
        (format!("{CHIP}{}", line("a", 8)), (8, 10), "0 to 7"),
        (format!("{CHIP}colour = 1\n"), (5, 1), "colour"),
        (format!("{CHIP}{}", line("a b", 1)), (6, 8), "cannot be a name"),
        (
            String::from("name = \"b\"\n[[lines]]\nname = \"a\"\nchip = \"x\"\noffset = 0\n"),
            (4, 8),
            "[[chips]]",
        ),
        (
            String::from("name = \"b\"\n[header]\npins = [\"5V\", \"GPIO1\"]\n"),
            (3, 15),
            "GPIO1",
        ),
        (
            format!("{CHIP}{}[header]\npins = [\"a\", \"a\"]\n", line("a", 0)),
            (10, 14),
            "pin 1",
        ),
        (
            format!(
                "{CHIP}{}aliases = [\"pin-1\"]\n[header]\npins = [\"a\"]\n",
                line("a", 0)
            ),
            (11, 9),
            "by itself",
        ),
        (
            String::from("name = \"b\"\n[[leds]]\nname = \"l\"\nkind = \"line\"\n"),
            (4, 8),
            "line =",
        ),
        (
            String::from("name = \"b\"\n[[leds]]\nname = \"l\"\nkind = \"line\"\nline = \"no\"\n"),
            (5, 8),
            "[[lines]]",
        ),
        (
            String::from("name = \"b\"\n[[leds]]\nname = \"l\"\nkind = \"class\"\n"),
            (4, 8),
            "paths",
        ),
        (
            String::from("name = \"b\"\n[[leds]]\nname = \"l\"\nkind = \"sim\"\n"),
            (4, 8),
            "simulator",
        ),
        (
            String::from("name = \"b\"\n[[leds]]\nname = \"l\"\nkind = \"class\"\npaths = [\"a/b\"]\n"),
            (5, 9),
            "slash",
        ),
        (String::from("model = 5\nname = \"b\"\n"), (1, 9), "string"),
        (
            format!(
                "{}{}",
                led("ACT", "paths = [\"a\"]"),
                "[[leds]]\nname = \"ACT\"\nkind = \"class\"\n"
            ),
            (7, 8),
            "is already named at line 3: give each its own name",
        ),
        (
            format!(
                "{}[[leds]]\nname = \"b\"\nkind = \"class\"\naliases = [\"ACT\"]\n",
                led("ACT", "paths = [\"a\"]")
            ),
            (9, 12),
            "is already named at line 3",
        ),
        (
            format!(
                "{CHIP}{}[[leds]]\nname = \"x\"\nkind = \"line\"\nline = \"a\"\n\
                 [[leds]]\nname = \"y\"\nkind = \"line\"\nline = \"a\"\n",
                line("a", 0)
            ),
            (16, 8),
            "give \"y\" another line",
        ),
        (led("ACT", "colour = \"red\""), (5, 1), "colour"),
        (
            led("ACT", "paths = [\"a\"]\nline = \"b\""),
            (6, 8),
            "remove it or change the kind",
        ),
        (
            led("ACT", "paths = [\"a\"]\nunverified = true"),
            (3, 8),
            "add source",
        ),
        (
            led("ACT", "paths = [\"a\"]\nsource = \"b\""),
            (3, 8),
            "add unverified = true",
        ),
        (
            String::from("name = \"b\"\ncompatible = [\"acme,x\", \"raspberry pi\"]\n"),
            (2, 25),
            "write one of /proc/device-tree/compatible",
        ),
        (
            String::from("name = \"b\"\ncompatible = \"acme,x\"\n"),
            (2, 14),
            "array",
        ),
        (
            format!("{CHIP}[[chips]]\nlabel = \"c\"\n"),
            (6, 9),
            "is already named at line 3",
        ),
        (
            String::from("name = \"b\"\n[[chips]]\nlabel = \"c\"\nlines = 0\n"),
            (3, 9),
            "1 to 4096",
        ),
        (format!("{CHIP}base = 0x1_0000_0000\n"), (5, 8), "0 to 4294967295"),
        (
            format!("{CHIP}on-release = \"float\"\n"),
            (5, 14),
            "input, keep, pull",
        ),
        (
            format!("{CHIP}marked-by = {{ offset = 8, name = \"x\" }}\n"),
            (5, 24),
            "0 to 7",
        ),
        (format!("{CHIP}marked-by = {{ offset = 1 }}\n"), (5, 13), "name"),
        (
            format!("{CHIP}{}safe-value = 2\n", line("a", 0)),
            (9, 14),
            "0 or 1",
        ),
        (
            String::from("name = \"b\"\n[[lines]]\nname = \"a\"\noffset = 0\n"),
            (3, 8),
            "add chip = ",
        ),
        (
            String::from("name = \"b\"\n[[headers]]\npins = [\"5V\"]\n"),
            (3, 9),
            "name = \"P1\"",
        ),
        (
            String::from("name = \"b\"\n[header]\nname = \"P1\"\npins = []\n"),
            (3, 8),
            "[[headers]]",
        ),
        (String::from("name = \"b\"\nname = \"c\"\n"), (2, 1), ""),
        (String::from("[board]\n"), (1, 1), "name"),
        (String::from("name = \"b\"\nmodel = \"ä\" \"x\"\n"), (2, 13), ""),
    ];
    for (text, place, part) in cases {
        let error = parse_board("b.toml", &text).expect_err(&text);
        assert_eq!((error.line, error.column), place, "{error}\n{text}");
        assert!(error.message.contains(part), "{error}");
        assert!(
            error
                .to_string()
                .starts_with(&format!("b.toml:{}:{}: ", place.0, place.1)),
            "{error}"
        );
    }
}

#[test]
fn a_long_file_is_refused_at_once() {
    let text = format!("name = \"b\"\n#{}", "x".repeat(MAX_FILE));
    let error = parse_board("b.toml", &text).expect_err("too long");
    assert!(error.message.contains("at most"), "{error}");
}

proptest! {
    #[test]
    fn any_text_gives_a_board_or_an_error_inside_it(text in "\\PC{0,200}") {
        if let Err(error) = parse_board("f", &text) {
            prop_assert!(error.line <= text.lines().count() + 1);
        }
    }

    #[test]
    fn a_damaged_board_never_panics(at in 0usize..6000, with in "\\PC{0,3}") {
        let (_, text) = BUILT_IN[0];
        let mut text = text.to_owned();
        let at = at.min(text.len());
        if text.is_char_boundary(at) {
            text.insert_str(at, &with);
        }
        if let Ok(board) = parse_board("f", &text) {
            let mut names: Vec<_> = board.lines.iter().map(|line| line.name.as_str()).collect();
            names.sort_unstable();
            names.dedup();
            prop_assert_eq!(names.len(), board.lines.len());
        }
    }
}
