use super::*;
use crate::config::board::{built_in, parse_board};
use crate::domain::requester::Role;
use crate::drivers::gpio::Request;
use crate::drivers::gpio::sim::SimChips;
use crate::drivers::leds::sim::SimLeds;
use crate::events::{Event, Filter, Reader};
use std::time::Duration;

struct Bench {
    hardware: Arc<Hardware>,
    chips: Arc<SimChips>,
    bus: Arc<Bus>,
    store: Arc<Store>,
    dirs: Dirs,
    _root: tempfile::TempDir,
}

fn bench() -> Bench {
    let root = tempfile::tempdir().expect("a folder");
    let dirs = Dirs::new(root.path());
    let (store, _) = Store::open(&dirs, Clock::system()).expect("a store");
    let bus = Bus::new(|| Clock::system().now());
    let (hardware, chips) = open(
        built_in("sim").expect("named").expect("parses"),
        &dirs,
        &store,
        &bus,
    );
    hardware.restore(&[]);
    Bench {
        hardware,
        chips,
        bus,
        store,
        dirs,
        _root: root,
    }
}

fn open(board: Board, dirs: &Dirs, store: &Arc<Store>, bus: &Arc<Bus>) -> (Arc<Hardware>, Arc<SimChips>) {
    let chips = Arc::new(SimChips::new("pinctrl-sim", 54, Clock::system()));
    let leds = Arc::new(SimLeds::new(["ACT", "PWR"].into_iter()));
    let sysfs = SysfsGpio::new(dirs.root().join("sys/class/gpio"));
    let hardware = Hardware::with_drivers(
        Some(board),
        Arc::clone(&chips) as Arc<dyn Chips>,
        leds,
        sysfs,
        dirs,
        Arc::clone(store),
        Arc::clone(bus),
        Handle::current(),
    );
    (hardware, chips)
}

fn snap(name: &str) -> SnapName {
    SnapName::new(name).expect("a name")
}

fn connection(plug: &str, slot: &str) -> ConnRef {
    let end = |text: &str| {
        let (snap, name) = text.split_once(':').expect("SNAP:NAME");
        (SnapName::new(snap).expect("a name"), name.to_owned())
    };
    let ((plug_snap, plug), (slot_snap, slot)) = (end(plug), end(slot));
    ConnRef {
        plug: PlugRef::new(plug_snap, plug),
        slot: SlotRef::new(slot_snap, slot),
    }
}

fn requester(transport: Transport, snap: Option<&str>) -> Requester {
    Requester {
        identity: String::from("test"),
        uid: Some(0),
        pid: None,
        role: Role::Admin,
        transport,
        snap: snap.map(|name| SnapName::new(name).expect("a name")),
    }
}

fn admin() -> Requester {
    requester(Transport::MainSocket, None)
}

fn of_snap(name: &str) -> Requester {
    requester(Transport::SnapSocket, Some(name))
}

fn events(reader: &mut Reader) -> Vec<Arc<Event>> {
    std::iter::from_fn(|| reader.try_next())
        .map(|(event, _)| event)
        .collect()
}

const PIN_13: &str = "/sys/class/gpio/gpio27/value";

impl Bench {
    fn connect(&self, plug: &str, slot: &str, target: Target) -> Result<Vec<Grant>, Fault> {
        self.hardware.attach(&connection(plug, slot), &target, None)
    }

    /// The reference example: capslock-led on pin 13.
    fn connect_light(&self) -> ConnRef {
        let it = connection("keyboard-lights:capslock-led", "pi:pin-13");
        self.hardware
            .attach(&it, &Target::BoolFile(PIN_13.into()), None)
            .expect("connected");
        it
    }
}

