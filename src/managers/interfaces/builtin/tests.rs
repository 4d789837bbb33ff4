use super::gpio_chardev::parse_lines;
use super::matcher::clean;
use super::{all, check_snap, find};
use crate::domain::hardware::{LineAddress, Target};
use crate::domain::snap::EndInfo;
use crate::domain::{SnapInfo, SnapName};
use proptest::prelude::*;
use serde_json::{Value, json};

fn end(interface: &str, attrs: Value) -> EndInfo {
    EndInfo {
        name: "this-end".into(),
        interface: interface.into(),
        attrs: attrs.as_object().cloned().unwrap_or_default(),
        ..EndInfo::default()
    }
}

fn slot(interface: &str, attrs: Value) -> Result<EndInfo, String> {
    let mut end = end(interface, attrs);
    (find(interface).unwrap().check_slot)(&mut end).map(|()| end)
}

fn plug(interface: &str, attrs: Value) -> Result<EndInfo, String> {
    let mut end = end(interface, attrs);
    (find(interface).unwrap().check_plug)(&mut end).map(|()| end)
}

#[test]
fn the_table_is_whole_and_sorted() {
    // contract: interfaces-and-hardware, section 5: 177, three newer ones, and our led
    assert_eq!(all().len(), 177 + 3 + 1);
    assert!(all().is_sorted_by(|a, b| a.name < b.name));
    for interface in all() {
        assert!(std::ptr::eq(find(interface.name).unwrap(), interface));
        assert!(
            crate::domain::names::is_interface_word(interface.name),
            "{}",
            interface.name
        );
        assert!(!interface.summary.is_empty());
    }
    assert!(find("nosuch").is_none());
}

#[test]
fn gpio_slots() {
    // contract section 3: number is mandatory and an int; decision 7: or chip and line
    assert_eq!(
        slot("gpio", json!({})).unwrap_err(),
        "gpio slot must have a number attribute"
    );
    assert_eq!(
        slot("gpio", json!({"number": "17"})).unwrap_err(),
        "gpio slot number attribute must be an int"
    );
    let gpio = find("gpio").unwrap();
    let aim = |attrs: Value| gpio.target(&slot("gpio", attrs).unwrap().attrs);
    assert_eq!(aim(json!({"number": 17})), Ok(Some(Target::Number(17))));
    assert_eq!(
        aim(json!({"chip": "pinctrl-sim", "line": 4})),
        Ok(Some(Target::Line(LineAddress {
            chip: "pinctrl-sim".into(),
            offset: 4
        })))
    );
    // the range is not checked at installation, and no line has that number
    assert!(aim(json!({"number": -1})).is_err());
    for bad in [
        json!({"chip": "c"}),
        json!({"chip": "c", "line": -1}),
        json!({"chip": "", "line": 1}),
        json!({"chip": "c", "line": 1, "number": 1}),
    ] {
        assert!(slot("gpio", bad.clone()).is_err(), "{bad}");
    }
}

#[test]
fn gpio_chardev_texts() {
    // contract: v2-newer, section 8
    let table = [
        (
            json!({"source-chip": [], "lines": "1"}),
            "invalid \"source-chip\" attribute: cannot be empty",
        ),
        (
            json!({"source-chip": ["a", ""], "lines": "1"}),
            "invalid \"source-chip\" attribute: chip cannot be empty",
        ),
        (
            json!({"source-chip": [" a"], "lines": "1"}),
            "invalid \"source-chip\" attribute: chip cannot contain leading or trailing white space, found \" a\"",
        ),
        (
            json!({"source-chip": ["a", "a"], "lines": "1"}),
            "invalid \"source-chip\" attribute: cannot contain duplicate chip names, found \"a\"",
        ),
        (
            json!({"source-chip": ["a"], "lines": "0-512"}),
            "invalid \"lines\" attribute: range size cannot exceed 512, found 513",
        ),
    ];
    for (attrs, text) in table {
        assert_eq!(slot("gpio-chardev", attrs).unwrap_err(), text);
    }
    for lines in [
        json!(3),
        json!("2-"),
        json!("a"),
        json!(""),
        json!("1,1"),
        json!("1,0-4"),
        json!("4-2"),
        json!("3-3"),
        json!("-1"),
        json!("+1"),
        json!("1, 2"),
        json!("99999999999"),
    ] {
        let error = slot("gpio-chardev", json!({"source-chip": ["a"], "lines": lines})).unwrap_err();
        assert!(
            error.starts_with("invalid \"lines\" attribute: "),
            "{lines}: {error}"
        );
    }
}

