//! Lines that are read, driven, configured and watched.

use super::*;

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
    bench.hardware.pulse("GPIO5", 1, 500, &admin()).expect("a pulse");
    let value = || bench.hardware.line("GPIO5", &admin()).expect("read").value;
    assert_eq!(value(), Some(1));
    let ends = async {
        while value() != Some(0) {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(30), ends)
        .await
        .expect("it ends");
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
