//! Serial adapters on USB, as the kernel shows them in `/sys/class/tty`.

use crate::domain::sort;
use std::path::Path;

/// How the nodes of such adapters begin.
pub const NODES: &[&str] = &["ttyUSB", "ttyACM"];

/// What a device says of itself is cut there, in characters.
const LONGEST: usize = 64;

/// One port of an adapter that is plugged in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Adapter {
    /// Its node's name (`ttyUSB0`); another when it is plugged in again.
    pub node: String,
    pub vendor: u16,
    pub product: u16,
    /// What the device says of itself; empty where it says nothing.
    pub serial: String,
    pub name: String,
    /// Which of the device's interfaces it is.
    pub interface: Option<u8>,
    /// Where it is plugged in (`1-1.2`).
    pub port: String,
}

/// The ports that are there and have a node in the folder of devices, in the order of where they are plugged in.
pub fn adapters(class: &Path, devices: &Path) -> Vec<Adapter> {
    let entries = std::fs::read_dir(class).into_iter().flatten().flatten();
    let mut all: Vec<Adapter> = entries
        .filter_map(|entry| {
            let node = entry.file_name().into_string().ok()?;
            let known = NODES.iter().any(|start| node.starts_with(start));
            (known && devices.join(&node).exists()).then_some(())?;
            adapter(&entry.path(), node)
        })
        .collect();
    sort::by(&mut all, |a, b| {
        (&a.port, a.interface, &a.node).cmp(&(&b.port, b.interface, &b.node))
    });
    all
}

fn adapter(entry: &Path, node: String) -> Option<Adapter> {
    let own = std::fs::canonicalize(entry.join("device")).ok()?;
    let number = |folder: &Path, name: &str| u16::from_str_radix(&said(folder, name), 16).ok();
    let interface = own
        .ancestors()
        .find_map(|folder| number(folder, "bInterfaceNumber"));
    let (device, vendor, product) = own.ancestors().find_map(|folder| {
        let ids = number(folder, "idVendor").zip(number(folder, "idProduct"));
        ids.map(|(vendor, product)| (folder, vendor, product))
    })?;
    Some(Adapter {
        node,
        vendor,
        product,
        serial: said(device, "serial"),
        name: said(device, "product"),
        interface: interface.and_then(|number| u8::try_from(number).ok()),
        port: device.file_name()?.to_str()?.to_owned(),
    })
}

/// What stands in a file of the kernel's; empty without one.
fn said(folder: &Path, name: &str) -> String {
    let text = std::fs::read(folder.join(name)).unwrap_or_default();
    let text = String::from_utf8_lossy(&text);
    let text = text.trim().chars().filter(|c| !c.is_control());
    text.take(LONGEST).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn adapters_by_their_devices() {
        let dir = tempfile::tempdir().expect("a folder");
        let (class, devices) = (dir.path().join("class"), dir.path().join("dev"));
        let usb = dir.path().join("usb1/1-2");
        let port = usb.join("1-2:1.1/ttyUSB3");
        for folder in [&port, &class.join("ttyUSB3"), &class.join("ttyS0"), &devices] {
            std::fs::create_dir_all(folder).expect("a folder");
        }
        std::os::unix::fs::symlink(&port, class.join("ttyUSB3/device")).expect("a link");
        std::os::unix::fs::symlink(&port, class.join("ttyS0/device")).expect("a link");
        std::fs::write(devices.join("ttyS0"), "").expect("a node");
        for (name, text) in [
            ("idVendor", "0403\n"),
            ("idProduct", "6001\n"),
            ("serial", "A6008isP\n"),
            ("product", "FT232R \u{7}USB UART\n"),
            ("1-2:1.1/bInterfaceNumber", "01\n"),
        ] {
            std::fs::write(usb.join(name), text).expect("a file");
        }
        assert_eq!(adapters(&class, &devices), [], "its node is not there yet");
        std::fs::write(devices.join("ttyUSB3"), "").expect("a node");
        let known = Adapter {
            node: String::from("ttyUSB3"),
            vendor: 0x0403,
            product: 0x6001,
            serial: String::from("A6008isP"),
            name: String::from("FT232R USB UART"),
            interface: Some(1),
            port: String::from("1-2"),
        };
        assert_eq!(adapters(&class, &devices), [known]);
        std::fs::remove_file(usb.join("idProduct")).expect("removed");
        assert_eq!(adapters(&class, &devices), [], "it is on no USB");
    }
}
