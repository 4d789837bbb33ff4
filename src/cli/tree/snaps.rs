//! Snaps: what is installed, its aliases and its configuration.

use super::{NO_WAIT, waiting};
use crate::cli::args::{Act, Ask, Command, Install, List, Remove, Try};
use crate::cli::commands::settings::{Get, Set};
use crate::cli::words::{Found, Rule, Spec, Word, any, flag, maybe, one, option, some};
use std::path::PathBuf;

const DEVMODE: Word = flag("--devmode", "Without confinement, for development");
const JAILMODE: Word = flag("--jailmode", "Confined whatever the snap asks for");
const CLASSIC: Word = flag("--classic", "With the classic confinement that the snap asks for");
const MODES: &[&str] = &["--devmode", "--jailmode", "--classic"];

pub const LIST: Spec = Spec::new("list", "List installed snaps", |found| {
    Ask::List(List {
        all: found.flag("--all"),
        snaps: found.texts("SNAP"),
    })
    .into()
})
.takes(&[
    flag("--all", "Also revisions that are not active"),
    any("SNAP", ""),
]);

pub const INFO: Spec = Spec::new("info", "Tell about installed snaps", |found| {
    let snaps = found.texts("SNAP");
    Ask::Info { snaps }.into()
})
.takes(&[some("SNAP", "")]);

pub const INSTALL: Spec = Spec::new("install", "Install snaps from files", |found| {
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
.rules(&[Rule::Apart(&["--jailmode", "--devmode"])]);

pub const REMOVE: Spec = Spec::new("remove", "Remove snaps", |found| {
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
]);

pub const REVERT: Spec = Spec::new("revert", "Take a snap back to the revision before", |found| {
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
]);

pub const ENABLE: Spec = Spec::new("enable", "Make a disabled snap available again", |found| {
    act(found, "enable", Vec::new(), Vec::new())
})
.takes(&[one("SNAP", ""), NO_WAIT]);

pub const DISABLE: Spec = Spec::new("disable", "Stop a snap and keep it", |found| {
    act(found, "disable", Vec::new(), Vec::new())
})
.takes(&[one("SNAP", ""), NO_WAIT]);

pub const SWITCH: Spec = Spec::new("switch", "Let a snap follow another channel or cohort", |found| {
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
]);

pub const REFRESH: Spec = Spec::new("refresh", "Look for newer revisions", |found| {
    Ask::Refresh {
        snaps: found.texts("SNAP"),
        wait: waiting(found),
    }
    .into()
})
.takes(&[any("SNAP", ""), NO_WAIT]);

pub const TRY: Spec = Spec::new(
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
]);

pub const GET: Spec = Spec::new(
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
.rules(&[Rule::Apart(&["--document", "--typed"])]);

pub const SET: Spec = Spec::new("set", "Configure a snap, or the system", |found| {
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
.rules(&[Rule::Apart(&["--string", "--typed"])]);

pub const UNSET: Spec = Spec::new("unset", "Take configuration of a snap away", |found| {
    Ask::Unset {
        snap: found.one("SNAP"),
        keys: found.texts("KEY"),
        wait: waiting(found),
    }
    .into()
})
.takes(&[one("SNAP", ""), some("KEY", ""), NO_WAIT]);

pub const ALIASES: Spec = Spec::new("aliases", "List aliases", |found| {
    let snap = found.text("SNAP");
    Ask::Aliases { snap }.into()
})
.takes(&[maybe("SNAP", "Only those of a snap")]);

pub const ALIAS: Spec = Spec::new("alias", "Give a command of a snap another name", |found| {
    Ask::Alias {
        command: found.one("SNAP.APP"),
        alias: found.one("ALIAS"),
        wait: waiting(found),
    }
    .into()
})
.takes(&[one("SNAP.APP", ""), one("ALIAS", ""), NO_WAIT]);

pub const UNALIAS: Spec = Spec::new("unalias", "Take an alias away, or all of a snap", |found| {
    Ask::Unalias {
        name: found.one("ALIAS|SNAP"),
        wait: waiting(found),
    }
    .into()
})
.takes(&[one("ALIAS|SNAP", ""), NO_WAIT]);

pub const PREFER: Spec = Spec::new(
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
.takes(&[one("SNAP", ""), NO_WAIT]);

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