#[test]
fn gpio_chardev_lines() {
    assert_eq!(parse_lines("4-8,0,2").unwrap(), vec![0..=0, 2..=2, 4..=8]);
    let chardev = find("gpio-chardev").unwrap();
    let end = slot(
        "gpio-chardev",
        json!({"source-chip": ["x", "y"], "lines": "6,0-2"}),
    )
    .unwrap();
    // lines appear in the chip's order, not in the attribute's
    assert_eq!(
        chardev.target(&end.attrs),
        Ok(Some(Target::Chip {
            labels: vec!["x".into(), "y".into()],
            offsets: vec![0, 1, 2, 6]
        }))
    );
}

#[test]
fn a_line_of_a_chip_is_in_one_slot_of_a_gadget() {
    let mut info = SnapInfo::named(SnapName::new("gadget").unwrap());
    let mut add = |name: &str, chip: &str, lines: &str| {
        let mut slot = end("gpio-chardev", json!({"source-chip": [chip], "lines": lines}));
        slot.name = name.into();
        info.slots.insert(name.into(), slot);
    };
    add("one", "c", "0-3");
    add("two", "d", "0-3");
    add("three", "c", "4");
    check_snap(&info).unwrap();
    let mut slot = end("gpio-chardev", json!({"source-chip": ["e", "c"], "lines": "2"}));
    slot.name = "zwei".into();
    info.slots.insert("zwei".into(), slot);
    let error = check_snap(&info).unwrap_err();
    assert!(
        error.starts_with("chip \"c\" has reused conflicting line spans: "),
        "{error}"
    );
}

#[test]
fn bool_file_paths() {
    // contract section 3, LED: two patterns, the path is cleaned before matching
    let kept = slot("bool-file", json!({"path": "/sys/class//leds/./ACT/brightness/"})).unwrap();
    assert_eq!(kept.attrs["path"], "/sys/class/leds/ACT/brightness");
    assert_eq!(
        find("bool-file").unwrap().target(&kept.attrs),
        Ok(Some(Target::BoolFile("/sys/class/leds/ACT/brightness".into())))
    );
    slot("bool-file", json!({"path": "/sys/class/gpio/gpio346/value"})).unwrap();
    for path in [
        "/sys/class/leds/a/b/brightness",
        "/sys/class/leds/../leds2/brightness",
        "/sys/class/leds/ACT/trigger",
        "/sys/class/gpio/gpio/value",
        "/sys/class/gpio/gpio1x/value",
        "/etc/passwd",
    ] {
        assert_eq!(
            slot("bool-file", json!({"path": path})).unwrap_err(),
            "bool-file can only point at LED brightness or GPIO value",
            "{path}"
        );
    }
    assert!(slot("bool-file", json!({})).is_err());
}

#[test]
fn led_slots() {
    let led = find("led").unwrap();
    assert_eq!(
        led.target(&slot("led", json!({"led": "ACT"})).unwrap().attrs),
        Ok(Some(Target::Led("ACT".into())))
    );
    assert!(slot("led", json!({})).is_err());
    assert!(slot("led", json!({"led": "../x"})).is_err());
}