#[tokio::test]
async fn the_reference_example_moves_the_pin() {
    let bench = bench();
    let mut reader = bench.bus.subscribe(Filter::default(), None);
    let it = bench.connect_light();
    assert!(bench.hardware.is_attached(&it));
    let grants = bench.hardware.grants_of(&it.plug.snap);
    assert_eq!(
        grants,
        [(
            it.plug.clone(),
            Grant::Line {
                name: "GPIO27".into(),
                chip: "pinctrl-sim".into(),
                offset: 27
            }
        )]
    );
    // By the plug's name, as its snap; by the pin's, as anybody.
    let me = of_snap("keyboard-lights");
    let line = bench.hardware.set_line("capslock-led", 1, &me).expect("set");
    assert_eq!((line.value, line.direction), (Some(1), Some(Direction::Output)));
    let line = bench.hardware.line("pin-13", &admin()).expect("read");
    assert_eq!(line.value, Some(1));
    assert_eq!(line.plug.as_ref(), Some(&it.plug));
    assert_eq!(line.slot.as_ref(), Some(&it.slot));
    assert_eq!(line.consumer.as_deref(), Some("keyboard-lights:capslock-led"));
    assert_eq!(line.header_pin, Some(13));
    let told: Vec<_> = events(&mut reader)
        .iter()
        .map(|event| {
            (
                event.kind,
                event.data["cause"].clone(),
                event.data["value"].clone(),
            )
        })
        .collect();
    assert_eq!(
        told,
        [
            ("hardware.line", "connect".into(), 0.into()),
            ("hardware.line", "set".into(), 1.into())
        ]
    );
}

#[tokio::test]
async fn reading_takes_nothing() {
    let bench = bench();
    let view = bench.hardware.view(&admin()).expect("a view");
    assert_eq!((view.chips.len(), view.lines.len(), view.leds.len()), (1, 54, 3));
    assert_eq!(view.chips[0].on_release, crate::domain::hardware::OnRelease::Pull);
    for line in &view.lines {
        assert_eq!(line.value, None, "{}", line.name);
        assert_eq!(line.consumer, None, "{}", line.name);
        assert!(
            !bench
                .chips
                .line(&LineAddress {
                    chip: line.chip.clone(),
                    offset: line.offset
                })
                .expect("info")
                .used
        );
    }
}

#[tokio::test]
async fn attach_and_detach_may_be_repeated() {
    let bench = bench();
    let it = bench.connect_light();
    bench.connect_light();
    bench.hardware.set_line("pin-13", 1, &admin()).expect("set");
    bench.hardware.detach(&it).expect("detached");
    bench.hardware.detach(&it).expect("again");
    assert!(!bench.hardware.is_attached(&it));
}

#[tokio::test]
async fn after_disconnect_an_output_is_held_at_its_safe_value() {
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
    bench.hardware.set_line("pin-13", 0, &admin()).expect("set");
    bench.hardware.detach(&it).expect("detached");
    let line = bench.hardware.line("GPIO27", &admin()).expect("read");
    assert_eq!((line.value, line.safe_value), (Some(1), Some(1)));
    assert_eq!(line.plug, None);
    assert_eq!(line.consumer.as_deref(), Some("pinion"));
    // And somebody else may have it now.
    bench
        .connect("other:relay", "pi:bcm-gpio-27", Target::Number(27))
        .expect("free for another slot");
    let line = bench.hardware.line("GPIO27", &admin()).expect("read");
    assert_eq!(
        (line.value, line.consumer.as_deref()),
        (Some(1), Some("other:relay"))
    );
}

#[tokio::test]
async fn an_input_is_let_go_after_disconnect() {
    let bench = bench();
    let it = connection("door:contact", "pi:bcm-gpio-4");
    bench
        .hardware
        .attach(&it, &Target::Number(4), None)
        .expect("connected");
    assert_eq!(
        bench.hardware.line("GPIO4", &admin()).expect("read").value,
        Some(0)
    );
    bench.hardware.detach(&it).expect("detached");
    let line = bench.hardware.line("GPIO4", &admin()).expect("read");
    assert_eq!((line.value, line.consumer), (None, None));
}

