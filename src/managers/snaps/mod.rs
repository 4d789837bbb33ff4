//! Installed snaps: plans and tasks that install, refresh and remove them.

mod uploads;
pub mod yaml;

pub use uploads::{Upload, UploadWriter, Uploads};
