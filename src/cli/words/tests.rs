use super::meant::distance;
use super::*;
use crate::cli::args::{Ask, Cli, Here};
use std::os::unix::ffi::OsStringExt;

fn read(words: &[&str]) -> Result<Cli, Stop> {
    Cli::read(
        std::iter::once("pinion")
            .chain(words.iter().copied())
            .map(OsString::from),
    )
}

fn wrong(words: &[&str]) -> String {
    match read(words) {
        Err(Stop::Wrong(text)) => text,
        Err(Stop::Asked(text)) => panic!("{words:?}: {text}"),
        Ok(_) => panic!("{words:?} is taken"),
    }
}

fn asked(words: &[&str]) -> String {
    match read(words) {
        Err(Stop::Asked(text)) => text,
        _ => panic!("{words:?}"),
    }
}

#[test]
fn everything_after_the_app_is_its_own() {
    let words = [
        "run",
        "--root",
        "/r",
        "--hook",
        "configure",
        "a.b",
        "--json",
        "--help",
        "--",
        "-x",
    ];
    let Ok(cli) = read(&words) else {
        panic!("not taken")
    };
    assert!(!cli.common.json);
    assert_eq!(cli.common.root.to_str(), Some("/r"));
    let Command::Here(Here::Run(run)) = cli.command else {
        panic!("not run")
    };
    assert_eq!(run.hook.as_deref(), Some("configure"));
    assert_eq!(run.words, ["a.b", "--json", "--help", "--", "-x"]);
}

#[test]
fn options_stand_anywhere_and_values_in_both_forms() {
    for words in [
        &["--root=/r", "--json", "tasks", "--last", "install"][..],
        &["tasks", "--last=install", "--json", "--root", "/r"],
    ] {
        let Ok(cli) = read(words) else { panic!("{words:?}") };
        assert!(cli.common.json);
        assert_eq!(cli.common.root.to_str(), Some("/r"));
        let Command::Ask(Ask::Tasks { which, .. }) = cli.command else {
            panic!("{words:?}")
        };
        assert_eq!((which.id, which.last.as_deref()), (None, Some("install")));
    }
    let Ok(cli) = read(&["change", "--", "-7"]) else {
        panic!("not taken")
    };
    assert!(
        matches!(cli.command, Command::Ask(Ask::Tasks { which, .. }) if which.id.as_deref() == Some("-7"))
    );
}

#[test]
fn short_options_take_values_in_all_forms() {
    const TAKES: &[Word] = &[
        option("--lines", "N", "").short(b'n').number(),
        flag("--follow", "").short(b'f'),
    ];
    static TRY: Spec = Spec::new("try", "", |found| {
        let snap = format!("{:?} {}", found.number("--lines"), found.flag("--follow"));
        Ask::Changes {
            abs_time: false,
            snap: Some(snap),
        }
        .into()
    })
    .takes(TAKES);
    for words in [
        &["-n", "5", "-f"][..],
        &["-n5", "-f"],
        &["-fn5"],
        &["-fn=5"],
        &["-fn", "5"],
    ] {
        let read = super::read(&TRY, words.iter().map(OsString::from));
        let Ok((Command::Ask(Ask::Changes { snap, .. }), _)) = read else {
            panic!("{words:?}")
        };
        assert_eq!(snap.as_deref(), Some("Some(5) true"), "{words:?}");
    }
    assert!(super::read(&TRY, ["-x"].iter().map(OsString::from)).is_err());
    assert!(super::read(&TRY, ["-fn"].iter().map(OsString::from)).is_err());
}

#[test]
fn wrong_usage_is_told() {
    for (words, reason) in [
        (&["nosuch"][..], "no command 'nosuch'"),
        (&["tasks"], "one of these is missing: ID, --last"),
        (
            &["tasks", "1", "--last", "install"],
            "'ID' and '--last' exclude each other",
        ),
        (&["line", "GPIO1", "2"], "'2' will not do for '[ACTION]'"),
        (&["line", "GPIO1", "1", "--watch"], "exclude each other"),
        (&["line", "--watch"], "'--watch' is of use only with 'LINE'"),
        (&["line", "GPIO1", "--pulse", "-1"], "not a whole number"),
        (&["install"], "'<FILE>...' is missing"),
        (&["install", "a", "--dangerous", "--dangerous"], "given twice"),
        (&["install", "a", "--dangerous=yes"], "takes no value"),
        (&["tasks", "--last"], "'--last <KIND>' needs a value"),
        (&["connect", "a:b", "c:d", "e:f"], "'e:f' is unexpected"),
        (&["run"], "'<SNAP.APP>...' is missing"),
        (&["list", "-q"], "'-q' is unexpected"),
        (&["list", "--version"], "'--version' is unexpected"),
    ] {
        let text = wrong(words);
        assert!(
            text.starts_with("error: ") && text.contains(reason),
            "{words:?}: {text}"
        );
        assert!(
            text.contains("\nUsage: pinion ") && text.contains(" --help'"),
            "{text}"
        );
    }
    assert!(wrong(&[]).contains("Commands:\n  list"));
    assert!(wrong(&["sim"]).contains("Commands:\n  line"));
}

#[test]
fn what_is_not_text_is_told_but_may_be_a_path() {
    let bad = || OsString::from_vec(vec![b'a', 0xff]);
    let words = |first: &str| ["pinion".into(), first.into(), bad()].into_iter();
    assert!(matches!(Cli::read(words("info")), Err(Stop::Wrong(text)) if text.contains("not UTF-8")));
    let Ok(cli) = Cli::read(words("install")) else {
        panic!("not taken")
    };
    assert!(matches!(cli.command, Command::Ask(Ask::Install(install)) if install.files == [bad()]));
}

#[test]
fn what_was_meant_is_guessed() {
    for (words, meant) in [
        (&["lsit"][..], "did you mean 'list'?"),
        (&["conections"], "'connections'"),
        (&["list", "--al"], "'--all'"),
        (&["install", "--dangeruos"], "'--dangerous'"),
        (&["--rot", "/x"], "'--root'"),
    ] {
        assert!(wrong(words).contains(meant), "{}", wrong(words));
    }
    assert!(!wrong(&["xyzzy"]).contains("did you mean"));
    assert_eq!(distance("okay", "okay"), 0);
    assert_eq!(distance("lsit", "list"), 1);
    assert_eq!(distance("", "list"), 4);
}

#[test]
fn help_is_asked_for_everywhere() {
    assert!(asked(&["--help"]).contains("\n  sim          Drive an input"));
    assert_eq!(
        asked(&["sim", "line", "-h"]),
        "Drive a line, as something wired to it would\n\n\
        Usage: pinion sim line [OPTIONS] <LINE> <0|1>\n\n\
        Arguments:\n  <LINE>\n  <0|1>   [0, 1]\n\n\
        Options:\n  -h, --help  Print help\n\n\
        Common:\n      --socket <PATH>  The agent's socket [default: run/snapd.socket below the root]\n      \
        --root <DIR>     The directory that the agent manages [default: /]\n      \
        --json           Print results as JSON, for scripts\n"
    );
    assert!(asked(&["tasks", "-h"]).contains("Usage: pinion tasks [OPTIONS] <ID|--last <KIND>>\n"));
    assert!(!asked(&["run", "-h"]).contains("--hook"));
    assert_eq!(asked(&["-V"]), format!("pinion {}\n", env!("CARGO_PKG_VERSION")));
}
