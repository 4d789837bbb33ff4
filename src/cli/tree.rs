//! The table of commands.
//!
//! To add a command: a variant of [`Ask`] (or [`Here`], when no agent is asked) in `args.rs`, an entry here, and an arm
//! in `cli/mod.rs`. The entry says what the command takes and how its variant is made of it; parsing, help, completions
//! and suggestions follow from it. Each word of an entry has to be asked for by its name in the function of the entry:
//! a test tries them all. Options begin with `--`; `.short(b'n')` adds `-n`, `.number()`, `.one_of(…)` and `.path()`
//! say what a value must be, and a command that has an `inner` table is a group such as `sim`. What goes together and
//! what does not is said by `.rules(…)`.

use super::args::{
    Act, Ask, Command, Daemon, Here, Install, LedArgs, LineArgs, List, Remove, Run, Shell, Sim, Try, Waiting,
    Which,
};
use super::commands::settings::{Get, Set};
use super::words::{Found, Rule, Spec, Word, any, flag, maybe, one, option, rest, some};
use std::path::PathBuf;

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
const ABS_TIME: Word = flag("--abs-time", "Show times in full");
const ID: Word = maybe("ID", "The id of the change");
const LAST: Word = option(
    "--last",
    "KIND",
    "The last change of a kind: install, remove, connect, …",
);
const ONE_CHANGE: &[Rule] = &[Rule::ExactlyOne(&["ID", "--last"])];

