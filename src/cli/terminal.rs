//! What the terminal can show.

use std::env;
use std::io::IsTerminal;
use std::process::{Command, Stdio};

/// How to write for whoever reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Style {
    /// Colours and bold.
    pub colour: bool,
    /// More than ASCII.
    pub unicode: bool,
}

/// What is said with a colour.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ink {
    High,
    Held,
    Power,
    Faint,
    Title,
}

impl Style {
    /// No colours, ASCII.
    pub const PLAIN: Self = Self {
        colour: false,
        unicode: false,
    };

    /// By the environment (NO_COLOR, TERM, the locale) for a terminal.
    pub fn of_terminal() -> Self {
        let set = |name: &str| env::var_os(name).is_some_and(|value| !value.is_empty());
        let locale = ["LC_ALL", "LC_CTYPE", "LANG"]
            .into_iter()
            .find_map(|name| env::var(name).ok().filter(|value| !value.is_empty()))
            .unwrap_or_default()
            .to_ascii_lowercase();
        Self {
            colour: !set("NO_COLOR") && env::var("TERM").is_ok_and(|term| term != "dumb"),
            unicode: locale.contains("utf-8") || locale.contains("utf8"),
        }
    }

    /// A text in a colour.
    pub fn paint(self, ink: Ink, text: &str) -> String {
        if !self.colour || text.trim().is_empty() {
            return text.to_owned();
        }
        let code = match ink {
            Ink::High => "1;32",
            Ink::Held => "1",
            Ink::Power => "31",
            Ink::Faint => "2",
            Ink::Title => "1;36",
        };
        format!("\x1b[{code}m{text}\x1b[0m")
    }
}

/// Standard output is a terminal that understands cursor movements.
pub fn is_live_stdout() -> bool {
    std::io::stdout().is_terminal() && env::var("TERM").is_ok_and(|term| term != "dumb")
}

/// The same of standard error.
pub fn is_live_stderr() -> bool {
    std::io::stderr().is_terminal() && env::var("TERM").is_ok_and(|term| term != "dumb")
}

/// How many rows the terminal has, as far as `stty` can tell.
pub fn height() -> Option<usize> {
    let output = Command::new("stty")
        .arg("size")
        .stdin(Stdio::inherit())
        .stderr(Stdio::null())
        .output()
        .ok()?;
    let text = String::from_utf8(output.stdout).ok()?;
    let rows = text.split_whitespace().next()?.parse().ok()?;
    (rows > 0).then_some(rows)
}

/// To the start of the line, and clear it.
pub const CLEAR_LINE: &str = "\r\x1b[K";
/// Long lines are cut at the edge instead of wrapped, so that a redraw hits the same rows.
pub const NO_WRAP: &str = "\x1b[?7l";
pub const WRAP: &str = "\x1b[?7h";
pub const HIDE_CURSOR: &str = "\x1b[?25l";
pub const SHOW_CURSOR: &str = "\x1b[?25h";