#[tokio::test]
async fn a_second_slot_of_a_connected_line_is_refused_by_name() {
    let bench = bench();
    let it = bench.connect_light();
    let fault = bench
        .connect("other:relay", "pi:bcm-gpio-27", Target::Number(27))
        .expect_err("one line, two slots");
    assert_eq!(fault.kind, ErrorKind::LineBusy);
    assert_eq!(fault.value, Some("keyboard-lights:capslock-led".into()));
    assert!(
        fault.message.contains("GPIO27") && fault.message.contains("pi:pin-13"),
        "{fault}"
    );
    // The same slot may have several plugs; the last one lets go.
    let second = connection("other:lamp", "pi:pin-13");
    let target = Target::BoolFile(PIN_13.into());
    bench.hardware.attach(&second, &target, None).expect("shared");
    bench
        .hardware
        .set_line("pin-13", 1, &of_snap("other"))
        .expect("set");
    bench.hardware.detach(&it).expect("detached");
    let line = bench
        .hardware
        .line("pin-13", &of_snap("other"))
        .expect("still connected");
    assert_eq!(line.value, Some(1));
    bench.hardware.detach(&second).expect("detached");
    assert_eq!(
        bench.hardware.line("pin-13", &admin()).expect("read").value,
        Some(0)
    );
    bench
        .connect("other:relay", "pi:bcm-gpio-27", Target::Number(27))
        .expect("free now");
}

#[tokio::test]
async fn a_line_of_another_consumer_is_busy_by_name() {
    let bench = bench();
    let at = LineAddress {
        chip: "pinctrl-sim".into(),
        offset: 17,
    };
    let request = Request {
        direction: Direction::Input,
        active_low: false,
        value: 0,
        consumer: "spi0 CS0".into(),
        edges: None,
    };
    let foreign = bench.chips.request(&at, &request).expect("free");
    for result in [
        bench
            .connect("a1:b", "pi:bcm-gpio-17", Target::Number(17))
            .map(drop),
        bench.hardware.set_line("GPIO17", 1, &admin()).map(drop),
    ] {
        let fault = result.expect_err("busy");
        assert_eq!(fault.kind, ErrorKind::LineBusy);
        assert_eq!(fault.value, Some("spi0 CS0".into()));
        assert!(fault.message.contains("spi0 CS0"), "{fault}");
    }
    let line = bench.hardware.line("GPIO17", &admin()).expect("read");
    assert_eq!((line.consumer.as_deref(), line.value), (Some("spi0 CS0"), None));
    drop(foreign);
    bench.hardware.set_line("GPIO17", 1, &admin()).expect("free now");
}

#[tokio::test]
async fn what_is_not_on_the_board_is_not_found() {
    let bench = bench();
    let line = |chip: &str, offset| {
        Target::Line(LineAddress {
            chip: chip.into(),
            offset,
        })
    };
    let chip = |label: &str, offsets: &[u32]| Target::Chip {
        labels: vec![label.into()],
        offsets: offsets.to_vec(),
    };
    let cases = [
        (Target::Number(54), "54"),
        (line("pinctrl-rp1", 0), "pinctrl-rp1"),
        (line("pinctrl-sim", 60), "60"),
        (Target::Led("DISCO".into()), "DISCO"),
        (Target::BoolFile("/sys/class/leds/none/brightness".into()), "none"),
        (Target::BoolFile("/sys/class/gpio/gpio99/value".into()), "99"),
        (Target::BoolFile("/etc/passwd".into()), "/etc/passwd"),
        (chip("pinctrl-rp1", &[1]), "pinctrl-rp1"),
        (chip("pinctrl-sim", &[53, 54]), "54"),
    ];
    for (target, part) in cases {
        let fault = bench
            .connect("a1:b", "pi:c", target.clone())
            .expect_err("not there");
        assert_eq!(fault.kind, ErrorKind::LineNotFound, "{target:?}: {fault}");
        assert!(fault.message.contains(part), "{fault}");
    }
    assert!(bench.hardware.attached().is_empty());
}

