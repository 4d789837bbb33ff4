//! Loop devices: files as block devices.

#![allow(unsafe_code)]

use nix::errno::Errno;
use nix::libc::c_int;
use std::fs::{File, OpenOptions};
use std::io;
use std::os::fd::AsRawFd;
use std::path::{Path, PathBuf};
use std::time::Duration;

const READ_ONLY: u32 = 1;
/// The device lets go of its file when its last user does.
const AUTOCLEAR: u32 = 4;
/// How often another one is tried when somebody was faster.
const ATTEMPTS: u32 = 64;
/// The major number of loop devices.
const MAJOR: u64 = 7;

/// `struct loop_info64` of the kernel.
#[repr(C)]
#[derive(Clone, Copy)]
struct Info {
    device: u64,
    inode: u64,
    rdevice: u64,
    offset: u64,
    size_limit: u64,
    number: u32,
    encrypt_type: u32,
    encrypt_key_size: u32,
    flags: u32,
    file_name: [u8; 64],
    crypt_name: [u8; 64],
    encrypt_key: [u8; 32],
    init: [u64; 2],
}

/// `struct loop_config` of the kernel.
#[repr(C)]
struct Config {
    fd: u32,
    block_size: u32,
    info: Info,
    reserved: [u64; 8],
}

nix::ioctl_none_bad!(get_free, 0x4c82);
nix::ioctl_write_ptr_bad!(configure, 0x4c0a, Config);
nix::ioctl_write_int_bad!(set_fd, 0x4c00);
nix::ioctl_write_ptr_bad!(set_status, 0x4c04, Info);
nix::ioctl_none_bad!(clear_fd, 0x4c01);

/// A device that shows a file. It stays attached as long as this value or a mount uses it.
pub(super) struct LoopDevice {
    path: PathBuf,
    _open: File,
}

impl LoopDevice {
    pub(super) fn path(&self) -> &Path {
        &self.path
    }
}

fn info(file: &Path) -> Info {
    use std::os::unix::ffi::OsStrExt;
    let mut name = [0u8; 64];
    let bytes = file.as_os_str().as_bytes();
    let length = bytes.len().min(63);
    name[..length].copy_from_slice(&bytes[..length]);
    Info {
        device: 0,
        inode: 0,
        rdevice: 0,
        offset: 0,
        size_limit: 0,
        number: 0,
        encrypt_type: 0,
        encrypt_key_size: 0,
        flags: READ_ONLY | AUTOCLEAR,
        file_name: name,
        crypt_name: [0; 64],
        encrypt_key: [0; 32],
        init: [0; 2],
    }
}

/// Attaches a file, read-only, to a free loop device; the kernel makes a new device when all are in use.
pub(super) fn attach(file: &Path) -> io::Result<LoopDevice> {
    let backing = File::open(file)?;
    let control = OpenOptions::new()
        .read(true)
        .write(true)
        .open("/dev/loop-control")?;
    for attempt in 0..ATTEMPTS {
        // SAFETY: LOOP_CTL_GET_FREE takes no argument; `control` is open.
        let number = unsafe { get_free(control.as_raw_fd()) }?;
        let path = node(number)?;
        let device = match File::open(&path) {
            Ok(device) => device,
            Err(error) if error.raw_os_error() == Some(Errno::ENXIO as i32) => continue,
            Err(error) => return Err(error),
        };
        match attach_to(&device, &backing, file) {
            Ok(()) => return Ok(LoopDevice { path, _open: device }),
            // somebody was faster
            Err(Errno::EBUSY | Errno::EAGAIN | Errno::ENXIO) => {
                std::thread::sleep(Duration::from_millis(u64::from(attempt)));
            }
            Err(errno) => return Err(errno.into()),
        }
    }
    Err(Errno::EBUSY.into())
}

/// The device node of a number; it is made where nothing makes nodes (a container).
fn node(number: c_int) -> io::Result<PathBuf> {
    let path = PathBuf::from(format!("/dev/loop{number}"));
    if !path.exists() {
        let device = nix::sys::stat::makedev(MAJOR, u64::try_from(number).unwrap_or_default());
        let mode = nix::sys::stat::Mode::from_bits_truncate(0o660);
        match nix::sys::stat::mknod(&path, nix::sys::stat::SFlag::S_IFBLK, mode, device) {
            Ok(()) | Err(Errno::EEXIST) => {}
            Err(errno) => return Err(errno.into()),
        }
    }
    Ok(path)
}

fn attach_to(device: &File, backing: &File, file: &Path) -> nix::Result<()> {
    let config = Config {
        fd: backing.as_raw_fd().unsigned_abs(),
        block_size: 0,
        info: info(file),
        reserved: [0; 8],
    };
    // SAFETY: LOOP_CONFIGURE reads one `loop_config`, which `config` is in layout and size; both files are open.
    match unsafe { configure(device.as_raw_fd(), &raw const config) } {
        Ok(_) => return Ok(()),
        // before Linux 5.8
        Err(Errno::EINVAL | Errno::ENOTTY | Errno::ENOSYS) => {}
        Err(errno) => return Err(errno),
    }
    // SAFETY: LOOP_SET_FD takes a file descriptor by value.
    unsafe { set_fd(device.as_raw_fd(), backing.as_raw_fd()) }?;
    // SAFETY: LOOP_SET_STATUS64 reads one `loop_info64`, which `config.info` is in layout and size.
    match unsafe { set_status(device.as_raw_fd(), &raw const config.info) } {
        Ok(_) => Ok(()),
        Err(errno) => {
            // SAFETY: LOOP_CLR_FD takes no argument. What matters is the first error.
            let _ = unsafe { clear_fd(device.as_raw_fd()) };
            Err(errno)
        }
    }
}
