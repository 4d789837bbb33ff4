//! Boards with lines of other kinds, with chips that come and go, and none at all.

use super::*;
use crate::drivers::gpio::{ChipInfo, GpioError, Held, LineInfo};
use serde_json::Value;

#[tokio::test]
async fn a_board_may_export_its_lines_in_sysfs() {
    let bench = bench();
    let sysfs = bench.dirs.root().join("sys/class/gpio");
    let chip = sysfs.join("gpiochip512");
    std::fs::create_dir_all(&chip).expect("chip");
    for (name, text) in [("label", "pinctrl-sim"), ("base", "512"), ("ngpio", "54")] {
        std::fs::write(chip.join(name), text).expect("fact");
    }
    let text = "name = \"b\"\n[[chips]]\nlabel = \"pinctrl-sim\"\nlines = 54\nsysfs = true\n\
                [[lines]]\nname = \"RELAY\"\nchip = \"pinctrl-sim\"\noffset = 3\n";
    let board = parse_board("b.toml", text).expect("parses");
    let (hardware, _chips) = open(board, &bench.dirs, &bench.store, &bench.bus);
    // The kernel would make the folder when the number is written.
    std::fs::create_dir(sysfs.join("gpio515")).expect("line");
    let it = connection("lamp:relay", "pi:relay");
    let target = Target::Line(LineAddress {
        chip: "pinctrl-sim".into(),
        offset: 3,
    });
    let grants = hardware.attach(&it, &target, None).expect("connected");
    assert_eq!(
        grants,
        [Grant::Sysfs {
            name: "RELAY".into(),
            path: sysfs.join("gpio515").display().to_string()
        }]
    );
    let fault = hardware.set_line("RELAY", 1, &admin()).expect_err("the kernel's");
    assert_eq!(fault.kind, ErrorKind::LineBusy);
    assert!(
        fault.message.contains("sysfs") && fault.message.contains("lamp:relay"),
        "{fault}"
    );
    hardware.detach(&it).expect("detached");
    assert_eq!(
        std::fs::read_to_string(sysfs.join("unexport")).expect("written"),
        "515"
    );
}

#[tokio::test]
async fn numbers_of_older_kernels_still_mean_their_lines() {
    let bench = bench();
    let mut board = built_in("sim").expect("named").expect("parses");
    board.chips[0].base = Some(100);
    let (hardware, _chips) = open(board, &bench.dirs, &bench.store, &bench.bus);
    // The simulator's own table says 0 to 53; the board file adds 100 to 153.
    let it = connection("lamp:relay", "pi:relay");
    let grants = hardware
        .attach(&it, &Target::Number(117), None)
        .expect("connected");
    assert!(matches!(&grants[..], [Grant::Line { offset: 17, .. }]));
}

#[tokio::test]
async fn lines_go_and_come_back_with_their_chip() {
    let bench = bench();
    let config = LineConfig {
        safe_value: Some(1),
        ..LineConfig::default()
    };
    bench
        .hardware
        .configure_line("GPIO27", &config, &admin())
        .expect("configured");
    let it = bench.connect_light();
    bench
        .connect("door:contact", "pi:bcm-gpio-4", Target::Number(4))
        .expect("connected");
    bench.hardware.set_line("pin-13", 0, &admin()).expect("set");
    bench.chips.pull_or_put_back();
    let view = bench.hardware.view(&admin()).expect("a view");
    assert!(view.chips.is_empty());
    let line = bench.hardware.line("GPIO27", &admin()).expect("still named");
    assert_eq!((line.value, line.plug.as_ref()), (None, Some(&it.plug)));
    let fault = bench
        .hardware
        .set_line("GPIO27", 1, &admin())
        .expect_err("no chip");
    assert_eq!(fault.kind, ErrorKind::LineNotFound);
    assert!(bench.hardware.is_attached(&it));
    bench.chips.pull_or_put_back();
    let line = bench.hardware.line("GPIO27", &admin()).expect("back");
    assert_eq!(
        (line.value, line.plug.as_ref()),
        (Some(1), Some(&it.plug)),
        "at its safe value"
    );
    let line = bench.hardware.line("GPIO4", &admin()).expect("back");
    assert_eq!((line.value, line.edges), (Some(0), true));
    // Gone while it is disconnected: what was configured is left of it, and nothing else.
    bench.chips.pull_or_put_back();
    let view = bench.hardware.view(&admin()).expect("a view");
    let waiting = view.board.expect("a board").waiting;
    assert_eq!(waiting.len(), 2, "{waiting:?}");
    assert!(waiting[0].why.contains("pinctrl-sim"), "{waiting:?}");
    bench.hardware.detach(&it).expect("detached");
    let contact = connection("door:contact", "pi:bcm-gpio-4");
    bench.hardware.detach(&contact).expect("detached");
    bench.chips.pull_or_put_back();
    let line = bench.hardware.line("GPIO27", &admin()).expect("ours");
    assert_eq!((line.consumer.as_deref(), line.value), (Some("pinion"), Some(1)));
    let line = bench.hardware.line("GPIO4", &admin()).expect("free");
    assert_eq!(line.consumer, None);
    let view = bench.hardware.view(&admin()).expect("a view");
    assert!(view.board.expect("a board").waiting.is_empty());
}

