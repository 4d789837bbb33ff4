//! Plans, without a disk.

mod disk;
mod revisions;
mod tried;

use super::plan::{Candidate, install};
use super::*;
use crate::domain::{
    ErrorKind, Fault, FileIdentity, Plan, Revision, RevisionRecord, SnapName, SnapRecord, Timestamp, kinds,
};
use crate::store::World;

/// A machine for plans.
const DEVICE: Device = Device {
    architecture: "amd64",
    on_classic: true,
    executable: PathBuf::new(),
};

fn name(text: &str) -> SnapName {
    SnapName::new(text).expect("a name")
}

fn candidate(yaml: &str) -> Candidate {
    let info = yaml::parse_snap_yaml(yaml.as_bytes()).expect("valid");
    Candidate {
        original: format!("{}.snap", info.name),
        path: PathBuf::from("/up"),
        file: FileIdentity::default(),
        info,
    }
}

fn revision(yaml: &str, number: u32) -> RevisionRecord {
    RevisionRecord {
        revision: Revision::local(number).expect("a revision"),
        installed: Timestamp(0),
        file: FileIdentity::default(),
        info: Arc::new(yaml::parse_snap_yaml(yaml.as_bytes()).expect("valid")),
    }
}

fn record(yaml: &str, numbers: &[u32]) -> SnapRecord {
    let sequence: Vec<RevisionRecord> = numbers.iter().map(|n| revision(yaml, *n)).collect();
    let last = sequence.last().expect("one");
    SnapRecord {
        name: last.info.name.clone(),
        active: true,
        current: last.revision,
        sequence: sequence.clone(),
        devmode: false,
        jailmode: false,
        classic: false,
        tracking_channel: String::new(),
        cohort_key: String::new(),
        disabled_services: Vec::new(),
        aliases: Default::default(),
    }
}

fn world(records: Vec<SnapRecord>) -> World {
    let mut world = World::default();
    for record in records {
        Arc::make_mut(&mut world.snaps).insert(record.name.clone(), Arc::new(record));
    }
    world
}

fn kinds_of(plan: &Plan) -> Vec<String> {
    plan.tasks
        .iter()
        .map(|task| match task.params.get("hook") {
            Some(hook) if task.kind == kinds::RUN_HOOK => {
                format!("{}({})", task.kind, hook.as_str().expect("text"))
            }
            _ => task.kind.to_owned(),
        })
        .collect()
}

const DANGEROUS: SideloadFlags = SideloadFlags {
    dangerous: true,
    devmode: false,
    jailmode: false,
    classic: false,
    ignore_running: false,
    unaliased: false,
    all_or_none: false,
};

#[test]
fn a_new_snap_takes_the_thirteen_tasks_of_the_contract() {
    // contract: v2-observed, section 3, "sideload new"
    let plan = install(
        &World::default(),
        vec![candidate("name: foo\nversion: 1\nassumes: [snapd2.40]\n")],
        DANGEROUS,
        &DEVICE,
    )
    .expect("a plan");
    assert_eq!(plan.kind, "install-snap");
    assert_eq!(plan.summary, "Install \"foo\" snap from file \"foo.snap\"");
    assert_eq!(plan.data["snap-name"], "foo");
    assert_eq!(
        kinds_of(&plan),
        [
            "prerequisites",
            "prepare-snap",
            "mount-snap",
            "copy-snap-data",
            "setup-profiles",
            "link-snap",
            "auto-connect",
            "set-auto-aliases",
            "setup-aliases",
            "run-hook(install)",
            "start-snap-services",
            "run-hook(configure)",
            "run-hook(check-health)"
        ]
    );
    let summaries: Vec<&str> = plan.tasks.iter().map(|task| task.summary.as_str()).collect();
    assert_eq!(
        summaries[..6],
        [
            "Ensure prerequisites for \"foo\" are available",
            "Prepare snap \"/up\" (unset)",
            "Mount snap \"foo\" (unset)",
            "Copy snap \"foo\" data",
            "Setup snap \"foo\" (unset) security profiles",
            "Make snap \"foo\" (unset) available to the system",
        ]
    );
    assert_eq!(summaries[12], "Run health check of \"foo\" snap");
    for (position, task) in plan.tasks.iter().enumerate() {
        let before: Vec<usize> = position.checked_sub(1).into_iter().collect();
        assert_eq!(task.waits, before, "{}", task.kind);
    }
    assert_eq!(plan.tasks[1].params["revision"], "x1");
    assert!(
        plan.tasks
            .iter()
            .all(|task| task.params.get("unaliased").is_none())
    );
}

