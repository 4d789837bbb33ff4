//! Who may connect to whom (contract: interfaces-and-hardware, sections 2, 3 and 5).

use super::*;
use crate::managers::interfaces::policy::Dynamic;

/// What the base declaration says of a pair.
#[derive(Debug, PartialEq)]
enum Says {
    /// Connects by itself and by hand.
    Auto,
    /// By hand only.
    Manual,
    /// Not at all.
    No,
}

fn says(interface: &str, plug: Value, slot: Value, classic: bool) -> Says {
    let mut world = World::default();
    installed(
        &mut world,
        Maker::new("consumer", SnapType::App).plug("p", interface, plug),
    );
    let provider = Maker::new("provider", SnapType::App);
    let offered = slot.is_null();
    if offered {
        installed(&mut world, provider);
    } else {
        installed(&mut world, provider.slot("s", interface, slot));
    }
    let view = Repository::new(&world, classic);
    let plug = view.plug(&name("consumer"), "p").unwrap();
    let slot = if offered {
        view.slot(view.system().unwrap(), interface)
    } else {
        view.slot(&name("provider"), "s")
    };
    let slot = slot.expect("the slot");
    if policy::check_connection(&view, &plug, &slot, &Dynamic::default()).is_err() {
        assert!(!policy::connects_itself(&view, &plug, &slot));
        return Says::No;
    }
    if policy::connects_itself(&view, &plug, &slot) {
        Says::Auto
    } else {
        Says::Manual
    }
}

#[test]
fn thirty_pairs() {
    use Says::{Auto, Manual, No};
    let none = || json!({});
    let system = || Value::Null;
    let content = |target: &str| json!({"content": "c", "target": target});
    let table: Vec<(&str, Value, Value, bool, Says)> = vec![
        // section 5, last paragraph: what auto-connects on a board
        ("network", none(), system(), false, Auto),
        ("network-bind", none(), system(), false, Auto),
        ("opengl", none(), system(), false, Auto),
        ("browser-support", none(), system(), false, Auto),
        (
            "browser-support",
            json!({"allow-sandbox": false}),
            system(),
            false,
            Auto,
        ),
        (
            "browser-support",
            json!({"allow-sandbox": true}),
            system(),
            false,
            Manual,
        ),
        ("home", none(), system(), false, Manual),
        ("home", none(), system(), true, Auto),
        ("home", json!({"read": "all"}), system(), true, Manual),
        // section 5, column auto: no
        ("alsa", none(), system(), false, Manual),
        ("camera", none(), system(), false, Manual),
        ("raw-usb", none(), system(), false, Manual),
        ("system-observe", none(), system(), true, Manual),
        // a plug that needs a declaration is manual when its snap is from a file (section 2)
        ("snapd-control", none(), system(), false, Manual),
        ("docker-support", none(), system(), false, Manual),
        ("gpio-control", none(), system(), false, Manual),
        // section 2: all hardware interfaces with deny-auto-connection are manually connectable
        ("gpio", none(), json!({"number": 4}), false, Manual),
        (
            "gpio-chardev",
            none(),
            json!({"source-chip": ["c"], "lines": "1"}),
            false,
            Manual,
        ),
        (
            "bool-file",
            none(),
            json!({"path": "/sys/class/leds/a/brightness"}),
            false,
            Manual,
        ),
        ("i2c", none(), json!({"path": "/dev/i2c-1"}), false, Manual),
        ("spi", none(), json!({"path": "/dev/spidev0.0"}), false, Manual),
        (
            "serial-port",
            none(),
            json!({"path": "/dev/ttyAMA0"}),
            false,
            Manual,
        ),
        (
            "pwm",
            none(),
            json!({"chip-number": 0, "channel": 0}),
            false,
            Manual,
        ),
        ("led", none(), json!({"led": "ACT"}), false, Manual),
        // section 5: raw-volume is denied by hand, too, without a declaration
        ("raw-volume", none(), json!({"path": "/dev/sda1"}), false, No),
        // section 5: content auto only between snaps of one publisher, and a snap from a file has none
        (
            "content",
            content("$SNAP/x"),
            json!({"content": "c", "read": ["/"]}),
            false,
            Manual,
        ),
        (
            "content",
            content("$SNAP/x"),
            json!({"content": "other", "read": ["/"]}),
            false,
            No,
        ),
        // section 3: both ends name one device
        (
            "custom-device",
            json!({"custom-device": "npu"}),
            json!({"custom-device": "npu"}),
            false,
            Manual,
        ),
        (
            "custom-device",
            json!({"custom-device": "npu"}),
            json!({"custom-device": "tpu"}),
            false,
            No,
        ),
        // section 5, column auto: yes, with an app's slot
        ("audio-playback", none(), none(), false, Auto),
        ("audio-record", none(), none(), false, Manual),
        // section 5, conditional: an optical drive that is only read
        ("optical-drive", none(), system(), true, Auto),
        ("optical-drive", json!({"write": true}), system(), true, Manual),
    ];
    for (interface, plug, slot, classic, expected) in table {
        let shown = format!("{interface} {plug} {slot} classic={classic}");
        assert_eq!(says(interface, plug, slot, classic), expected, "{shown}");
    }
}