#[tokio::test]
async fn a_chip_without_an_aggregator_is_reached_over_the_api() {
    let bench = bench();
    let target = Target::Chip {
        labels: vec!["pinctrl-bcm2711".into(), "pinctrl-sim".into()],
        offsets: vec![5, 6],
    };
    let grants = bench.connect("plc:io", "pi:io", target).expect("connected");
    assert_eq!(
        grants,
        [Grant::Api {
            lines: vec!["GPIO5".into(), "GPIO6".into()]
        }]
    );
    // gpio and gpio-chardev side by side, as long as the lines differ.
    bench
        .connect("plc:led", "pi:bcm-gpio-7", Target::Number(7))
        .expect("another line");
    let fault = bench
        .connect("plc:led", "pi:bcm-gpio-6", Target::Number(6))
        .expect_err("taken");
    assert_eq!(fault.kind, ErrorKind::LineBusy);
    assert!(bench.hardware.set_line("GPIO5", 1, &of_snap("plc")).is_ok());
    let fault = bench
        .hardware
        .set_line("io", 1, &of_snap("plc"))
        .expect_err("two lines");
    assert!(fault.message.contains("by its name"), "{fault}");
}

#[tokio::test]
async fn a_failed_chip_gives_back_what_it_took() {
    let bench = bench();
    bench
        .connect("a1:b", "pi:bcm-gpio-6", Target::Number(6))
        .expect("connected");
    let target = Target::Chip {
        labels: vec!["pinctrl-sim".into()],
        offsets: vec![5, 6],
    };
    bench.connect("plc:io", "pi:io", target).expect_err("6 is taken");
    assert_eq!(
        bench.hardware.line("GPIO5", &admin()).expect("read").consumer,
        None
    );
}

#[tokio::test]
async fn a_snap_has_its_own_lines_only() {
    let bench = bench();
    bench.connect_light();
    let other = of_snap("stranger");
    assert!(bench.hardware.view(&other).expect("a view").lines.is_empty());
    for name in ["GPIO27", "pin-13", "capslock-led"] {
        for fault in [
            bench.hardware.line(name, &other).expect_err("not its own"),
            bench.hardware.set_line(name, 1, &other).expect_err("not its own"),
        ] {
            assert_eq!(fault.kind, ErrorKind::LineNotFound, "{name}");
        }
    }
    let mine = bench.hardware.view(&of_snap("keyboard-lights")).expect("a view");
    let names: Vec<_> = mine.lines.iter().map(|line| line.name.as_str()).collect();
    assert_eq!(names, ["GPIO27"]);
    assert!(mine.leds.is_empty());
    let nobody = requester(Transport::SnapSocket, None);
    assert_eq!(
        bench.hardware.view(&nobody).expect_err("nobody").kind,
        ErrorKind::Forbidden
    );
    // What is the administrator's: safe values, letting go.
    let me = of_snap("keyboard-lights");
    let config = LineConfig {
        safe_value: Some(1),
        ..LineConfig::default()
    };
    let fault = bench
        .hardware
        .configure_line("capslock-led", &config, &me)
        .expect_err("safe value");
    assert_eq!(fault.kind, ErrorKind::Forbidden);
    assert!(bench.hardware.release_line("capslock-led", &me).is_err());
}

