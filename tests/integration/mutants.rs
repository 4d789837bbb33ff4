//! R6: images with something wrong in them. An install is refused or does no harm: no panic, no hang, and the system
//! is what the state says afterwards.

use crate::support::TestDaemon;
use crate::support::daemon::binary;
use crate::support::snaps::{BASE, pack};
use serde_json::json;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

/// How long one image may take from the upload to the end of what came of it.
const PATIENCE: Duration = Duration::from_secs(20);

const YAML: &str = "name: mutant
version: '1'
base: test-base
plugs: {pin: {interface: gpio}}
apps: {say: {command: bin/say}}
";

/// A small generator of our own, so that a run can be repeated by its seed.
struct Dice(u64);

impl Dice {
    fn below(&mut self, end: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 % end as u64).unwrap()
    }
}

/// The same folder packed in several ways; what is not packed tightly is damaged where it matters, not in a stream.
fn images() -> Vec<Vec<u8>> {
    let dir = tempfile::tempdir().unwrap();
    let source = dir.path().join("source");
    for (path, content) in [
        ("meta/snap.yaml", YAML),
        (
            "meta/gui/say.desktop",
            "[Desktop Entry]\nName=Say\nExec=mutant.say\n",
        ),
        ("bin/say", "#!/bin/sh\necho said\n"),
        ("data/long", &"a long file ".repeat(2000)),
    ] {
        let file = source.join(path);
        fs::create_dir_all(file.parent().unwrap()).unwrap();
        fs::write(&file, content).unwrap();
        fs::set_permissions(&file, PermissionsExt::from_mode(0o755)).unwrap();
    }
    for n in 0..40 {
        fs::write(source.join(format!("data/one-of-many-{n}")), n.to_string()).unwrap();
    }
    let plain = ["-noI", "-noId", "-noD", "-noF", "-noX", "-b", "4096"];
    let ways: [&[&str]; 4] = [&plain, &plain, &["-comp", "xz"], &["-comp", "zstd", "-b", "4096"]];
    let packed = ways.map(|options| {
        let file = dir.path().join("out.snap");
        let done = Command::new("mksquashfs")
            .args([&source, &file])
            .args(["-noappend", "-quiet", "-no-progress", "-all-root"])
            // The same bytes each time, so that a seed repeats its mutants.
            .args(["-mkfs-time", "0", "-all-time", "0"])
            .args(options)
            .output()
            .expect("mksquashfs is installed");
        assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
        fs::read(file).unwrap()
    });
    packed.into()
}

/// Damages an image in one of several ways.
fn damage(bytes: &mut Vec<u8>, dice: &mut Dice) {
    // What is used of the file; the rest is padding.
    let used = bytes[40..48].try_into().map(u64::from_le_bytes).unwrap();
    let used = usize::try_from(used).unwrap();
    // The tables stand at the end, and are small.
    let place = |dice: &mut Dice| match dice.below(4) {
        0 => dice.below(96),
        1 => dice.below(used),
        _ => used - 1 - dice.below(used.min(3000)),
    };
    match dice.below(8) {
        0 => {
            let cut = dice.below(bytes.len());
            bytes.truncate(cut);
        }
        1 => {
            let (from, to, length) = (place(dice), place(dice), 1 + dice.below(64));
            let piece = bytes[from..(from + length).min(used)].to_vec();
            let end = (to + piece.len()).min(bytes.len());
            bytes[to..end].copy_from_slice(&piece[..end - to]);
        }
        2 => {
            let at = place(dice);
            let end = (at + 1 + dice.below(64)).min(bytes.len());
            bytes[at..end].fill([0, 0xff][dice.below(2)]);
        }
        3 | 4 => {
            let at = place(dice) & !3;
            let numbers = [
                0u32,
                1,
                0x7fff,
                0xffff,
                0x1_0000,
                0x7fff_ffff,
                0x8000_0000,
                u32::MAX,
            ];
            let number = numbers[dice.below(numbers.len())];
            bytes[at..at + 4].copy_from_slice(&number.to_le_bytes());
        }
        _ => {
            for _ in 0..=dice.below(8) {
                let at = place(dice);
                bytes[at] ^= 1 << dice.below(8);
            }
        }
    }
}