#[test]
fn device_paths() {
    // contract section 3, path checks
    let good = [
        ("serial-port", "/dev/ttyAMA0"),
        ("serial-port", "/dev/ttymxc3"),
        ("serial-port", "/dev/ttyS0"),
        ("serial-port", "/dev/ttySC1"),
        ("serial-port", "/dev//ttyUSB12"),
        ("hidraw", "/dev/hidraw999"),
        ("uio", "/dev/uio0"),
        ("iio", "/dev/iio:device12"),
        ("i2c", "/dev/i2c-1"),
        ("spi", "/dev/spidev0.1"),
        ("raw-volume", "/dev/mmcblk0p2"),
        ("raw-volume", "/dev/sda1"),
        ("raw-volume", "/dev/nvme0n1p3"),
    ];
    for (interface, path) in good {
        slot(interface, json!({"path": path})).unwrap();
    }
    let bad = [
        ("serial-port", "/dev/tty0"),
        ("serial-port", "/dev/ttyS"),
        ("serial-port", "/dev/ttyS0x"),
        ("serial-port", "/dev/serial-port-x"),
        ("hidraw", "/dev/hidraw1000"),
        ("hidraw", "/dev/hidraw-abc"),
        ("uio", "/dev/uio"),
        ("iio", "/dev/iio:device"),
        ("i2c", "/dev/i2c-a"),
        ("spi", "/dev/spidev0"),
        ("raw-volume", "/dev/sda"),
        ("raw-volume", "/dev/mmcblk0"),
        ("i2c", "/dev/../dev/mem"),
    ];
    for (interface, path) in bad {
        assert!(
            slot(interface, json!({"path": path})).is_err(),
            "{interface} {path}"
        );
        assert!(slot(interface, json!({})).is_err(), "{interface}");
    }
    slot("i2c", json!({"sysfs-name": "1-0040"})).unwrap();
    assert!(slot("i2c", json!({"sysfs-name": "1-0040", "path": "/dev/i2c-1"})).is_err());
    assert!(slot("i2c", json!({"sysfs-name": "a/b"})).is_err());
}

#[test]
fn usb_ids() {
    let usb = |vendor: i64, product: i64| {
        slot(
            "serial-port",
            json!({"path": "/dev/serial-port-gps", "usb-vendor": vendor, "usb-product": product}),
        )
    };
    usb(1, 0).unwrap();
    usb(0xffff, 0xffff).unwrap();
    assert!(usb(0, 1).is_err() && usb(0x10000, 1).is_err() && usb(1, -1).is_err());
    let number = |number: i64| {
        let path = "/dev/serial-port-gps";
        slot(
            "serial-port",
            json!({"path": path, "usb-vendor": 1, "usb-product": 1, "usb-interface-number": number}),
        )
    };
    number(31).unwrap();
    assert!(number(32).is_err());
    // with USB ids the path is the link's
    assert!(
        slot(
            "serial-port",
            json!({"path": "/dev/ttyUSB0", "usb-vendor": 1, "usb-product": 1})
        )
        .is_err()
    );
}

#[test]
fn pwm_needs_both_numbers() {
    slot("pwm", json!({"chip-number": 0, "channel": 1})).unwrap();
    for bad in [
        json!({"chip-number": 0}),
        json!({"channel": 0}),
        json!({"chip-number": "0", "channel": 0}),
    ] {
        assert!(slot("pwm", bad).is_err());
    }
}

#[test]
fn content_ends() {
    assert_eq!(
        plug("content", json!({"target": "$SNAP/x"})).unwrap().attrs["content"],
        "this-end"
    );
    assert_eq!(
        plug("content", json!({"content": "c"})).unwrap_err(),
        "content plug must contain target path"
    );
    assert_eq!(
        slot("content", json!({"content": "c"})).unwrap_err(),
        "read or write path must be set"
    );
    slot("content", json!({"read": ["/"]})).unwrap();
    slot("content", json!({"source": {"write": ["$SNAP_DATA/x"]}})).unwrap();
    for bad in [
        json!({"read": ["a/../../b"]}),
        json!({"source": {"read": ["a"]}, "read": ["b"]}),
        json!({"read": "a"}),
        json!({"source": 1}),
    ] {
        assert!(slot("content", bad.clone()).is_err(), "{bad}");
    }
    assert!(plug("content", json!({"target": "../x"})).is_err());
}

