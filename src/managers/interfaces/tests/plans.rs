//! What requests come to (contract: v2, Interfaces / connections, and section 6).

use super::*;

const PLUG: (&str, &str) = ("keyboard-lights", "capslock-led");
const SLOT: (&str, &str) = ("pi", "pin-13");

#[test]
fn connect_is_one_task() {
    // contract v2-observed, section 3: connect-snap is one task when the snaps have no such hooks
    let plan = connect(&board(), PLUG, SLOT).unwrap();
    assert_eq!(plan.kind, "connect-snap");
    assert_eq!(plan.summary, "Connect keyboard-lights:capslock-led to pi:pin-13");
    assert_eq!(plan.snaps, [name("keyboard-lights"), name("pi")]);
    assert_eq!(kinds_of(&plan), [kinds::CONNECT]);
    let params: ConnectParams = serde_json::from_value(plan.tasks[0].params.clone()).unwrap();
    assert_eq!(
        params.connection.to_string(),
        "keyboard-lights:capslock-led pi:pin-13"
    );
    assert!(!params.auto);
}

#[test]
fn hooks_stand_around_the_connect() {
    // contract v2, section 6: prepare-plug, prepare-slot, connect, connect-slot, connect-plug
    let mut world = board();
    installed(
        &mut world,
        Maker::new("keyboard-lights", SnapType::App)
            .plug("capslock-led", "bool-file", json!({}))
            .hook("prepare-plug-capslock-led")
            .hook("connect-plug-capslock-led")
            .hook("disconnect-plug-capslock-led")
            .hook("connect-plug-other"),
    );
    installed(
        &mut world,
        Maker::new("pi", SnapType::Gadget)
            .slot(
                "pin-13",
                "bool-file",
                json!({"path": "/sys/class/leds/USER/brightness"}),
            )
            .hook("prepare-slot-pin-13")
            .hook("connect-slot-pin-13")
            .hook("disconnect-slot-pin-13"),
    );
    let plan = connect(&world, PLUG, SLOT).unwrap();
    let texts: Vec<&str> = plan.tasks.iter().map(|task| task.summary.as_str()).collect();
    assert_eq!(
        texts,
        [
            "Run hook prepare-plug-capslock-led of snap \"keyboard-lights\"",
            "Run hook prepare-slot-pin-13 of snap \"pi\"",
            "Connect keyboard-lights:capslock-led to pi:pin-13",
            "Run hook connect-slot-pin-13 of snap \"pi\"",
            "Run hook connect-plug-capslock-led of snap \"keyboard-lights\"",
        ]
    );
    let waits: Vec<_> = plan.tasks.iter().map(|task| task.waits.clone()).collect();
    assert_eq!(waits, [vec![], vec![0], vec![1], vec![2], vec![3]]);
    connected(&mut world, record(PLUG, SLOT, "bool-file"));
    let plan = disconnect(&world, PLUG, SLOT, false).unwrap();
    let texts: Vec<&str> = plan.tasks.iter().map(|task| task.summary.as_str()).collect();
    // contract v2, section 6: disconnect-slot, disconnect-plug, disconnect
    assert_eq!(
        texts,
        [
            "Run hook disconnect-slot-pin-13 of snap \"pi\"",
            "Run hook disconnect-plug-capslock-led of snap \"keyboard-lights\"",
            "Disconnect keyboard-lights:capslock-led from pi:pin-13",
        ]
    );
    assert!(plan.tasks.iter().all(|task| task.lanes == [1]));
}

#[test]
fn a_connection_that_exists_has_nothing_to_do() {
    // contract v2: a Done change with no tasks
    let mut world = board();
    connected(&mut world, record(PLUG, SLOT, "bool-file"));
    let plan = connect(&world, PLUG, SLOT).unwrap();
    assert!(plan.tasks.is_empty());
    // one that is only remembered is made again
    let mut old = record(PLUG, SLOT, "bool-file");
    (old.auto, old.undesired) = (true, true);
    connected(&mut world, old);
    assert_eq!(kinds_of(&connect(&world, PLUG, SLOT).unwrap()), [kinds::CONNECT]);
}

