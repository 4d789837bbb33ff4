//! What a process may no longer do once it is the app. The steps stand in the order in which they must come
//! (contract: confinement, section 8): after the base, Landlock, then capabilities, then the filter
//! of system calls, which needs no capability once new privileges are given up.

#![allow(unsafe_code)]

use super::{Launch, LaunchError, Which, landlock, seccomp};
use crate::domain::snap::Confinement;
use nix::libc;
use std::io;

/// The number of the last capability that any kernel has had so far; those that this kernel lacks are skipped.
const LAST_CAPABILITY: u32 = 63;

/// Capabilities by their numbers in the kernel's interface.
mod cap {
    pub const DAC_OVERRIDE: u32 = 1;
    pub const DAC_READ_SEARCH: u32 = 2;
    pub const KILL: u32 = 5;
    pub const SETUID: u32 = 7;
    pub const NET_BIND_SERVICE: u32 = 10;
    pub const NET_BROADCAST: u32 = 11;
    pub const NET_ADMIN: u32 = 12;
    pub const NET_RAW: u32 = 13;
    pub const IPC_LOCK: u32 = 14;
    pub const SYS_RAWIO: u32 = 17;
    pub const SYS_CHROOT: u32 = 18;
    pub const SYS_ADMIN: u32 = 21;
    pub const SYS_NICE: u32 = 23;
    pub const SYS_RESOURCE: u32 = 24;
}

/// What every confined root process keeps.
const BASIC: [u32; 2] = [cap::IPC_LOCK, cap::SYS_CHROOT];

/// What a connected interface adds (contract: confinement, section 4.3).
const BY_INTERFACE: [(&str, &[u32]); 6] = [
    ("network", &[cap::NET_BIND_SERVICE]),
    ("network-bind", &[cap::NET_BIND_SERVICE]),
    (
        "network-control",
        &[
            cap::NET_ADMIN,
            cap::NET_RAW,
            cap::NET_BROADCAST,
            cap::NET_BIND_SERVICE,
            cap::SETUID,
            cap::SYS_ADMIN,
        ],
    ),
    ("hardware-observe", &[cap::SYS_RAWIO, cap::SYS_ADMIN]),
    ("process-control", &[cap::SYS_NICE, cap::SYS_RESOURCE, cap::KILL]),
    ("log-observe", &[cap::DAC_OVERRIDE, cap::DAC_READ_SEARCH]),
];

/// Sockets beside those of the machine itself, by the start of an interface's name.
const FAMILIES: [(&str, u64); 10] = [
    ("network", u64::MAX),
    ("firewall-control", u64::MAX),
    ("bluetooth-control", u64::MAX),
    ("bluez", u64::MAX),
    ("avahi", u64::MAX),
    ("ppp", u64::MAX),
    ("can-bus", 1 << libc::AF_CAN),
    ("kernel-crypto-api", 1 << libc::AF_ALG),
    ("hardware-observe", 1 << libc::AF_NETLINK),
    ("raw-usb", 1 << libc::AF_NETLINK),
];

/// What [`enter`] and a base take from a strict snap that this user starts, for those who want to know how far the
/// confinement goes.
pub fn enforced() -> Vec<&'static str> {
    let mut all = vec!["no-new-privileges"];
    // An ordinary user has no capabilities to give up and no right to mount.
    if nix::unistd::Uid::effective().is_root() {
        all.extend(["base", "capabilities", "devices"]);
        if landlock::is_here() {
            all.push("landlock");
        }
        if seccomp::is_here() {
            all.push("seccomp");
        }
    }
    all.sort_unstable();
    all
}

/// Gives up what the app may not have. A classic or devmode snap keeps all that its starter had. `service` is the
/// command of a service by which it lives; its other commands must reach it by signals.
pub fn enter(launch: &Launch, which: &Which, service: bool) -> Result<(), LaunchError> {
    if launch.confinement != Confinement::Strict {
        return Ok(());
    }
    let failed = |what: &'static str| move |source: io::Error| LaunchError::Sandbox { what, source };
    if nix::unistd::Uid::effective().is_root() {
        let keep = kept(launch, which);
        // Who may mount must be able to, and who may send signals to everybody, too.
        if keep & (1 << cap::SYS_ADMIN) == 0 {
            landlock::enter(!service || keep & (1 << cap::KILL) != 0).map_err(failed("Landlock"))?;
        }
        drop_capabilities(keep).map_err(failed("capabilities"))?;
    }
    nix::sys::prctl::set_no_new_privs().map_err(|errno| failed("no new privileges")(errno.into()))?;
    if !nix::unistd::Uid::effective().is_root() {
        return Ok(());
    }
    let may_mount = kept(launch, which) & (1 << cap::SYS_ADMIN) != 0;
    seccomp::enter(families(launch, which), may_mount).map_err(failed("system calls"))
}

/// The sockets that an app may make, by the bits of their families.
fn families(launch: &Launch, which: &Which) -> u64 {
    let connected = which.plugs().iter().filter_map(|plug| launch.plugs.get(plug));
    let added = connected.flat_map(|plug| {
        let name = plug.interface.as_str();
        FAMILIES
            .iter()
            .filter(move |(start, _)| name.starts_with(start))
            .map(|(_, bits)| bits)
    });
    added.fold(1 << libc::AF_UNIX, |all, more| all | more)
}

/// The capabilities that this app keeps, as bits.
fn kept(launch: &Launch, which: &Which) -> u64 {
    let connected = which.plugs().iter().filter_map(|plug| launch.plugs.get(plug));
    let added = connected.flat_map(|plug| {
        BY_INTERFACE
            .iter()
            .filter(|(interface, _)| *interface == plug.interface)
            .flat_map(|(_, capabilities)| capabilities.iter())
    });
    BASIC
        .iter()
        .chain(added)
        .fold(0, |bits, number| bits | 1 << number)
}

/// Leaves only `keep` in every set of this process and of what it will execute.
fn drop_capabilities(keep: u64) -> io::Result<()> {
    // SAFETY: system calls on plain numbers and on two local structures that have the kernel's layout: version 3 of
    // the header takes two data entries.
    unsafe {
        libc::prctl(libc::PR_CAP_AMBIENT, libc::PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0);
        for number in 0..=LAST_CAPABILITY {
            if keep & (1 << number) != 0 || libc::prctl(libc::PR_CAPBSET_READ, number, 0, 0, 0) != 1 {
                continue;
            }
            if libc::prctl(libc::PR_CAPBSET_DROP, number, 0, 0, 0) != 0 {
                return Err(io::Error::last_os_error());
            }
        }
        let mut header = Header {
            version: 0x2008_0522,
            pid: 0,
        };
        let mut data = [Data::default(); 2];
        if libc::syscall(libc::SYS_capget, &raw mut header, data.as_mut_ptr()) != 0 {
            return Err(io::Error::last_os_error());
        }
        for (half, entry) in data.iter_mut().enumerate() {
            let bits = (keep >> (32 * half)) as u32;
            entry.permitted &= bits;
            entry.effective &= bits;
            entry.inheritable = 0;
        }
        if libc::syscall(libc::SYS_capset, &raw mut header, data.as_ptr()) != 0 {
            return Err(io::Error::last_os_error());
        }
    }
    Ok(())
}

#[repr(C)]
struct Header {
    version: u32,
    pid: libc::c_int,
}

#[repr(C)]
#[derive(Clone, Copy, Default)]
struct Data {
    effective: u32,
    permitted: u32,
    inheritable: u32,
}