#[test]
fn automatic_aliases_can_be_left_out() {
    // contract: v2, section 3, "Sideload": the field unaliased
    let unaliased = SideloadFlags {
        unaliased: true,
        ..DANGEROUS
    };
    let file = candidate("name: foo\nversion: 1\n");
    let plan = install(&World::default(), vec![file], unaliased, &DEVICE).expect("a plan");
    let told: Vec<&str> = plan
        .tasks
        .iter()
        .filter(|task| task.params.get("unaliased") == Some(&serde_json::Value::Bool(true)))
        .map(|task| task.kind)
        .collect();
    assert_eq!(told, ["set-auto-aliases"]);
}

#[test]
fn a_base_has_no_configure_hook() {
    let plan = install(
        &World::default(),
        vec![candidate("name: core99\nversion: 1\ntype: base\n")],
        DANGEROUS,
        &DEVICE,
    )
    .expect("a plan");
    assert_eq!(plan.tasks.len(), 12);
    assert!(!kinds_of(&plan).contains(&String::from("run-hook(configure)")));
}

#[test]
fn a_file_over_an_installed_snap_refreshes_it() {
    // contract: v2-observed, section 3, "sideload over an installed snap"
    let yaml = "name: foo\nversion: 1\n";
    let world = world(vec![record(yaml, &[1, 2])]);
    let plan = install(&world, vec![candidate(yaml)], DANGEROUS, &DEVICE).expect("a plan");
    assert_eq!(
        kinds_of(&plan),
        [
            "prerequisites",
            "prepare-snap",
            "mount-snap",
            "run-hook(pre-refresh)",
            "stop-snap-services",
            "remove-aliases",
            "unlink-current-snap",
            "copy-snap-data",
            "setup-profiles",
            "link-snap",
            "auto-connect",
            "set-auto-aliases",
            "setup-aliases",
            "run-hook(post-refresh)",
            "start-snap-services",
            "clear-snap",
            "discard-snap",
            "cleanup",
            "run-hook(configure)",
            "run-hook(check-health)"
        ]
    );
    assert_eq!(plan.tasks[1].params["revision"], "x3");
    assert_eq!(
        plan.tasks[15].params["revision"], "x1",
        "two stay on a classic system"
    );
}

#[test]
fn several_files_have_lanes_and_bases_come_first() {
    let app = "name: app\nversion: 1\nbase: core99\n";
    let base = "name: core99\nversion: 1\ntype: base\n";
    let plan = install(
        &World::default(),
        vec![candidate(app), candidate(base)],
        DANGEROUS,
        &DEVICE,
    )
    .expect("a plan");
    assert_eq!(
        plan.summary,
        "Install snaps \"app\", \"core99\" from files \"app.snap\", \"core99.snap\""
    );
    assert_eq!(plan.data["snap-names"], serde_json::json!(["app", "core99"]));
    assert_eq!(plan.tasks.len(), 25);
    assert_eq!(plan.tasks[0].params["snap"], "core99");
    assert_eq!(plan.tasks[0].lanes, [1]);
    assert_eq!(plan.tasks[12].lanes, [2]);
    assert_eq!(plan.tasks[12].waits, [5], "the app waits until its base is there");
    let together = SideloadFlags {
        all_or_none: true,
        ..DANGEROUS
    };
    let plan = install(
        &World::default(),
        vec![candidate(app), candidate(base)],
        together,
        &DEVICE,
    )
    .expect("a plan");
    assert!(plan.tasks.iter().all(|task| task.lanes == [1]));
}