#[tokio::test]
async fn what_is_not_there_at_the_start_is_waited_for() {
    let bench = bench();
    bench.chips.pull_or_put_back();
    let it = connection("door:contact", "pi:bcm-gpio-4");
    let at = LineAddress {
        chip: "pinctrl-sim".into(),
        offset: 4,
    };
    let wanted = (it.clone(), Target::Line(at), None);
    assert_eq!(bench.hardware.restore(std::slice::from_ref(&wanted)).len(), 1);
    assert!(!bench.hardware.is_attached(&it));
    let warnings: Vec<String> = bench.store.world().warnings.keys().cloned().collect();
    assert!(
        matches!(&warnings[..], [text] if text.starts_with("door:contact waits") && text.contains("pinctrl-sim")),
        "{warnings:?}"
    );
    let mut reader = bench.bus.subscribe(Filter::default(), None);
    bench.chips.pull_or_put_back();
    let line = bench.hardware.line("GPIO4", &admin()).expect("there");
    assert_eq!((line.plug, line.edges), (Some(it.plug.clone()), true));
    assert!(bench.hardware.is_attached(&it));
    assert_eq!(events(&mut reader)[0].data["cause"], "back");
    // One that is disconnected waits no more.
    bench.hardware.detach(&it).expect("detached");
    bench.chips.pull_or_put_back();
    bench.hardware.restore(&[wanted]);
    bench.hardware.detach(&it).expect("detached");
    bench.chips.pull_or_put_back();
    bench.hardware.view(&admin()).expect("a view");
    assert!(!bench.hardware.is_attached(&it));
}

#[tokio::test]
async fn a_chip_that_goes_is_noticed_without_a_request() {
    let bench = bench();
    let it = bench.connect_light();
    let mut reader = bench.bus.subscribe(Filter::default(), None);
    let devices = tempfile::tempdir().expect("a folder");
    let node = devices.path().join("gpiochip0");
    std::fs::write(&node, "").expect("a node");
    let (hardware, folder) = (Arc::clone(&bench.hardware), devices.path().to_owned());
    let following = tokio::spawn(async move { hardware.follow_devices(&folder, Arc::new(|| {})).await });
    tokio::task::yield_now().await;
    bench.chips.pull_or_put_back();
    std::fs::remove_file(&node).expect("the node goes");
    let next = tokio::time::timeout(Duration::from_secs(20), reader.next());
    let (event, _) = next.await.expect("in time");
    assert_eq!(
        (&event.data["cause"], &event.data["value"]),
        (&Value::from("gone"), &Value::Null)
    );
    assert!(bench.hardware.is_attached(&it));
    bench.chips.pull_or_put_back();
    std::fs::write(&node, "").expect("the node comes back");
    let next = tokio::time::timeout(Duration::from_secs(20), reader.next());
    let (event, _) = next.await.expect("in time");
    assert_eq!(
        (&event.data["cause"], &event.data["value"]),
        (&Value::from("back"), &Value::from(0))
    );
    following.abort();
}

#[tokio::test]
async fn without_a_board_there_is_nothing_and_no_error() {
    let bench = bench();
    let hardware = Hardware::with_drivers(
        None,
        Arc::clone(&bench.chips) as Arc<dyn Chips>,
        Arc::new(SimLeds::default()),
        SysfsGpio::new("/nonexistent"),
        &bench.dirs,
        Arc::clone(&bench.store),
        Arc::clone(&bench.bus),
        Handle::current(),
    );
    assert!(hardware.restore(&[]).is_empty());
    assert_eq!(hardware.view(&admin()).expect("a view"), HardwareView::default());
    let fault = hardware.line("GPIO4", &admin()).expect_err("no board");
    assert_eq!(fault.kind, ErrorKind::LineNotFound);
}

#[tokio::test]
async fn a_discovered_board_has_the_kernels_names() {
    let bench = bench();
    let board = built_in("generic").expect("named").expect("parses");
    let (hardware, _chips) = open(board, &bench.dirs, &bench.store, &bench.bus);
    let view = hardware.view(&admin()).expect("a view");
    assert_eq!(view.lines.len(), 54);
    assert_eq!(view.lines[5].name, "pinctrl-sim-5");
    let leds: Vec<_> = view.leds.iter().map(|led| led.name.as_str()).collect();
    assert_eq!(leds, ["ACT", "PWR"]);
    assert!(hardware.set_line("pinctrl-sim-5", 1, &admin()).is_ok());
}

