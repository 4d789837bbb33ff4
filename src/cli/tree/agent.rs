//! The agent itself, and what works without one.

use crate::cli::args::{Ask, Daemon, Here, Run, Shell};
use crate::cli::words::{Spec, any, flag, maybe, one, option, rest};

pub const DEBUG: Spec = Spec::new("debug", "Look into the agent, or try things out", |found| {
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
]);

pub const COMPLETIONS: Spec = Spec::new("completions", "Print a completion script for a shell", |found| {
    let shell = match found.one("SHELL").as_str() {
        "zsh" => Shell::Zsh,
        "fish" => Shell::Fish,
        _ => Shell::Bash,
    };
    Ask::Completions { shell }.into()
})
.takes(&[one("SHELL", "").one_of(&["bash", "zsh", "fish"])]);

pub const VERSION: Spec = Spec::new(
    "version",
    "Print the versions of client, agent and system",
    |_| Ask::Version.into(),
);

pub const HELP: Spec = Spec::new("help", "Explain a command or a topic", |found| {
    let topic = found.texts("COMMAND|TOPIC");
    Ask::Help { topic }.into()
})
.takes(&[any("COMMAND|TOPIC", "")]);

pub const DAEMON: Spec = Spec::new("daemon", "Run the agent", |found| {
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
]);

// What units, the supervisor, wrappers and people start apps with. Everything after the target is the app's.
pub const RUN: Spec = Spec::new("run", "Run an app of a snap", |found| {
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
]);

pub const SNAPCTL: Spec = Spec::new("snapctl", "Ask the agent as a snap, from within one", |found| {
    let words = found
        .paths("COMMAND")
        .into_iter()
        .map(std::path::PathBuf::into_os_string);
    Here::Snapctl {
        words: words.collect(),
    }
    .into()
})
.takes(&[rest("COMMAND", "As snapctl has them: snapctl --help")]);

pub const CHECK: Spec = Spec::new("check", "Look whether the system is as the state says", |found| {
    let deep = found.flag("--deep");
    Here::Check { deep }.into()
})
.takes(&[flag("--deep", "Also hash every snap file again")]);

pub const REPORT: Spec = Spec::new(
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
]);

pub const PACK: Spec = Spec::new("pack", "Make a snap file from a folder", |found| {
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
]);
