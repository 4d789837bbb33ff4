//! A serial adapter that is plugged in and pulled out while the daemon runs: what the daemon sees of devices is a play,
//! in a mount namespace of its own; the events are the kernel's.

use crate::support::TestDaemon;
use crate::support::eventually;
use crate::support::snaps::{BASE, pack};
use crate::support::somebody::is_root;
use serde_json::{Value, json};

/// A folder of devices in which nodes can be made, and no serial ports but those that are played.
const VIEW: &str = "
mount -t tmpfs none /run
mkdir /run/dev
mount --rbind /dev /run/dev
mount -t tmpfs none /dev
for node in /run/dev/*; do ln -s \"$node\" /dev/; done
for number in $(seq 0 255); do ln -sf /run/dev/loop$number /dev/loop$number; done
mount -t tmpfs none /sys/class/tty
";

/// Plugs an adapter in, as the kernel shows it.
fn plug_in(daemon: &TestDaemon, node: &str) {
    daemon.within(&format!(
        "usb=/sys/class/tty/.usb/1-1
        mkdir -p $usb/1-1:1.0 /sys/class/tty/{node}
        ln -sfn $usb/1-1:1.0 /sys/class/tty/{node}/device
        echo 0403 > $usb/idVendor; echo 6001 > $usb/idProduct
        echo A6008isP > $usb/serial; echo 'FT232R USB UART' > $usb/product
        echo 00 > $usb/1-1:1.0/bInterfaceNumber
        : > /dev/{node}"
    ));
}

fn pull_out(daemon: &TestDaemon, node: &str) {
    daemon.within(&format!("rm -r /sys/class/tty/{node}; rm /dev/{node}"));
}

fn serial_slots(daemon: &TestDaemon) -> Vec<Value> {
    let all = daemon.get("/v2/connections?select=all&interface=serial-port");
    all.result()["slots"].as_array().cloned().unwrap_or_default()
}

fn established(daemon: &TestDaemon) -> Vec<Value> {
    let all = daemon.get("/v2/connections");
    all.result()["established"]
        .as_array()
        .cloned()
        .unwrap_or_default()
}

/// contract: interfaces-and-hardware, section 1, hotplug slots
#[test]
fn a_serial_adapter_comes_and_goes() {
    if !is_root() {
        println!(
            "skipped: hotplug::a_serial_adapter_comes_and_goes: only root can give the agent a view of its own"
        );
        return;
    }
    let mut daemon = TestDaemon::with_view(&[], VIEW);
    let app = "name: reader\nversion: '1'\nbase: test-base\nplugs: {port: {interface: serial-port}}\n";
    daemon.install(&[("base.snap", &pack(BASE, &[])), ("r.snap", &pack(app, &[]))]);
    assert!(serial_slots(&daemon).is_empty());

    plug_in(&daemon, "ttyUSB0");
    eventually("its slot comes", || serial_slots(&daemon).len() == 1);
    let slot = &serial_slots(&daemon)[0];
    assert_eq!(
        (&slot["snap"], &slot["slot"]),
        (&json!("system"), &json!("ft232r-usb-uart"))
    );
    assert_eq!(
        slot["attrs"],
        json!({"path": "/dev/ttyUSB0", "usb-vendor": 0x0403, "usb-product": 0x6001, "usb-interface-number": 0})
    );
    let connect = json!({
        "action": "connect",
        "plugs": [{"snap": "reader", "plug": "port"}],
        "slots": [{"snap": "system", "slot": "ft232r-usb-uart"}],
    });
    daemon.done(&daemon.post("/v2/interfaces", &connect));
    assert_eq!(established(&daemon).len(), 1);

    pull_out(&daemon, "ttyUSB0");
    eventually("its slot goes", || serial_slots(&daemon).is_empty());
    assert!(established(&daemon).is_empty(), "the connection waits");
    let refused = daemon.post("/v2/interfaces", &connect);
    assert_eq!(refused.status, 400, "{refused:?}");

    // It waits over a restart, too; the kernel gives the adapter another name.
    daemon.kill();
    daemon.launch();
    assert!(serial_slots(&daemon).is_empty() && established(&daemon).is_empty());
    plug_in(&daemon, "ttyUSB1");
    eventually("the connection is back", || established(&daemon).len() == 1);
    let back = &established(&daemon)[0];
    assert_eq!(back["slot"], json!({"snap": "system", "slot": "ft232r-usb-uart"}));
    assert_eq!(back["slot-attrs"]["path"], "/dev/ttyUSB1");
    let root = daemon.root();
    let pinion = crate::support::daemon::binary().display();
    daemon.within(&format!("{pinion} check --deep --root {}", root.display()));
}
