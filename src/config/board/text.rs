//! A board file as it is written, before anything is held against it.

use super::Driver;
use crate::config::table::{Table, Wrong};
use crate::domain::hardware::OnRelease;
use toml::Spanned;

pub(super) struct FileText {
    pub name: Spanned<String>,
    pub model: Option<String>,
    pub compatible: Vec<Spanned<String>>,
    pub driver: Driver,
    pub discover: bool,
    pub chips: Vec<ChipText>,
    pub lines: Vec<LineText>,
    pub leds: Vec<LedText>,
    pub header: Option<HeaderText>,
    pub headers: Vec<HeaderText>,
}

pub(super) struct ChipText {
    pub label: Spanned<String>,
    pub lines: Option<u32>,
    pub base: Option<u32>,
    pub on_release: OnRelease,
    pub sysfs: bool,
    pub marked_by: Option<MarkText>,
    pub unverified: bool,
    pub source: Option<String>,
}

pub(super) struct MarkText {
    pub offset: Spanned<u32>,
    pub name: String,
}

pub(super) struct LineText {
    pub name: Spanned<String>,
    pub chip: Option<Spanned<String>>,
    pub offset: Spanned<u32>,
    pub aliases: Vec<Spanned<String>>,
    pub function: Option<String>,
    pub safe_value: Option<Spanned<u32>>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum LedKindText {
    Class,
    Line,
    Sim,
}

pub(super) struct LedText {
    pub name: Spanned<String>,
    pub kind: Spanned<LedKindText>,
    pub paths: Option<Spanned<Vec<String>>>,
    pub line: Option<Spanned<String>>,
    pub aliases: Vec<Spanned<String>>,
    pub trigger: Option<String>,
    pub unverified: bool,
    pub source: Option<String>,
}

pub(super) struct HeaderText {
    pub name: Option<Spanned<String>>,
    pub pins: Vec<Spanned<String>>,
}

impl FileText {
    pub fn read(text: &str) -> Result<Self, Wrong> {
        let mut file = Table::parse(text)?;
        let name = file.text("name")?;
        let read = Self {
            name: file.must("name", name)?,
            model: plain(file.text("model")?),
            compatible: texts(&mut file, "compatible")?,
            driver: file
                .one_of(
                    "driver",
                    &[("kernel", Driver::Kernel), ("simulator", Driver::Simulator)],
                )?
                .map_or(Driver::default(), Spanned::into_inner),
            discover: file.flag("discover")?,
            chips: each(&mut file, "chips", chip)?,
            lines: each(&mut file, "lines", line)?,
            leds: each(&mut file, "leds", led)?,
            header: file.table("header")?.map(header).transpose()?,
            headers: each(&mut file, "headers", header)?,
        };
        file.end()?;
        Ok(read)
    }
}

fn chip(mut table: Table<'_>) -> Result<ChipText, Wrong> {
    const RELEASES: [(&str, OnRelease); 3] = [
        ("input", OnRelease::Input),
        ("keep", OnRelease::Keep),
        ("pull", OnRelease::Pull),
    ];
    let label = table.text("label")?;
    let chip = ChipText {
        label: table.must("label", label)?,
        lines: plain(table.number("lines")?),
        base: plain(table.number("base")?),
        on_release: table
            .one_of("on-release", &RELEASES)?
            .map_or(OnRelease::default(), Spanned::into_inner),
        sysfs: table.flag("sysfs")?,
        marked_by: table.table("marked-by")?.map(mark).transpose()?,
        unverified: table.flag("unverified")?,
        source: plain(table.text("source")?),
    };
    table.end()?;
    Ok(chip)
}

fn mark(mut table: Table<'_>) -> Result<MarkText, Wrong> {
    let (offset, name) = (table.number("offset")?, table.text("name")?);
    let mark = MarkText {
        offset: table.must("offset", offset)?,
        name: table.must("name", name)?.into_inner(),
    };
    table.end()?;
    Ok(mark)
}

fn line(mut table: Table<'_>) -> Result<LineText, Wrong> {
    let (name, offset) = (table.text("name")?, table.number("offset")?);
    let line = LineText {
        name: table.must("name", name)?,
        chip: table.text("chip")?,
        offset: table.must("offset", offset)?,
        aliases: texts(&mut table, "aliases")?,
        function: plain(table.text("function")?),
        safe_value: table.number("safe-value")?,
    };
    table.end()?;
    Ok(line)
}

fn led(mut table: Table<'_>) -> Result<LedText, Wrong> {
    const KINDS: [(&str, LedKindText); 3] = [
        ("class", LedKindText::Class),
        ("line", LedKindText::Line),
        ("sim", LedKindText::Sim),
    ];
    let (name, kind) = (table.text("name")?, table.one_of("kind", &KINDS)?);
    let led = LedText {
        name: table.must("name", name)?,
        kind: table.must("kind", kind)?,
        paths: table.texts("paths")?.map(|paths| {
            let at = paths.span();
            Spanned::new(
                at,
                paths.into_inner().into_iter().map(Spanned::into_inner).collect(),
            )
        }),
        line: table.text("line")?,
        aliases: texts(&mut table, "aliases")?,
        trigger: plain(table.text("trigger")?),
        unverified: table.flag("unverified")?,
        source: plain(table.text("source")?),
    };
    table.end()?;
    Ok(led)
}

fn header(mut table: Table<'_>) -> Result<HeaderText, Wrong> {
    let (name, pins) = (table.text("name")?, table.texts("pins")?);
    let header = HeaderText {
        name,
        pins: table.must("pins", pins)?.into_inner(),
    };
    table.end()?;
    Ok(header)
}

fn plain<T>(value: Option<Spanned<T>>) -> Option<T> {
    value.map(Spanned::into_inner)
}

fn texts(table: &mut Table<'_>, key: &'static str) -> Result<Vec<Spanned<String>>, Wrong> {
    Ok(plain(table.texts(key)?).unwrap_or_default())
}

fn each<T>(
    table: &mut Table<'_>,
    key: &'static str,
    read: fn(Table<'_>) -> Result<T, Wrong>,
) -> Result<Vec<T>, Wrong> {
    let mut all = Vec::new();
    for table in table.tables(key)? {
        all.push(read(table)?);
    }
    Ok(all)
}
