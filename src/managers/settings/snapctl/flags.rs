//! The words of a command: switches and the rest.

use crate::domain::Fault;

/// A command's words, sorted out.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Flags {
    on: Vec<String>,
    pub words: Vec<String>,
}

impl Flags {
    /// Sorts words out; `short` switches may be joined (`-dt`). `--` ends the switches, and so does nothing else.
    pub fn read(args: &[String], short: &[&str], long: &[&str]) -> Result<Self, Fault> {
        let mut flags = Self::default();
        let mut words = args.iter();
        while let Some(word) = words.next() {
            if word == "--" {
                flags.words.extend(words.cloned());
                break;
            } else if let Some(name) = word.strip_prefix("--") {
                flags.switch_on(name, long)?;
            } else if let Some(letters) = word.strip_prefix('-').filter(|letters| !letters.is_empty()) {
                for letter in letters.chars() {
                    flags.switch_on(&letter.to_string(), short)?;
                }
            } else {
                flags.words.push(word.clone());
            }
        }
        Ok(flags)
    }

    fn switch_on(&mut self, name: &str, known: &[&str]) -> Result<(), Fault> {
        if !known.contains(&name) {
            return Err(Fault::bad(format!("unknown flag `{name}'")));
        }
        self.on.push(name.to_owned());
        Ok(())
    }

    /// A switch was given.
    pub fn has(&self, name: &str) -> bool {
        self.on.iter().any(|on| on == name)
    }
}
