//! Devices that are plugged in beside the board's own: what slots they are worth.

use super::Hardware;
use crate::domain::Attrs;
use crate::domain::hardware::Device;
use crate::drivers::gpio::ChipInfo;
use crate::drivers::serial::{self, Adapter};
use serde_json::{Value, json};
use std::path::Path;

/// How many lines one slot of `gpio-chardev` may have.
const MOST_LINES: u32 = 512;

impl Hardware {
    /// Serial adapters, and chips that the board's file does not have. Next to a simulated board nothing is real.
    pub fn plugged(&self) -> Vec<Device> {
        if self.is_simulated() {
            return Vec::new();
        }
        let mut state = self.state();
        self.refresh(&mut state);
        let own = |chip: &&ChipInfo| {
            // Of two chips with one label a slot cannot say which it means.
            let known = chip.lines == 0 || chip.key != chip.label || self.chip_facts(&chip.key).is_some();
            !known
        };
        let chips = state.catalogue.chips.iter().filter(own).map(chip);
        let mut all: Vec<Device> = chips.collect();
        drop(state);
        all.extend(adapters(&self.adapters()));
        all
    }

    fn adapters(&self) -> Vec<Adapter> {
        serial::adapters(Path::new("/sys/class/tty"), Path::new("/dev"))
    }
}

fn attrs<const N: usize>(all: [(&str, Value); N]) -> Attrs {
    all.into_iter()
        .map(|(name, value)| (name.to_owned(), value))
        .collect()
}

/// All lines of a chip.
fn chip(chip: &ChipInfo) -> Device {
    let lines = match chip.lines.min(MOST_LINES) {
        1 => String::from("0"),
        count => format!("0-{}", count - 1),
    };
    Device {
        key: format!("gpio {}", chip.label),
        interface: "gpio-chardev",
        name: chip.label.clone(),
        attrs: attrs([
            ("source-chip", json!([chip.label])),
            ("lines", Value::String(lines)),
        ]),
    }
}

/// Adapters by what they say of themselves. One without a serial number, or with the number of another one, is known by
/// where it is plugged in.
fn adapters(all: &[Adapter]) -> Vec<Device> {
    let mut devices: Vec<Device> = Vec::new();
    for adapter in all {
        let part = adapter.interface.unwrap_or(0);
        let key = |which: &str| {
            format!(
                "usb {:04x}:{:04x} {which} {part}",
                adapter.vendor, adapter.product
            )
        };
        let at = || key(&format!("at {}", adapter.port));
        let mut own = key(&adapter.serial);
        if adapter.serial.is_empty() || devices.iter().any(|known| known.key == own) {
            own = at();
        }
        let mut attrs = attrs([
            ("path", Value::String(format!("/dev/{}", adapter.node))),
            ("usb-vendor", json!(adapter.vendor)),
            ("usb-product", json!(adapter.product)),
        ]);
        if let Some(number) = adapter.interface {
            attrs.insert("usb-interface-number".into(), json!(number));
        }
        devices.push(Device {
            key: own,
            interface: "serial-port",
            name: adapter.name.clone(),
            attrs,
        });
    }
    devices
}

#[cfg(test)]
mod tests {
    use super::*;

    fn adapter(node: &str, serial: &str, port: &str) -> Adapter {
        Adapter {
            node: node.into(),
            vendor: 0x0403,
            product: 0x6001,
            serial: serial.into(),
            name: String::from("FT232R USB UART"),
            interface: Some(0),
            port: port.into(),
        }
    }

    #[test]
    fn what_adapters_are_known_by() {
        let all = [
            adapter("ttyUSB0", "A1", "1-1"),
            adapter("ttyUSB1", "A1", "1-2"),
            adapter("ttyUSB2", "", "1-3"),
        ];
        let devices = adapters(&all);
        let keys: Vec<&str> = devices.iter().map(|device| device.key.as_str()).collect();
        assert_eq!(
            keys,
            [
                "usb 0403:6001 A1 0",
                "usb 0403:6001 at 1-2 0",
                "usb 0403:6001 at 1-3 0"
            ]
        );
        // contract: interfaces-and-hardware, section 1: attributes path, usb-vendor, usb-product
        assert_eq!(devices[2].attrs["path"], "/dev/ttyUSB2");
        assert_eq!(devices[2].attrs["usb-vendor"], 0x0403);
        assert_eq!(devices[2].attrs["usb-product"], 0x6001);
        assert_eq!(devices[2].interface, "serial-port");
    }

    #[test]
    fn a_chip_is_worth_all_its_lines() {
        for (lines, text) in [(1, "0"), (8, "0-7"), (600, "0-511")] {
            let device = chip(&ChipInfo {
                name: String::from("gpiochip2"),
                label: String::from("cp210x"),
                key: String::from("cp210x"),
                lines,
                node: 1,
                capabilities: &[],
            });
            assert_eq!(device.attrs["lines"], text);
            assert_eq!(device.attrs["source-chip"], json!(["cp210x"]));
        }
    }
}