#[tokio::test]
async fn edges_of_held_inputs_are_events_for_their_snap() {
    let bench = bench();
    let it = connection("door:contact", "pi:bcm-gpio-4");
    let filter = |name| Filter {
        kinds: vec!["hardware.edge".into()],
        snap: Some(snap(name)),
    };
    let mut own = bench.bus.subscribe(filter("door"), None);
    let mut other = bench.bus.subscribe(filter("other"), None);
    bench
        .hardware
        .sim_drive("GPIO4", 1)
        .expect("driven while nobody holds it");
    bench
        .hardware
        .attach(&it, &Target::Number(4), None)
        .expect("connected");
    assert_eq!(
        bench.hardware.line("GPIO4", &admin()).expect("read").value,
        Some(1)
    );
    for value in [0, 0, 1] {
        bench.hardware.sim_drive("GPIO4", value).expect("driven");
    }
    let seen = events(&mut own);
    let edges: Vec<_> = seen
        .iter()
        .map(|event| event.data["edge"].as_str().expect("edge"))
        .collect();
    assert_eq!(edges, ["falling", "rising"]);
    let data = &seen[0].data;
    assert_eq!((&data["line"], &data["value"]), (&"GPIO4".into(), &0.into()));
    assert!(data["monotonic-ns"].as_u64().expect("nanoseconds") > 0);
    assert!(data["time"].as_str().expect("time").ends_with('Z'));
    assert_eq!(data.get("resync"), None);
    assert!(events(&mut other).is_empty());
    // An output cannot be driven from outside.
    bench.hardware.set_line("GPIO4", 0, &admin()).expect("set");
    let fault = bench.hardware.sim_drive("GPIO4", 1).expect_err("an output");
    assert_eq!(fault.kind, ErrorKind::LineDirection);
}

#[tokio::test]
async fn a_configured_input_is_not_turned_round() {
    let bench = bench();
    let config = LineConfig {
        direction: Some(Direction::Input),
        active_low: Some(true),
        ..LineConfig::default()
    };
    let line = bench
        .hardware
        .configure_line("GPIO4", &config, &admin())
        .expect("configured");
    assert_eq!((line.value, line.active_low, line.edges), (Some(1), true, true));
    let fault = bench
        .hardware
        .set_line("GPIO4", 1, &admin())
        .expect_err("an input");
    assert_eq!(fault.kind, ErrorKind::LineDirection);
    for what in ["bias", "debounce"] {
        let config = LineConfig {
            beyond_abi: vec![what],
            ..LineConfig::default()
        };
        let fault = bench
            .hardware
            .configure_line("GPIO4", &config, &admin())
            .expect_err("beyond the ABI");
        assert_eq!(
            (fault.kind, fault.value),
            (ErrorKind::HardwareUnsupported, Some(what.into()))
        );
        assert!(fault.message.contains(what));
    }
    let line = bench.hardware.release_line("GPIO4", &admin()).expect("released");
    assert_eq!((line.value, line.consumer), (None, None));
    bench.hardware.set_line("GPIO4", 1, &admin()).expect("free again");
}

#[tokio::test]
async fn what_was_configured_is_there_after_a_restart() {
    let bench = bench();
    let config = LineConfig {
        direction: Some(Direction::Output),
        safe_value: Some(1),
        active_low: Some(true),
        ..LineConfig::default()
    };
    bench
        .hardware
        .configure_line("GPIO22", &config, &admin())
        .expect("configured");
    bench.hardware.set_line("GPIO22", 0, &admin()).expect("set");
    let led = LedConfig {
        trigger: Some("heartbeat".into()),
        brightness: None,
    };
    bench
        .hardware
        .configure_led("ACT", &led, &admin())
        .expect("configured");
    let it = bench.connect_light();
    // Killed: nothing was let go. The next agent finds a free board.
    let board = built_in("sim").expect("named").expect("parses");
    let (hardware, _chips) = open(board, &bench.dirs, &bench.store, &bench.bus);
    let missing = connection("a1:b", "pi:gone");
    let failed = hardware.restore(&[
        (it.clone(), Target::BoolFile(PIN_13.into()), None),
        (missing.clone(), Target::Number(99), None),
    ]);
    assert_eq!(failed.len(), 1);
    assert_eq!(failed[0].0, missing);
    assert!(hardware.is_attached(&it) && !hardware.is_attached(&missing));
    let line = hardware.line("GPIO22", &admin()).expect("read");
    assert_eq!(
        (line.value, line.direction),
        (Some(1), Some(Direction::Output)),
        "the safe value"
    );
    assert_eq!(hardware.led("ACT", &admin()).expect("read").trigger, "heartbeat");
}

