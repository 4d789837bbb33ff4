//! The help of a command, and its usage line.

use super::{HELP, Rule, Spec, VERSION, Value, Word};
use crate::cli::tree::{AFTER_HELP, COMMON, ROOT};

/// How a command is written.
pub(super) fn usage(spec: &Spec, path: &str) -> String {
    let mut line = format!("Usage: {path}");
    let mut add = |text: &str| {
        line.push(' ');
        line.push_str(text);
    };
    add("[OPTIONS]");
    let mut choice: &[&str] = &[];
    for rule in spec.rules {
        if let Rule::ExactlyOne(names) = rule {
            choice = names;
            let forms: Vec<String> = names
                .iter()
                .filter_map(|name| spec.word(name))
                .map(|word| {
                    if word.is_option() {
                        word.usage()
                    } else {
                        word.name.to_owned()
                    }
                })
                .collect();
            add(&format!("<{}>", forms.join("|")));
        }
    }
    for word in spec.places().filter(|word| !choice.contains(&word.name)) {
        add(&word.usage());
    }
    if !spec.inner.is_empty() {
        add("<COMMAND>");
    }
    line.push('\n');
    line
}

/// The help of a command that is written so.
pub fn help(spec: &Spec, path: &str) -> String {
    let mut text = format!("{}\n\n{}", spec.about, usage(spec, path));
    let commands: Vec<_> = spec
        .inner
        .iter()
        .map(|inner| (inner.name.to_owned(), inner.about.to_owned()))
        .collect();
    section(&mut text, "Commands", &commands);
    let places: Vec<_> = spec.places().map(|word| (word.usage(), told(word))).collect();
    section(&mut text, "Arguments", &places);
    let mut options: Vec<_> = spec
        .takes
        .iter()
        .filter(|word| word.is_option())
        .filter_map(row)
        .collect();
    options.extend(row(&HELP));
    if path == ROOT.name {
        options.extend(row(&VERSION));
    }
    section(&mut text, "Options", &options);
    let common: Vec<_> = COMMON.iter().filter_map(row).collect();
    section(&mut text, "Common", &common);
    if path == ROOT.name {
        text.push('\n');
        text.push_str(AFTER_HELP);
        text.push('\n');
    }
    text
}

fn row(option: &Word) -> Option<(String, String)> {
    let short = match option.short {
        Some(letter) => format!("-{}, ", char::from(letter)),
        None => String::from("    "),
    };
    (!option.hidden).then(|| (format!("{short}{}", option.usage()), told(option)))
}

fn told(word: &Word) -> String {
    match word.value {
        Value::OneOf(values) => format!("{} [{}]", word.about, values.join(", "))
            .trim()
            .to_owned(),
        _ => word.about.to_owned(),
    }
}

fn section(text: &mut String, title: &str, rows: &[(String, String)]) {
    let Some(width) = rows.iter().map(|(left, _)| left.len()).max() else {
        return;
    };
    text.push_str(&format!("\n{title}:\n"));
    for (left, right) in rows {
        let line = format!("  {left:width$}  {right}");
        text.push_str(line.trim_end());
        text.push('\n');
    }
}
