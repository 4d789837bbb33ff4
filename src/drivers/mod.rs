//! The outside world behind small faces. `unsafe` lives only here and in `confine`.

pub mod cgroup;
pub mod clock;
pub mod fs;
pub mod gpio;
pub mod host;
pub mod leds;
pub mod mount;
pub mod process;
pub mod sockets;
pub mod squashfs;
