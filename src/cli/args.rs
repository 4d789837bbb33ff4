//! What the command line accepts.

use clap::{Args, Parser, Subcommand, ValueEnum};
use std::ffi::OsString;
use std::path::PathBuf;

/// A small device management agent for Linux boards: snaps, pins and LEDs.
#[derive(Debug, Parser)]
#[command(
    name = "pinion",
    version,
    disable_help_subcommand = true,
    subcommand_required = true,
    arg_required_else_help = true,
    after_help = "Exit codes: 0 done, 1 failed, 2 wrong usage. More: pinion help hardware, snaps, api, reliability."
)]
pub struct Cli {
    #[command(flatten)]
    pub common: Common,
    #[command(subcommand)]
    pub command: Command,
}

/// What every command accepts.
#[derive(Clone, Debug, Args)]
pub struct Common {
    /// The agent's socket [default: run/snapd.socket below the root]
    #[arg(long, global = true, value_name = "PATH", help_heading = "Common")]
    pub socket: Option<PathBuf>,
    /// The directory that the agent manages
    #[arg(
        long,
        global = true,
        value_name = "DIR",
        default_value = "/",
        help_heading = "Common"
    )]
    pub root: PathBuf,
    /// Print results as JSON, for scripts
    #[arg(long, global = true, help_heading = "Common")]
    pub json: bool,
}

/// A command, by who does the work.
#[derive(Debug, Subcommand)]
pub enum Command {
    #[command(flatten)]
    Ask(Ask),
    #[command(flatten)]
    Here(Here),
}

/// What is done in this process, without an agent to ask.
#[derive(Debug, Subcommand)]
pub enum Here {
    /// Run the agent
    Daemon(Daemon),
    /// Run an app of a snap
    Run(Run),
    /// Look whether the system is as the state says
    Check {
        /// Also hash every snap file again
        #[arg(long)]
        deep: bool,
    },
    /// Make a snap file from a folder
    Pack {
        #[arg(value_name = "DIR")]
        dir: PathBuf,
        /// The file, or the folder for it [default: NAME_VERSION_ARCH.snap here]
        #[arg(value_name = "OUT")]
        out: Option<PathBuf>,
    },
}

