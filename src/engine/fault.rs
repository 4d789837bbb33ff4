//! Named points at which a test kills, fails or hangs the agent. Compiled in with the feature `fault-inject` only.
//!
//! `PINION_FAULT=KIND[#N]:POINT[:kill|error|error-always|hang|pause],…` with `PINION_FAULT_STAMP=FILE`: each fault fires once,
//! at the N-th pass of its point, and FILE with its number is made before it does. A pause lasts until that file is gone.
//! Besides [`POINTS`] there is `in-commit`, on the store's writer. `PINION_PROBES=FILE` collects what the probes say.

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

/// How long a handler may be silent, when it is not what the engine says: `PINION_SILENCE`, in milliseconds.
pub fn silence() -> Option<std::time::Duration> {
    #[cfg(feature = "fault-inject")]
    if let Some(time) = std::env::var("PINION_SILENCE")
        .ok()
        .and_then(|text| text.parse().ok())
    {
        return Some(std::time::Duration::from_millis(time));
    }
    None
}

/// One fault that was asked for: `KIND[#N]:POINT[:ACTION]`, N counting the passes of that point in this process.
#[cfg(feature = "fault-inject")]
struct Wanted {
    kind: String,
    nth: u32,
    point: String,
    action: String,
    stamp: Option<std::path::PathBuf>,
    passes: std::sync::atomic::AtomicU32,
}

/// The faults of `PINION_FAULT`, a list with commas.
#[cfg(feature = "fault-inject")]
static WANTED: std::sync::LazyLock<Vec<Wanted>> = std::sync::LazyLock::new(|| {
    let text = std::env::var("PINION_FAULT").unwrap_or_default();
    let stamp = std::env::var("PINION_FAULT_STAMP").ok();
    text.split(',')
        .filter(|one| !one.is_empty())
        .enumerate()
        .map(|(index, one)| {
            let mut parts = one.split(':');
            let kind = parts.next().unwrap_or("");
            let (kind, nth) = kind.split_once('#').unwrap_or((kind, "1"));
            Wanted {
                kind: kind.to_owned(),
                nth: nth.parse().unwrap_or(1),
                point: parts.next().unwrap_or("").to_owned(),
                action: parts.next().unwrap_or("kill").to_owned(),
                stamp: stamp.as_ref().map(|stamp| format!("{stamp}-{index}").into()),
                passes: std::sync::atomic::AtomicU32::new(0),
            }
        })
        .collect()
});

/// Passes the point `point` of a task of `kind`.
#[cfg(feature = "fault-inject")]
pub fn hit(kind: &str, direction: &str, point: &str) -> Injected {
    let point = format!("{direction}-{point}");
    for wanted in WANTED
        .iter()
        .filter(|wanted| wanted.kind == kind && wanted.point == point)
    {
        let pass = wanted.passes.fetch_add(1, std::sync::atomic::Ordering::Relaxed) + 1;
        if wanted.action != "error-always" {
            let fresh = wanted.stamp.as_ref().is_none_or(|stamp| {
                pass == wanted.nth
                    && std::fs::OpenOptions::new()
                        .write(true)
                        .create_new(true)
                        .open(stamp)
                        .is_ok()
            });
            if pass != wanted.nth || !fresh {
                continue;
            }
        }
        match wanted.action.as_str() {
            "error" | "error-always" => return Injected::Error,
            "pause" => {
                while wanted.stamp.as_ref().is_some_and(|stamp| stamp.exists()) {
                    std::thread::sleep(std::time::Duration::from_millis(5));
                }
                return Injected::Nothing;
            }
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
    Injected::Nothing
}

/// Notes what a probe said at a moment of a task.
#[cfg(feature = "fault-inject")]
pub fn note_probe(kind: &str, task: crate::domain::TaskId, moment: &str, probe: super::Probe) {
    use std::io::Write;
    if let Ok(path) = std::env::var("PINION_PROBES")
        && let Ok(mut file) = std::fs::OpenOptions::new().append(true).create(true).open(path)
    {
        // The test that reads this finds a missing line.
        let _ = file.write_all(format!("{kind} {task} {moment} {probe:?}\n").as_bytes());
    }
}