#[test]
fn flags_and_words() {
    let good = [
        ("browser-support", json!({"allow-sandbox": true})),
        ("home", json!({"read": "all"})),
        ("snapd-control", json!({"refresh-schedule": "managed"})),
        (
            "system-files",
            json!({"read": ["/etc/x"], "write": ["/var/lib/y/"]}),
        ),
        ("personal-files", json!({"read": ["$HOME/.config/x"]})),
        (
            "kernel-module-load",
            json!({"modules": [{"name": "i2c-dev", "load": "on-boot"}]}),
        ),
        (
            "mount-control",
            json!({"mount": [{"what": "/dev/sd*", "where": "/media/**", "options": ["rw"]}]}),
        ),
        ("dbus", json!({"bus": "system", "name": "org.example.Thing"})),
        ("shared-memory", json!({"private": true})),
        ("custom-device", json!({})),
    ];
    for (interface, attrs) in good {
        plug(interface, attrs).unwrap();
    }
    let bad = [
        ("browser-support", json!({"allow-sandbox": "yes"})),
        ("optical-drive", json!({"write": 1})),
        ("home", json!({"read": "some"})),
        ("snapd-control", json!({"refresh-schedule": "never"})),
        ("system-files", json!({})),
        ("system-files", json!({"read": ["etc/x"]})),
        ("system-files", json!({"read": ["/etc/../x"]})),
        ("personal-files", json!({"read": ["/home/x"]})),
        ("kernel-module-load", json!({"modules": []})),
        (
            "kernel-module-load",
            json!({"modules": [{"name": "a b", "load": "denied"}]}),
        ),
        ("mount-control", json!({"mount": [{"what": "/dev/sda"}]})),
        ("dbus", json!({"bus": "moon", "name": "a.b"})),
        ("dbus", json!({"bus": "system", "name": "ab"})),
        ("shared-memory", json!({"private": true, "shared-memory": "x"})),
    ];
    for (interface, attrs) in bad {
        assert!(plug(interface, attrs.clone()).is_err(), "{interface} {attrs}");
    }
}

#[test]
fn custom_device_slots() {
    slot(
        "custom-device",
        json!({"devices": ["/dev/npu0"], "read-devices": ["/dev/npu1"],
            "files": {"read": ["/sys/npu/x"]}, "udev-tagging": [{"kernel": "npu0", "attributes": {"a": "b"}}]}),
    )
    .unwrap();
    for bad in [
        json!({"devices": ["/etc/x"]}),
        json!({"devices": ["/dev/a"], "read-devices": ["/dev/a"]}),
        json!({"files": {"other": ["/x"]}}),
        json!({"files": {"read": ["/dev/x"]}}),
        json!({"udev-tagging": [{}]}),
        json!({"udev-tagging": [{"kernel": "a", "attributes": {"a": 1}}]}),
    ] {
        assert!(slot("custom-device", bad.clone()).is_err(), "{bad}");
    }
}

#[test]
fn paths_are_cleaned() {
    let table = [
        ("", "."),
        ("/", "/"),
        ("/..", "/"),
        ("/a/./b//c/", "/a/b/c"),
        ("/a/../b", "/b"),
        ("a/../..", ".."),
        ("../a", "../a"),
        ("a/..", "."),
    ];
    for (given, cleaned) in table {
        assert_eq!(clean(given), cleaned, "{given}");
    }
}

const NAMES: [&str; 22] = [
    "number",
    "chip",
    "line",
    "lines",
    "source-chip",
    "path",
    "content",
    "read",
    "write",
    "source",
    "target",
    "led",
    "name",
    "bus",
    "usb-vendor",
    "usb-product",
    "interface",
    "channel",
    "chip-number",
    "devices",
    "mount",
    "modules",
];

fn any_value() -> impl Strategy<Value = serde_json::Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        (0i64..70).prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        "([/a-z0-9$*{}\\[\\],.-]{0,12}|/dev/[a-z]{3,9}[0-9]{0,2}|[0-9,-]{0,9}|.{0,5})".prop_map(Value::from),
        Just(Value::from("x/".repeat(3000))),
    ];
    leaf.prop_recursive(2, 8, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::vec((prop::sample::select(&NAMES[..]), inner), 0..4).prop_map(|entries| {
                entries
                    .into_iter()
                    .map(|(name, value)| (name.to_owned(), value))
                    .collect()
            }),
        ]
    })
}

proptest! {
    /// Attributes come from snaps: whatever they are, an end is taken or refused in words, and what is taken can be
    /// aimed at.
    #[test]
    fn any_attributes_are_taken_or_refused(
        entries in prop::collection::vec((prop::sample::select(&NAMES[..]), any_value()), 0..5)
    ) {
        let attrs: Value = entries.into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
        for interface in all() {
            let mut ends = Vec::new();
            for check in [interface.check_plug, interface.check_slot] {
                let mut end = end(interface.name, attrs.clone());
                match check(&mut end) {
                    Ok(()) => ends.push(end),
                    Err(why) => {
                        prop_assert!(!why.is_empty() && !why.contains(char::is_control), "{}: {why:?}", interface.name);
                    }
                }
            }
            for end in ends {
                // Refusals are for the slot's owner and come with the connection.
                let _ = interface.target(&end.attrs);
            }
        }
    }
}
