//! What goes on: changes, warnings, notices.

use crate::cli::args::{Ask, Which};
use crate::cli::words::{Found, Rule, Spec, Word, flag, maybe, option};

const ABS_TIME: Word = flag("--abs-time", "Show times in full");
const ID: Word = maybe("ID", "The id of the change");
const LAST: Word = option(
    "--last",
    "KIND",
    "The last change of a kind: install, remove, connect, …",
);
const ONE_CHANGE: &[Rule] = &[Rule::ExactlyOne(&["ID", "--last"])];

pub const CHANGES: Spec = Spec::new("changes", "List changes", |found| {
    Ask::Changes {
        abs_time: found.flag("--abs-time"),
        snap: found.text("SNAP"),
    }
    .into()
})
.takes(&[ABS_TIME, maybe("SNAP", "Only those of a snap")]);

pub const TASKS: Spec = Spec::new("tasks", "List the tasks of a change", |found| {
    Ask::Tasks {
        abs_time: found.flag("--abs-time"),
        which: which(found),
    }
    .into()
})
.aliases(&["change"])
.takes(&[ABS_TIME, ID, LAST])
.rules(ONE_CHANGE);

pub const WATCH: Spec = Spec::new("watch", "Wait for a change", |found| {
    let which = which(found);
    Ask::Watch { which }.into()
})
.takes(&[ID, LAST])
.rules(ONE_CHANGE);

pub const ABORT: Spec = Spec::new("abort", "Take back a change that is not finished", |found| {
    let which = which(found);
    Ask::Abort { which }.into()
})
.takes(&[ID, LAST])
.rules(ONE_CHANGE);

pub const WARNINGS: Spec = Spec::new("warnings", "List warnings", |found| {
    let all = found.flag("--all");
    Ask::Warnings { all }.into()
})
.takes(&[flag("--all", "Also those that were acknowledged")]);

pub const OKAY: Spec = Spec::new("okay", "Show the warnings that wait and acknowledge them", |_| {
    Ask::Okay.into()
});

pub const NOTICES: Spec = Spec::new("notices", "List what has moved lately", |found| {
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
]);

fn which(found: &mut Found) -> Which {
    Which {
        id: found.text("ID"),
        last: found.text("--last"),
    }
}
