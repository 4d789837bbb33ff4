//! A YAML document as a tree with places, before anything is known of its meaning.
//!
//! The events of the parser become [`Node`]s, bounded in size, depth, anchors and what aliases repeat. A plain scalar
//! keeps its text: `version: 1.10` is "1.10" for who wants a text and a number for who wants any value. What a scalar
//! means is YAML 1.1 as snapd's reader has it: `yes` and `on` are booleans, `0644` is octal.

use super::MAX_SIZE;
use granit_parser::{Event, Marker, Options, Parser, ScalarStyle, ScanError, Span, StrInput, Tag};
use serde_json::{Map, Number, Value};
use std::collections::BTreeMap;
use std::fmt;

const MAX_DEPTH: usize = 32;
const MAX_NODES: usize = 100_000;
const MAX_ALIASES: usize = 100;
/// What all aliases together may repeat.
const MAX_REPEATED_NODES: usize = 10_000;

/// Where something stands, counted from 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Place {
    line: usize,
    column: usize,
}

impl From<&Marker> for Place {
    fn from(marker: &Marker) -> Self {
        Self {
            line: marker.line(),
            column: marker.col() + 1,
        }
    }
}

/// What is wrong, and where.
#[derive(Debug)]
pub(super) struct Wrong {
    place: Place,
    what: String,
}

impl fmt::Display for Wrong {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Place { line, column } = self.place;
        write!(f, "line {line} column {column}: {}", self.what)
    }
}

impl From<ScanError> for Wrong {
    fn from(error: ScanError) -> Self {
        Self {
            place: Place::from(error.marker()),
            what: error.info(),
        }
    }
}

/// One value and where it stands.
#[derive(Clone, Debug)]
pub(super) struct Node {
    pub place: Place,
    pub says: Says,
}

#[derive(Clone, Debug)]
pub(super) enum Says {
    Null,
    /// A plain scalar, as it is written.
    Plain(String),
    /// A scalar in quotes, as a block, or tagged as a text.
    Text(String),
    List(Vec<Node>),
    /// In the order of the file, each key once.
    Map(Vec<(String, Node)>),
}

impl Node {
    pub fn wrong(&self, what: impl Into<String>) -> Wrong {
        Wrong {
            place: self.place,
            what: what.into(),
        }
    }

    fn expected(&self, wanted: &str) -> Wrong {
        let found = match self.says {
            Says::Null => "nothing",
            Says::Plain(_) | Says::Text(_) => "a text",
            Says::List(_) => "a list",
            Says::Map(_) => "a map",
        };
        self.wrong(format!("there is {found}: write {wanted}"))
    }

    /// A text; nothing is `None`.
    pub fn text(self) -> Result<Option<String>, Wrong> {
        match self.says {
            Says::Null => Ok(None),
            Says::Plain(text) | Says::Text(text) => Ok(Some(text)),
            Says::List(_) | Says::Map(_) => Err(self.expected("a text")),
        }
    }

    /// The items of a list; nothing is `None`.
    pub fn list(self) -> Result<Option<Vec<Node>>, Wrong> {
        match self.says {
            Says::Null => Ok(None),
            Says::List(items) => Ok(Some(items)),
            _ => Err(self.expected("a list")),
        }
    }

    /// The entries of a map; nothing is `None`.
    pub fn map(self) -> Result<Option<Vec<(String, Node)>>, Wrong> {
        match self.says {
            Says::Null => Ok(None),
            Says::Map(entries) => Ok(Some(entries)),
            _ => Err(self.expected("a map")),
        }
    }

    /// A list of texts.
    pub fn texts(self) -> Result<Option<Vec<String>>, Wrong> {
        let Some(items) = self.list()? else {
            return Ok(None);
        };
        let texts = items.into_iter().map(|item| {
            let place = item.place;
            let missing = Wrong {
                place,
                what: String::from("an item of the list is empty: write a text or remove it"),
            };
            item.text()?.ok_or(missing)
        });
        texts.collect::<Result<_, _>>().map(Some)
    }

