//! LEDs: the kernel's LED class, or the simulated board.
