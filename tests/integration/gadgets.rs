//! The gadgets with boot files (`gadget/boot`) and the agent's packaging (`gadget/agent`): what they say is what the board
//! files, the interfaces and Cargo.toml say. `PINION_BLESS=1 cargo test gadget` writes the former anew.

use pinion::config::board::{Board, built_in};
use pinion::config::gadget::{config_txt, snap_yaml};
use pinion::managers::interfaces::builtin;
use pinion::managers::snaps::yaml::{parse_gadget_yaml, parse_snap_yaml};
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

/// One base of Ubuntu Core on the Raspberry Pi.
struct Form {
    /// The base, and the end of the folder's name.
    base: &'static str,
    /// `u-boot`, or `piboot` where the firmware starts the kernel itself.
    bootloader: &'static str,
    /// The head of config.txt.
    config: &'static str,
}

const FORMS: &[Form] = &[
    Form {
        base: "core18",
        bootloader: "u-boot",
        config: U_BOOT,
    },
    Form {
        base: "core20",
        bootloader: "u-boot",
        config: U_BOOT_ZERO,
    },
    Form {
        base: "core24",
        bootloader: "piboot",
        config: PIBOOT,
    },
];

/// The firmware starts U-Boot, which starts the kernel that is chosen. Each board has a U-Boot of its own.
const U_BOOT: &str = "\
[pi2]
kernel=uboot_rpi_2.bin
[pi3]
kernel=uboot_rpi_3.bin
[pi4]
kernel=uboot_rpi_4.bin

[all]
# Where U-Boot looks for the device tree.
device_tree_address=0x02000000
";

const U_BOOT_ZERO: &str = "\
[pi2]
kernel=uboot_rpi_2.bin
[pi3]
kernel=uboot_rpi_3.bin
# The Zero 2 W has the processor of a Pi 3.
[pi02]
kernel=uboot_rpi_3.bin
[pi4]
kernel=uboot_rpi_4.bin

[all]
# Where U-Boot looks for the device tree.
device_tree_address=0x02000000
";

const PIBOOT: &str = "\
[all]
kernel=kernel.img
initramfs initrd.img followkernel
cmdline=cmdline.txt
# Who installs or refreshes a kernel writes its folder here.
os_prefix=
";

/// What follows in each config.txt: what the header's pins are when no safe value says otherwise.
const COMMON: &str = "
arm_64bit=1
# Pins 8 and 10 are the serial console, 3 and 5 I2C, 19 to 26 SPI.
enable_uart=1
dtparam=i2c_arm=on
dtparam=spi=on

# Outputs at their safe values before Linux starts: a line `gpio=NUMBER=op,dl` (low) or `dh` (high) for each line with a
# safe-value in the board file. `pinion gadget FILE` writes them for a board file of your own.
";

/// One line; who boots adds where the system is.
const CMDLINE: &str = "console=serial0,115200 console=tty1\n";