const COMMANDS: &[Spec] = &[
    Spec::new("list", "List installed snaps", |found| {
        Ask::List(List {
            all: found.flag("--all"),
            snaps: found.texts("SNAP"),
        })
        .into()
    })
    .takes(&[
        flag("--all", "Also revisions that are not active"),
        any("SNAP", ""),
    ]),
    Spec::new("info", "Tell about installed snaps", |found| {
        let snaps = found.texts("SNAP");
        Ask::Info { snaps }.into()
    })
    .takes(&[some("SNAP", "")]),
    Spec::new("install", "Install snaps from files", |found| {
        Ask::Install(Install {
            files: found.paths("FILE"),
            dangerous: found.flag("--dangerous"),
            devmode: found.flag("--devmode"),
            jailmode: found.flag("--jailmode"),
            classic: found.flag("--classic"),
            wait: waiting(found),
        })
        .into()
    })
    .takes(&[
        some("FILE", "").path(),
        flag("--dangerous", "Install without signatures"),
        flag("--devmode", "Install without confinement"),
        flag(
            "--jailmode",
            "Install strictly confined, whatever the snap asks for",
        ),
        flag("--classic", "Install with access to the whole system"),
        NO_WAIT,
    ])
    .rules(&[Rule::Apart(&["--jailmode", "--devmode"])]),
    Spec::new("remove", "Remove snaps", |found| {
        Ask::Remove(Remove {
            snaps: found.texts("SNAP"),
            purge: found.flag("--purge"),
            revision: found.text("--revision"),
            wait: waiting(found),
        })
        .into()
    })
    .takes(&[
        some("SNAP", ""),
        flag("--purge", "Without saving its data first"),
        option("--revision", "REVISION", "Only this revision"),
        NO_WAIT,
    ]),
    Spec::new("revert", "Take a snap back to the revision before", |found| {
        let values = given(found, &[("--revision", "revision")]);
        let flags = switches(found, MODES);
        act(found, "revert", flags, values)
    })
    .takes(&[
        one("SNAP", ""),
        option("--revision", "REVISION", "To this one"),
        DEVMODE,
        JAILMODE,
        CLASSIC,
        NO_WAIT,
    ]),
    Spec::new("enable", "Make a disabled snap available again", |found| {
        act(found, "enable", Vec::new(), Vec::new())
    })
    .takes(&[one("SNAP", ""), NO_WAIT]),
    Spec::new("disable", "Stop a snap and keep it", |found| {
        act(found, "disable", Vec::new(), Vec::new())
    })
    .takes(&[one("SNAP", ""), NO_WAIT]),
    Spec::new("switch", "Let a snap follow another channel or cohort", |found| {
        let values = given(found, &[("--channel", "channel"), ("--cohort", "cohort-key")]);
        let flags = switches(found, &["--leave-cohort"]);
        act(found, "switch", flags, values)
    })
    .takes(&[
        one("SNAP", ""),
        option(
            "--channel",
            "CHANNEL",
            "TRACK, RISK, TRACK/RISK or TRACK/RISK/BRANCH",
        ),
        option("--cohort", "KEY", "The cohort"),
        flag("--leave-cohort", "Follow no cohort"),
        NO_WAIT,
    ]),
    Spec::new("refresh", "Look for newer revisions", |found| {
        Ask::Refresh {
            snaps: found.texts("SNAP"),
            wait: waiting(found),
        }
        .into()
    })
    .takes(&[any("SNAP", ""), NO_WAIT]),
    Spec::new(
        "try",
        "Install a folder as it stands and goes on changing",
        |found| {
            Ask::Try(Try {
                dir: found.path("DIR").unwrap_or_else(|| PathBuf::from(".")),
                flags: switches(found, MODES),
                wait: waiting(found),
            })
            .into()
        },
    )
    .takes(&[
        maybe("DIR", "The folder with meta/snap.yaml [default: this one]"),
        DEVMODE,
        JAILMODE,
        CLASSIC,
        NO_WAIT,
    ]),
    Spec::new("connections", "List connections of plugs and slots", |found| {
        Ask::Connections {
            all: found.flag("--all"),
            snap: found.text("SNAP"),
        }
        .into()
    })
    .takes(&[
        flag("--all", "Also plugs and slots that are not connected"),
        maybe("SNAP", "Only those of a snap, connected or not"),
    ]),
    Spec::new("connect", "Connect a plug to a slot", |found| {
        Ask::Connect {
            plug: found.one("SNAP:PLUG"),
            slot: found.text("SNAP:SLOT"),
            wait: waiting(found),
        }
        .into()
    })
    .takes(&[
        one("SNAP:PLUG", ""),
        maybe(
            "SNAP:SLOT",
            "SNAP:SLOT, SNAP for its only fitting slot, or nothing for the system's",
        ),
        NO_WAIT,
    ]),
    Spec::new(
        "disconnect",
        "Disconnect a plug from a slot, or all that is connected to a plug or slot",
        |found| {
            Ask::Disconnect {
                first: found.one("SNAP:NAME"),
                slot: found.text("SNAP:SLOT"),
                forget: found.flag("--forget"),
                wait: waiting(found),
            }
            .into()
        },
    )
    .takes(&[
        one("SNAP:NAME", ""),
        maybe("SNAP:SLOT", ""),
        flag("--forget", "Also forget that there was a connection"),
        NO_WAIT,
    ]),
    Spec::new("interface", "List interfaces, or tell about one", |found| {
        Ask::Interface {
            all: found.flag("--all"),
            attrs: found.flag("--attrs"),
            name: found.text("INTERFACE"),
        }
        .into()
    })
    .aliases(&["interfaces"])
    .takes(&[
        flag("--all", "Also interfaces that nothing is connected by"),
        flag("--attrs", "Also the attributes of plugs and slots"),
        maybe("INTERFACE", ""),
    ]),
    Spec::new("services", "List services", |found| {
        let names = found.texts("SNAP|SNAP.APP");
        Ask::Services { names }.into()
    })
    .takes(&[any("SNAP|SNAP.APP", "")]),
    Spec::new("start", "Start services", |found| {
        Ask::Start {
            names: found.texts("SNAP|SNAP.APP"),
            enable: found.flag("--enable"),
            wait: waiting(found),
        }
        .into()
    })
    .takes(&[
        some("SNAP|SNAP.APP", ""),
        flag("--enable", "Also start them at each start of the agent"),
        NO_WAIT,
    ]),
    Spec::new("stop", "Stop services", |found| {
        Ask::Stop {
            names: found.texts("SNAP|SNAP.APP"),
            disable: found.flag("--disable"),
            wait: waiting(found),
        }
        .into()
    })
    .takes(&[
        some("SNAP|SNAP.APP", ""),
        flag("--disable", "Also stop starting them at each start of the agent"),
        NO_WAIT,
    ]),
    Spec::new("restart", "Restart services", |found| {
        Ask::Restart {
            names: found.texts("SNAP|SNAP.APP"),
            reload: found.flag("--reload"),
            wait: waiting(found),
        }
        .into()
    })
    .takes(&[
        some("SNAP|SNAP.APP", ""),
        flag("--reload", "Reload those that can"),
        NO_WAIT,
    ]),
    Spec::new("logs", "Print what services printed", |found| {
        Ask::Logs {
            names: found.texts("SNAP|SNAP.APP"),
            lines: found.text("--lines"),
            follow: found.flag("--follow"),
        }
        .into()
    })
    .takes(&[
        any("SNAP|SNAP.APP", ""),
        option("--lines", "N|all", "How many lines [default: 10]").short(b'n'),
        flag("--follow", "Go on with what they will print, until Ctrl-C").short(b'f'),
    ]),
    Spec::new("changes", "List changes", |found| {
        Ask::Changes {
            abs_time: found.flag("--abs-time"),
            snap: found.text("SNAP"),
        }
        .into()
    })
    .takes(&[ABS_TIME, maybe("SNAP", "Only those of a snap")]),
    Spec::new("tasks", "List the tasks of a change", |found| {
        Ask::Tasks {
            abs_time: found.flag("--abs-time"),
            which: which(found),
        }
        .into()
    })
    .aliases(&["change"])
    .takes(&[ABS_TIME, ID, LAST])
    .rules(ONE_CHANGE),
    Spec::new("watch", "Wait for a change", |found| {
        let which = which(found);
        Ask::Watch { which }.into()
    })
    .takes(&[ID, LAST])
    .rules(ONE_CHANGE),
    Spec::new("abort", "Take back a change that is not finished", |found| {
        let which = which(found);
        Ask::Abort { which }.into()
    })
    .takes(&[ID, LAST])
    .rules(ONE_CHANGE),
    Spec::new(
        "get",
        "Print configuration of a snap, or of the system",
        |found| {
            Ask::Get(Get {
                snap: found.one("SNAP"),
                keys: found.texts("KEY"),
                document: found.flag("--document"),
                typed: found.flag("--typed"),
            })
            .into()
        },
    )
    .takes(&[
        one("SNAP", ""),
        any("KEY", "With dots for what is inside another"),
        flag("--document", "As a JSON document, also a single value").short(b'd'),
        flag("--typed", "A single value as JSON: text in quotes").short(b't'),
    ])
    .rules(&[Rule::Apart(&["--document", "--typed"])]),
    Spec::new("set", "Configure a snap, or the system", |found| {
        Ask::Set(Set {
            snap: found.one("SNAP"),
            assignments: found.texts("KEY=VALUE"),
            string: found.flag("--string"),
            typed: found.flag("--typed"),
            no_wait: found.flag("--no-wait"),
        })
        .into()
    })
    .takes(&[
        one("SNAP", ""),
        some("KEY=VALUE", "JSON if it is JSON, else text; KEY! unsets"),
        flag("--string", "Each value is text").short(b's'),
        flag("--typed", "Each value is JSON").short(b't'),
        NO_WAIT,
    ])
    .rules(&[Rule::Apart(&["--string", "--typed"])]),
    Spec::new("unset", "Take configuration of a snap away", |found| {
        Ask::Unset {
            snap: found.one("SNAP"),
            keys: found.texts("KEY"),
            wait: waiting(found),
        }
        .into()
    })
    .takes(&[one("SNAP", ""), some("KEY", ""), NO_WAIT]),
    Spec::new("warnings", "List warnings", |found| {
        let all = found.flag("--all");
        Ask::Warnings { all }.into()
    })
    .takes(&[flag("--all", "Also those that were acknowledged")]),
    Spec::new("okay", "Show the warnings that wait and acknowledge them", |_| {
        Ask::Okay.into()
    }),
    Spec::new("aliases", "List aliases", |found| {
        let snap = found.text("SNAP");
        Ask::Aliases { snap }.into()
    })
    .takes(&[maybe("SNAP", "Only those of a snap")]),
    Spec::new("alias", "Give a command of a snap another name", |found| {
        Ask::Alias {
            command: found.one("SNAP.APP"),
            alias: found.one("ALIAS"),
            wait: waiting(found),
        }
        .into()
    })
    .takes(&[one("SNAP.APP", ""), one("ALIAS", ""), NO_WAIT]),
    Spec::new("unalias", "Take an alias away, or all of a snap", |found| {
        Ask::Unalias {
            name: found.one("ALIAS|SNAP"),
            wait: waiting(found),
        }
        .into()
    })
    .takes(&[one("ALIAS|SNAP", ""), NO_WAIT]),
    Spec::new(
        "prefer",
        "Use the aliases that a snap declares, whatever others have",
        |found| {
            Ask::Prefer {
                snap: found.one("SNAP"),
                wait: waiting(found),
            }
            .into()
        },
    )
    .takes(&[one("SNAP", ""), NO_WAIT]),
    Spec::new("notices", "List what has moved lately", |found| {
        Ask::Notices {
            kinds: found.text("--types"),
            after: found.text("--after"),
            wait: found.text("--wait"),
        }
        .into()
    })
    .takes(&[
        option("--types", "TYPE,…", "Only of these types: change-update, …"),
        option("--after", "TIME", "Only what came after this time"),
        option("--wait", "TIME", "Wait so long for one, as in 30s"),
    ]),
    Spec::new("debug", "Look into the agent, or try things out", |found| {
        Ask::Debug {
            what: found.one("WHAT"),
            text: found.text("TEXT"),
        }
        .into()
    })
    .takes(&[
        one("WHAT", "").one_of(&[
            "features",
            "seeding",
            "stacktraces",
            "prune",
            "add-warning",
            "unshow-warnings",
        ]),
        maybe("TEXT", "Of the warning to add"),
    ]),
    Spec::new(
        "board",
        "Draw the board: header, lines, LEDs, who holds them; probe it, or check a board file",
        |found| {
            let watch = found.flag("--watch");
            let file = found.path("FILE");
            match (found.text("ACTION").as_deref(), file) {
                (Some("probe"), _) => Here::ProbeBoard.into(),
                (Some(_), Some(file)) => Here::CheckBoard { file }.into(),
                _ => Ask::Board { watch }.into(),
            }
        },
    )
    .takes(&[
        flag("--watch", "Keep the picture current until Ctrl-C"),
        maybe(
            "ACTION",
            "`probe` prints a board file of this board, `check` holds a FILE against it",
        )
        .one_of(&["probe", "check"]),
        maybe("FILE", "The board file to check").path(),
    ]),
    Spec::new("gadget", "Make a gadget's folder from a board file", |found| {
        Here::Gadget {
            file: found.path("FILE").unwrap_or_default(),
            out: found.path("DIR"),
        }
        .into()
    })
    .takes(&[
        one("FILE", "").path(),
        maybe("DIR", "The folder to make [default: NAME-gadget here]").path(),
    ]),
    LINE,
    LED,
    Spec::new("events", "Follow what happens to the hardware", |_| {
        Ask::Events.into()
    }),
    Spec::new(
        "sim",
        "Drive an input of the simulated board from outside",
        nothing,
    )
    .inner(&[
        Spec::new("line", "Drive a line, as something wired to it would", |found| {
            let name = found.one("LINE");
            let value = u8::from(found.one("0|1") == "1");
            Ask::Sim(Sim::Line { name, value }).into()
        })
        .takes(&[one("LINE", ""), one("0|1", "").one_of(&["0", "1"])]),
    ]),
    Spec::new(
        "demo",
        "Show all this once on a simulated board, within half a minute",
        |found| {
            let stay = found.flag("--stay");
            Ask::Demo { stay }.into()
        },
    )
    .takes(&[flag("--stay", "Keep it running until Ctrl-C")]),
    Spec::new("completions", "Print a completion script for a shell", |found| {
        let shell = match found.one("SHELL").as_str() {
            "zsh" => Shell::Zsh,
            "fish" => Shell::Fish,
            _ => Shell::Bash,
        };
        Ask::Completions { shell }.into()
    })
    .takes(&[one("SHELL", "").one_of(&["bash", "zsh", "fish"])]),
    Spec::new(
        "version",
        "Print the versions of client, agent and system",
        |_| Ask::Version.into(),
    ),
    Spec::new("help", "Explain a command or a topic", |found| {
        let topic = found.texts("COMMAND|TOPIC");
        Ask::Help { topic }.into()
    })
    .takes(&[any("COMMAND|TOPIC", "")]),
    Spec::new("daemon", "Run the agent", |found| {
        Here::Daemon(Daemon {
            snap_socket: found.path("--snap-socket"),
            board: found.text("--board"),
            config: found.path("--config"),
        })
        .into()
    })
    .takes(&[
        option(
            "--snap-socket",
            "PATH",
            "The socket for snaps [default: run/snapd-snap.socket below the root]",
        )
        .path(),
        option(
            "--board",
            "NAME|FILE",
            "The board: a name, or a board file [default: the one that the device tree names]",
        ),
        option(
            "--config",
            "FILE",
            "The configuration file [default: etc/pinion/config.toml below the root]",
        )
        .path(),
    ]),
    // What units, the supervisor, wrappers and people start apps with. Everything after the target is the app's.
    Spec::new("run", "Run an app of a snap", |found| {
        Here::Run(Run {
            hook: found.text("--hook"),
            command: found.text("--command"),
            service: found.flag("--service"),
            timer: found.text("--timer"),
            words: found
                .paths("SNAP.APP")
                .into_iter()
                .map(std::path::PathBuf::into_os_string)
                .collect(),
        })
        .into()
    })
    .takes(&[
        option("--hook", "HOOK", "Run a hook of the snap instead").hidden(),
        option(
            "--command",
            "COMMAND",
            "Another command of the service: stop, reload, post-stop",
        )
        .hidden(),
        flag("--service", "As a service").hidden(),
        option("--timer", "SCHEDULE", "Only at the times of a schedule").hidden(),
        rest("SNAP.APP", "The app, and what it is to get"),
    ]),
    Spec::new("snapctl", "Ask the agent as a snap, from within one", |found| {
        let words = found
            .paths("COMMAND")
            .into_iter()
            .map(std::path::PathBuf::into_os_string);
        Here::Snapctl {
            words: words.collect(),
        }
        .into()
    })
    .takes(&[rest("COMMAND", "As snapctl has them: snapctl --help")]),
    Spec::new("check", "Look whether the system is as the state says", |found| {
        let deep = found.flag("--deep");
        Here::Check { deep }.into()
    })
    .takes(&[flag("--deep", "Also hash every snap file again")]),
    Spec::new(
        "report",
        "Collect in one file what helps to find out what is wrong, without secrets",
        |found| {
            Here::Report {
                out: found.path("FILE"),
                values: found.flag("--with-values"),
            }
            .into()
        },
    )
    .takes(&[
        maybe(
            "FILE",
            "The archive to write [default: pinion-report-TIME.tar here]",
        )
        .path(),
        flag(
            "--with-values",
            "Also values of configuration and environment, but those that are called secret",
        ),
    ]),
    Spec::new("pack", "Make a snap file from a folder", |found| {
        Here::Pack {
            dir: found.path("DIR").unwrap_or_default(),
            out: found.path("OUT"),
        }
        .into()
    })
    .takes(&[
        one("DIR", "").path(),
        maybe(
            "OUT",
            "The file, or the folder for it [default: NAME_VERSION_ARCH.snap here]",
        )
        .path(),
    ]),
];

