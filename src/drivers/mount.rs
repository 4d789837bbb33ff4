//! Kernel mounts of snaps, and read-only unpacking where the agent may not mount.
