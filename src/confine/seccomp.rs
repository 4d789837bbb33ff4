//! A filter of system calls for strict apps of root (contract: confinement, sections 3.3, 3.4 and 8): what capabilities,
//! mounts and Landlock do not stop. It refuses what is listed; what is not goes on, so a newer libc does not break.
//!
//! Written by hand: it is a list of comparisons, and works on every machine whose number is known here.

#![allow(unsafe_code)]

use nix::libc::{self, sock_filter, sock_fprog};
use std::ffi::c_long;
use std::io;

/// Refused to everybody: other processes' memory, keys, parts of the kernel that strangers have used to get on.
const NEVER: [c_long; 17] = [
    libc::SYS_add_key,
    libc::SYS_bpf,
    libc::SYS_fanotify_init,
    libc::SYS_io_uring_enter,
    libc::SYS_io_uring_register,
    libc::SYS_io_uring_setup,
    libc::SYS_kcmp,
    libc::SYS_keyctl,
    libc::SYS_name_to_handle_at,
    libc::SYS_open_by_handle_at,
    libc::SYS_perf_event_open,
    libc::SYS_pidfd_getfd,
    libc::SYS_process_vm_readv,
    libc::SYS_process_vm_writev,
    libc::SYS_ptrace,
    libc::SYS_request_key,
    libc::SYS_userfaultfd,
];

/// Refused to those who may not mount: other namespaces.
const PLACES: [c_long; 12] = [
    libc::SYS_fsconfig,
    libc::SYS_fsmount,
    libc::SYS_fsopen,
    libc::SYS_fspick,
    libc::SYS_mount,
    libc::SYS_mount_setattr,
    libc::SYS_move_mount,
    libc::SYS_open_tree,
    libc::SYS_pivot_root,
    libc::SYS_setns,
    libc::SYS_umount2,
    libc::SYS_unshare,
];

/// The number by which the kernel knows this machine's calls.
const MACHINE: Option<u32> = if cfg!(all(target_arch = "x86_64", target_pointer_width = "64")) {
    Some(0xc000_003e)
} else if cfg!(all(target_arch = "aarch64", target_endian = "little")) {
    Some(0xc000_00b7)
} else if cfg!(all(target_arch = "arm", target_endian = "little")) {
    Some(0x4000_0028)
} else if cfg!(target_arch = "riscv64") {
    Some(0xc000_00f3)
} else {
    None
};

/// Calls from here on are those of another interface of x86_64.
const OTHER_INTERFACE: u32 = 0x4000_0000;

const NUMBER: u32 = 0;
const ARCHITECTURE: u32 = 4;
/// The low half of an argument: all these machines have it first.
const ARGUMENT: [u32; 2] = [16, 24];

const LOAD: u16 = 0x20;
const EQUAL: u16 = 0x15;
const AT_LEAST: u16 = 0x35;
const HAS_BITS: u16 = 0x45;
const RETURN: u16 = 0x06;

const ALLOW: u32 = 0x7fff_0000;
const REFUSE: u32 = 0x0005_0000;

/// The kernel reads a whole word.
const MODE: libc::c_ulong = libc::SECCOMP_MODE_FILTER as libc::c_ulong;

/// The filter exists for this machine.
pub fn is_here() -> bool {
    MACHINE.is_some()
}

struct Program(Vec<sock_filter>);

impl Program {
    fn add(&mut self, code: u16, k: u32, jt: u8, jf: u8) {
        self.0.push(sock_filter { code, jt, jf, k });
    }

    /// What follows is done if the comparison holds; it takes so many steps.
    fn when(&mut self, code: u16, value: u32, steps: u8) {
        self.add(code, value, 0, steps);
    }

    fn refuse(&mut self, errno: i32) {
        self.add(RETURN, REFUSE | errno.unsigned_abs(), 0, 0);
    }
}

/// The program; `families` are the sockets that may be made, by their numbers' bits.
fn program(machine: u32, families: u64, may_mount: bool) -> Vec<sock_filter> {
    let number = |call: c_long| u32::try_from(call).unwrap_or(u32::MAX);
    let mut program = Program(Vec::new());
    program.add(LOAD, ARCHITECTURE, 0, 0);
    program.add(EQUAL, machine, 1, 0);
    program.refuse(libc::ENOSYS);
    program.add(LOAD, NUMBER, 0, 0);
    if cfg!(target_arch = "x86_64") {
        program.when(AT_LEAST, OTHER_INTERFACE, 1);
        program.refuse(libc::ENOSYS);
    }
    let places = if may_mount { &[][..] } else { &PLACES };
    for call in NEVER.iter().chain(places) {
        program.when(EQUAL, number(*call), 1);
        program.refuse(libc::EPERM);
    }
    // Its flags are out of sight: libraries then take the older one.
    program.when(EQUAL, number(libc::SYS_clone3), 1);
    program.refuse(libc::ENOSYS);
    program.when(EQUAL, number(libc::SYS_clone), 4);
    program.add(LOAD, ARGUMENT[0], 0, 0);
    program.when(HAS_BITS, libc::CLONE_NEWUSER.cast_unsigned(), 1);
    program.refuse(libc::EPERM);
    program.add(RETURN, ALLOW, 0, 0);
    // Keys that nobody has pressed.
    program.when(EQUAL, number(libc::SYS_ioctl), 4);
    program.add(LOAD, ARGUMENT[1], 0, 0);
    program.when(EQUAL, libc::TIOCSTI as u32, 1);
    program.refuse(libc::EPERM);
    program.add(RETURN, ALLOW, 0, 0);
    if families != u64::MAX {
        let allowed: Vec<u32> = (0..64).filter(|bit| families & (1 << bit) != 0).collect();
        let steps = u8::try_from(2 * allowed.len() + 2).unwrap_or(u8::MAX);
        program.when(EQUAL, number(libc::SYS_socket), steps);
        program.add(LOAD, ARGUMENT[0], 0, 0);
        for family in allowed {
            program.when(EQUAL, family, 1);
            program.add(RETURN, ALLOW, 0, 0);
        }
        program.refuse(libc::EPERM);
    }
    program.add(RETURN, ALLOW, 0, 0);
    program.0
}