const LINE: Spec = Spec::new(
    "line",
    "List lines, or show, set, pulse, watch or configure one",
    |found| {
        Ask::Line(LineArgs {
            name: found.text("LINE"),
            action: found.text("ACTION"),
            watch: found.flag("--watch"),
            pulse: found.number("--pulse"),
            direction: found.text("--direction"),
            safe_value: found.text("--safe-value").map(|value| u8::from(value == "1")),
            active_low: found.text("--active-low").map(|value| value == "true"),
        })
        .into()
    },
)
.takes(&[
    maybe("LINE", ""),
    maybe(
        "ACTION",
        "The level to set; `configure` with the options below; or `release` what the operator took",
    )
    .one_of(&["0", "1", "configure", "release"]),
    flag("--watch", "Follow its edges"),
    option(
        "--pulse",
        "MS",
        "Set it for so many milliseconds (to 1, or to the level given), then back",
    )
    .number(),
    option("--direction", "DIRECTION", "Configure: which way it goes").one_of(&["input", "output"]),
    option(
        "--safe-value",
        "LEVEL",
        "Configure: its level when nobody drives it",
    )
    .one_of(&["0", "1"]),
    option(
        "--active-low",
        "BOOL",
        "Configure: whether the logical level is the inverse of the electrical one",
    )
    .one_of(&["true", "false"]),
])
.rules(&[
    Rule::Needs("--watch", "LINE"),
    Rule::Needs("--pulse", "LINE"),
    Rule::Needs("--direction", "LINE"),
    Rule::Needs("--safe-value", "LINE"),
    Rule::Needs("--active-low", "LINE"),
    Rule::Apart(&["--watch", "ACTION"]),
    Rule::Apart(&["--watch", "--pulse"]),
]);