#[test]
fn refusals() {
    let strict = "name: foo\nversion: 1\n";
    let devmode = "name: foo\nversion: 1\nconfinement: devmode\n";
    let classic = "name: foo\nversion: 1\nconfinement: classic\n";
    let gadget = "name: pi\nversion: 1\ntype: gadget\n";
    let other_gadget = "name: pc\nversion: 1\ntype: gadget\n";
    let installed = || world(vec![record(strict, &[1]), record(gadget, &[1])]);
    let on_core = Device {
        on_classic: false,
        ..DEVICE
    };
    let refused = |world: &World, yamls: &[&str], device: &Device| -> Fault {
        install(
            world,
            yamls.iter().map(|yaml| candidate(yaml)).collect(),
            DANGEROUS,
            device,
        )
        .expect_err("refused")
    };
    let none = World::default();
    assert_eq!(
        refused(&none, &[devmode], &DEVICE).kind,
        ErrorKind::SnapNeedsDevmode
    );
    let fault = refused(&none, &[classic], &DEVICE);
    assert_eq!(fault.kind, ErrorKind::SnapNeedsClassic);
    assert_eq!(fault.value, Some("foo".into()));
    let classic_flag = SideloadFlags {
        classic: true,
        ..DANGEROUS
    };
    // contract: v2, Sideload, "Confinement mismatch"
    let fault = install(&none, vec![candidate(strict)], classic_flag, &DEVICE).expect_err("strict");
    assert_eq!(
        (fault.kind, fault.value),
        (ErrorKind::SnapNotClassic, Some("foo".into()))
    );
    let plan = install(&none, vec![candidate(classic)], classic_flag, &DEVICE).expect("a plan");
    assert_eq!(plan.tasks[1].params["flags"]["classic"], true);
    assert_eq!(
        refused(&none, &[classic], &on_core).kind,
        ErrorKind::SnapNeedsClassicSystem
    );
    let texts = [
        (
            refused(&none, &[strict, strict], &DEVICE),
            "are both snap \"foo\"",
        ),
        (refused(&none, &[gadget, other_gadget], &DEVICE), "one gadget"),
        (refused(&installed(), &[other_gadget], &DEVICE), "one gadget"),
        (
            refused(&installed(), &["name: foo\nversion: 1\ntype: base\n"], &DEVICE),
            "of type app",
        ),
        (
            refused(&installed(), &["name: foo\nversion: 1\nepoch: 7\n"], &DEVICE),
            "cannot read the data",
        ),
        (
            refused(
                &none,
                &["name: foo\nversion: 1\narchitectures: [s390x, riscv64]\n"],
                &DEVICE,
            ),
            "snap \"foo\" supported architectures (s390x, riscv64) are incompatible with this system (amd64)",
        ),
    ];
    for (fault, text) in texts {
        assert_eq!(fault.kind, ErrorKind::BadRequest);
        assert!(fault.message.contains(text), "{}", fault.message);
    }
    install(&installed(), vec![candidate(gadget)], DANGEROUS, &DEVICE).expect("the same gadget again");
    let epochs =
        |epoch: &str| format!("name: old\nversion: 1\nepoch: {{read: [{epoch}], write: [{epoch}]}}\n");
    let old = world(vec![record(&epochs("0, 1"), &[1])]);
    install(&old, vec![candidate(&epochs("1, 2"))], DANGEROUS, &DEVICE).expect("one in common is enough");
    assert!(
        refused(&old, &[&epochs("2, 3")], &DEVICE)
            .message
            .contains("cannot read the data")
    );
}

#[test]
fn removal_takes_the_tasks_of_the_contract() {
    // contract: v2-observed, section 3, "remove"; others first, the current revision last
    let yaml = "name: foo\nversion: 1\nbase: core99\n";
    let base = "name: core99\nversion: 1\ntype: base\n";
    let mut world = world(vec![record(yaml, &[1, 2]), record(base, &[1])]);
    let plan = removal::remove_one(&world, "foo", RemoveOptions::default()).expect("a plan");
    assert_eq!(plan.kind, "remove-snap");
    assert_eq!(plan.summary, "Remove \"foo\" snap");
    assert_eq!(
        kinds_of(&plan),
        [
            "stop-snap-services",
            "run-hook(remove)",
            "auto-disconnect",
            "remove-aliases",
            "unlink-snap",
            "remove-profiles",
            "clear-snap",
            "discard-snap",
            "clear-snap",
            "discard-snap"
        ]
    );
    assert_eq!(plan.tasks[6].params["revision"], "x1");
    assert_eq!(plan.tasks[9].params["revision"], "x2");

    let only = |n| RemoveOptions {
        revision: Revision::local(n),
    };
    let plan = removal::remove_one(&world, "foo", only(1)).expect("a plan");
    assert_eq!(kinds_of(&plan), ["clear-snap", "discard-snap"]);
    let fault = removal::remove_one(&world, "foo", only(2)).expect_err("in use");
    assert_eq!(
        fault.message,
        "cannot remove active revision x2 of snap \"foo\" (revert first?)"
    );
    let fault = removal::remove_one(&world, "foo", only(9)).expect_err("not there");
    assert_eq!(fault.kind, ErrorKind::SnapNotInstalled);
    let fault = removal::remove_one(&world, "nosuch", RemoveOptions::default()).expect_err("not there");
    assert_eq!(fault.kind, ErrorKind::SnapNotInstalled);
    assert_eq!(fault.value, Some("nosuch".into()));
    let fault = removal::remove_one(&world, "core99", RemoveOptions::default()).expect_err("in use");
    assert!(
        fault.message.contains("is being used by snap foo"),
        "{}",
        fault.message
    );

    let names = ["core99", "foo", "nosuch"].map(String::from);
    let plan = removal::remove_many(&world, &names).expect("both at once");
    assert_eq!(plan.data["snap-names"], serde_json::json!(["core99", "foo"]));
    assert_eq!(
        plan.tasks[0].params["snap"], "foo",
        "what stands on the base goes first"
    );
    let plan = removal::remove_many(&world, &[String::from("nosuch")]).expect("nothing to do");
    assert!(plan.tasks.is_empty());

    let disabled = SnapRecord {
        active: false,
        ..record(yaml, &[1])
    };
    Arc::make_mut(&mut world.snaps).insert(name("foo"), Arc::new(disabled));
    let plan = removal::remove_one(&world, "foo", RemoveOptions::default()).expect("a plan");
    assert_eq!(kinds_of(&plan), ["auto-disconnect", "clear-snap", "discard-snap"]);
}