/// What is asked of the agent, and what is known about asking.
#[derive(Debug, Subcommand)]
pub enum Ask {
    /// List installed snaps
    List(List),
    /// Tell about installed snaps
    Info {
        #[arg(required = true, value_name = "SNAP")]
        snaps: Vec<String>,
    },
    /// Install snaps from files
    Install(Install),
    /// Remove snaps
    Remove(Remove),
    /// List connections of plugs and slots
    Connections {
        /// Also plugs and slots that are not connected
        #[arg(long)]
        all: bool,
        /// Only those of a snap, connected or not
        #[arg(value_name = "SNAP")]
        snap: Option<String>,
    },
    /// Connect a plug to a slot
    Connect {
        #[arg(value_name = "SNAP:PLUG")]
        plug: String,
        /// SNAP:SLOT, SNAP for its only fitting slot, or nothing for the system's
        #[arg(value_name = "SNAP:SLOT")]
        slot: Option<String>,
        #[command(flatten)]
        wait: Waiting,
    },
    /// Disconnect a plug from a slot, or all that is connected to a plug or slot
    Disconnect {
        #[arg(value_name = "SNAP:NAME")]
        first: String,
        #[arg(value_name = "SNAP:SLOT")]
        slot: Option<String>,
        /// Also forget that there was a connection
        #[arg(long)]
        forget: bool,
        #[command(flatten)]
        wait: Waiting,
    },
    /// List interfaces, or tell about one
    #[command(alias = "interfaces")]
    Interface {
        /// Also interfaces that nothing is connected by
        #[arg(long)]
        all: bool,
        /// Also the attributes of plugs and slots
        #[arg(long)]
        attrs: bool,
        #[arg(value_name = "INTERFACE")]
        name: Option<String>,
    },
    /// List services
    Services {
        #[arg(value_name = "SNAP|SNAP.APP")]
        names: Vec<String>,
    },
    /// Start services
    Start {
        #[arg(required = true, value_name = "SNAP|SNAP.APP")]
        names: Vec<String>,
        /// Also start them at each start of the agent
        #[arg(long)]
        enable: bool,
        #[command(flatten)]
        wait: Waiting,
    },
    /// Stop services
    Stop {
        #[arg(required = true, value_name = "SNAP|SNAP.APP")]
        names: Vec<String>,
        /// Also stop starting them at each start of the agent
        #[arg(long)]
        disable: bool,
        #[command(flatten)]
        wait: Waiting,
    },
    /// Restart services
    Restart {
        #[arg(required = true, value_name = "SNAP|SNAP.APP")]
        names: Vec<String>,
        /// Reload those that can
        #[arg(long)]
        reload: bool,
        #[command(flatten)]
        wait: Waiting,
    },
    /// List changes
    Changes {
        #[arg(long)]
        abs_time: bool,
        #[arg(value_name = "SNAP")]
        snap: Option<String>,
    },
    /// List the tasks of a change
    #[command(alias = "change")]
    Tasks {
        #[arg(long)]
        abs_time: bool,
        #[command(flatten)]
        which: Which,
    },
    /// Wait for a change
    Watch {
        #[command(flatten)]
        which: Which,
    },
    /// Take back a change that is not finished
    Abort {
        #[command(flatten)]
        which: Which,
    },
    /// List warnings
    Warnings {
        /// Also those that were acknowledged
        #[arg(long)]
        all: bool,
    },
    /// Show the warnings that wait and acknowledge them
    Okay,
    /// Draw the board: header, lines, LEDs, who holds them
    Board {
        /// Keep the picture current until Ctrl-C
        #[arg(long)]
        watch: bool,
    },
    /// List lines, or show, set, pulse, watch or configure one
    Line(LineArgs),
    /// List LEDs, or show or drive one
    Led(LedArgs),
    /// Follow what happens to the hardware
    Events,
    /// Drive an input of the simulated board from outside
    #[command(subcommand)]
    Sim(Sim),
    /// Show all this once on a simulated board, within half a minute
    Demo {
        /// Keep it running until Ctrl-C
        #[arg(long)]
        stay: bool,
    },
    /// Print a completion script for a shell
    Completions { shell: Shell },
    /// Print the versions of client, agent and system
    Version,
    /// Explain a command or a topic
    Help {
        #[arg(value_name = "COMMAND|TOPIC")]
        topic: Option<String>,
    },
}