/// Several chips whose lines have the kernel's names, by label.
struct Banks(Vec<(&'static str, &'static [&'static str], SimChips)>);

impl Banks {
    fn new(banks: &[(&'static str, &'static [&'static str])]) -> Self {
        let bank = |(label, names): &(&'static str, &'static [&'static str])| {
            (*label, *names, SimChips::new(label, 8, Clock::system()))
        };
        Self(banks.iter().map(bank).collect())
    }

    fn of(&self, at: &LineAddress) -> &(&'static str, &'static [&'static str], SimChips) {
        let bank = self.0.iter().find(|(label, ..)| *label == at.chip);
        bank.unwrap_or(&self.0[0]) // which tells the error
    }
}

impl Chips for Banks {
    fn list(&self) -> Vec<ChipInfo> {
        self.0.iter().flat_map(|(.., chip)| chip.list()).collect()
    }

    fn line(&self, at: &LineAddress) -> Result<LineInfo, GpioError> {
        let (_, names, chip) = self.of(at);
        let name = names.get(at.offset as usize).map(|name| (*name).to_owned());
        Ok(LineInfo {
            name,
            ..chip.line(at)?
        })
    }

    fn request(&self, at: &LineAddress, request: &Request) -> Result<Box<dyn Held>, GpioError> {
        self.of(at).2.request(at, request)
    }

    fn by_number(&self, _: u32) -> Option<LineAddress> {
        None
    }
}

const TWO_BANKS: &str = "name = \"b\"\n\
    [[chips]]\nlabel = \"gpio-0-7\"\nmarked-by = { offset = 1, name = \"P9_22\" }\n\
    [[chips]]\nlabel = \"gpio-8-15\"\nmarked-by = { offset = 0, name = \"P8_25\" }\n\
    [[chips]]\nlabel = \"expander\"\n\
    [[lines]]\nname = \"ONE\"\nchip = \"gpio-0-7\"\noffset = 3\n\
    [[lines]]\nname = \"TWO\"\nchip = \"gpio-8-15\"\noffset = 3\n\
    [[lines]]\nname = \"FAR\"\nchip = \"expander\"\noffset = 3\n";

const FIRST: &[&str] = &["", "P9_22"];
const SECOND: &[&str] = &["P8_25"];

/// Chips that are present, chips that are listed as missing, and for each line the label of the chip that it is driven on.
type Case<'a> = (
    &'a [(&'static str, &'static [&'static str])],
    &'a [&'a str],
    [Option<&'a str>; 3],
);

#[tokio::test]
async fn chips_in_another_order_under_other_labels_or_missing() {
    let bench = bench();
    let cases: &[Case<'_>] = &[
        (
            &[("gpio-0-7", FIRST), ("gpio-8-15", SECOND), ("expander", &[])],
            &[],
            [Some("gpio-0-7"), Some("gpio-8-15"), Some("expander")],
        ),
        // They came up the other way round, and each took the other's label.
        (
            &[("gpio-0-7", SECOND), ("gpio-8-15", FIRST)],
            &["expander"],
            [Some("gpio-8-15"), Some("gpio-0-7"), None],
        ),
        // A newer driver calls them otherwise.
        (
            &[("48000000.gpio", FIRST), ("48001000.gpio", SECOND)],
            &["expander"],
            [Some("48000000.gpio"), Some("48001000.gpio"), None],
        ),
        // The first is missing and the second has its label: the lines of the first are not those of the second.
        (
            &[("gpio-0-7", SECOND), ("expander", &[])],
            &["gpio-0-7 with P9_22"],
            [None, Some("gpio-0-7"), Some("expander")],
        ),
        // A chip without a mark is known by its label only, and not when another one has that.
        (
            &[("expander", SECOND), ("gpio-0-7", FIRST)],
            &["expander of the board file"],
            [Some("gpio-0-7"), Some("expander"), None],
        ),
    ];
    for (present, missing, driven) in cases {
        let board = parse_board("b.toml", TWO_BANKS).expect("parses");
        let hardware = Hardware::with_drivers(
            Some(board),
            Arc::new(Banks::new(present)),
            Arc::new(SimLeds::default()),
            SysfsGpio::new("/nonexistent"),
            &bench.dirs,
            Arc::clone(&bench.store),
            Arc::clone(&bench.bus),
            Handle::current(),
        );
        let view = hardware.view(&admin()).expect("a view");
        assert_eq!(view.board.expect("a board").missing, *missing, "{present:?}");
        for (name, chip) in ["ONE", "TWO", "FAR"].iter().zip(driven) {
            let set = hardware.set_line(name, 1, &admin());
            match chip {
                Some(chip) => {
                    let line = set.unwrap_or_else(|fault| panic!("{present:?} {name}: {fault}"));
                    assert_eq!(
                        (line.chip.as_str(), line.value),
                        (*chip, Some(1)),
                        "{present:?} {name}"
                    );
                }
                None => {
                    let fault = set.expect_err("not there");
                    assert_eq!(fault.kind, ErrorKind::LineNotFound, "{present:?} {name}: {fault}");
                }
            }
        }
    }
}