const LED: Spec = Spec::new("led", "List LEDs, or show or drive one", |found| {
    Ask::Led(LedArgs {
        name: found.text("LED"),
        action: found.text("ACTION"),
        on: found.number("--on").unwrap_or(500),
        off: found.number("--off").unwrap_or(500),
        keep: found.flag("--keep"),
        trigger: found.text("--trigger"),
    })
    .into()
})
.takes(&[
    maybe("LED", ""),
    maybe("ACTION", "on, off, blink, identify, or a brightness"),
    option("--on", "MS", "Blink: milliseconds on [default: 500]").number(),
    option("--off", "MS", "Blink: milliseconds off [default: 500]").number(),
    flag("--keep", "Keep a brightness or trigger over restarts"),
    option(
        "--trigger",
        "NAME",
        "Let the kernel drive it: none, heartbeat, timer, …",
    ),
])
.rules(&[
    Rule::Needs("--keep", "LED"),
    Rule::Needs("--trigger", "LED"),
    Rule::Apart(&["--trigger", "ACTION"]),
]);

const DEVMODE: Word = flag("--devmode", "Without confinement, for development");
const JAILMODE: Word = flag("--jailmode", "Confined whatever the snap asks for");
const CLASSIC: Word = flag("--classic", "With the classic confinement that the snap asks for");
const MODES: &[&str] = &["--devmode", "--jailmode", "--classic"];

