//! R16: an agent that hangs does not feed the watchdog, and its changes come to their end under the next one; one that
//! is only slow feeds it. The test is the service manager.

use crate::agent::{Agent, Faults, check};
use crate::boundaries::leave;
use crate::scenario::install;
use crate::snaps::{Snaps, pack};
use std::os::unix::net::UnixDatagram;
use std::path::Path;
use std::time::{Duration, Instant};

/// The watchdog's limit. The agent feeds it three times in this.
const LIMIT: Duration = Duration::from_secs(3);

/// How long a hang is waited for, on a machine that has much else to do. Only a failure takes that long.
const PATIENCE: Duration = Duration::from_secs(120);

/// A service manager with a watchdog.
struct Manager {
    socket: UnixDatagram,
    env: Vec<(&'static str, String)>,
}

impl Manager {
    fn new(root: &Path) -> Self {
        let path = root.join("notify");
        let socket = UnixDatagram::bind(&path).expect("a socket");
        let env = vec![
            ("NOTIFY_SOCKET", path.to_string_lossy().into_owned()),
            ("WATCHDOG_USEC", LIMIT.as_micros().to_string()),
        ];
        Self { socket, env }
    }

    /// Whether the watchdog is fed within the limit.
    fn is_fed(&self) -> bool {
        let until = Instant::now() + LIMIT;
        let mut said = [0; 512];
        loop {
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return false;
            }
            self.socket.set_read_timeout(Some(left)).expect("a limit");
            match self.socket.recv(&mut said) {
                Ok(length) if said[..length].starts_with(b"WATCHDOG=1") => return true,
                _ => {}
            }
        }
    }

    fn faults(&self, root: &Path, faults: &str, silence: Option<Duration>) -> Faults {
        let mut env = self.env.clone();
        env.extend(silence.map(|time| ("PINION_SILENCE", time.as_millis().to_string())));
        Faults {
            faults: faults.to_owned(),
            stamp: root.join("stamp"),
            env,
            ..Faults::default()
        }
    }
}

/// Installs a snap with a fault on the way, waits until the watchdog starves, and lets the next agent go on.
async fn recovers(snaps: &Snaps, fault: &str, silence: Option<Duration>) {
    let root = tempfile::tempdir().expect("a folder");
    let manager = Manager::new(root.path());
    let faults = manager.faults(root.path(), fault, silence);
    let agent = Agent::start(root.path(), &faults).expect("the agent");
    assert!(
        manager.is_fed(),
        "{fault}: an idle agent does not feed its watchdog"
    );
    // One that hangs may not even answer.
    let _ = tokio::time::timeout(Duration::from_secs(2), install(&agent.client(), &snaps.base)).await;
    let begin = Instant::now();
    while manager.is_fed() {
        assert!(begin.elapsed() < PATIENCE, "{fault}: the watchdog is fed on");
    }
    assert!(root.path().join("stamp-0").exists(), "{fault}: nothing hangs");
    agent.kill();
    let agent = Agent::start(root.path(), &faults).expect("the next agent");
    assert!(manager.is_fed(), "{fault}: the next one is not fed");
    let changes = agent.settle(Duration::from_secs(5)).await;
    for change in &changes {
        assert_eq!(change.status, "Done", "{fault}: {change:#?}");
    }
    assert!(
        changes.iter().any(|change| change.kind == "install-snap"),
        "{fault}: {changes:#?}"
    );
    if let Err(findings) = check(root.path()) {
        panic!("{fault}: pinion check --deep says\n{findings}");
    }
    agent.stop();
    leave(root);
}

#[tokio::test]
async fn an_agent_that_hangs_starves_its_watchdog() {
    let dir = tempfile::tempdir().expect("a folder");
    let snaps = Snaps::pack(dir.path());
    // The runner itself, the store's writer, and a handler that says nothing for too long.
    recovers(&snaps, "mount-snap:do-before-commit:hang", None).await;
    recovers(&snaps, "mount-snap:do-in-commit:hang", None).await;
    recovers(
        &snaps,
        "mount-snap:do-before:hang",
        Some(Duration::from_millis(500)),
    )
    .await;
}

#[tokio::test]
async fn one_that_is_slow_feeds_it() {
    let dir = tempfile::tempdir().expect("a folder");
    let snaps = Snaps::pack(dir.path());
    let yaml = "name: slow\nversion: '1'\nsummary: s\ndescription: d\nbase: bare\narchitectures: [all]\nhooks: {install: {}}\n";
    let slow = pack(
        dir.path(),
        "slow",
        &[
            ("meta/snap.yaml", yaml, false),
            ("meta/hooks/install", "#!/bin/sh\nexec sleep 11\n", true),
        ],
    );
    let root = tempfile::tempdir().expect("a folder");
    let manager = Manager::new(root.path());
    // A handler that stands still, and a hook that takes longer than a handler may be silent.
    let faults = manager.faults(
        root.path(),
        "link-snap:do-before:pause",
        Some(Duration::from_secs(8)),
    );
    let agent = Agent::start(root.path(), &faults).expect("the agent");
    let client = agent.client();
    install(&client, &snaps.base).await.expect("a change");
    let begin = Instant::now();
    let stamp = root.path().join("stamp-0");
    while !stamp.exists() || begin.elapsed() < Duration::from_secs(3) {
        assert!(manager.is_fed(), "a task that stands still starves the watchdog");
        assert!(begin.elapsed() < PATIENCE, "nothing stands still");
    }
    std::fs::remove_file(stamp).expect("it goes on");
    let id = install(&client, &slow).await.expect("a change");
    let begin = Instant::now();
    loop {
        assert!(manager.is_fed(), "a slow hook starves the watchdog");
        let path = format!("/v2/changes/{id}");
        let change: pinion::client::types::Change = client.read(&path).await.expect("the change");
        if change.ready {
            assert_eq!(change.status, "Done", "{}", change.err);
            break;
        }
        assert!(begin.elapsed() < PATIENCE, "the hook does not end");
    }
    assert!(begin.elapsed() > Duration::from_secs(10), "the hook was not slow");
    agent.stop();
    leave(root);
}
