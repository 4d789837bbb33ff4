//! The one binary: daemon and client, and what snaps call.

use pinion::cli::args::{Cli, Command, Here};
use pinion::domain::Dirs;
use pinion::managers::snaps::pack::pack;
use pinion::{app, cli, confine};
use std::path::Path;
use std::process::ExitCode;

fn main() -> ExitCode {
    let args: Vec<_> = std::env::args_os().collect();
    let called = args.first().map(Path::new).and_then(Path::file_name);
    if called.is_some_and(|name| name == "snapctl") {
        return cli::snapctl::run(&args[1..]);
    }
    if let Some(target) = called.and_then(|name| confine::called_as(&Dirs::new("/"), name)) {
        return confine::run(&confine::Run {
            root: None,
            target,
            hook: None,
            command: None,
            service: false,
            timer: None,
            args: args[1..].to_vec(),
        });
    }
    let Cli { common, command } = match Cli::read(args.into_iter()) {
        Ok(cli) => cli,
        Err(stop) => return cli::stopped(&stop),
    };
    match command {
        Command::Ask(ask) => cli::run(&common, &ask),
        Command::Here(Here::Daemon(daemon)) => app::daemon(&app::Options {
            root: common.root,
            socket: common.socket,
            snap_socket: daemon.snap_socket,
            board: daemon.board,
            config: daemon.config,
        }),
        Command::Here(Here::ProbeBoard) => app::probe_board(),
        Command::Here(Here::CheckBoard { file }) => app::check_board(&file, common.json),
        Command::Here(Here::Gadget { file, out }) => app::make_gadget(&file, out),
        Command::Here(Here::Check { deep }) => {
            app::check(&common.root, common.socket.as_deref(), deep, common.json)
        }
        Command::Here(Here::Report { out, values }) => {
            let asked = app::Asked {
                out,
                values,
                socket: common.socket,
            };
            app::report(&common.root, &asked, common.json)
        }
        Command::Here(Here::Run(run)) => {
            let mut words = run.words.into_iter();
            confine::run(&confine::Run {
                root: Some(common.root),
                target: words.next().unwrap_or_default().to_string_lossy().into_owned(),
                hook: run.hook,
                command: run.command,
                service: run.service,
                timer: run.timer,
                args: words.collect(),
            })
        }
        Command::Here(Here::Snapctl { words }) => cli::snapctl::run(&words),
        Command::Here(Here::Pack { dir, out }) => match pack(&dir, out.as_deref()) {
            Ok(made) => cli::packed(&common, &made.path, made.size, &made.warnings),
            Err(error) => cli::failed(&common, &error),
        },
    }
}
