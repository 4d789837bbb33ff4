//! Plain types that every room of the house shares: no I/O, no clock, no wire names.

pub mod assignment;
pub mod attrs;
pub mod change;
pub mod channel;
pub mod clock;
pub mod dirs;
pub mod duration;
pub mod error;
pub mod finding;
pub mod hardware;
pub mod ids;
pub mod interface;
pub mod json;
pub mod kinds;
pub mod names;
pub mod record;
pub mod requester;
pub mod revision;
pub mod schedule;
pub mod snap;
pub mod status;

pub use attrs::Attrs;
pub use change::{Change, Plan, PlannedTask, Progress, Task};
pub use clock::Timestamp;
pub use dirs::Dirs;
pub use error::{ErrorKind, Fault};
pub use finding::Finding;
pub use ids::{ChangeId, TaskId};
pub use interface::{ConnRef, PlugRef, SlotRef};
pub use names::SnapName;
pub use record::{AliasTarget, Aliases, ConnectionRecord, FileIdentity, RevisionRecord, SnapRecord};
pub use requester::Requester;
pub use revision::Revision;
pub use schedule::Schedule;
pub use snap::SnapInfo;
pub use status::{ChangeStatus, TaskStatus};
