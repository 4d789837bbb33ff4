//! The words of a command: switches, values and the rest.

use crate::domain::Fault;

/// A command's words, sorted out.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Flags {
    on: Vec<(String, String)>,
    pub words: Vec<String>,
}

impl Flags {
    /// Sorts words out by the names that a command knows: switches of one letter may be joined (`-dt`), a name that
    /// ends in `=` takes a value (`--code=x` or `--code x`). `--` ends the switches, and so does nothing else.
    pub fn read(args: &[String], known: &[&str]) -> Result<Self, Fault> {
        let mut flags = Self::default();
        let mut words = args.iter();
        while let Some(word) = words.next() {
            if word == "--" {
                flags.words.extend(words.cloned());
                break;
            } else if let Some(name) = word.strip_prefix("--") {
                let (name, given) = match name.split_once('=') {
                    Some((name, value)) => (name, Some(value.to_owned())),
                    None => (name, None),
                };
                let value = match (known.contains(&format!("{name}=").as_str()), given) {
                    (true, Some(value)) => value,
                    (true, None) => words.next().cloned().ok_or_else(|| no_value("--", name))?,
                    (false, None) if name.len() > 1 && known.contains(&name) => String::new(),
                    (false, Some(_)) if name.len() > 1 && known.contains(&name) => {
                        return Err(Fault::bad(format!(
                            "bool flag `--{name}' cannot have an argument"
                        )));
                    }
                    (false, _) => return Err(unknown(name)),
                };
                flags.on.push((name.to_owned(), value));
            } else if let Some(letters) = word.strip_prefix('-').filter(|letters| !letters.is_empty()) {
                for (at, letter) in letters.char_indices() {
                    let name = letter.to_string();
                    if known.contains(&format!("{name}=").as_str()) {
                        let joined = letters[at + letter.len_utf8()..].to_owned();
                        let value = match joined.is_empty() {
                            true => words.next().cloned(),
                            false => Some(joined),
                        };
                        flags
                            .on
                            .push((name.clone(), value.ok_or_else(|| no_value("-", &name))?));
                        break;
                    }
                    if !known.contains(&name.as_str()) {
                        return Err(unknown(&name));
                    }
                    flags.on.push((name, String::new()));
                }
            } else {
                flags.words.push(word.clone());
            }
        }
        Ok(flags)
    }

    /// A switch was given.
    pub fn has(&self, name: &str) -> bool {
        self.value(name).is_some()
    }

    /// The last value that a name was given.
    pub fn value(&self, name: &str) -> Option<&str> {
        let given = self.on.iter().rev().find(|(on, _)| on == name);
        given.map(|(_, value)| value.as_str())
    }

    /// Refuses two switches that contradict each other.
    pub fn not_both(&self, one: &str, other: &str) -> Result<(), Fault> {
        let dashes = |name: &str| if name.len() == 1 { "-" } else { "--" };
        match self.has(one) && self.has(other) {
            false => Ok(()),
            true => Err(Fault::bad(format!(
                "cannot use {}{one} and {}{other} together",
                dashes(one),
                dashes(other)
            ))),
        }
    }
}

fn no_value(dashes: &str, name: &str) -> Fault {
    Fault::bad(format!("expected argument for flag `{dashes}{name}'"))
}

/// The refusal of a switch that a command has not.
pub(super) fn unknown(name: &str) -> Fault {
    Fault::bad(format!("unknown flag `{name}'"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn words_and_flags_are_told_apart() {
        let read = |line: &str| {
            let args: Vec<String> = line.split(' ').map(str::to_owned).collect();
            Flags::read(&args, &["d", "t", "plug", "code=", "o="]).map_err(|fault| fault.message)
        };
        let flags = read("-dtoab a -o c --code x --plug - --code=y=z -- -b --plug").expect("flags");
        assert!(flags.has("d") && flags.has("t") && flags.has("plug"));
        assert_eq!(flags.value("code"), Some("y=z"));
        assert_eq!(flags.value("o"), Some("c"));
        assert_eq!(flags.words, ["a", "-", "-b", "--plug"]);
        for (line, text) in [
            ("-x", "unknown flag `x'"),
            ("--version", "unknown flag `version'"),
            ("--version=1", "unknown flag `version'"),
            ("--d", "unknown flag `d'"),
            ("a -do", "expected argument for flag `-o'"),
            ("a --code", "expected argument for flag `--code'"),
            ("--plug=1", "bool flag `--plug' cannot have an argument"),
        ] {
            assert_eq!(read(line), Err(text.into()), "{line}");
        }
        assert_eq!(
            flags.not_both("d", "plug").map_err(|fault| fault.message),
            Err("cannot use -d and --plug together".into())
        );
    }

    proptest! {
        /// Each word is a switch, a switch's value or a word, and what is not known is refused.
        #[test]
        fn any_words_are_sorted_out(args in prop::collection::vec("(-{0,3}(d|t|o|code|plug|x|ä)?(=.{0,3})?|.{0,6})", 0..8)) {
            let known = ["d", "t", "plug", "code=", "o="];
            if let Ok(flags) = Flags::read(&args, &known) {
                prop_assert!(flags.words.iter().all(|word| args.contains(word)));
                let names = flags.on.iter().map(|(name, _)| name.trim_end_matches('='));
                for name in names {
                    prop_assert!(known.iter().any(|known| known.trim_end_matches('=') == name), "{name}");
                }
                let chars: usize = args.iter().map(|word| word.chars().count()).sum();
                prop_assert!(flags.on.len() + flags.words.len() <= chars + args.len());
                let last = args.iter().position(|word| word == "--").map_or(0, |at| args.len() - at - 1);
                prop_assert!(flags.words.len() >= last || args.iter().any(|word| word.ends_with("code") || word.ends_with('o')));
            }
        }
    }
}