#[test]
fn slots_belong_to_types_of_snaps() {
    // section 2, installation; section 5, column slot types
    let table = [
        ("gpio", json!({"number": 1}), SnapType::Gadget, true),
        ("gpio", json!({"number": 1}), SnapType::Os, true),
        ("gpio", json!({"number": 1}), SnapType::App, false),
        (
            "gpio-chardev",
            json!({"source-chip": ["c"], "lines": "1"}),
            SnapType::Gadget,
            true,
        ),
        (
            "gpio-chardev",
            json!({"source-chip": ["c"], "lines": "1"}),
            SnapType::Os,
            false,
        ),
        ("network", json!({}), SnapType::App, false),
        (
            "dbus",
            json!({"bus": "system", "name": "a.b"}),
            SnapType::App,
            true,
        ),
        ("audio-playback", json!({}), SnapType::App, true),
        ("content", json!({"read": ["/"]}), SnapType::Gadget, true),
        // needs a declaration, which a snap from a file is not asked for
        ("lxd", json!({}), SnapType::App, true),
    ];
    for (interface, attrs, kind, allowed) in table {
        let mut info = Maker::new("some-snap", kind).slot("s", interface, attrs).0;
        validate(&mut info);
        assert_eq!(
            check_installation(&info).is_ok(),
            allowed,
            "{interface} in {kind}"
        );
    }
    let info = Maker::new("some-snap", SnapType::App)
        .slot("s", "gpio", json!({"number": 1}))
        .0;
    let text = check_installation(&info).unwrap_err().message;
    assert!(
        text.starts_with("installation not allowed by \"s\" slot rule of interface \"gpio\""),
        "{text}"
    );
}

#[test]
fn bad_ends_are_dropped_with_their_reason() {
    // section 1: dropped, and the snap still installs; the rest of its plugs work
    let mut info = Maker::new("some-snap", SnapType::Gadget)
        .plug("good", "network", json!({}))
        .plug("unknown", "teleport", json!({}))
        .slot("bad", "gpio", json!({}))
        .0;
    let app = AppInfo {
        plugs: vec!["good".into(), "unknown".into()],
        slots: vec!["bad".into()],
        ..AppInfo::default()
    };
    info.apps.insert("app".into(), app);
    validate(&mut info);
    assert_eq!(info.plugs.keys().collect::<Vec<_>>(), ["good"]);
    assert!(info.slots.is_empty());
    assert_eq!(info.apps["app"].plugs, ["good"]);
    assert!(info.apps["app"].slots.is_empty());
    assert_eq!(
        info.dropped,
        [
            "unknown (unknown interface \"teleport\")",
            "bad (gpio slot must have a number attribute)"
        ]
    );

    let mut info = Maker::new("consumer", SnapType::App)
        .plug("p", "personal-files", json!({"read": ["x/".repeat(3000)]}))
        .0;
    validate(&mut info);
    let reason = &info.dropped[0];
    assert!(reason.chars().count() < 500, "{} characters", reason.len());
}

#[test]
fn an_operator_from_afar_gets_no_rights_over_the_whole_device() {
    // decision 3
    let world = board();
    let view = Repository::new(&world, true);
    let mut who = root();
    who.transport = Transport::Tls;
    who.role = Role::Operator;
    let ask = |plug: &str, who: &Requester| {
        plan::connect(&view, &named("keyboard-lights", plug), &named("", ""), who)
    };
    assert_eq!(ask("snaps", &who).unwrap_err().kind, ErrorKind::Forbidden);
    ask("net", &who).unwrap();
    who.role = Role::Admin;
    ask("snaps", &who).unwrap();
}