    /// Whatever it is.
    pub fn value(self) -> Result<Value, Wrong> {
        Ok(match self.says {
            Says::Null => Value::Null,
            Says::Text(text) => Value::String(text),
            Says::Plain(text) => match scalar(&text) {
                Some(value) => value,
                None => {
                    return Err(Wrong {
                        place: self.place,
                        what: format!("{text:?} is no finite number: write one, or put it in quotes"),
                    });
                }
            },
            Says::List(items) => {
                let mut list = Vec::with_capacity(items.len());
                for item in items {
                    list.push(item.value()?);
                }
                Value::Array(list)
            }
            Says::Map(entries) => {
                let mut map = Map::new();
                for (key, node) in entries {
                    map.insert(key, node.value()?);
                }
                Value::Object(map)
            }
        })
    }

    /// Nodes, bytes of text, and depth: what repeating it costs.
    fn weight(&self) -> Weight {
        match &self.says {
            Says::Null => Weight {
                nodes: 1,
                bytes: 0,
                depth: 1,
            },
            Says::Plain(text) | Says::Text(text) => Weight {
                nodes: 1,
                bytes: text.len(),
                depth: 1,
            },
            Says::List(items) => items
                .iter()
                .fold(Weight::COLLECTION, |sum, item| sum.with(item.weight(), 0)),
            Says::Map(entries) => entries.iter().fold(Weight::COLLECTION, |sum, (key, node)| {
                sum.with(node.weight(), key.len())
            }),
        }
    }
}

#[derive(Clone, Copy)]
struct Weight {
    nodes: usize,
    bytes: usize,
    depth: usize,
}

impl Weight {
    const COLLECTION: Self = Self {
        nodes: 1,
        bytes: 0,
        depth: 1,
    };

    fn with(self, inner: Self, key: usize) -> Self {
        Self {
            nodes: self.nodes + inner.nodes,
            bytes: self.bytes + inner.bytes + key,
            depth: self.depth.max(inner.depth + 1),
        }
    }
}

/// What a plain scalar means. `None` for a number that is not finite.
fn scalar(text: &str) -> Option<Value> {
    let is = |words: &[&str]| words.iter().any(|word| text.eq_ignore_ascii_case(word));
    if is(&["true", "yes", "y", "on"]) {
        return Some(Value::Bool(true));
    }
    if is(&["false", "no", "n", "off"]) {
        return Some(Value::Bool(false));
    }
    let (negative, digits) = match text.as_bytes().first() {
        Some(b'-') => (true, &text[1..]),
        Some(b'+') => (false, &text[1..]),
        _ => (false, text),
    };
    if let Some(number) = whole(digits) {
        let number = match (negative, i64::try_from(number)) {
            (false, _) => Some(Number::from(number)),
            (true, Ok(number)) => Some(Number::from(-number)),
            (true, Err(_)) => None,
        };
        if let Some(number) = number {
            return Some(Value::Number(number));
        }
    }
    if is(&[".nan", ".inf", "-.inf", "+.inf"]) {
        return None;
    }
    if digits.starts_with(|c: char| c.is_ascii_digit() || c == '.')
        && let Ok(float) = text.parse::<f64>()
    {
        return Number::from_f64(float).map(Value::Number);
    }
    Some(Value::String(text.to_owned()))
}

/// Digits in base 16, 8, 2 by their prefix, else 10; `_` may stand between two of them.
fn whole(digits: &str) -> Option<u64> {
    let (base, digits) = match digits.as_bytes() {
        [b'0', b'x' | b'X', ..] => (16, &digits[2..]),
        [b'0', b'o' | b'O', ..] => (8, &digits[2..]),
        [b'0', b'b' | b'B', ..] => (2, &digits[2..]),
        [b'0', _, ..] => (8, &digits[1..]),
        _ => (10, digits),
    };
    let apart = !digits.starts_with('_') && !digits.ends_with('_') && !digits.contains("__");
    let plain: String = digits.chars().filter(|c| *c != '_').collect();
    let fits = apart && !plain.is_empty() && plain.chars().all(|c| c.is_digit(base));
    fits.then(|| u64::from_str_radix(&plain, base).ok()).flatten()
}