#[derive(Debug, Args)]
pub struct Daemon {
    /// The socket for snaps [default: run/snapd-snap.socket below the root]
    #[arg(long, value_name = "PATH")]
    pub snap_socket: Option<PathBuf>,
    /// The board: a name, or a board file [default: the one that the device tree names]
    #[arg(long, value_name = "NAME|FILE")]
    pub board: Option<String>,
    /// The configuration file [default: etc/pinion/config.toml below the root]
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub struct List {
    /// Also revisions that are not active
    #[arg(long)]
    pub all: bool,
    #[arg(value_name = "SNAP")]
    pub snaps: Vec<String>,
}

#[derive(Debug, Args)]
pub struct Install {
    #[arg(required = true, value_name = "FILE")]
    pub files: Vec<PathBuf>,
    /// Install without signatures
    #[arg(long)]
    pub dangerous: bool,
    /// Install without confinement
    #[arg(long)]
    pub devmode: bool,
    /// Install strictly confined, whatever the snap asks for
    #[arg(long, conflicts_with = "devmode")]
    pub jailmode: bool,
    /// Install with access to the whole system
    #[arg(long)]
    pub classic: bool,
    #[command(flatten)]
    pub wait: Waiting,
}

#[derive(Debug, Args)]
pub struct Remove {
    #[arg(required = true, value_name = "SNAP")]
    pub snaps: Vec<String>,
    /// Without saving its data first
    #[arg(long)]
    pub purge: bool,
    /// Only this revision
    #[arg(long, value_name = "REVISION")]
    pub revision: Option<String>,
    #[command(flatten)]
    pub wait: Waiting,
}

#[derive(Clone, Copy, Debug, Args)]
pub struct Waiting {
    /// Print the id of the change and do not wait for it
    #[arg(long)]
    pub no_wait: bool,
}

/// One change: by its id, or the last of a kind.
#[derive(Debug, Args)]
#[group(required = true, multiple = false)]
pub struct Which {
    #[arg(value_name = "ID")]
    pub id: Option<String>,
    /// The last change of a kind: install, remove, connect, …
    #[arg(long, value_name = "KIND")]
    pub last: Option<String>,
}

#[derive(Debug, Args)]
pub struct LineArgs {
    #[arg(value_name = "LINE")]
    pub name: Option<String>,
    /// The level to set; `configure` with the options below; or `release` what the operator took
    #[arg(value_name = "ACTION", value_parser = ["0", "1", "configure", "release"], requires = "name")]
    pub action: Option<String>,
    /// Follow its edges
    #[arg(long, requires = "name", conflicts_with_all = ["action", "pulse"])]
    pub watch: bool,
    /// Set it for so many milliseconds (to 1, or to the level given), then back
    #[arg(long, value_name = "MS", requires = "name")]
    pub pulse: Option<u64>,
    /// Configure: which way it goes
    #[arg(long, value_parser = ["input", "output"], requires = "name")]
    pub direction: Option<String>,
    /// Configure: its level when nobody drives it
    #[arg(long, value_name = "0|1", value_parser = clap::value_parser!(u8).range(0..=1), requires = "name")]
    pub safe_value: Option<u8>,
    /// Configure: whether the logical level is the inverse of the electrical one
    #[arg(long, value_name = "true|false", requires = "name")]
    pub active_low: Option<bool>,
}

#[derive(Debug, Args)]
pub struct LedArgs {
    #[arg(value_name = "LED")]
    pub name: Option<String>,
    /// on, off, blink, identify, or a brightness
    #[arg(value_name = "ACTION", requires = "name")]
    pub action: Option<String>,
    /// Blink: milliseconds on
    #[arg(long, value_name = "MS", default_value_t = 500)]
    pub on: u64,
    /// Blink: milliseconds off
    #[arg(long, value_name = "MS", default_value_t = 500)]
    pub off: u64,
    /// Keep a brightness or trigger over restarts
    #[arg(long, requires = "name")]
    pub keep: bool,
    /// Let the kernel drive it: none, heartbeat, timer, …
    #[arg(long, value_name = "NAME", requires = "name", conflicts_with = "action")]
    pub trigger: Option<String>,
}

#[derive(Debug, Subcommand)]
pub enum Sim {
    /// Drive a line, as something wired to it would
    Line {
        #[arg(value_name = "LINE")]
        name: String,
        #[arg(value_name = "0|1", value_parser = clap::value_parser!(u8).range(0..=1))]
        value: u8,
    },
}

/// What units, the supervisor, wrappers and people start apps with. Everything after the target is the app's.
#[derive(Debug, Args)]
pub struct Run {
    /// Run a hook of the snap instead
    #[arg(long, value_name = "HOOK", hide = true)]
    pub hook: Option<String>,
    /// Another command of the service: stop, reload, post-stop
    #[arg(long, value_name = "COMMAND", hide = true)]
    pub command: Option<String>,
    /// As a service
    #[arg(long, hide = true)]
    pub service: bool,
    /// The app, and what it is to get
    #[arg(required = true, value_names = ["SNAP.APP", "ARG"], num_args = 1.., trailing_var_arg = true)]
    pub words: Vec<OsString>,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
pub enum Shell {
    Bash,
    Zsh,
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_tree_is_sound() {
        Cli::command().debug_assert();
    }

    #[test]
    fn everything_after_the_app_is_its_own() {
        let words = [
            "pinion",
            "run",
            "--root",
            "/r",
            "--hook",
            "configure",
            "a.b",
            "--json",
            "--help",
            "-x",
        ];
        let cli = Cli::try_parse_from(words).expect("fine");
        assert!(!cli.common.json);
        assert_eq!(cli.common.root.to_str(), Some("/r"));
        let Command::Here(Here::Run(run)) = cli.command else {
            panic!("not run")
        };
        assert_eq!(run.hook.as_deref(), Some("configure"));
        assert_eq!(run.words, ["a.b", "--json", "--help", "-x"]);
    }

    #[test]
    fn wrong_usage_is_told() {
        for words in [
            vec!["pinion"],
            vec!["pinion", "nosuch"],
            vec!["pinion", "tasks"],
            vec!["pinion", "tasks", "1", "--last", "install"],
            vec!["pinion", "line", "GPIO1", "2"],
            vec!["pinion", "line", "GPIO1", "1", "--watch"],
            vec!["pinion", "install"],
        ] {
            assert!(Cli::try_parse_from(&words).is_err(), "{words:?}");
        }
    }
}
