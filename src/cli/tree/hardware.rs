//! The board: lines, LEDs, board files, the simulated one.

use super::nothing;
use crate::cli::args::{Ask, Here, LedArgs, LineArgs, Sim};
use crate::cli::words::{Rule, Spec, flag, maybe, one, option};

pub const BOARD: Spec = Spec::new(
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
]);

pub const GADGET: Spec = Spec::new("gadget", "Make a gadget's folder from a board file", |found| {
    Here::Gadget {
        file: found.path("FILE").unwrap_or_default(),
        out: found.path("DIR"),
    }
    .into()
})
.takes(&[
    one("FILE", "").path(),
    maybe("DIR", "The folder to make [default: NAME-gadget here]").path(),
]);

pub const EVENTS: Spec = Spec::new("events", "Follow what happens to the hardware", |_| {
    Ask::Events.into()
});

pub const SIM: Spec = Spec::new(
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
]);

pub const DEMO: Spec = Spec::new(
    "demo",
    "Show all this once on a simulated board, within half a minute",
    |found| {
        let stay = found.flag("--stay");
        Ask::Demo { stay }.into()
    },
)
.takes(&[flag("--stay", "Keep it running until Ctrl-C")]);

pub const LINE: Spec = Spec::new(
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

pub const LED: Spec = Spec::new("led", "List LEDs, or show or drive one", |found| {
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