/// Reads the one document of a text; an empty one is nothing.
pub(super) fn parse(text: &str) -> Result<Node, Wrong> {
    let mut options = Options::default();
    options.flow_nesting_limit = MAX_DEPTH;
    options.block_nesting_limit = MAX_DEPTH;
    let mut reader = Reader {
        parser: Parser::new_from_str_with_options(text, options),
        anchors: BTreeMap::new(),
        nodes: 0,
        aliases: 0,
        repeated: Weight {
            nodes: 0,
            bytes: 0,
            depth: 0,
        },
    };
    let mut document = None;
    while let Some((event, span)) = reader.next()? {
        let place = Place::from(&span.start);
        match event {
            Event::StreamStart | Event::DocumentEnd => {}
            Event::DocumentStart(..) if document.is_none() => {}
            Event::DocumentStart(..) => {
                let what = String::from("a second document begins: keep one");
                return Err(Wrong { place, what });
            }
            Event::StreamEnd => break,
            event => document = Some(reader.node(event, &span, 1)?),
        }
    }
    let place = Place { line: 1, column: 1 };
    Ok(document.unwrap_or(Node {
        place,
        says: Says::Null,
    }))
}

struct Reader<'a> {
    parser: Parser<'a, StrInput<'a>>,
    /// What aliases may repeat, by the parser's number.
    anchors: BTreeMap<usize, Node>,
    nodes: usize,
    aliases: usize,
    repeated: Weight,
}

impl<'a> Reader<'a> {
    fn next(&mut self) -> Result<Option<(Event<'a>, Span)>, Wrong> {
        Ok(self.parser.next_event().transpose()?)
    }

    /// The next event of a collection that began at a place.
    fn inside(&mut self, place: Place) -> Result<(Event<'a>, Span), Wrong> {
        let what = String::from("what begins here has no end");
        self.next()?.ok_or(Wrong { place, what })
    }

    fn node(&mut self, event: Event<'a>, span: &Span, depth: usize) -> Result<Node, Wrong> {
        let place = Place::from(&span.start);
        let wrong = |what: &str| Wrong {
            place,
            what: what.to_owned(),
        };
        self.nodes += 1;
        if self.nodes > MAX_NODES {
            return Err(wrong("there are too many values: leave some out"));
        }
        if depth > MAX_DEPTH {
            return Err(wrong("it is nested too deeply: use fewer levels"));
        }
        let (anchor, says) = match event {
            Event::Scalar(text, style, anchor, tag) => {
                let says = tagged(text.into_owned(), style, tag.as_deref());
                (anchor, says.map_err(|what| Wrong { place, what })?)
            }
            Event::SequenceStart(_, anchor, _) => {
                let mut items = Vec::new();
                loop {
                    match self.inside(place)? {
                        (Event::SequenceEnd, _) => break,
                        (event, span) => items.push(self.node(event, &span, depth + 1)?),
                    }
                }
                (anchor, Says::List(items))
            }
            Event::MappingStart(_, anchor, _) => (anchor, Says::Map(self.entries(place, depth)?)),
            Event::Alias(id) => {
                self.aliases += 1;
                let known = self
                    .anchors
                    .get(&id)
                    .ok_or_else(|| wrong("an alias stands inside of what it repeats: write it out"))?;
                let weight = known.weight();
                self.repeated = self.repeated.with(weight, 0);
                if self.aliases > MAX_ALIASES
                    || self.repeated.nodes > MAX_REPEATED_NODES
                    || self.repeated.bytes > MAX_SIZE
                    || depth + weight.depth > MAX_DEPTH
                {
                    return Err(wrong("aliases repeat too much: write it out"));
                }
                return Ok(known.clone());
            }
            _ => return Err(wrong("a value is missing here: write one")),
        };
        let node = Node { place, says };
        if anchor != 0 {
            // What an anchor keeps is a copy, too.
            self.repeated = self.repeated.with(node.weight(), 0);
            if self.repeated.nodes > MAX_REPEATED_NODES || self.repeated.bytes > MAX_SIZE {
                return Err(node.wrong("too much has an anchor: leave some out"));
            }
            self.anchors.insert(anchor, node.clone());
        }
        Ok(node)
    }