#[tokio::test]
async fn the_last_act_writes_safe_values_and_lets_go() {
    let bench = bench();
    let config = LineConfig {
        direction: Some(Direction::Output),
        safe_value: Some(1),
        ..LineConfig::default()
    };
    bench
        .hardware
        .configure_line("GPIO22", &config, &admin())
        .expect("configured");
    bench.connect_light();
    bench.hardware.release_all();
    for offset in [22, 27] {
        let at = LineAddress {
            chip: "pinctrl-sim".into(),
            offset,
        };
        assert!(!bench.chips.line(&at).expect("info").used);
    }
    assert!(bench.hardware.set_line("GPIO22", 1, &admin()).is_err());
    assert!(bench.connect("a1:b", "pi:x", Target::Number(5)).is_err());
}

#[tokio::test]
async fn a_pulse_ends_by_itself_unless_something_else_was_said() {
    let bench = bench();
    let mut reader = bench.bus.subscribe(Filter::default(), None);
    bench.hardware.pulse("GPIO5", 1, 20, &admin()).expect("a pulse");
    assert_eq!(
        bench.hardware.line("GPIO5", &admin()).expect("read").value,
        Some(1)
    );
    tokio::time::sleep(Duration::from_millis(100)).await;
    assert_eq!(
        bench.hardware.line("GPIO5", &admin()).expect("read").value,
        Some(0)
    );
    let causes: Vec<_> = events(&mut reader)
        .iter()
        .map(|event| event.data["cause"].clone())
        .collect();
    assert_eq!(causes, ["pulse", "pulse-end"]);
    bench.hardware.pulse("GPIO5", 1, 20, &admin()).expect("a pulse");
    bench.hardware.set_line("GPIO5", 1, &admin()).expect("set");
    tokio::time::sleep(Duration::from_millis(100)).await;
    assert_eq!(
        bench.hardware.line("GPIO5", &admin()).expect("read").value,
        Some(1)
    );
    for bad in [0, MAX_PULSE_MS + 1] {
        assert_eq!(
            bench
                .hardware
                .pulse("GPIO5", 1, bad, &admin())
                .expect_err("too long")
                .kind,
            ErrorKind::BadRequest
        );
    }
}

#[tokio::test]
async fn an_led_is_lit_by_its_snap() {
    let bench = bench();
    let grants = bench
        .connect("lamp:status", "pi:led-act", Target::Led("led0".into()))
        .expect("connected");
    assert_eq!(
        grants,
        [Grant::Led {
            name: "ACT".into(),
            path: None
        }]
    );
    let me = of_snap("lamp");
    let led = bench.hardware.set_led("status", 255, &me).expect("lit");
    assert_eq!((led.name.as_str(), led.brightness), ("ACT", 255));
    assert_eq!(led.plugs.len(), 1);
    assert!(bench.hardware.set_led("PWR", 0, &me).is_err(), "not its own");
    bench
        .hardware
        .detach(&connection("lamp:status", "pi:led-act"))
        .expect("detached");
    assert_eq!(bench.hardware.led("ACT", &admin()).expect("read").brightness, 0);
    let by_path = Target::BoolFile("/sys/class/leds/led1/brightness".into());
    let grants = bench
        .connect("lamp:power", "pi:led-pwr", by_path)
        .expect("connected");
    assert_eq!(
        grants,
        [Grant::Led {
            name: "PWR".into(),
            path: None
        }]
    );
}

