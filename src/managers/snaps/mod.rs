//! Installed snaps: plans and tasks that install, refresh and remove them.

pub mod yaml;