    fn entries(&mut self, place: Place, depth: usize) -> Result<Vec<(String, Node)>, Wrong> {
        let mut entries: Vec<(String, Node)> = Vec::new();
        // Where each key is; what a merge brought gives way to what is written.
        let mut known: BTreeMap<String, (usize, bool)> = BTreeMap::new();
        loop {
            let (event, span) = self.inside(place)?;
            if event == Event::MappingEnd {
                return Ok(entries);
            }
            let key = self.node(event, &span, depth + 1)?;
            let (event, span) = self.inside(place)?;
            let value = self.node(event, &span, depth + 1)?;
            let place = key.place;
            let key = match key.says {
                Says::Plain(text) if text == "<<" => {
                    for (key, node) in merged(value)? {
                        known.entry(key.clone()).or_insert_with(|| {
                            entries.push((key, node));
                            (entries.len() - 1, true)
                        });
                    }
                    continue;
                }
                Says::Plain(text) | Says::Text(text) => text,
                _ => return Err(key.wrong("only a text can be a key: write one")),
            };
            match known.get_mut(&key) {
                Some((_, false)) => {
                    let what = format!("the key {key:?} stands here again: keep one");
                    return Err(Wrong { place, what });
                }
                Some((at, from_merge)) => {
                    *from_merge = false;
                    if let Some(entry) = entries.get_mut(*at) {
                        entry.1 = value;
                    }
                }
                None => {
                    known.insert(key.clone(), (entries.len(), false));
                    entries.push((key, value));
                }
            }
        }
    }
}

/// The entries that a merge key brings: of one map, or of several, where the first has the word.
fn merged(node: Node) -> Result<Vec<(String, Node)>, Wrong> {
    match node.says {
        Says::Map(entries) => Ok(entries),
        Says::List(maps) => {
            let mut all = Vec::new();
            for map in maps {
                match map.says {
                    Says::Map(entries) => all.extend(entries),
                    _ => return Err(map.expected("a map to merge")),
                }
            }
            Ok(all)
        }
        _ => Err(node.expected("a map to merge")),
    }
}