/// The switches among these that are on, as requests name them.
fn switches(found: &mut Found, names: &[&'static str]) -> Vec<&'static str> {
    let on = names.iter().filter(|name| found.flag(name));
    on.map(|name| name.trim_start_matches('-')).collect()
}

/// The options among these that have a value, as requests name them.
fn given(found: &mut Found, names: &[(&'static str, &'static str)]) -> Vec<(&'static str, String)> {
    let values = names.iter().map(|(word, name)| (*name, found.text(word)));
    values.filter_map(|(name, value)| Some((name, value?))).collect()
}

fn act(
    found: &mut Found,
    action: &'static str,
    flags: Vec<&'static str>,
    values: Vec<(&'static str, String)>,
) -> Command {
    Ask::Act(Act {
        snap: found.one("SNAP"),
        action,
        flags,
        values,
        wait: waiting(found),
    })
    .into()
}

fn waiting(found: &mut Found) -> Waiting {
    Waiting {
        no_wait: found.flag("--no-wait"),
    }
}

fn which(found: &mut Found) -> Which {
    Which {
        id: found.text("ID"),
        last: found.text("--last"),
    }
}

/// A group does nothing by itself; the reader never gets here.
fn nothing(_: &mut Found) -> Command {
    Ask::Help { topic: Vec::new() }.into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::words::Value;

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