/// What the reference gadget calls the buses of the header, and the chips as nodes for the agent.
const PI_BUSES: &str = "  bt-serial: {interface: serial-port, path: /dev/ttyAMA0}
  gpio-chips: {interface: custom-device, devices: [\"/dev/gpiochip*\"]}
  i2c-0: {interface: i2c, path: /dev/i2c-0}
  i2c-1: {interface: i2c, path: /dev/i2c-1}
  i2c-2: {interface: i2c, path: /dev/i2c-2}
  spidev0: {interface: spi, path: /dev/spidev0.0}
  spidev1: {interface: spi, path: /dev/spidev0.1}
";

const BONE_BUSES: &str = "  gpio-chips: {interface: custom-device, devices: [\"/dev/gpiochip*\"]}
  i2c-2: {interface: i2c, path: /dev/i2c-2}
";

const MADE: &str =
    "# Made from board-configs; `PINION_BLESS=1 cargo test gadget` makes it anew. See gadget/README.md.\n";

fn board(name: &str) -> Board {
    built_in(name).expect("in the binary").expect("parses")
}

fn repo(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

fn read(path: &str) -> String {
    std::fs::read_to_string(repo(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// A source for snapcraft: the slots of the board file, the boot files beside it.
fn snapcraft(board: &Board, name: &str, base: &str, target: &str, buses: &str, primed: &str) -> String {
    let whole = snap_yaml(board, name, "");
    let (_, slots) = whole.split_once("\nslots:\n").expect("slots");
    let machine = match base {
        // The older form and the newer one of the same.
        "core18" | "core20" => {
            format!("architectures:\n  - build-on: [amd64, {target}]\n    run-on: {target}\n")
        }
        _ => format!("platforms:\n  {target}:\n    build-on: [amd64, {target}]\n    build-for: {target}\n"),
    };
    let mut text = format!(
        "{MADE}name: {name}\nversion: '1'\nsummary: Boot files and slots of the {}\ndescription: |\n  Boots Ubuntu Core and \
         brings the board's slots. It is not complete: gadget/README.md says which binaries to add.\ntype: gadget\n\
         base: {base}\nconfinement: strict\ngrade: devel\n",
        board.model
    );
    let _ = write!(
        text,
        "{machine}\nparts:\n  boot:\n    plugin: dump\n    source: .\n    prime: [{primed}]\n\nslots:\n{buses}{slots}"
    );
    text
}

/// The partitions of a card: the old form has one for boot files, the newer the four of a system with recovery.
fn pi_gadget_yaml(form: &Form) -> String {
    let head = format!(
        "{MADE}volumes:\n  pi:\n    schema: mbr\n    bootloader: {}\n    structure:\n",
        form.bootloader
    );
    if form.base == "core18" {
        return head
            + "      - type: 0C\n        filesystem: vfat\n        filesystem-label: system-boot\n        size: 256M\n        \
               content:\n          - source: boot-assets/\n            target: /\n";
    }
    let trees = match form.bootloader {
        // The kernel snap brings the device trees that fit it.
        "piboot" => {
            "          - source: $kernel:dtbs/dtbs/broadcom/\n            target: /\n          - source: \
             $kernel:dtbs/dtbs/overlays/\n            target: /overlays\n"
        }
        _ => "",
    };
    let select = match form.bootloader {
        "u-boot" => {
            "        content:\n          - source: boot.sel\n            target: uboot/ubuntu/boot.sel\n"
        }
        _ => "",
    };
    let linux = "83,0FC63DAF-8483-4772-8E79-3D69D8477DE4";
    head + &format!(
        "      - name: ubuntu-seed\n        role: system-seed\n        filesystem: vfat\n        type: 0C\n        size: 1200M\n        \
         content:\n{trees}          - source: boot-assets/\n            target: /\n      - name: ubuntu-boot\n        \
         role: system-boot\n        filesystem: vfat\n        type: 0C\n        size: 750M\n{select}      - name: ubuntu-save\n        \
         role: system-save\n        filesystem: ext4\n        type: {linux}\n        size: 32M\n      - name: ubuntu-data\n        \
         role: system-data\n        filesystem: ext4\n        type: {linux}\n        size: 1500M\n"
    )
}

/// The processor of a BeagleBone reads MLO from byte 128 Ki of the card, MLO reads U-Boot from 384 Ki.
const BONE_GADGET_YAML: &str = "volumes:
  beaglebone:
    schema: mbr
    bootloader: u-boot
    structure:
      - name: mlo
        type: bare
        offset: 131072
        size: 131072
        content:
          - image: MLO
      - name: u-boot
        type: bare
        offset: 393216
        size: 1572864
        content:
          - image: u-boot.img
      - type: 0C
        filesystem: vfat
        filesystem-label: system-boot
        offset: 4M
        size: 128M
        content:
          - source: boot-assets/
            target: /
";

fn made() -> Vec<(String, String)> {
    let pi = board("raspberry-pi-4");
    let mut made = Vec::new();
    for form in FORMS {
        let folder = format!("gadget/boot/pi-{}", form.base);
        let mark = match (form.bootloader, form.base) {
            ("piboot", _) => "piboot.conf",
            (_, "core18") => "uboot.conf, uboot.env",
            _ => "uboot.conf, boot.sel",
        };
        let primed = format!("boot-assets, {mark}");
        made.push((
            format!("{folder}/snapcraft.yaml"),
            snapcraft(&pi, "pi", form.base, "arm64", PI_BUSES, &primed),
        ));
        made.push((format!("{folder}/gadget.yaml"), pi_gadget_yaml(form)));
        let config = format!("{MADE}{}{COMMON}{}", form.config, config_txt(&pi));
        made.push((format!("{folder}/boot-assets/config.txt"), config));
        made.push((format!("{folder}/boot-assets/cmdline.txt"), CMDLINE.to_owned()));
        if form.bootloader == "piboot" {
            // Only that it is there counts.
            made.push((format!("{folder}/piboot.conf"), String::new()));
        }
    }
    let bone = board("beaglebone-black");
    let primed = "boot-assets, MLO, u-boot.img, uboot.conf, uboot.env";
    let source = snapcraft(&bone, "beaglebone", "core18", "armhf", BONE_BUSES, primed);
    made.push((String::from("gadget/boot/beaglebone/snapcraft.yaml"), source));
    made.push((
        String::from("gadget/boot/beaglebone/gadget.yaml"),
        format!("{MADE}{BONE_GADGET_YAML}"),
    ));
    made
}

#[test]
fn gadgets_with_boot_files_are_what_the_board_files_say() {
    for (path, wanted) in made() {
        if std::env::var_os("PINION_BLESS").is_some() {
            let file = repo(&path);
            std::fs::create_dir_all(file.parent().expect("a folder")).expect("made");
            std::fs::write(file, &wanted).expect("written");
        }
        assert_eq!(
            read(&path),
            wanted,
            "{path}: run PINION_BLESS=1 cargo test gadget"
        );
    }
}

/// The agent reads what it says: each slot's interface is known and takes the slot's attributes.
#[test]
fn gadgets_with_boot_files_are_gadgets() {
    for (path, text) in made() {
        if path.ends_with("gadget.yaml") {
            parse_gadget_yaml(text.as_bytes()).unwrap_or_else(|error| panic!("{path}: {error}"));
        }
        if !path.ends_with("snapcraft.yaml") {
            continue;
        }
        // snap.yaml has the same keys, less those that say how it is built.
        let keys: String = text
            .split_inclusive('\n')
            .scan(false, |building, line| {
                if !line.starts_with([' ', '\n']) {
                    *building = ["architectures:", "platforms:", "parts:"].contains(&line.trim());
                }
                Some(if *building { "" } else { line })
            })
            .collect();
        let info = parse_snap_yaml(keys.as_bytes()).unwrap_or_else(|error| panic!("{path}: {error}\n{keys}"));
        assert!(info.slots.len() > 30, "{path}");
        assert_eq!(info.dropped, [""; 0], "{path}");
        for (name, slot) in &info.slots {
            let known = builtin::find(&slot.interface);
            let known = known.unwrap_or_else(|| panic!("{path}: {} is unknown", slot.interface));
            assert!(known.target(&slot.attrs).is_ok(), "{path}: {name}");
        }
        builtin::check_snap(&info).unwrap_or_else(|error| panic!("{path}: {error}"));
    }
}

/// Whoever copies a file that pinion made for the firmware keeps the form of the directive: numbers of the header, `op`.
#[test]
fn gpio_lines_of_config_txt_are_outputs_of_the_header() {
    let mut pi = board("raspberry-pi-4");
    pi.lines[17].safe_value = Some(1);
    assert_eq!(config_txt(&pi), "# GPIO17\ngpio=17=op,dh\n");
    for form in FORMS {
        let config = read(&format!("gadget/boot/pi-{}/boot-assets/config.txt", form.base));
        let sections = config.matches("[all]").count();
        assert!(
            sections == 1 && config.find("[all]") < config.find("enable_uart"),
            "{config}"
        );
        for line in config.lines().filter(|line| line.starts_with("gpio=")) {
            let (number, level) = line[5..].split_once("=op,d").expect("an output");
            assert!(number.parse::<u32>().is_ok_and(|number| number < 28), "{line}");
            assert!(["l", "h"].contains(&level), "{line}");
        }
        assert_eq!(CMDLINE.lines().count(), 1, "the firmware reads one line");
    }
}

#[test]
fn the_gadgets_say_what_is_missing() {
    let readme = read("gadget/README.md");
    let mut wanted = vec![
        "bootcode.bin",
        "start*.elf",
        "fixup*.dat",
        "boot.scr",
        "uboot.env",
        "boot.sel",
        "MLO",
        "u-boot.img",
    ];
    wanted.extend([
        "pi-core18",
        "pi-core20",
        "pi-core24",
        "beaglebone",
        "agent",
        "gpio=",
    ]);
    for word in wanted {
        assert!(readme.contains(word), "gadget/README.md does not say {word}");
    }
}

#[test]
fn the_agents_packaging_is_the_programs() {
    let text = read("gadget/agent/snapcraft.yaml");
    let keys: String = text
        .split_inclusive('\n')
        .scan(false, |building, line| {
            if !line.starts_with([' ', '\n', '#']) {
                *building = ["platforms:", "parts:"].contains(&line.trim());
            }
            Some(if *building { "" } else { line })
        })
        .collect();
    let info = parse_snap_yaml(keys.as_bytes()).unwrap_or_else(|error| panic!("{error}\n{keys}"));
    assert_eq!(info.name.as_str(), env!("CARGO_PKG_NAME"));
    assert_eq!(info.version, env!("CARGO_PKG_VERSION"));
    assert_eq!(info.license, env!("CARGO_PKG_LICENSE"));
    for plug in info.plugs.values() {
        assert!(builtin::find(&plug.interface).is_some(), "{}", plug.interface);
    }
    for wanted in ["snapd-control", "network-bind", "gpio", "custom-device"] {
        assert!(
            info.plugs.values().any(|plug| plug.interface == wanted),
            "{wanted}"
        );
    }
    builtin::check_snap(&info).unwrap_or_else(|error| panic!("{error}"));
    // Each command is one of the program's.
    for app in info.apps.values() {
        let mut words = app.command.split_whitespace();
        assert_eq!(words.next(), Some("bin/pinion"), "{}", app.command);
        if let Some(command) = words.next() {
            let help = std::process::Command::new(env!("CARGO_BIN_EXE_pinion"))
                .args([command, "--help"])
                .output()
                .expect("it runs");
            assert!(help.status.success(), "{command}");
        }
    }
    // One gadget gives what the agent's plug asks for.
    assert!(PI_BUSES.contains("gpio-chips: {interface: custom-device"));
}
