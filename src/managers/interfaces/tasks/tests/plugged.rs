//! Slots that come and go with their devices.

use super::*;
use crate::domain::hardware::Device;
use crate::managers::interfaces::ConnectionFilter;
use crate::managers::interfaces::remembered_targets;

fn adapter(serial: &str, node: &str) -> Device {
    let Value::Object(attrs) = json!({"path": node, "usb-vendor": 0x0403, "usb-product": 0x6001}) else {
        unreachable!("it is an object");
    };
    Device {
        key: format!("usb 0403:6001 {serial} 0"),
        interface: "serial-port",
        name: String::from("FT232R USB UART"),
        attrs: attrs.into_iter().collect(),
    }
}

fn slots(bench: &Bench) -> Vec<String> {
    let (_, slots) = bench.interfaces.ends();
    let plugged = slots
        .into_iter()
        .filter(|slot| slot.about.interface == "serial-port");
    plugged.map(|slot| slot.slot.to_string()).collect()
}

fn established(bench: &Bench) -> usize {
    let all = bench.interfaces.connections(&ConnectionFilter::default());
    all.unwrap().established.len()
}

fn with_port() -> Bench {
    let bench = bench();
    bench.install(Maker::new("reader", SnapType::App).plug("port", "serial-port", json!({})));
    bench
}

#[tokio::test]
async fn a_slot_comes_and_goes_with_its_device() {
    // contract: interfaces-and-hardware, section 1, hotplug slots
    let bench = with_port();
    assert!(slots(&bench).is_empty());
    bench.interfaces.follow(vec![adapter("A1", "/dev/ttyUSB0")]);
    assert_eq!(slots(&bench), ["system:ft232r-usb-uart"]);
    let (_, ends) = bench.interfaces.ends();
    let slot = ends
        .iter()
        .find(|slot| slot.slot.name == "ft232r-usb-uart")
        .unwrap();
    assert_eq!(slot.about.attrs["usb-vendor"], 0x0403);
    assert_eq!(slot.about.attrs["path"], "/dev/ttyUSB0");
    assert_eq!(slot.about.label, "FT232R USB UART");
    bench.interfaces.follow(Vec::new());
    assert!(slots(&bench).is_empty());
    // Nobody connects to what is not there.
    let gone = bench.interfaces.plan_connect(
        &named("reader", "port"),
        &named("system", "ft232r-usb-uart"),
        &root(),
    );
    assert_eq!(
        gone.unwrap_err().message,
        "snap \"system\" has no slot named \"ft232r-usb-uart\""
    );
}

#[tokio::test]
async fn a_connection_waits_for_its_device() {
    let bench = with_port();
    let mut who = root();
    who.role = Role::Admin;
    let mut events = bench.bus.subscribe(Filter::of(&who, &["connection"]), None);
    bench.interfaces.follow(vec![adapter("A1", "/dev/ttyUSB0")]);
    let change = bench
        .connect(("reader", "port"), ("system", "ft232r-usb-uart"))
        .await;
    change.assert_done();
    assert_eq!(events.next().await.0.data["action"], "connect");
    assert_eq!(
        bench.records()[0].hotplug_key.as_deref(),
        Some("usb 0403:6001 A1 0")
    );
    assert_eq!(
        bench.launch("reader").unwrap().plugs["port"].devices,
        ["/dev/ttyUSB0"]
    );

    bench.interfaces.follow(Vec::new());
    assert!(bench.records()[0].gone && established(&bench) == 0);
    assert!(bench.launch("reader").unwrap().plugs.is_empty());
    assert_eq!(events.next().await.0.data["action"], "disconnect");
    assert_eq!(
        bench.interfaces.is_connected(&name("reader"), "port"),
        Some(false)
    );
    // Another one of the same kind is another one.
    bench.interfaces.follow(vec![adapter("B2", "/dev/ttyUSB0")]);
    assert_eq!(slots(&bench), ["system:ft232r-usb-uart-1"]);
    assert_eq!(established(&bench), 0);

    // It is known again, whatever its node is called now.
    bench
        .interfaces
        .follow(vec![adapter("B2", "/dev/ttyUSB0"), adapter("A1", "/dev/ttyUSB1")]);
    assert_eq!(
        slots(&bench),
        ["system:ft232r-usb-uart", "system:ft232r-usb-uart-1"]
    );
    assert!(!bench.records()[0].gone && established(&bench) == 1);
    assert_eq!(
        bench.launch("reader").unwrap().plugs["port"].devices,
        ["/dev/ttyUSB1"]
    );
    assert_eq!(events.next().await.0.data["action"], "connect");
}

