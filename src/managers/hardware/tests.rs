use super::*;
use crate::config::board::{built_in, parse_board};
use crate::domain::requester::Role;
use crate::drivers::gpio::Request;
use crate::drivers::gpio::sim::SimChips;
use crate::drivers::leds::sim::SimLeds;
use crate::events::{Event, Filter, Reader};
use std::time::Duration;

mod boards;
mod connections;
mod leds;
mod lines;

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
