//! Named points at which a test kills, fails or hangs the agent. Compiled in with the feature `fault-inject` only.
//!
//! `PINION_FAULT=KIND:POINT[:kill|error|hang]` with `PINION_FAULT_STAMP=FILE`: the fault fires once, and the file is
//! made before it does. `PINION_PROBES=FILE` collects what the probes say.

/// The points of one run of a handler.
pub const POINTS: [&str; 4] = ["before", "after-effect", "before-commit", "after-commit"];

/// What a point asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Injected {
    /// Go on.
    Nothing,
    /// Behave as if the handler had failed.
    Error,
}

/// Passes the point `point` (`do-before`, `undo-after-commit`, …) of a task of `kind`.
#[cfg(not(feature = "fault-inject"))]
pub fn hit(_kind: &str, _direction: &str, _point: &str) -> Injected {
    Injected::Nothing
}

/// Passes the point `point` of a task of `kind`.
#[cfg(feature = "fault-inject")]
pub fn hit(kind: &str, direction: &str, point: &str) -> Injected {
    let Ok(wanted) = std::env::var("PINION_FAULT") else {
        return Injected::Nothing;
    };
    let mut parts = wanted.split(':');
    let (wanted_kind, wanted_point) = (parts.next().unwrap_or(""), parts.next().unwrap_or(""));
    let action = parts.next().unwrap_or("kill");
    if wanted_kind != kind || wanted_point != format!("{direction}-{point}") {
        return Injected::Nothing;
    }
    if action != "error-always"
        && let Ok(stamp) = std::env::var("PINION_FAULT_STAMP")
        && std::fs::OpenOptions::new()
            .write(true)
            .create_new(true)
            .open(stamp)
            .is_err()
    {
        return Injected::Nothing;
    }
    match action {
        "error" | "error-always" => Injected::Error,
        "hang" => loop {
            std::thread::park();
        },
        _ => {
            // Nothing may run after this point: no destructor, no flush.
            let _ = nix::sys::signal::kill(nix::unistd::Pid::this(), nix::sys::signal::Signal::SIGKILL);
            loop {
                std::thread::park();
            }
        }
    }
}

/// Notes what a probe said at a moment of a task.
#[cfg(feature = "fault-inject")]
pub fn note_probe(kind: &str, task: crate::domain::TaskId, moment: &str, probe: super::Probe) {
    use std::io::Write;
    if let Ok(path) = std::env::var("PINION_PROBES")
        && let Ok(mut file) = std::fs::OpenOptions::new().append(true).create(true).open(path)
    {
        // The test that reads this finds a missing line.
        let _ = writeln!(file, "{kind} {task} {moment} {probe:?}");
    }
}