#[tokio::test]
async fn an_led_that_is_wired_to_a_line_is_that_line() {
    let bench = bench();
    bench
        .connect("lamp:status", "pi:led-user", Target::Led("USER".into()))
        .expect("connected");
    let fault = bench
        .connect("other:relay", "pi:bcm-gpio-47", Target::Number(47))
        .expect_err("the LED's line");
    assert_eq!(fault.kind, ErrorKind::LineBusy);
    let me = of_snap("lamp");
    let led = bench.hardware.set_led("USER", 7, &me).expect("lit");
    assert_eq!(
        (led.brightness, led.max_brightness, led.line.as_deref()),
        (1, 1, Some("GPIO47"))
    );
    let line = bench.hardware.line("GPIO47", &admin()).expect("read");
    assert_eq!((line.value, line.direction), (Some(1), Some(Direction::Output)));
    bench
        .hardware
        .detach(&connection("lamp:status", "pi:led-user"))
        .expect("detached");
    assert_eq!(bench.hardware.led("USER", &admin()).expect("read").brightness, 0);
    bench
        .connect("other:relay", "pi:bcm-gpio-47", Target::Number(47))
        .expect("free now");
    let fault = bench
        .hardware
        .set_led("USER", 1, &admin())
        .expect_err("the relay's line");
    assert_eq!(fault.kind, ErrorKind::LineBusy);
}

#[tokio::test]
async fn an_led_blinks_identifies_itself_and_goes_back() {
    let bench = bench();
    let brightness = || bench.hardware.led("ACT", &admin()).expect("read").brightness;
    bench.hardware.set_led("ACT", 9, &admin()).expect("lit");
    let led = bench
        .hardware
        .blink_led("ACT", 5, 5, Some(2), &admin())
        .expect("blinks");
    assert_eq!(led.blink, Some((5, 5)));
    let mut reader = bench.bus.subscribe(Filter::default(), None);
    tokio::time::sleep(Duration::from_millis(100)).await;
    let told = events(&mut reader);
    let steps: Vec<_> = told
        .iter()
        .filter(|event| event.data["cause"] == "step")
        .map(|event| event.data["brightness"].as_u64().expect("brightness"))
        .collect();
    assert_eq!(steps, [255, 0, 255, 0]);
    assert_eq!(brightness(), 0);
    assert_eq!(bench.hardware.led("ACT", &admin()).expect("read").blink, None);
    bench.hardware.set_led("ACT", 9, &admin()).expect("lit");
    bench
        .hardware
        .identify_led("ACT", 1, &admin())
        .expect("identifies");
    tokio::time::sleep(Duration::from_millis(1300)).await;
    assert_eq!(brightness(), 9, "as before");
    bench
        .hardware
        .trigger_led("ACT", "timer", &admin())
        .expect("blinks");
    assert_eq!(
        bench.hardware.set_led("ACT", 3, &admin()).expect("lit").trigger,
        "none"
    );
    tokio::time::sleep(Duration::from_millis(20)).await;
    assert_eq!(brightness(), 3, "what was said last counts");
    let fault = bench
        .hardware
        .trigger_led("ACT", "disco", &admin())
        .expect_err("no such trigger");
    assert_eq!(fault.kind, ErrorKind::HardwareUnsupported);
}

#[tokio::test]
async fn the_power_led_shines_from_the_start() {
    let bench = bench();
    let led = bench.hardware.led("PWR", &admin()).expect("read");
    assert_eq!((led.brightness, led.trigger.as_str()), (255, "default-on"));
}

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
    // Gone while it is disconnected: nothing is left of it.
    bench.chips.pull_or_put_back();
    bench.hardware.view(&admin()).expect("a view");
    bench.hardware.detach(&it).expect("detached");
    bench.chips.pull_or_put_back();
    assert_eq!(
        bench.hardware.line("GPIO27", &admin()).expect("free").consumer,
        None
    );
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
