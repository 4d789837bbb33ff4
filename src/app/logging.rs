//! Where log lines go: the journal with fields where the agent's standard error is one, plain lines elsewhere
//! (decision 31).

use log::kv::{Key, Value, VisitSource};
use log::{LevelFilter, Log, Metadata, Record};
use std::fmt::Write as _;
use std::io::Write as _;
use systemd_journal_logger::{JournalLog, connected_to_journal};

/// Sets the logger up; `PINION_LOG` (error, warn, info, debug, trace) says how much, `info` without it.
pub fn start() {
    let level = std::env::var("PINION_LOG")
        .ok()
        .and_then(|text| text.parse().ok())
        .unwrap_or(LevelFilter::Info);
    let to_journal = connected_to_journal()
        && JournalLog::new().is_ok_and(|journal| {
            journal
                .with_extra_fields([("VERSION", env!("CARGO_PKG_VERSION"))])
                .with_syslog_identifier("pinion".to_owned())
                .install()
                .is_ok()
        });
    // A logger that is already there (a second daemon in one process, in tests) stays.
    if to_journal || log::set_logger(&Plain).is_ok() {
        log::set_max_level(level);
    }
}

/// Lines on standard error: `pinion: warning: text (change_id=3)`.
struct Plain;

/// Collects a record's fields as text.
struct Fields(String);

impl<'kvs> VisitSource<'kvs> for Fields {
    fn visit_pair(&mut self, key: Key<'kvs>, value: Value<'kvs>) -> Result<(), log::kv::Error> {
        let separator = if self.0.is_empty() { " (" } else { ", " };
        write!(self.0, "{separator}{key}={value}").map_err(Into::into)
    }
}

impl Log for Plain {
    fn enabled(&self, _: &Metadata<'_>) -> bool {
        true
    }

    fn log(&self, record: &Record<'_>) {
        let mut fields = Fields(String::new());
        // A field that cannot be shown is left out; the text is what matters.
        let _ = record.key_values().visit(&mut fields);
        if !fields.0.is_empty() {
            fields.0.push(')');
        }
        let level = match record.level() {
            log::Level::Error => "error: ",
            log::Level::Warn => "warning: ",
            log::Level::Info => "",
            log::Level::Debug | log::Level::Trace => "debug: ",
        };
        let text = format!("pinion: {level}{}{}\n", record.args(), fields.0);
        // There is nowhere to tell that standard error is closed.
        let _ = std::io::stderr().write_all(text.as_bytes());
    }

    fn flush(&self) {}
}
