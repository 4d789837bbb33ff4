//! What people see (contract: v2, Interfaces / connections; interfaces-and-hardware, section 1).

use super::*;

fn all() -> ConnectionFilter {
    ConnectionFilter {
        all: true,
        ..ConnectionFilter::default()
    }
}

#[test]
fn an_empty_root_has_nothing() {
    // decision 14
    let world = World::default();
    let view = Repository::new(&world, true);
    assert_eq!(system_snap(&world), None);
    assert_eq!(
        views::connections(&view, &all()).unwrap(),
        views::ConnectionsView::default()
    );
}

#[test]
fn the_system_offers_slots_from_the_first_snap_on() {
    let mut world = World::default();
    installed(&mut world, Maker::new("first", SnapType::App));
    let slots = |world: &World, classic: bool| {
        let view = Repository::new(world, classic);
        let seen = views::connections(&view, &all()).unwrap().slots;
        seen.into_iter()
            .map(|slot| slot.slot.to_string())
            .collect::<Vec<_>>()
    };
    assert_eq!(system_snap(&world), Some(name("system")));
    let core = slots(&world, false);
    assert!(core.contains(&"system:network".to_owned()) && !core.contains(&"system:x11".to_owned()));
    assert!(slots(&world, true).contains(&"system:x11".to_owned()));
    // section 5: as many as the contract marks as offered on core, less none
    assert!(core.len() > 80, "{}", core.len());
    installed(
        &mut world,
        Maker::new("core", SnapType::Os).slot("network", "network", json!({"a": 1})),
    );
    let view = Repository::new(&world, false);
    let slot = view.slot(&name("core"), "network").unwrap();
    assert!(
        slot.info.is_some(),
        "what the snap says goes before what is offered unsaid"
    );
    assert!(slots(&world, false).contains(&"core:alsa".to_owned()));
    installed(&mut world, Maker::new("snapd", SnapType::Snapd));
    assert_eq!(system_snap(&world), Some(name("snapd")));
}

#[test]
fn connected_ends_only_unless_all_is_asked_for() {
    let mut world = board();
    let plug = ("keyboard-lights", "capslock-led");
    let mut made = record(plug, ("pi", "pin-13"), "bool-file");
    made.slot_dynamic = json!({"access": "api"}).as_object().unwrap().clone();
    connected(&mut world, made);
    let mut old = record(("keyboard-lights", "net"), ("system", "network"), "network");
    (old.auto, old.undesired) = (true, true);
    connected(&mut world, old);
    let view = Repository::new(&world, true);
    let seen = views::connections(&view, &ConnectionFilter::default()).unwrap();
    assert_eq!(seen.established.len(), 1);
    assert!(seen.undesired.is_empty());
    assert_eq!((seen.plugs.len(), seen.slots.len()), (1, 1));
    let made = &seen.established[0];
    assert!(made.manual && !made.gadget);
    // section 1: static and dynamic attributes are seen merged
    assert_eq!(
        Value::Object(made.slot_attrs.clone()),
        json!({"path": "/sys/class/leds/USER/brightness", "access": "api"})
    );
    assert_eq!(seen.slots[0].connections, [PlugRef::new(name(plug.0), plug.1)]);
    assert_eq!(seen.plugs[0].connections, [SlotRef::new(name("pi"), "pin-13")]);
    let everything = views::connections(&view, &all()).unwrap();
    assert_eq!(everything.undesired.len(), 1);
    assert!(!everything.undesired[0].manual);
    assert_eq!(everything.plugs.len(), 4);
    assert!(everything.slots.len() > 80);
}

#[test]
fn filters() {
    let mut world = board();
    connected(
        &mut world,
        record(("keyboard-lights", "capslock-led"), ("pi", "pin-13"), "bool-file"),
    );
    let view = Repository::new(&world, true);
    let seen = |snap: &str, interface: &str, all: bool| {
        let filter = ConnectionFilter {
            snap: snap.into(),
            interface: interface.into(),
            all,
        };
        views::connections(&view, &filter)
    };
    assert_eq!(seen("pi", "", false).unwrap().established.len(), 1);
    assert_eq!(seen("", "bool-file", false).unwrap().established.len(), 1);
    assert_eq!(seen("", "gpio", false).unwrap().established.len(), 0);
    let gpio = seen("pi", "gpio", true).unwrap();
    assert_eq!((gpio.plugs.len(), gpio.slots.len()), (0, 2));
    // the other end of a connection of the snap is seen with it
    let own = seen("keyboard-lights", "", false).unwrap();
    assert_eq!((own.plugs.len(), own.slots.len()), (1, 1));
    assert!(seen("system", "", true).unwrap().slots.len() > 80);
    let fault = seen("nosuch", "", true).unwrap_err();
    assert_eq!(fault.kind, ErrorKind::SnapNotFound);
    assert_eq!(fault.value, Some(json!("nosuch")));
}

#[test]
fn a_connection_without_an_end_is_remembered_but_not_seen() {
    // section 2: if the new revision lost the plug the entry stays (for revert) but is hidden in the API
    let mut world = board();
    connected(
        &mut world,
        record(("keyboard-lights", "gone"), ("pi", "pin-13"), "bool-file"),
    );
    connected(
        &mut world,
        record(
            ("keyboard-lights", "capslock-led"),
            ("pi", "bcm-gpio-4"),
            "bool-file",
        ),
    );
    let view = Repository::new(&world, true);
    let seen = views::connections(&view, &all()).unwrap();
    assert!(seen.established.is_empty() && seen.undesired.is_empty());
    assert_eq!(view.records().count(), 2);
}

#[test]
fn interfaces_by_name_and_use() {
    let mut world = board();
    connected(
        &mut world,
        record(("keyboard-lights", "capslock-led"), ("pi", "pin-13"), "bool-file"),
    );
    let view = Repository::new(&world, true);
    let names = |filter: &InterfaceFilter| {
        let seen = views::interfaces(&view, filter);
        seen.into_iter()
            .map(|interface| interface.name)
            .collect::<Vec<_>>()
    };
    let mut filter = InterfaceFilter::default();
    assert_eq!(names(&filter).len(), 181);
    filter.connected = true;
    assert_eq!(names(&filter), ["bool-file"]);
    filter = InterfaceFilter {
        names: vec!["gpio".into(), "nosuch".into()],
        connected: false,
        plugs: true,
        slots: true,
    };
    let seen = views::interfaces(&view, &filter);
    assert_eq!(seen.len(), 1);
    assert_eq!((seen[0].plugs.len(), seen[0].slots.len()), (1, 2));
}
