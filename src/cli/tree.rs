//! The table of commands.
//!
//! To add a command: a variant of [`Ask`] (or `Here`, when no agent is asked) in `args.rs`, an entry in one of the
//! files of this folder and in the list here, and an arm in `cli/mod.rs`. The entry says what the command takes and how
//! its variant is made of it; parsing, help, completions and suggestions follow from it. Each word of an entry has to be
//! asked for by its name in the function of the entry: a test tries them all. Options begin with `--`; `.short(b'n')`
//! adds `-n`, `.number()`, `.one_of(…)` and `.path()` say what a value must be, and a command that has an `inner` table
//! is a group such as `sim`. What goes together and what does not is said by `.rules(…)`.

mod agent;
mod changes;
mod hardware;
mod interfaces;
mod services;
mod snaps;

use super::args::{Ask, Command, Waiting};
use super::words::{Found, Spec, Word, flag, option};

/// What every command takes.
pub const COMMON: &[Word] = &[
    option(
        "--socket",
        "PATH",
        "The agent's socket [default: run/snapd.socket below the root]",
    )
    .path(),
    option(
        "--root",
        "DIR",
        "The directory that the agent manages [default: /]",
    )
    .path(),
    flag("--json", "Print results as JSON, for scripts"),
];

/// The last words of the first help.
pub const AFTER_HELP: &str = "Exit codes: 0 done, 1 failed, 2 wrong usage. More: pinion help hardware, boards, snaps, api, reliability.";

/// All there is.
pub static ROOT: Spec = Spec::new(
    "pinion",
    "A small device management agent for Linux boards: snaps, pins and LEDs",
    nothing,
)
.inner(COMMANDS);

const NO_WAIT: Word = flag("--no-wait", "Print the id of the change and do not wait for it");

/// In the order of the help.
const COMMANDS: &[Spec] = &[
    snaps::LIST,
    snaps::INFO,
    snaps::INSTALL,
    snaps::REMOVE,
    snaps::REVERT,
    snaps::ENABLE,
    snaps::DISABLE,
    snaps::SWITCH,
    snaps::REFRESH,
    snaps::TRY,
    interfaces::CONNECTIONS,
    interfaces::CONNECT,
    interfaces::DISCONNECT,
    interfaces::INTERFACE,
    services::SERVICES,
    services::START,
    services::STOP,
    services::RESTART,
    services::LOGS,
    changes::CHANGES,
    changes::TASKS,
    changes::WATCH,
    changes::ABORT,
    snaps::GET,
    snaps::SET,
    snaps::UNSET,
    changes::WARNINGS,
    changes::OKAY,
    snaps::ALIASES,
    snaps::ALIAS,
    snaps::UNALIAS,
    snaps::PREFER,
    changes::NOTICES,
    agent::DEBUG,
    hardware::BOARD,
    hardware::GADGET,
    hardware::LINE,
    hardware::LED,
    hardware::EVENTS,
    hardware::SIM,
    hardware::DEMO,
    agent::COMPLETIONS,
    agent::VERSION,
    agent::HELP,
    agent::DAEMON,
    agent::RUN,
    agent::SNAPCTL,
    agent::CHECK,
    agent::REPORT,
    agent::PACK,
];

fn waiting(found: &mut Found) -> Waiting {
    Waiting {
        no_wait: found.flag("--no-wait"),
    }
}

/// A group does nothing by itself; the reader never gets here.
fn nothing(_: &mut Found) -> Command {
    Ask::Help { topic: Vec::new() }.into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::words::{Rule, Value};

    fn each(spec: &'static Spec, path: &str, look: &mut dyn FnMut(&'static Spec, &str)) {
        look(spec, path);
        for inner in spec.inner {
            each(inner, &format!("{path} {}", inner.name), look);
        }
    }

    fn value_of(word: &Word) -> &'static str {
        match word.value {
            Value::OneOf(values) => values[0],
            _ => "1",
        }
    }

    #[test]
    fn every_word_is_asked_for_by_its_command() {
        each(&ROOT, "pinion", &mut |spec, path| {
            let mut found = Found::of(
                spec,
                spec.takes
                    .iter()
                    .map(|word| (word.name, value_of(word)))
                    .collect(),
            );
            (spec.make)(&mut found);
            assert!(found.is_empty(), "{path}");
        });
    }

    #[test]
    fn names_are_unique_and_known() {
        each(&ROOT, "pinion", &mut |spec, path| {
            let mut names: Vec<&str> = spec
                .inner
                .iter()
                .flat_map(|inner| inner.aliases)
                .copied()
                .collect();
            names.extend(spec.inner.iter().map(|inner| inner.name));
            names.extend(spec.takes.iter().chain(COMMON).map(|word| word.name));
            names.sort_unstable();
            let all = names.len();
            names.dedup();
            assert_eq!(names.len(), all, "{path}");
            for rule in spec.rules {
                let named = match rule {
                    Rule::Needs(first, second) => vec![*first, *second],
                    Rule::Apart(names) | Rule::ExactlyOne(names) => names.to_vec(),
                };
                for name in named {
                    assert!(spec.takes.iter().any(|word| word.name == name), "{path}: {name}");
                }
            }
        });
    }
}