#[test]
fn names_that_are_left_out() {
    let mut world = board();
    // contract v2: an empty slot name is the only slot of that interface on the slot's snap
    let plan = connect(&world, PLUG, ("pi", "")).unwrap();
    assert_eq!(plan.summary, "Connect keyboard-lights:capslock-led to pi:pin-13");
    // … otherwise an error that lists the candidates
    let fault = connect(&world, ("keyboard-lights", "button"), ("pi", "")).unwrap_err();
    assert_eq!(
        fault.message,
        "snap \"pi\" has multiple \"gpio\" interface slots: bcm-gpio-4, bcm-gpio-5"
    );
    let fault = connect(&world, ("keyboard-lights", "net"), ("pi", "")).unwrap_err();
    assert_eq!(fault.message, "snap \"pi\" has no \"network\" interface slots");
    // contract section 1: an empty slot snap is the system snap; `system` and `core` are it, too
    for slot in [
        ("", ""),
        ("", "network"),
        ("system", "network"),
        ("core", "network"),
    ] {
        let plan = connect(&world, ("keyboard-lights", "net"), slot).unwrap();
        assert_eq!(plan.summary, "Connect keyboard-lights:net to system:network");
        assert_eq!(plan.snaps, [name("keyboard-lights")]);
    }
    installed(&mut world, Maker::new("snapd", SnapType::Snapd));
    for slot in [
        ("", ""),
        ("system", "network"),
        ("core", "network"),
        ("snapd", "network"),
    ] {
        let plan = connect(&world, ("keyboard-lights", "net"), slot).unwrap();
        assert_eq!(plan.summary, "Connect keyboard-lights:net to snapd:network");
        let params: ConnectParams = serde_json::from_value(plan.tasks[0].params.clone()).unwrap();
        // the store's name of the system snap does not change with it
        assert_eq!(params.connection.slot.to_string(), "system:network");
    }
}

#[test]
fn refused_connects() {
    let world = board();
    let table = [
        (
            ("keyboard-lights", "nosuch"),
            SLOT,
            "snap \"keyboard-lights\" has no plug named \"nosuch\"",
        ),
        (("nosuch", "x"), SLOT, "snap \"nosuch\" is not installed"),
        (
            ("keyboard-lights", "nosuch"),
            ("nosuch", "x"),
            "snap \"nosuch\" is not installed",
        ),
        (PLUG, ("pi", "nosuch"), "snap \"pi\" has no slot named \"nosuch\""),
        (PLUG, ("nosuch", "x"), "snap \"nosuch\" is not installed"),
        (
            ("", ""),
            SLOT,
            "cannot resolve connection, plug snap name is empty",
        ),
        (
            ("keyboard-lights", ""),
            SLOT,
            "cannot resolve connection, plug name is empty",
        ),
        (
            PLUG,
            ("pi", "bcm-gpio-4"),
            "cannot connect keyboard-lights:capslock-led (\"bool-file\" interface) to pi:bcm-gpio-4 (\"gpio\" interface)",
        ),
    ];
    for (plug, slot, text) in table {
        let fault = connect(&world, plug, slot).unwrap_err();
        assert_eq!(
            (fault.kind, fault.message.as_str()),
            (ErrorKind::BadRequest, text)
        );
    }
    let view = Repository::new(&world, true);
    let (one, two) = (
        named("a-snap", "b"),
        [named("a-snap", "b"), named("a-snap", "c")].concat(),
    );
    // contract v2: exactly one each; more is 501, missing is 400
    let many = plan::connect(&view, &one, &two, &root()).unwrap_err();
    assert_eq!(many.kind, ErrorKind::NotImplemented);
    assert_eq!(many.message, "many-to-many operations are not implemented");
    let none = plan::connect(&view, &[], &one, &root()).unwrap_err();
    assert_eq!(none.kind, ErrorKind::BadRequest);
}

