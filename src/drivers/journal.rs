//! What units printed, as `journalctl -o json` tells it.

use super::units::tool;
use crate::domain::Timestamp;
use serde_json::Value;
use std::io;
use std::process::Stdio;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, BufReader};
use tokio::process::{Child, ChildStdout, Command};

/// A longer line of the tool is not an entry of ours.
const LONGEST: u64 = 256 * 1024;

/// One entry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    pub time: Timestamp,
    /// Who printed it, by its own name.
    pub identifier: String,
    pub pid: String,
    pub message: String,
}

/// The entries of some units as they are read; dropping it ends the tool.
#[derive(Debug)]
pub struct Journal {
    _tool: Child,
    lines: BufReader<ChildStdout>,
}

/// The words after the tool's name (contract: v2, Apps and logs).
pub fn arguments(units: &[String], count: Option<usize>, follow: bool) -> Vec<String> {
    let mut args: Vec<String> = ["-o", "json", "--no-pager"].map(String::from).into();
    match count {
        Some(count) => args.extend([String::from("-n"), count.to_string()]),
        None => args.push(String::from("--no-tail")),
    }
    if follow {
        args.push(String::from("-f"));
    }
    for unit in units {
        args.extend([String::from("-u"), unit.clone()]);
    }
    args
}

impl Journal {
    /// Begins to read the journal of units.
    pub fn open(units: &[String], count: Option<usize>, follow: bool) -> io::Result<Self> {
        let mut tool = Command::new(tool("journalctl"))
            .args(arguments(units, count, follow))
            .env_clear()
            .env("LANG", "C.UTF-8")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .kill_on_drop(true)
            .spawn()?;
        let out = tool
            .stdout
            .take()
            .ok_or_else(|| io::Error::other("it has no output"))?;
        Ok(Self {
            _tool: tool,
            lines: BufReader::new(out),
        })
    }

    /// The next entry; `None` at the end.
    pub async fn next(&mut self) -> Option<Entry> {
        loop {
            let mut line = Vec::new();
            let read = (&mut self.lines).take(LONGEST).read_until(b'\n', &mut line).await;
            if !read.is_ok_and(|length| length > 0) {
                return None;
            }
            if let Some(entry) = parse(&line) {
                return Some(entry);
            }
        }
    }
}

/// An entry from its line. What is missing is `-`; a message that is no text comes as a list of bytes.
fn parse(line: &[u8]) -> Option<Entry> {
    let fields: Value = serde_json::from_slice(line).ok()?;
    let text = |name: &str| fields[name].as_str().filter(|text| !text.is_empty());
    let microseconds: i64 = text("__REALTIME_TIMESTAMP")?.parse().ok()?;
    let message = match &fields["MESSAGE"] {
        Value::String(message) => message.clone(),
        Value::Array(bytes) => {
            let bytes = bytes
                .iter()
                .map(|byte| byte.as_u64().and_then(|byte| u8::try_from(byte).ok()));
            String::from_utf8_lossy(&bytes.collect::<Option<Vec<u8>>>()?).into_owned()
        }
        _ => String::from("-"),
    };
    let or_dash = |name: &str| String::from(text(name).unwrap_or("-"));
    Some(Entry {
        time: Timestamp(microseconds.checked_mul(1000)?),
        identifier: or_dash("SYSLOG_IDENTIFIER"),
        pid: or_dash("_PID"),
        message,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entries() {
        let entry = |text: &str| {
            let entry = parse(text.as_bytes())?;
            Some(format!(
                "{} {} {} {}",
                entry.time.0, entry.identifier, entry.pid, entry.message
            ))
        };
        let all = r#"{"__REALTIME_TIMESTAMP":"1000000","SYSLOG_IDENTIFIER":"a.b","_PID":"7","MESSAGE":"up"}"#;
        assert_eq!(entry(all).as_deref(), Some("1000000000 a.b 7 up"));
        let bytes = r#"{"__REALTIME_TIMESTAMP":"1","MESSAGE":[104,105,255]}"#;
        assert_eq!(entry(bytes).as_deref(), Some("1000 - - hi\u{fffd}"));
        assert_eq!(
            entry(r#"{"__REALTIME_TIMESTAMP":"1"}"#).as_deref(),
            Some("1000 - - -")
        );
        for bad in [
            "",
            "{",
            "{}",
            r#"{"__REALTIME_TIMESTAMP":"x"}"#,
            r#"{"__REALTIME_TIMESTAMP":"1","MESSAGE":[300]}"#,
        ] {
            assert_eq!(entry(bad), None, "{bad}");
        }
    }

    #[test]
    fn words_for_the_tool() {
        // contract: v2, Apps and logs, "Implementation"
        let units = [String::from("snap.a.b.service")];
        assert_eq!(
            arguments(&units, Some(10), true).join(" "),
            "-o json --no-pager -n 10 -f -u snap.a.b.service"
        );
        assert_eq!(
            arguments(&units, None, false).join(" "),
            "-o json --no-pager --no-tail -u snap.a.b.service"
        );
    }
}
