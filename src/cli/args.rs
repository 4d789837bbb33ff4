//! What a command line can ask for, as types. What is accepted and what the help says is the table in `tree.rs`.

use super::commands::settings::{Get, Set};
use super::tree::ROOT;
use super::words::{self, Stop};
use std::ffi::OsString;
use std::path::PathBuf;

/// A small device management agent for Linux boards: snaps, pins and LEDs.
pub struct Cli {
    pub common: Common,
    pub command: Command,
}

impl Cli {
    /// Reads the arguments, the program's name first.
    pub fn read(args: impl Iterator<Item = OsString>) -> Result<Self, Stop> {
        let (command, mut found) = words::read(&ROOT, args.skip(1))?;
        let common = Common {
            socket: found.path("--socket"),
            root: found.path("--root").unwrap_or_else(|| PathBuf::from("/")),
            json: found.flag("--json"),
        };
        debug_assert!(found.is_empty(), "what was given is not asked for");
        Ok(Self { common, command })
    }
}

/// What every command accepts.
#[derive(Clone)]
pub struct Common {
    pub socket: Option<PathBuf>,
    pub root: PathBuf,
    pub json: bool,
}

/// A command, by who does the work.
pub enum Command {
    Ask(Ask),
    Here(Here),
}

/// What is done in this process, without an agent to ask.
pub enum Here {
    Daemon(Daemon),
    Run(Run),
    Check { deep: bool },
    Report { out: Option<PathBuf>, values: bool },
    Pack { dir: PathBuf, out: Option<PathBuf> },
    ProbeBoard,
    CheckBoard { file: PathBuf },
    Gadget { file: PathBuf, out: Option<PathBuf> },
    Snapctl { words: Vec<OsString> },
}

/// What is asked of the agent, and what is known about asking.
pub enum Ask {
    List(List),
    Info {
        snaps: Vec<String>,
    },
    Install(Install),
    Remove(Remove),
    Act(Act),
    Refresh {
        snaps: Vec<String>,
        wait: Waiting,
    },
    Try(Try),
    Connections {
        all: bool,
        snap: Option<String>,
    },
    Connect {
        plug: String,
        slot: Option<String>,
        wait: Waiting,
    },
    Disconnect {
        first: String,
        slot: Option<String>,
        forget: bool,
        wait: Waiting,
    },
    Interface {
        all: bool,
        attrs: bool,
        name: Option<String>,
    },
    Services {
        names: Vec<String>,
    },
    Start {
        names: Vec<String>,
        enable: bool,
        wait: Waiting,
    },
    Stop {
        names: Vec<String>,
        disable: bool,
        wait: Waiting,
    },
    Restart {
        names: Vec<String>,
        reload: bool,
        wait: Waiting,
    },
    Logs {
        names: Vec<String>,
        lines: Option<String>,
        follow: bool,
    },
    Changes {
        abs_time: bool,
        snap: Option<String>,
    },
    Tasks {
        abs_time: bool,
        which: Which,
    },
    Watch {
        which: Which,
    },
    Abort {
        which: Which,
    },
    Get(Get),
    Set(Set),
    Unset {
        snap: String,
        keys: Vec<String>,
        wait: Waiting,
    },
    Warnings {
        all: bool,
    },
    Okay,
    Aliases {
        snap: Option<String>,
    },
    Alias {
        command: String,
        alias: String,
        wait: Waiting,
    },
    Unalias {
        name: String,
        wait: Waiting,
    },
    Prefer {
        snap: String,
        wait: Waiting,
    },
    Notices {
        kinds: Option<String>,
        after: Option<String>,
        wait: Option<String>,
    },
    Debug {
        what: String,
        text: Option<String>,
    },
    Board {
        watch: bool,
    },
    Line(LineArgs),
    Led(LedArgs),
    Events,
    Sim(Sim),
    Demo {
        stay: bool,
    },
    Completions {
        shell: Shell,
    },
    Version,
    Help {
        topic: Vec<String>,
    },
}

pub struct Daemon {
    pub snap_socket: Option<PathBuf>,
    pub board: Option<String>,
    pub config: Option<PathBuf>,
}

pub struct List {
    pub all: bool,
    pub snaps: Vec<String>,
}

pub struct Install {
    pub files: Vec<PathBuf>,
    pub dangerous: bool,
    pub devmode: bool,
    pub jailmode: bool,
    pub classic: bool,
    pub wait: Waiting,
}

pub struct Remove {
    pub snaps: Vec<String>,
    pub purge: bool,
    pub revision: Option<String>,
    pub wait: Waiting,
}

/// What is to become of one installed snap.
pub struct Act {
    pub snap: String,
    /// Revert, enable, disable or switch.
    pub action: &'static str,
    /// The request's switches that are on.
    pub flags: Vec<&'static str>,
    /// Its other options.
    pub values: Vec<(&'static str, String)>,
    pub wait: Waiting,
}

pub struct Try {
    pub dir: PathBuf,
    pub flags: Vec<&'static str>,
    pub wait: Waiting,
}

#[derive(Clone, Copy)]
pub struct Waiting {
    pub no_wait: bool,
}

/// One change: by its id, or the last of a kind.
pub struct Which {
    pub id: Option<String>,
    pub last: Option<String>,
}

pub struct LineArgs {
    pub name: Option<String>,
    pub action: Option<String>,
    pub watch: bool,
    pub pulse: Option<u64>,
    pub direction: Option<String>,
    pub safe_value: Option<u8>,
    pub active_low: Option<bool>,
}

pub struct LedArgs {
    pub name: Option<String>,
    pub action: Option<String>,
    pub on: u64,
    pub off: u64,
    pub keep: bool,
    pub trigger: Option<String>,
}

pub enum Sim {
    Line { name: String, value: u8 },
}

/// What units, the supervisor, wrappers and people start apps with. Everything after the target is the app's.
pub struct Run {
    pub hook: Option<String>,
    pub command: Option<String>,
    pub service: bool,
    pub timer: Option<String>,
    pub words: Vec<OsString>,
}

#[derive(Clone, Copy)]
pub enum Shell {
    Bash,
    Zsh,
    Fish,
}

impl From<Ask> for Command {
    fn from(ask: Ask) -> Self {
        Self::Ask(ask)
    }
}

impl From<Here> for Command {
    fn from(here: Here) -> Self {
        Self::Here(here)
    }
}