/// From now on this process and all that come from it are held to it. It must have given up new privileges.
pub fn enter(families: u64, may_mount: bool) -> io::Result<()> {
    let Some(machine) = MACHINE else { return Ok(()) };
    let mut steps = program(machine, families, may_mount);
    let filter = sock_fprog {
        len: u16::try_from(steps.len()).map_err(io::Error::other)?,
        filter: steps.as_mut_ptr(),
    };
    // SAFETY: the structure and the steps that it points to live longer than the call.
    let result = unsafe { libc::prctl(libc::PR_SET_SECCOMP, MODE, &raw const filter) };
    match result {
        0 => Ok(()),
        _ => match io::Error::last_os_error() {
            // A kernel that was built without it.
            error if error.raw_os_error() == Some(libc::EINVAL) => Ok(()),
            error => Err(error),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What the program answers to a call: a tiny machine for the few instructions that it is made of.
    fn judged(program: &[sock_filter], machine: u32, number: c_long, arguments: [u32; 2]) -> u32 {
        let mut position = 0;
        let mut value = 0;
        loop {
            let step = &program[position];
            position += 1;
            let holds = match step.code {
                LOAD => {
                    value = match step.k {
                        NUMBER => u32::try_from(number).expect("a number"),
                        ARCHITECTURE => machine,
                        16 => arguments[0],
                        24 => arguments[1],
                        other => panic!("loads {other}"),
                    };
                    continue;
                }
                RETURN => return step.k,
                EQUAL => value == step.k,
                AT_LEAST => value >= step.k,
                HAS_BITS => value & step.k != 0,
                other => panic!("code {other}"),
            };
            position += usize::from(if holds { step.jt } else { step.jf });
        }
    }

    #[test]
    fn it_refuses_what_is_listed_and_nothing_else() {
        let Some(machine) = MACHINE else { return };
        let refused = |errno: i32| REFUSE | errno.unsigned_abs();
        let unix = 1 << libc::AF_UNIX;
        let strict = program(machine, unix, false);
        let calls = [
            (libc::SYS_read, [0, 0], ALLOW),
            (libc::SYS_ptrace, [0, 0], refused(libc::EPERM)),
            (libc::SYS_unshare, [0, 0], refused(libc::EPERM)),
            (libc::SYS_clone, [17, 0], ALLOW),
            (libc::SYS_clone, [0x1000_0011, 0], refused(libc::EPERM)),
            (libc::SYS_clone3, [0, 0], refused(libc::ENOSYS)),
            (libc::SYS_ioctl, [0, 0x5401], ALLOW),
            (libc::SYS_ioctl, [0, 0x5412], refused(libc::EPERM)),
            (libc::SYS_socket, [1, 0], ALLOW),
            (libc::SYS_socket, [2, 0], refused(libc::EPERM)),
            (libc::SYS_socket, [10, 0], refused(libc::EPERM)),
            (libc::SYS_socket, [16, 0], refused(libc::EPERM)),
            (libc::SYS_close, [2, 0x5412], ALLOW),
        ];
        for (number, arguments, answer) in calls {
            assert_eq!(
                judged(&strict, machine, number, arguments),
                answer,
                "{number} {arguments:?}"
            );
        }
        assert_eq!(
            judged(&strict, 0x4000_0003, libc::SYS_read, [0, 0]),
            refused(libc::ENOSYS)
        );
        let two = program(machine, unix | 1 << libc::AF_NETLINK, false);
        assert_eq!(judged(&two, machine, libc::SYS_socket, [16, 0]), ALLOW);
        assert_eq!(
            judged(&two, machine, libc::SYS_socket, [2, 0]),
            refused(libc::EPERM)
        );
        let open = program(machine, u64::MAX, true);
        assert_eq!(judged(&open, machine, libc::SYS_socket, [2, 0]), ALLOW);
        assert_eq!(judged(&open, machine, libc::SYS_mount, [0, 0]), ALLOW);
        assert_eq!(
            judged(&open, machine, libc::SYS_bpf, [0, 0]),
            refused(libc::EPERM)
        );
    }
}