fn tagged(text: String, style: ScalarStyle, tag: Option<&Tag>) -> Result<Says, String> {
    let is_plain = style == ScalarStyle::Plain;
    let core = tag.and_then(|tag| tag.suffix_in_namespace("tag:yaml.org,2002:"));
    let local = tag.is_some_and(|tag| tag.parts() == ("", "!") || tag.parts() == ("!", ""));
    match core.as_deref() {
        Some("str") => Ok(Says::Text(text)),
        Some("null") => Ok(Says::Null),
        Some("bool" | "int" | "float") => Ok(Says::Plain(text)),
        Some(other) => Err(format!(
            "the tag !!{} has no meaning here: remove it",
            other.escape_debug()
        )),
        None if local || !is_plain => Ok(Says::Text(text)),
        None if matches!(text.as_str(), "" | "~" | "null" | "Null" | "NULL") => Ok(Says::Null),
        None => Ok(Says::Plain(text)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn value(text: &str) -> Value {
        parse(text)
            .and_then(Node::value)
            .unwrap_or_else(|wrong| panic!("{text:?}: {wrong}"))
    }

    fn wrong(text: &str) -> String {
        match parse(text).and_then(Node::value) {
            Err(wrong) => wrong.to_string(),
            Ok(value) => panic!("{text:?} is {value}"),
        }
    }

    // contract: snaps-and-assertions, section 1 (snapd's reader is YAML 1.1 for scalars)
    #[test]
    fn plain_scalars_have_their_types() {
        for (text, wanted) in [
            ("yes", json!(true)),
            ("Off", json!(false)),
            ("null", json!(null)),
            ("~", json!(null)),
            ("''", json!("")),
            ("17", json!(17)),
            ("-17", json!(-17)),
            ("+17", json!(17)),
            ("0x1F", json!(31)),
            ("0o17", json!(15)),
            ("0644", json!(420)),
            ("089", json!(89.0)),
            ("0b101", json!(5)),
            ("1_000", json!(1000)),
            ("1__0", json!("1__0")),
            ("18446744073709551615", json!(u64::MAX)),
            ("-9223372036854775809", json!(-9223372036854775808.0)),
            ("1.5", json!(1.5)),
            ("1e3", json!(1000.0)),
            ("inf", json!("inf")),
            ("nan", json!("nan")),
            ("1.2.3", json!("1.2.3")),
            ("-", json!([null])),
            ("'17'", json!("17")),
            ("!!str 17", json!("17")),
            ("! 17", json!("17")),
            ("!!int '17'", json!(17)),
            ("!mine 17", json!(17)),
            ("!!null x", json!(null)),
            ("é", json!("é")),
        ] {
            assert_eq!(value(text), wanted, "{text:?}");
        }
    }

    #[test]
    fn texts_stay_as_they_are_written() {
        let map = parse("a: 1.10\nb: yes\nc: 007\nd:\n")
            .and_then(Node::map)
            .expect("fine")
            .expect("a map");
        let texts: Vec<_> = map
            .into_iter()
            .map(|(key, node)| (key, node.text().expect("a text")))
            .collect();
        let text = |key: &str, text: &str| (key.to_owned(), Some(text.to_owned()));
        assert_eq!(
            texts,
            [
                text("a", "1.10"),
                text("b", "yes"),
                text("c", "007"),
                ("d".to_owned(), None)
            ]
        );
    }

    #[test]
    fn aliases_repeat_and_merges_give_way() {
        let text = "a: &a {x: 1, y: 2}\nb: *a\nc:\n  y: 3\n  <<: *a\nd: {<<: [{x: 4}, *a], z: 5}\n";
        assert_eq!(
            value(text),
            json!({
                "a": {"x": 1, "y": 2},
                "b": {"x": 1, "y": 2},
                "c": {"x": 1, "y": 3},
                "d": {"x": 4, "y": 2, "z": 5},
            })
        );
        assert_eq!(value("e: {<<: {x: 1}, x: 2}"), json!({"e": {"x": 2}}));
    }

    #[test]
    fn what_is_wrong_has_its_place() {
        for (text, wanted) in [
            (
                "a: 1\nb: 2\na: 3\n",
                "line 3 column 1: the key \"a\" stands here again",
            ),
            ("a: 1\n---\nb: 2\n", "line 2 column 1: a second document"),
            ("a: [1, 2\n", "line 1 column 4: unclosed bracket"),
            ("a: *b\n", "line 1 column 4"),
            ("a: &a [*a]\n", "line 1 column 8: an alias stands inside"),
            ("? [1]\n: 2\n", "line 1 column 3: only a text can be a key"),
            ("a:\n  - !!binary aGk=\n", "the tag !!binary has no meaning"),
            ("a: !!%1bx b\n", "the tag !!\\u{1b}x has no meaning"),
            ("a: .inf\n", "line 1 column 4: \".inf\" is no finite number"),
            ("a: 1e999\n", "line 1 column 4: \"1e999\" is no finite number"),
            (
                "<<: 1\n",
                "line 1 column 5: there is a text: write a map to merge",
            ),
        ] {
            let said = wrong(text);
            assert!(said.contains(wanted), "{text:?}: {said}");
        }
    }

    #[test]
    fn everything_is_bounded() {
        let nested = |depth: usize| format!("{}1{}", "[".repeat(depth), "]".repeat(depth));
        assert!(parse(&nested(30)).is_ok());
        assert!(parse(&nested(40)).is_err());
        let block = |depth: usize| {
            (0..depth)
                .map(|n| format!("{}a:\n", " ".repeat(n)))
                .collect::<String>()
        };
        assert!(parse(&block(30)).is_ok());
        assert!(parse(&block(40)).is_err());
        assert!(wrong(&format!("[{}]", "1,".repeat(MAX_NODES))).contains("too many values"));
        assert!(
            wrong(&format!("a: &a 1\nb: [{}]", "*a,".repeat(MAX_ALIASES + 1))).contains("repeat too much")
        );
        let long = "x".repeat(MAX_SIZE / 10);
        assert!(wrong(&format!("a: &a {long}\nb: [{}]", "*a,".repeat(10))).contains("repeat too much"));
        let deep = format!("a: &a {}\nb: {}*a{}", nested(20), "[".repeat(20), "]".repeat(20));
        assert!(wrong(&deep).contains("repeat too much"));
        let anchored = (0..200)
            .map(|n| format!("- &a{n} [{}]\n", "1,".repeat(100)))
            .collect::<String>();
        assert!(wrong(&anchored).contains("too much has an anchor"));
    }
}
