//! What a report leaves out: cookies, values of configuration and environment, what hooks printed.

use crate::store::World;
use serde_json::{Map, Value};
use std::collections::BTreeSet;

/// What stands where something was taken out.
const HIDDEN: &str = "***";

/// Shorter texts are no secrets, and would be found everywhere.
const SHORTEST: usize = 4;

/// Names of things that stay hidden even when values are asked for.
const SECRET_WORDS: &[&str] = &[
    "secret",
    "passw",
    "token",
    "key",
    "credential",
    "private",
    "cookie",
    "macaroon",
    "auth",
    "psk",
];

/// Texts that must not be in a report, wherever they come from.
pub struct Secrets {
    /// The longest first, so that one that is part of another leaves nothing of it.
    texts: Vec<String>,
    /// Values are shown, but those that are called secret.
    values: bool,
}

impl Secrets {
    /// Everything in a state that is not for others.
    pub fn of(world: &World, values: bool) -> Self {
        let mut found = Self {
            texts: Vec::new(),
            values,
        };
        let mut texts: BTreeSet<String> = world.cookies.keys().cloned().collect();
        for config in world.config.values() {
            found.collect("", config, &mut texts);
        }
        for info in world
            .snaps
            .values()
            .flat_map(|snap| &snap.sequence)
            .map(|one| &one.info)
        {
            let of_apps = info.apps.values().flat_map(|app| &app.environment);
            let of_hooks = info.hooks.values().flat_map(|hook| &hook.environment);
            for (name, value) in info.environment.iter().chain(of_apps).chain(of_hooks) {
                // Where something is, is no secret.
                if found.hides(name) && !value.starts_with(['/', '$']) {
                    add(value, &mut texts);
                }
            }
        }
        for task in world.changes.values().flat_map(|change| &change.tasks) {
            for line in &task.log {
                if let Some((_, said)) = hook_output(line) {
                    add(said, &mut texts);
                }
            }
        }
        found.texts = texts.into_iter().collect();
        found.texts.sort_by_key(|text| std::cmp::Reverse(text.len()));
        found
    }

    fn hides(&self, name: &str) -> bool {
        !self.values || is_secret(name)
    }

    fn collect(&self, name: &str, value: &Value, texts: &mut BTreeSet<String>) {
        match value {
            Value::Object(map) => {
                for (key, inner) in map {
                    self.collect(inner_name(name, key), inner, texts);
                }
            }
            Value::Array(items) => items.iter().for_each(|inner| self.collect(name, inner, texts)),
            Value::String(text) if self.hides(name) => add(text, texts),
            Value::Number(number) if self.hides(name) && number.to_string().len() > SHORTEST => {
                add(&number.to_string(), texts);
            }
            _ => {}
        }
    }

    /// A value as a report may show it: its shape, and what is not to be hidden.
    pub fn masked(&self, name: &str, value: &Value) -> Value {
        match value {
            Value::Object(map) => {
                let inner = map
                    .iter()
                    .map(|(key, inner)| (key.clone(), self.masked(inner_name(name, key), inner)));
                Value::Object(inner.collect::<Map<_, _>>())
            }
            Value::Array(items) => items.iter().map(|inner| self.masked(name, inner)).collect(),
            other if !self.hides(name) => other.clone(),
            _ => Value::from(HIDDEN),
        }
    }

    /// A text without what must not be in it.
    pub fn hidden(&self, text: &str) -> String {
        let mut text = text.to_owned();
        for secret in &self.texts {
            if text.contains(secret.as_str()) {
                text = text.replace(secret.as_str(), HIDDEN);
            }
        }
        text
    }

    /// The same for every text in a value; names stay.
    pub fn hide_in(&self, value: &mut Value) {
        match value {
            Value::String(text) => *text = self.hidden(text),
            Value::Array(items) => items.iter_mut().for_each(|inner| self.hide_in(inner)),
            Value::Object(map) => map.values_mut().for_each(|inner| self.hide_in(inner)),
            _ => {}
        }
    }
}

/// A name that is called secret makes everything below it secret.
fn inner_name<'a>(outer: &'a str, key: &'a str) -> &'a str {
    if is_secret(outer) { outer } else { key }
}

fn is_secret(name: &str) -> bool {
    let name = name.to_lowercase();
    SECRET_WORDS.iter().any(|word| name.contains(word))
}

/// A text of several lines may come apart.
fn add(text: &str, texts: &mut BTreeSet<String>) {
    let lines = text.lines().map(str::trim);
    texts.extend(
        lines
            .filter(|line| line.len() >= SHORTEST && !line.chars().all(|letter| letter == '-'))
            .map(str::to_owned),
    );
}

/// What comes before a hook's output in a message, and the output.
fn hook_output(text: &str) -> Option<(&str, &str)> {
    let start = text.find("run hook \"")?;
    let end = start + text[start..].find("\": ")? + 3;
    Some(text.split_at(end))
}

/// A message without what a hook printed.
pub fn without_hook(text: &str) -> String {
    match hook_output(text) {
        Some((before, _)) => format!("{before}(what it printed is left out)"),
        None => text.to_owned(),
    }
}

/// A line of the configuration file without its value when that is called secret.
pub fn setting(line: &str) -> String {
    match line.split_once('=') {
        Some((name, _)) if is_secret(name) => format!("{name}= \"{HIDDEN}\""),
        _ => line.to_owned(),
    }
}
