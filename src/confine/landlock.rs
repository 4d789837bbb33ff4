//! Landlock, as far as mounts do not do it better (contract: confinement, section 8): a strict app makes no device nodes,
//! looks into no process that is not its own or its child, and a service sends no signals to others. Files are kept from
//! it by its view, which holds nothing else.
//!
//! Comes after all mounts, since it forbids them.

#![allow(unsafe_code)]

use nix::libc;
use std::ffi::c_long;
use std::fs::File;
use std::io;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};

const MAKE_CHAR: u64 = 1 << 6;
const MAKE_BLOCK: u64 = 1 << 11;
/// To rename and link from one folder into another: forbidden where it is not allowed in words.
const REFER: u64 = 1 << 13;
const SCOPE_SIGNAL: u64 = 1 << 1;

/// The first version that can allow [`REFER`].
const LEAST: c_long = 2;

/// The first that knows scopes.
const WITH_SCOPES: c_long = 6;

const RULE_PATH_BENEATH: c_long = 1;
const ONLY_TELL_THE_VERSION: c_long = 1;

#[repr(C)]
struct Ruleset {
    files: u64,
    network: u64,
    scopes: u64,
}

#[repr(C, packed)]
struct PathBeneath {
    allowed: u64,
    parent: i32,
}

fn call(number: c_long, a: c_long, b: c_long, c: c_long, d: c_long) -> io::Result<c_long> {
    // SAFETY: the callers pass plain numbers, or addresses of local values that live longer than the call.
    let result = unsafe { libc::syscall(number, a, b, c, d) };
    if result < 0 {
        return Err(io::Error::last_os_error());
    }
    Ok(result)
}

/// What the kernel has of it: a version, 0 for nothing that is of use.
fn version() -> c_long {
    call(libc::SYS_landlock_create_ruleset, 0, 0, ONLY_TELL_THE_VERSION, 0)
        .map_or(0, |version| if version < LEAST { 0 } else { version })
}

/// The kernel has it.
pub fn is_here() -> bool {
    version() > 0
}

/// Gives up what is named above; `signals` may still be sent to everybody.
pub fn enter(signals: bool) -> io::Result<()> {
    let version = version();
    if version == 0 {
        return Ok(());
    }
    let scopes = if version >= WITH_SCOPES && !signals {
        SCOPE_SIGNAL
    } else {
        0
    };
    let rules = Ruleset {
        files: MAKE_CHAR | MAKE_BLOCK | REFER,
        network: 0,
        scopes,
    };
    // Older kernels take a shorter structure, or a longer one that ends in zeros.
    let size = size_of::<Ruleset>() as c_long;
    let ruleset = call(
        libc::SYS_landlock_create_ruleset,
        (&raw const rules).addr().cast_signed() as c_long,
        size,
        0,
        0,
    )?;
    let fd = i32::try_from(ruleset).map_err(io::Error::other)?;
    // SAFETY: the kernel has just given this descriptor to nobody else.
    let ruleset = unsafe { OwnedFd::from_raw_fd(fd) };
    let root = File::open("/")?;
    let rule = PathBeneath {
        allowed: REFER,
        parent: root.as_raw_fd(),
    };
    call(
        libc::SYS_landlock_add_rule,
        fd.into(),
        RULE_PATH_BENEATH,
        (&raw const rule).addr().cast_signed() as c_long,
        0,
    )?;
    call(
        libc::SYS_landlock_restrict_self,
        ruleset.as_raw_fd().into(),
        0,
        0,
        0,
    )?;
    Ok(())
}
