//! Reads a command line by a table of commands, and writes help from the same table.
//!
//! The table is `tree.rs`. A command is a [`Spec`]: what it takes ([`Word`]s), what goes together ([`Rule`]s), the
//! commands inside it, and a function that makes a [`Command`] of what was [`Found`]. Values are checked here, so the
//! functions cannot fail.

mod help;
mod meant;
#[cfg(test)]
mod tests;

use super::args::Command;
pub use help::help;
use help::usage;
use meant::tip;
use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;

/// A command.
#[derive(Clone, Copy)]
pub struct Spec {
    pub name: &'static str,
    pub aliases: &'static [&'static str],
    pub about: &'static str,
    pub takes: &'static [Word],
    pub rules: &'static [Rule],
    /// Commands inside this one, as `line` in `sim line`. A command that has some does nothing by itself.
    pub inner: &'static [Spec],
    pub make: fn(&mut Found) -> Command,
}

impl Spec {
    pub const fn new(name: &'static str, about: &'static str, make: fn(&mut Found) -> Command) -> Self {
        Self {
            name,
            aliases: &[],
            about,
            takes: &[],
            rules: &[],
            inner: &[],
            make,
        }
    }

    pub const fn aliases(mut self, aliases: &'static [&'static str]) -> Self {
        self.aliases = aliases;
        self
    }

    pub const fn takes(mut self, takes: &'static [Word]) -> Self {
        self.takes = takes;
        self
    }

    pub const fn rules(mut self, rules: &'static [Rule]) -> Self {
        self.rules = rules;
        self
    }

    pub const fn inner(mut self, inner: &'static [Spec]) -> Self {
        self.inner = inner;
        self
    }

    /// The command inside this one that is called so.
    pub fn find(&self, name: &OsStr) -> Option<&'static Spec> {
        self.inner
            .iter()
            .find(|spec| name == spec.name || spec.aliases.iter().any(|alias| name == *alias))
    }

    /// What stands at places, in order.
    pub fn places(&self) -> impl Iterator<Item = &'static Word> {
        self.takes.iter().filter(|word| !word.is_option())
    }

    fn word(&self, name: &str) -> Option<&'static Word> {
        let common = super::tree::COMMON.iter();
        self.takes.iter().chain(common).find(|word| word.name == name)
    }
}

/// What a value must be.
#[derive(Clone, Copy)]
pub enum Value {
    /// An option without a value.
    None,
    Text,
    /// Also what is not UTF-8.
    Path,
    Number,
    OneOf(&'static [&'static str]),
}

/// How often something is given.
#[derive(Clone, Copy, PartialEq)]
pub enum Count {
    One,
    Maybe,
    Any,
    Some,
    /// All that is left, options too.
    Rest,
}

/// An option, or what stands at a place.
#[derive(Clone, Copy)]
pub struct Word {
    /// `--all` for an option, `SNAP` for a place.
    pub name: &'static str,
    pub short: Option<u8>,
    /// What an option's value is called.
    pub value_name: &'static str,
    pub value: Value,
    pub count: Count,
    pub about: &'static str,
    pub hidden: bool,
}

const fn word(name: &'static str, value: Value, count: Count, about: &'static str) -> Word {
    Word {
        name,
        short: None,
        value_name: "",
        value,
        count,
        about,
        hidden: false,
    }
}

/// An option without a value.
pub const fn flag(name: &'static str, about: &'static str) -> Word {
    word(name, Value::None, Count::Maybe, about)
}

/// An option with a value.
pub const fn option(name: &'static str, value_name: &'static str, about: &'static str) -> Word {
    let mut option = word(name, Value::Text, Count::Maybe, about);
    option.value_name = value_name;
    option
}

/// What must be given once.
pub const fn one(name: &'static str, about: &'static str) -> Word {
    word(name, Value::Text, Count::One, about)
}

/// What may be given once.
pub const fn maybe(name: &'static str, about: &'static str) -> Word {
    word(name, Value::Text, Count::Maybe, about)
}

/// What may be given, also several times.
pub const fn any(name: &'static str, about: &'static str) -> Word {
    word(name, Value::Text, Count::Any, about)
}