fn peak_memory(pid: u32) -> u64 {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    line.unwrap().trim().trim_end_matches(" kB").parse().unwrap()
}

/// Removes every snap but the base, by what the daemon says is there.
fn remove_installed(daemon: &TestDaemon) -> usize {
    let snaps = daemon.get("/v2/snaps");
    let names = snaps.result().as_array().unwrap().iter();
    let names: Vec<&str> = names
        .filter_map(|snap| snap["name"].as_str())
        .filter(|name| *name != "test-base")
        .collect();
    for name in &names {
        daemon.done(&daemon.post(
            &format!("/v2/snaps/{name}"),
            &json!({"action": "remove", "purge": true}),
        ));
    }
    names.len()
}

fn check(root: &Path) {
    let checked = Command::new(binary())
        .args(["check", "--deep", "--root"])
        .arg(root)
        .output()
        .unwrap();
    assert!(
        checked.status.success(),
        "{}",
        String::from_utf8_lossy(&checked.stdout)
    );
}

#[test]
fn mutants_are_refused_or_do_no_harm() {
    let number = |name: &str| std::env::var(name).ok().and_then(|text| text.parse().ok());
    let count: u64 = number("PINION_MUTANTS").unwrap_or(300);
    let seed: u64 = number("PINION_MUTANTS_SEED").unwrap_or(1);
    println!("seed: PINION_MUTANTS_SEED={seed}");
    let mut dice = Dice(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1);
    let images = images();
    let daemon = TestDaemon::start();
    daemon.install(&[("base.snap", &pack(BASE, &[]))]);
    for image in &images {
        daemon.install(&[("good.snap", image)]);
    }
    assert_eq!(remove_installed(&daemon), 1);
    let before = peak_memory(daemon.pid());
    let (mut refused, mut failed, mut installed) = (0, 0, 0);
    for round in 0..count {
        let mut bytes = images[dice.below(images.len())].clone();
        damage(&mut bytes, &mut dice);
        let begin = Instant::now();
        let answer = daemon.post_form(
            "/v2/snaps",
            &[("dangerous", "true")],
            &[("snap", "mutant.snap", &bytes)],
        );
        if answer.status == 202 {
            let change = daemon.wait(answer.body["change"].as_str().unwrap());
            match change["status"].as_str().unwrap() {
                "Done" => {
                    installed += 1;
                    remove_installed(&daemon);
                }
                "Error" => failed += 1,
                other => panic!("mutant {round} ends {other}: {change:#}"),
            }
        } else {
            refused += 1;
            let message = answer.message();
            assert_eq!(answer.status, 400, "mutant {round}: {message}");
            assert!(
                !message.is_empty() && message.len() <= 600 && !message.contains(char::is_control),
                "mutant {round}: {message:?}"
            );
        }
        let took = begin.elapsed();
        assert!(took < PATIENCE, "mutant {round} took {took:?}");
        if round % 100 == 99 || round + 1 == count {
            assert_eq!(
                remove_installed(&daemon),
                0,
                "mutant {round} left something behind"
            );
            check(&daemon.root());
        }
    }
    let grown = peak_memory(daemon.pid()) - before;
    println!(
        "figure: {count} mutants of an image: {refused} refused, {failed} failed, {installed} installed; {grown} kB more memory at the peak"
    );
    assert!(grown < 64 * 1024, "{grown} kB more");
    let log = daemon.log().join("\n");
    assert!(!log.contains("panic"), "{log}");
    assert!(
        refused > 0 && installed > 0,
        "the damage is too great or too small"
    );
}
