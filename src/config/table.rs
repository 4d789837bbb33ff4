//! A TOML file as tables with places, from which each reader takes what it knows; what is left over is an error.

use std::borrow::Cow;
use std::ops::Range;
use toml::Spanned;
use toml::de::{DeTable, DeValue};

/// What is wrong, and where.
pub(super) struct Wrong {
    pub at: Range<usize>,
    pub what: String,
}

/// A table of a file.
pub(super) struct Table<'a> {
    at: Range<usize>,
    entries: Vec<(Spanned<Cow<'a, str>>, Spanned<DeValue<'a>>)>,
    /// What the reader asked for, to tell who wrote something else.
    known: Vec<&'static str>,
}

impl<'a> Table<'a> {
    /// The whole file.
    pub fn parse(text: &'a str) -> Result<Self, Wrong> {
        match DeTable::parse(text) {
            Ok(table) => Ok(Self::new(table.span(), table.into_inner())),
            Err(error) => Err(Wrong {
                at: error.span().unwrap_or(0..0),
                what: error.message().trim().replace('\n', "; "),
            }),
        }
    }

    fn new(at: Range<usize>, table: DeTable<'a>) -> Self {
        Self {
            at,
            entries: table.into_iter().collect(),
            known: Vec::new(),
        }
    }

    fn take(&mut self, key: &'static str) -> Option<Spanned<DeValue<'a>>> {
        self.known.push(key);
        let at = self
            .entries
            .iter()
            .position(|(name, _)| name.get_ref().as_ref() == key)?;
        Some(self.entries.swap_remove(at).1)
    }

    pub fn text(&mut self, key: &'static str) -> Result<Option<Spanned<String>>, Wrong> {
        self.take(key).map(text).transpose()
    }

    /// The texts of an array; none where there is no such key.
    pub fn texts(&mut self, key: &'static str) -> Result<Option<Spanned<Vec<Spanned<String>>>>, Wrong> {
        let Some(value) = self.take(key) else {
            return Ok(None);
        };
        let at = value.span();
        let mut texts = Vec::new();
        for item in items(value)? {
            texts.push(text(item)?);
        }
        Ok(Some(Spanned::new(at, texts)))
    }

    pub fn number(&mut self, key: &'static str) -> Result<Option<Spanned<u32>>, Wrong> {
        let Some(value) = self.take(key) else {
            return Ok(None);
        };
        let number = match value.get_ref() {
            DeValue::Integer(number) => u32::from_str_radix(number.as_str(), number.radix()).ok(),
            _ => return Err(expected(&value, "a whole number")),
        };
        match number {
            Some(number) => Ok(Some(Spanned::new(value.span(), number))),
            None => Err(wrong(
                &value,
                format!("this number is out of range: write one from 0 to {}", u32::MAX),
            )),
        }
    }

    /// `true` or `false`; false where there is no such key.
    pub fn flag(&mut self, key: &'static str) -> Result<bool, Wrong> {
        match self.take(key) {
            None => Ok(false),
            Some(value) => match value.get_ref() {
                DeValue::Boolean(flag) => Ok(*flag),
                _ => Err(expected(&value, "true or false")),
            },
        }
    }

    /// One of some words, as what it stands for.
    pub fn one_of<T: Copy>(
        &mut self,
        key: &'static str,
        words: &[(&str, T)],
    ) -> Result<Option<Spanned<T>>, Wrong> {
        let Some(given) = self.text(key)? else {
            return Ok(None);
        };
        match words.iter().find(|(word, _)| word == given.get_ref()) {
            Some((_, meaning)) => Ok(Some(Spanned::new(given.span(), *meaning))),
            None => {
                let words: Vec<&str> = words.iter().map(|(word, _)| *word).collect();
                let what = format!("{key} is one of {}, not {:?}", words.join(", "), given.get_ref());
                Err(Wrong {
                    at: given.span(),
                    what,
                })
            }
        }
    }

    pub fn table(&mut self, key: &'static str) -> Result<Option<Self>, Wrong> {
        self.take(key).map(table).transpose()
    }

    /// The tables of an array of tables.
    pub fn tables(&mut self, key: &'static str) -> Result<Vec<Self>, Wrong> {
        match self.take(key) {
            None => Ok(Vec::new()),
            Some(value) => items(value)?.into_iter().map(table).collect(),
        }
    }

    /// What must be there.
    pub fn must<T>(&self, key: &str, value: Option<T>) -> Result<T, Wrong> {
        value.ok_or_else(|| Wrong {
            at: self.at.clone(),
            what: format!("{key} is missing here: add {key} = …"),
        })
    }

    /// All was taken, or the first of the rest is wrong.
    pub fn end(self) -> Result<(), Wrong> {
        match self.entries.iter().min_by_key(|(name, _)| name.span().start) {
            None => Ok(()),
            Some((name, _)) => Err(Wrong {
                at: name.span(),
                what: format!(
                    "{:?} is unknown here: write one of {}",
                    name.get_ref(),
                    self.known.join(", ")
                ),
            }),
        }
    }
}

fn wrong(value: &Spanned<DeValue<'_>>, what: String) -> Wrong {
    Wrong {
        at: value.span(),
        what,
    }
}

fn expected(value: &Spanned<DeValue<'_>>, wanted: &str) -> Wrong {
    let found = match value.get_ref() {
        DeValue::String(_) => "a string",
        DeValue::Integer(_) => "a whole number",
        DeValue::Float(_) => "a number with a point",
        DeValue::Boolean(_) => "true or false",
        DeValue::Datetime(_) => "a date or time",
        DeValue::Array(_) => "an array",
        DeValue::Table(_) => "a table",
    };
    wrong(value, format!("here stands {found}: write {wanted}"))
}

fn text(value: Spanned<DeValue<'_>>) -> Result<Spanned<String>, Wrong> {
    match value.get_ref() {
        DeValue::String(text) => Ok(Spanned::new(value.span(), text.to_string())),
        _ => Err(expected(&value, "a string")),
    }
}

fn items(value: Spanned<DeValue<'_>>) -> Result<Vec<Spanned<DeValue<'_>>>, Wrong> {
    if !matches!(value.get_ref(), DeValue::Array(_)) {
        return Err(expected(&value, "an array"));
    }
    match value.into_inner() {
        DeValue::Array(items) => Ok(items.into_iter().collect()),
        _ => Ok(Vec::new()),
    }
}

fn table(value: Spanned<DeValue<'_>>) -> Result<Table<'_>, Wrong> {
    if !matches!(value.get_ref(), DeValue::Table(_)) {
        return Err(expected(&value, "a table"));
    }
    let at = value.span();
    match value.into_inner() {
        DeValue::Table(table) => Ok(Table::new(at, table)),
        _ => Ok(Table::new(at, DeTable::new())),
    }
}