/// What must be given, also several times.
pub const fn some(name: &'static str, about: &'static str) -> Word {
    word(name, Value::Text, Count::Some, about)
}

/// All that is left, at least one; options after the first are not ours.
pub const fn rest(name: &'static str, about: &'static str) -> Word {
    word(name, Value::Path, Count::Rest, about)
}

/// What every command answers before anything else.
const HELP: Word = flag("--help", "Print help").short(b'h');
/// What the program answers.
const VERSION: Word = flag("--version", "Print version").short(b'V');

impl Word {
    pub const fn path(mut self) -> Self {
        self.value = Value::Path;
        self
    }

    pub const fn number(mut self) -> Self {
        self.value = Value::Number;
        self
    }

    pub const fn one_of(mut self, values: &'static [&'static str]) -> Self {
        self.value = Value::OneOf(values);
        self
    }

    /// The short form of an option, as `b'n'` for `-n`.
    pub const fn short(mut self, letter: u8) -> Self {
        self.short = Some(letter);
        self
    }

    /// Neither in the help nor in completions.
    pub const fn hidden(mut self) -> Self {
        self.hidden = true;
        self
    }

    pub fn is_option(&self) -> bool {
        self.name.starts_with("--")
    }

    fn takes_value(&self) -> bool {
        !matches!(self.value, Value::None)
    }

    /// Whether more than one may be given.
    fn is_many(&self) -> bool {
        !matches!(self.count, Count::One | Count::Maybe)
    }

    /// As it is written in a usage line.
    fn usage(&self) -> String {
        match (self.is_option(), self.count) {
            (true, _) if self.takes_value() => format!("{} <{}>", self.name, self.value_name),
            (true, _) => self.name.to_owned(),
            (_, Count::One) => format!("<{}>", self.name),
            (_, Count::Maybe) => format!("[{}]", self.name),
            (_, Count::Any) => format!("[{}]...", self.name),
            (_, Count::Some | Count::Rest) => format!("<{}>...", self.name),
        }
    }

    /// Why a value does not do.
    fn wrong(&self, value: &OsStr) -> Option<String> {
        let text = value.to_str();
        match (self.value, text) {
            (Value::None | Value::Path, _) => None,
            (_, None) => Some(String::from("it is not UTF-8")),
            (Value::Text, _) => None,
            (Value::Number, Some(text)) => text
                .parse::<u64>()
                .is_err()
                .then(|| String::from("it is not a whole number")),
            (Value::OneOf(values), Some(text)) => {
                (!values.contains(&text)).then(|| format!("possible values are {}", values.join(", ")))
            }
        }
    }
}

/// What goes together.
#[derive(Clone, Copy)]
pub enum Rule {
    /// The first is of use only with the second.
    Needs(&'static str, &'static str),
    /// At most one of these.
    Apart(&'static [&'static str]),
    /// One of these, and only one.
    ExactlyOne(&'static [&'static str]),
}

/// What a command line gave, by the names of the table. Each is taken once.
pub struct Found {
    spec: &'static Spec,
    values: Vec<(&'static str, OsString)>,
}

impl Found {
    #[cfg(test)]
    pub fn of(spec: &'static Spec, values: Vec<(&'static str, &str)>) -> Self {
        let values = values
            .into_iter()
            .map(|(name, value)| (name, value.into()))
            .collect();
        Self { spec, values }
    }

    /// Whether everything was taken.
    pub fn is_empty(&self) -> bool {
        self.values.is_empty()
    }

    fn given(&self, name: &str) -> bool {
        self.values.iter().any(|(given, _)| *given == name)
    }

    pub fn flag(&mut self, name: &str) -> bool {
        self.path(name).is_some()
    }

    pub fn path(&mut self, name: &str) -> Option<PathBuf> {
        debug_assert!(
            self.spec.word(name).is_some(),
            "{} takes no {name}",
            self.spec.name
        );
        let at = self.values.iter().position(|(given, _)| *given == name)?;
        Some(PathBuf::from(self.values.remove(at).1))
    }

    pub fn text(&mut self, name: &str) -> Option<String> {
        let text = self.path(name)?.into_os_string();
        Some(String::from_utf8_lossy(text.as_bytes()).into_owned())
    }

