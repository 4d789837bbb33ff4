//! GPIO chips: the kernel's character device, or the simulated board.
