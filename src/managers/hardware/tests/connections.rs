//! What a connection takes and gives back.

use super::*;

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
async fn an_output_without_a_safe_value_goes_to_0_and_shows_it() {
    let bench = bench();
    let it = bench.connect_light();
    bench.hardware.set_line("pin-13", 1, &admin()).expect("set");
    bench.hardware.detach(&it).expect("detached");
    let line = bench.hardware.line("GPIO27", &admin()).expect("read");
    assert_eq!((line.value, line.safe_value), (Some(0), Some(0)));
    let free = bench.hardware.line("GPIO5", &admin()).expect("read");
    assert_eq!(free.safe_value, None, "it is not ours to make safe");
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