    pub fn number(&mut self, name: &str) -> Option<u64> {
        self.text(name)?.parse().ok()
    }

    pub fn paths(&mut self, name: &str) -> Vec<PathBuf> {
        std::iter::from_fn(|| self.path(name)).collect()
    }

    pub fn texts(&mut self, name: &str) -> Vec<String> {
        std::iter::from_fn(|| self.text(name)).collect()
    }

    /// What must be given, and so was.
    pub fn one(&mut self, name: &str) -> String {
        self.text(name).unwrap_or_default()
    }
}

/// Why there is no command to run.
#[derive(Debug)]
pub enum Stop {
    /// What was asked for: help or the version.
    Asked(String),
    /// Wrong usage.
    Wrong(String),
}

/// Reads the words after the program's name.
pub fn read(root: &'static Spec, words: impl Iterator<Item = OsString>) -> Result<(Command, Found), Stop> {
    let mut reader = Reader {
        found: Found {
            spec: root,
            values: Vec::new(),
        },
        path: root.name.to_owned(),
        places: 0,
    };
    let mut words = words;
    let mut only_places = false;
    while let Some(word) = words.next() {
        let bytes = word.as_bytes();
        match bytes {
            _ if only_places => reader.place(word, &mut words)?,
            b"--" => only_places = true,
            [b'-', b'-', ..] => reader.long(&word, &mut words)?,
            [b'-', _, ..] => reader.short(&bytes[1..], &mut words)?,
            _ => reader.place(word, &mut words)?,
        }
    }
    reader.finish()
}

struct Reader {
    found: Found,
    /// The command as it was written, for messages.
    path: String,
    /// How many places are filled.
    places: usize,
}

impl Reader {
    fn long(&mut self, word: &OsStr, words: &mut impl Iterator<Item = OsString>) -> Result<(), Stop> {
        let bytes = word.as_bytes();
        let (name, value) = match bytes.iter().position(|byte| *byte == b'=') {
            Some(at) => (&bytes[..at], Some(OsStr::from_bytes(&bytes[at + 1..]).to_owned())),
            None => (bytes, None),
        };
        let name = String::from_utf8_lossy(name);
        match (&*name, self.found.spec.word(&name)) {
            (_, Some(option)) => self.option(option, value, words),
            (name, None) if name == HELP.name => Err(self.help()),
            (name, None) if name == VERSION.name && self.is_program() => Err(version()),
            (_, None) => Err(self.unexpected(&name)),
        }
    }

    /// One or more short options in a word; what follows one that takes a value is its value.
    fn short(&mut self, letters: &[u8], words: &mut impl Iterator<Item = OsString>) -> Result<(), Stop> {
        for (at, letter) in letters.iter().enumerate() {
            let takes = self.found.spec.takes.iter();
            match (letter, takes.clone().find(|word| word.short == Some(*letter))) {
                (_, Some(option)) if option.takes_value() => {
                    let after = &letters[at + 1..];
                    let after = after.strip_prefix(b"=").unwrap_or(after);
                    let value = (!after.is_empty()).then(|| OsStr::from_bytes(after).to_owned());
                    return self.option(option, value, words);
                }
                (_, Some(option)) => self.option(option, None, words)?,
                (_, None) if HELP.short == Some(*letter) => return Err(self.help()),
                (_, None) if VERSION.short == Some(*letter) && self.is_program() => return Err(version()),
                _ => {
                    let word = format!("-{}", String::from_utf8_lossy(&letters[at..]));
                    return Err(self.unexpected(&word));
                }
            }
        }
        Ok(())
    }

    fn help(&self) -> Stop {
        Stop::Asked(help(self.found.spec, &self.path))
    }

    /// Whether no command was named yet.
    fn is_program(&self) -> bool {
        self.path == super::tree::ROOT.name
    }