#[test]
fn disconnects() {
    let mut world = board();
    let slot = ("pi", "bcm-gpio-4");
    connected(&mut world, record(PLUG, SLOT, "bool-file"));
    connected(&mut world, record(("keyboard-lights", "button"), slot, "gpio"));
    connected(
        &mut world,
        record(("keyboard-lights", "net"), ("system", "network"), "network"),
    );
    for (plug, slot, summary) in [
        (
            PLUG,
            SLOT,
            "Disconnect keyboard-lights:capslock-led from pi:pin-13",
        ),
        // contract v2-observed, section 4: the command line sends the one side as a slot
        (
            ("", ""),
            PLUG,
            "Disconnect keyboard-lights:capslock-led from pi:pin-13",
        ),
        (
            ("", ""),
            SLOT,
            "Disconnect keyboard-lights:capslock-led from pi:pin-13",
        ),
        (
            PLUG,
            ("", ""),
            "Disconnect keyboard-lights:capslock-led from pi:pin-13",
        ),
        (
            ("keyboard-lights", "net"),
            ("", "network"),
            "Disconnect keyboard-lights:net from system:network",
        ),
        (
            ("", ""),
            ("core", "network"),
            "Disconnect keyboard-lights:net from system:network",
        ),
    ] {
        let plan = disconnect(&world, plug, slot, false).unwrap();
        assert_eq!((plan.kind, plan.summary.as_str()), ("disconnect-snap", summary));
        assert_eq!(kinds_of(&plan), [kinds::DISCONNECT]);
    }
    let refused = [
        (
            PLUG,
            slot,
            "cannot disconnect keyboard-lights:capslock-led from pi:bcm-gpio-4, it is not connected",
        ),
        (PLUG, ("nosuch", "x"), "snap \"nosuch\" is not installed"),
        (
            ("", ""),
            ("pi", "nosuch"),
            "snap \"pi\" has no plug or slot named \"nosuch\"",
        ),
        (
            ("keyboard-lights", "nosuch"),
            SLOT,
            "snap \"keyboard-lights\" has no plug named \"nosuch\"",
        ),
        (
            ("", ""),
            ("", ""),
            "allowed forms are <snap>:<plug> <snap>:<slot> or <snap>:<plug or slot>",
        ),
    ];
    for (plug, slot, text) in refused {
        let fault = disconnect(&world, plug, slot, false).unwrap_err();
        assert_eq!(
            (fault.kind, fault.message.as_str()),
            (ErrorKind::BadRequest, text)
        );
    }
    let fault = disconnect(&world, ("", ""), ("pi", "bcm-gpio-5"), false).unwrap_err();
    assert_eq!(fault.kind, ErrorKind::InterfacesUnchanged);
}

#[test]
fn each_connection_has_a_lane_of_its_own() {
    // contract v2, section 5: disconnect gives each connection its own lane
    let mut world = board();
    installed(
        &mut world,
        Maker::new("other-lights", SnapType::App).plug("led", "bool-file", json!({})),
    );
    connected(&mut world, record(PLUG, SLOT, "bool-file"));
    connected(&mut world, record(("other-lights", "led"), SLOT, "bool-file"));
    let plan = disconnect(&world, ("", ""), SLOT, false).unwrap();
    assert_eq!(plan.summary, "Disconnect pi:pin-13");
    assert_eq!(kinds_of(&plan), [kinds::DISCONNECT, kinds::DISCONNECT]);
    let lanes: Vec<_> = plan.tasks.iter().map(|task| task.lanes.clone()).collect();
    assert_eq!(lanes, [vec![1], vec![2]]);
    assert!(plan.tasks.iter().all(|task| task.waits.is_empty()));
    assert_eq!(
        plan.snaps,
        [name("keyboard-lights"), name("pi"), name("other-lights")]
    );
}

#[test]
fn forgetting() {
    // contract section 2: forget removes the entry; an undesired one can only be forgotten
    let mut world = board();
    let mut old = record(("keyboard-lights", "net"), ("system", "network"), "network");
    (old.auto, old.undesired) = (true, true);
    connected(&mut world, old);
    let net = ("keyboard-lights", "net");
    let slot = ("system", "network");
    assert!(disconnect(&world, net, slot, false).is_err());
    assert!(disconnect(&world, ("", ""), net, false).is_err());
    let plan = disconnect(&world, ("", ""), net, true).unwrap();
    let params: DisconnectParams = serde_json::from_value(plan.tasks[0].params.clone()).unwrap();
    assert!(params.forget);
    disconnect(&world, net, slot, true).unwrap();
}
