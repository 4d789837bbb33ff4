//! The outside world behind small faces. `unsafe` lives only here and in `confine`.

pub mod bus;
pub mod cgroup;
pub mod clock;
pub mod copy;
pub mod fs;
pub mod gpio;
pub mod host;
pub mod journal;
pub mod leds;
pub mod mount;
pub mod process;
pub mod random;
pub mod serial;
pub mod sockets;
pub mod squashfs;
pub mod uevents;
pub mod units;
pub mod watch;