    fn option(
        &mut self,
        option: &'static Word,
        value: Option<OsString>,
        words: &mut impl Iterator<Item = OsString>,
    ) -> Result<(), Stop> {
        if self.found.given(option.name) && !option.is_many() {
            return Err(self.wrong(&format!("'{}' is given twice", option.name), ""));
        }
        let value = match (option.takes_value(), value) {
            (false, Some(value)) => {
                let value = value.display();
                return Err(self.wrong(&format!("'{}' takes no value, not '{value}'", option.name), ""));
            }
            (false, None) => OsString::new(),
            (true, Some(value)) => value,
            (true, None) => words
                .next()
                .ok_or_else(|| self.wrong(&format!("'{}' needs a value", option.usage()), ""))?,
        };
        self.keep(option, value)
    }

    fn place(&mut self, word: OsString, words: &mut impl Iterator<Item = OsString>) -> Result<(), Stop> {
        let spec = self.found.spec;
        if !spec.inner.is_empty() {
            let Some(inner) = spec.find(&word) else {
                let names = spec.inner.iter().map(|spec| spec.name);
                let tip = tip(&word.to_string_lossy(), names);
                return Err(self.wrong(&format!("there is no command '{}'", word.display()), &tip));
            };
            self.path = format!("{} {}", self.path, inner.name);
            self.found.spec = inner;
            return Ok(());
        }
        let Some(place) = spec.places().nth(self.places) else {
            return Err(self.unexpected(&word.to_string_lossy()));
        };
        self.keep(place, word)?;
        if place.count == Count::Rest {
            for word in words {
                self.keep(place, word)?;
            }
        }
        self.places += usize::from(!place.is_many());
        Ok(())
    }

    fn keep(&mut self, word: &'static Word, value: OsString) -> Result<(), Stop> {
        if let Some(reason) = word.wrong(&value) {
            let value = value.display();
            return Err(self.wrong(
                &format!("'{value}' will not do for '{}': {reason}", word.usage()),
                "",
            ));
        }
        self.found.values.push((word.name, value));
        Ok(())
    }

    fn finish(mut self) -> Result<(Command, Found), Stop> {
        let spec = self.found.spec;
        if !spec.inner.is_empty() {
            return Err(Stop::Wrong(help(spec, &self.path)));
        }
        let missing = spec
            .places()
            .find(|word| !matches!(word.count, Count::Maybe | Count::Any) && !self.found.given(word.name));
        if let Some(word) = missing {
            return Err(self.wrong(&format!("'{}' is missing", word.usage()), ""));
        }
        for rule in spec.rules {
            if let Some(reason) = self.broken(*rule) {
                return Err(self.wrong(&reason, ""));
            }
        }
        let command = (spec.make)(&mut self.found);
        Ok((command, self.found))
    }

    fn broken(&self, rule: Rule) -> Option<String> {
        let given = |names: &'static [&'static str]| -> Vec<&str> {
            names
                .iter()
                .copied()
                .filter(|name| self.found.given(name))
                .collect()
        };
        match rule {
            Rule::Needs(first, second) => (self.found.given(first) && !self.found.given(second))
                .then(|| format!("'{first}' is of use only with '{second}'")),
            Rule::Apart(names) | Rule::ExactlyOne(names) => match (given(names).as_slice(), rule) {
                ([first, second, ..], _) => Some(format!("'{first}' and '{second}' exclude each other")),
                ([], Rule::ExactlyOne(_)) => Some(format!("one of these is missing: {}", names.join(", "))),
                _ => None,
            },
        }
    }

    fn unexpected(&self, word: &str) -> Stop {
        let spec = self.found.spec;
        let options = spec
            .takes
            .iter()
            .chain(super::tree::COMMON)
            .chain([&HELP, &VERSION]);
        let names = options
            .filter(|option| option.is_option() && !option.hidden)
            .map(|option| option.name);
        let tip = if word.starts_with('-') {
            tip(word, names)
        } else {
            String::new()
        };
        self.wrong(&format!("'{word}' is unexpected here"), &tip)
    }

    fn wrong(&self, reason: &str, tip: &str) -> Stop {
        let usage = usage(self.found.spec, &self.path);
        Stop::Wrong(format!(
            "error: {reason}\n{tip}\n{usage}\nFor more information, try '{} --help'.\n",
            self.path
        ))
    }
}

fn version() -> Stop {
    Stop::Asked(format!("pinion {}\n", env!("CARGO_PKG_VERSION")))
}
