//! systemd as the manager of services: whether it is there, its tool, and how it names things.

use super::process::{self, End, Job, Reason, Run};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// How long the tool may take beyond what its job takes.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// systemd manages this machine, and the agent of `root` may use it (decision 15).
pub fn is_here(root: &Path) -> bool {
    root == Path::new("/")
        && nix::unistd::geteuid().is_root()
        && Path::new("/run/systemd/system").is_dir()
        && std::fs::read_to_string("/proc/1/comm").is_ok_and(|name| name.trim() == "systemd")
}

/// Where one of systemd's tools is.
pub fn tool(name: &str) -> PathBuf {
    let places = ["/usr/bin", "/bin"].map(|folder| Path::new(folder).join(name));
    let [first, second] = places;
    if first.exists() { first } else { second }
}

/// Runs `systemctl` and waits for it on this thread; the error is what it said.
pub fn systemctl(args: &[&str], limit: Duration) -> Result<(), String> {
    let job = Job {
        program: tool("systemctl"),
        args: args.iter().map(Into::into).collect(),
        env: vec![
            process::variable("LANG", "C.UTF-8"),
            process::variable("SYSTEMD_COLORS", "0"),
        ],
        owner: String::from("systemctl"),
        ..Job::default()
    };
    match process::run(&job, limit, None) {
        Ok(Run {
            reason: Reason::Ended(End::Exited(0)),
            ..
        }) => Ok(()),
        Ok(Run { reason, output, .. }) => {
            let said = process::text(&output);
            Err(match (reason, said.trim()) {
                (Reason::Ended(end), "") => format!("systemctl {}: {end}", args.join(" ")),
                (Reason::Ended(_), said) => said.to_owned(),
                _ => format!("systemctl {} took too long", args.join(" ")),
            })
        }
        Err(error) => Err(format!("cannot run systemctl: {error}")),
    }
}

/// The comment by which a unit is known as ours.
pub const MADE: &str = "# Made by pinion; it is written again";

/// The text of a unit. A value cannot begin a line of its own and cannot be a specifier.
pub struct Text(String);

impl Text {
    /// One with its description.
    pub fn new(description: &str) -> Self {
        let mut text = Self(format!("[Unit]\n{MADE}\n"));
        text.set("Description", description);
        text
    }

    /// Begins a section.
    pub fn section(&mut self, name: &str) {
        self.0.push_str(&format!("\n[{name}]\n"));
    }

    /// Adds a line.
    pub fn set(&mut self, key: &str, value: &str) {
        self.0.push_str(key);
        self.0.push('=');
        for c in value.chars() {
            match c {
                '%' => self.0.push_str("%%"),
                c if c.is_control() => self.0.push('\u{fffd}'),
                c => self.0.push(c),
            }
        }
        self.0.push('\n');
    }

    /// The whole.
    pub fn finish(self) -> String {
        self.0
    }
}

/// The name of the mount unit of a path (systemd.unit(5), "String Escaping for Inclusion in Unit Names").
pub fn mount_unit(path: &Path) -> String {
    let text = path.to_string_lossy();
    let mut name = String::new();
    for (position, byte) in text.trim_matches('/').bytes().enumerate() {
        match byte {
            b'/' => name.push('-'),
            b'.' if position == 0 => name.push_str("\\x2e"),
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b':' | b'_' | b'.' => name.push(char::from(byte)),
            other => name.push_str(&format!("\\x{other:02x}")),
        }
    }
    name.push_str(".mount");
    name
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_mount_units() {
        // contract: snaps-and-assertions, section 2
        assert_eq!(
            mount_unit(Path::new("/snap/hello-world/x1")),
            "snap-hello\\x2dworld-x1.mount"
        );
        assert_eq!(mount_unit(Path::new("/.a b/c%")), "\\x2ea\\x20b-c\\x25.mount");
    }
}
