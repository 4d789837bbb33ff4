//! `is-connected`, of the snap's own plugs and slots or of another process.

use super::{Caller, Flags, SnapctlOutput, required};
use crate::domain::snap::Confinement;
use crate::domain::{Fault, SnapName};
use crate::drivers::cgroup;
use crate::managers::settings::Settings;

/// The interfaces whose slots may ask about the process at the other end.
const ASKING: [&str; 3] = ["audio-record", "cups-control", "pulseaudio"];

/// The process is of a classic snap that is not connected.
const CLASSIC: u8 = 10;
/// The process is of no snap.
const NO_SNAP: u8 = 11;

impl Settings {
    pub(super) fn is_connected(&self, caller: &Caller<'_>, flags: &Flags) -> Result<SnapctlOutput, Fault> {
        let name = flags.words.first().ok_or_else(|| required("<plug|slot>"))?;
        let connected = self.interfaces.is_connected(&caller.snap, name).ok_or_else(|| {
            Fault::bad(format!(
                "snap {:?} has no plug or slot named {name:?}",
                caller.snap.as_str()
            ))
        })?;
        for check in ["pid", "apparmor-label"] {
            if let Some(value) = flags.value(check) {
                return self.is_other_connected(caller, name, check, value);
            }
        }
        Ok(SnapctlOutput::exit(u8::from(!connected)))
    }

    /// Whether the snap of another process is connected to this slot.
    fn is_other_connected(
        &self,
        caller: &Caller<'_>,
        slot: &str,
        check: &str,
        value: &str,
    ) -> Result<SnapctlOutput, Fault> {
        let world = self.store.world();
        let info = world.snap(caller.snap.as_str()).and_then(|record| record.info());
        let asks = info
            .and_then(|info| info.slots.get(slot))
            .is_some_and(|end| ASKING.contains(&end.interface.as_str()));
        if !asks {
            return Err(Fault::bad(format!(
                "cannot use --{check} check with {}:{slot}",
                caller.snap
            )));
        }
        let other = match check {
            "pid" => {
                let pid: i32 = value.parse().map_err(|_| {
                    Fault::bad(format!(
                        "invalid argument for flag `--pid' (expected int): {value:?}"
                    ))
                })?;
                cgroup::snap_of_process(pid)
            }
            // `snap.NAME.APP (enforce)`
            _ => SnapName::of_tag(value.split(' ').next().unwrap_or_default()),
        };
        let Some(other) = other else {
            return Ok(SnapctlOutput::exit(NO_SNAP));
        };
        let connected = world.connections.values().any(|record| {
            let ends = &record.connection;
            record.is_established()
                && ends.slot.snap == caller.snap
                && ends.slot.name == slot
                && ends.plug.snap == other
        });
        let other = world.snap(other.as_str());
        let classic = other
            .and_then(|record| record.info().map(|info| (record.classic, info.confinement)))
            .is_some_and(|(classic, own)| classic && own == Confinement::Classic);
        Ok(SnapctlOutput::exit(match (connected, classic) {
            (true, _) => 0,
            (false, true) => CLASSIC,
            (false, false) => 1,
        }))
    }
}
