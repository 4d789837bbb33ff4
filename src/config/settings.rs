//! The daemon's configuration file (decision 32). What `snap set system …` can change is in the store, not here.

use super::table::{Table, Wrong};
use std::path::{Path, PathBuf};
use toml::Spanned;

/// The largest file that is read.
const MAX_FILE: u64 = 256 * 1024;

/// Everything that the file can say; what it does not say has its default.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Settings {
    /// Which board this is.
    pub board: BoardSettings,
    /// How much of the past is kept.
    pub history: HistorySettings,
    /// How long snaps' hooks may run.
    pub hooks: HookSettings,
}

/// `[board]`: at most one of the two.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct BoardSettings {
    /// A board of the binary.
    pub name: Option<String>,
    /// A board file.
    pub file: Option<PathBuf>,
}

/// `[hooks]`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct HookSettings {
    /// How many seconds any hook may run; without it, what the contract gives each.
    pub timeout: Option<u32>,
}

/// `[history]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HistorySettings {
    /// How many ready changes are kept at most.
    pub changes: usize,
    /// For how many hours a ready change is kept.
    pub hours: u32,
}

impl Default for HistorySettings {
    fn default() -> Self {
        // contract: v2, section 5 (24 h, 500 ready changes)
        Self {
            changes: 500,
            hours: 24,
        }
    }
}

/// A configuration file that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum SettingsError {
    #[error("cannot read the configuration file {path}: {source}")]
    Read {
        path: String,
        #[source]
        source: std::io::Error,
    },
    #[error("{file}:{line}:{column}: {message}")]
    Content {
        file: String,
        /// Counted from 1.
        line: usize,
        /// Counted from 1, in characters.
        column: usize,
        message: String,
    },
}

/// Reads the text of a configuration file.
///
/// # Errors
/// The first thing that is wrong, with its line and column.
pub fn parse(file: &str, text: &str) -> Result<Settings, SettingsError> {
    let content = |offset: usize, message: &str| {
        let before = text.get(..offset).unwrap_or(text);
        SettingsError::Content {
            file: file.to_owned(),
            line: before.matches('\n').count() + 1,
            column: before.chars().rev().take_while(|c| *c != '\n').count() + 1,
            message: message.trim().replace('\n', " "),
        }
    };
    let settings = written(text).map_err(|wrong| content(wrong.at.start, &wrong.what))?;
    if settings.board.name.is_some() && settings.board.file.is_some() {
        let offset = text.find("file").unwrap_or(0);
        return Err(content(
            offset,
            "[board] takes a name or a file, not both: leave one out",
        ));
    }
    if settings.history.changes == 0 {
        let offset = text.find("changes").unwrap_or(0);
        return Err(content(offset, "[history] changes must be at least 1"));
    }
    if settings.hooks.timeout == Some(0) {
        let offset = text.find("timeout").unwrap_or(0);
        return Err(content(offset, "[hooks] timeout must be at least 1 second"));
    }
    Ok(settings)
}

fn written(text: &str) -> Result<Settings, Wrong> {
    let mut file = Table::parse(text)?;
    let mut settings = Settings::default();
    if let Some(mut board) = file.table("board")? {
        settings.board.name = board.text("name")?.map(Spanned::into_inner);
        settings.board.file = board.text("file")?.map(|file| file.into_inner().into());
        board.end()?;
    }
    if let Some(mut history) = file.table("history")? {
        if let Some(changes) = history.number("changes")? {
            settings.history.changes = changes.into_inner() as usize;
        }
        if let Some(hours) = history.number("hours")? {
            settings.history.hours = hours.into_inner();
        }
        history.end()?;
    }
    if let Some(mut hooks) = file.table("hooks")? {
        settings.hooks.timeout = hooks.number("timeout")?.map(Spanned::into_inner);
        hooks.end()?;
    }
    file.end()?;
    Ok(settings)
}

/// Reads a configuration file; one that does not exist says nothing, unless it was asked for by name.
pub fn read(path: &Path, must_exist: bool) -> Result<Settings, SettingsError> {
    let unreadable = |source| SettingsError::Read {
        path: path.display().to_string(),
        source,
    };
    match std::fs::metadata(path) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound && !must_exist => {
            return Ok(Settings::default());
        }
        Err(error) => return Err(unreadable(error)),
        Ok(about) if about.len() > MAX_FILE => {
            return Err(unreadable(std::io::Error::other(format!(
                "it is larger than {MAX_FILE} bytes"
            ))));
        }
        Ok(_) => {}
    }
    let text = std::fs::read_to_string(path).map_err(unreadable)?;
    parse(&path.display().to_string(), &text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_empty_file_says_nothing() {
        assert_eq!(parse("c", "").expect("settings"), Settings::default());
    }

    #[test]
    fn what_it_says_is_taken() {
        let text = "[board]\nname = \"sim\"\n[history]\nchanges = 9\n[hooks]\ntimeout = 30\n";
        let settings = parse("c", text).expect("settings");
        assert_eq!(settings.hooks.timeout, Some(30));
        assert_eq!(settings.board.name.as_deref(), Some("sim"));
        assert_eq!((settings.history.changes, settings.history.hours), (9, 24));
    }

    #[test]
    fn mistakes_are_told_with_their_place() {
        for (text, place) in [
            ("[board]\nnom = \"sim\"\n", "c:2:1: "),
            ("[history]\n  changes = \"x\"\n", "c:2:13: "),
            ("[board]\nname = \"sim\"\nfile = \"b.toml\"\n", "c:3:1: "),
            ("[history]\nchanges = 0\n", "c:2:1: "),
            ("[hooks]\ntimeout = 0\n", "c:2:1: "),
            ("[hooks]\ntimeout = \"5m\"\n", "c:2:11: "),
            ("a = ", "c:1:"),
        ] {
            let error = parse("c", text).expect_err(text).to_string();
            assert!(error.starts_with(place), "{text:?}: {error}");
        }
    }

    /// The file that the package brings says nothing by itself, has each key, and its defaults are those of the program.
    #[test]
    fn the_packaged_file_is_true() {
        let text = include_str!("../../gadget/debian/config.toml");
        assert_eq!(parse("config.toml", text).expect("settings"), Settings::default());
        let is_setting = |line: &&str| {
            line.strip_prefix('#')
                .is_some_and(|rest| rest.starts_with(char::is_alphabetic))
        };
        let settings: Vec<&str> = text.lines().filter(is_setting).collect();
        let said = |line: &str| {
            let text = text.replace(line, &line[1..]);
            parse("config.toml", &text).unwrap_or_else(|error| panic!("{line}: {error}"))
        };
        let all = |of: &str| said(settings.iter().find(|line| line[1..].starts_with(of)).expect(of));
        // A new setting is missing here, and then in the file.
        let Settings {
            board: BoardSettings { name: _, file: _ },
            history: HistorySettings { changes, hours },
            hooks: HookSettings { timeout: _ },
        } = Settings::default();
        assert!(all("name = ").board.name.is_some());
        assert!(all("file = ").board.file.is_some());
        assert_eq!(all("changes = ").history.changes, changes);
        assert_eq!(all("hours = ").history.hours, hours);
        assert!(all("timeout = ").hooks.timeout.is_some());
        assert_eq!(settings.len(), 5, "{settings:?}");
    }
}