#[tokio::test]
async fn what_waits_can_be_forgotten() {
    let bench = with_port();
    bench.interfaces.follow(vec![adapter("A1", "/dev/ttyUSB0")]);
    bench
        .connect(("reader", "port"), ("system", "ft232r-usb-uart"))
        .await;
    bench.interfaces.follow(Vec::new());
    let plan = bench.interfaces.plan_disconnect(
        &named("reader", "port"),
        &named("system", "ft232r-usb-uart"),
        false,
        &root(),
    );
    assert!(plan.unwrap_err().message.ends_with("it is not connected"));
    let change = bench.disconnect(("reader", "port"), true).await;
    assert_eq!(change.shown_status(), TaskStatus::Done);
    assert!(bench.records().is_empty());
    bench.interfaces.follow(vec![adapter("B2", "/dev/ttyUSB0")]);
    assert_eq!(slots(&bench), ["system:ft232r-usb-uart"], "the name is free");
}

#[tokio::test]
async fn names_of_slots() {
    let bench = with_port();
    let called = |name: &str| {
        let mut device = adapter(name, "/dev/ttyUSB0");
        device.name = name.to_owned();
        device
    };
    bench.interfaces.follow(vec![
        called("Network"),
        called("3D Printer (v2)"),
        called(""),
        called("Ünix--Board"),
    ]);
    assert_eq!(
        slots(&bench),
        [
            "system:network-1",
            "system:nix-board",
            "system:serial-port-1",
            "system:serial-port-3d-printer-v2",
        ]
    );
}

#[tokio::test]
async fn a_chip_that_was_plugged_in() {
    let bench = bench();
    let Value::Object(attrs) = json!({"source-chip": ["pinctrl-sim"], "lines": "20-21"}) else {
        unreachable!("it is an object");
    };
    let chip = Device {
        key: String::from("gpio pinctrl-sim"),
        interface: "gpio-chardev",
        name: String::from("pinctrl-sim"),
        attrs: attrs.into_iter().collect(),
    };
    bench.interfaces.follow(vec![chip.clone()]);
    let change = bench
        .connect(("lights", "lines"), ("system", "pinctrl-sim"))
        .await;
    change.assert_done();
    assert_eq!(bench.grants("lights"), 1);
    // Who looks from outside knows of it, too.
    let outside = bench.store.world();
    let outside = crate::store::World {
        plugged: Arc::default(),
        ..crate::store::World::clone(&outside)
    };
    assert_eq!(remembered_targets(&outside, true).len(), 1);
    bench.interfaces.follow(Vec::new());
    assert!(bench.interfaces.targets(&bench.store.world()).is_empty());
    assert!(bench.launch("lights").unwrap().plugs.is_empty());
    // An agent that starts while it is away says for what the connection waits, and takes it when it is back.
    let key = bench.records()[0].connection.clone();
    bench.hardware.detach(&key).unwrap();
    bench.interfaces.follow(Vec::new());
    let who = root();
    let waits = bench.hardware.view(&who).unwrap().board.unwrap().waiting;
    assert_eq!(waits.len(), 1);
    assert_eq!(waits[0].why, "the device of slot system:pinctrl-sim is not there");
    bench.interfaces.follow(vec![chip]);
    assert_eq!(bench.grants("lights"), 1);
    assert!(bench.launch("lights").unwrap().plugs.contains_key("lines"));
    assert!(
        bench
            .hardware
            .view(&who)
            .unwrap()
            .board
            .unwrap()
            .waiting
            .is_empty()
    );
}
