//! Descriptors that the runtime watches.
#![allow(unsafe_code)]

use std::io;
use std::os::fd::OwnedFd;
use std::sync::Arc;
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

/// Lets the runtime tell when a descriptor can be read (for a listener: when somebody connects).
pub fn readable(fd: Arc<OwnedFd>) -> io::Result<AsyncFd<Arc<OwnedFd>>> {
    // SAFETY: the descriptor is owned by what is returned, so it stays open and the same as long as it is registered.
    unsafe { Ok(AsyncFd::register_with_interest(fd, Interest::READABLE)?) }
}
