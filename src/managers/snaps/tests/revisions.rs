//! Plans to revert, enable, disable and switch.

use super::{kinds_of, record, world};
use crate::domain::{ErrorKind, Fault, Plan, Revision, SnapRecord};
use crate::managers::snaps::revisions::{disable, enable, revert, switch};
use crate::managers::snaps::{RevertOptions, SwitchOptions};
use crate::store::World;
use serde_json::json;

const YAML: &str = "name: foo\nversion: 1\n";

fn at(current: u32, numbers: &[u32]) -> World {
    world(vec![SnapRecord {
        current: Revision::local(current).expect("a revision"),
        devmode: true,
        ..record(YAML, numbers)
    }])
}

fn to(number: u32) -> RevertOptions {
    RevertOptions {
        revision: Revision::local(number),
        ..RevertOptions::default()
    }
}

#[test]
fn a_revert_takes_the_tasks_of_the_contract() {
    // contract: v2-observed, section 3, "revert"
    let plan = revert(&at(3, &[1, 2, 3]), "foo", RevertOptions::default()).expect("a plan");
    assert_eq!(
        (plan.kind, plan.summary.as_str()),
        ("revert-snap", "Revert \"foo\" snap")
    );
    assert_eq!(
        kinds_of(&plan),
        [
            "prerequisites",
            "prepare-snap",
            "stop-snap-services",
            "remove-aliases",
            "unlink-current-snap",
            "setup-profiles",
            "link-snap",
            "auto-connect",
            "set-auto-aliases",
            "setup-aliases",
            "start-snap-services",
            "run-hook(configure)",
            "run-hook(check-health)"
        ]
    );
    let params = &plan.tasks[6].params;
    assert_eq!(params["revision"], "x2", "the one before");
    assert_eq!(params["before"]["current"], "x3");
    assert_eq!(
        params["flags"]["devmode"], true,
        "flags stay unless others are given"
    );
    for (position, task) in plan.tasks.iter().enumerate() {
        let before: Vec<usize> = position.checked_sub(1).into_iter().collect();
        assert_eq!(task.waits, before, "{}", task.kind);
    }

    let plan = revert(&at(2, &[1, 2, 3]), "foo", to(3)).expect("forward again");
    assert_eq!(plan.tasks[6].params["revision"], "x3");
    let jailed = RevertOptions {
        jailmode: true,
        ..RevertOptions::default()
    };
    let plan = revert(&at(2, &[1, 2]), "foo", jailed).expect("a plan");
    let flags = &plan.tasks[6].params["flags"];
    assert_eq!(
        (&flags["devmode"], &flags["jailmode"]),
        (&json!(false), &json!(true))
    );
}

#[test]
fn what_cannot_be_reverted_is_refused_as_in_the_contract() {
    // contract: v2, section 6, "revert"; v2-observed, "revert of a missing snap"
    let mut inactive = at(2, &[1, 2]);
    let disabled = SnapRecord {
        active: false,
        ..SnapRecord::clone(inactive.snap("foo").expect("there"))
    };
    inactive.snaps = world(vec![disabled]).snaps;
    let none = RevertOptions::default();
    let refused = |world: &World, name: &str, options| -> Fault {
        let fault = revert(world, name, options).expect_err("refused");
        assert_eq!(
            (fault.kind, &fault.value),
            (ErrorKind::BadRequest, &None),
            "{fault}"
        );
        fault
    };
    for (fault, text) in [
        (refused(&at(1, &[1]), "foo", none), "no revision to revert to"),
        (refused(&at(1, &[1, 2]), "foo", none), "no revision to revert to"),
        (refused(&at(1, &[1]), "nosuch", none), "no revision to revert to"),
        (
            refused(&at(2, &[1, 2]), "foo", to(2)),
            "already on requested revision",
        ),
        (refused(&inactive, "foo", none), "cannot revert inactive snaps"),
        (refused(&inactive, "foo", to(1)), "cannot revert inactive snaps"),
    ] {
        assert_eq!(fault.message, text);
    }
    let fault = refused(&at(2, &[1, 2]), "foo", to(7));
    assert_eq!(
        fault.message,
        "cannot find revision x7 for snap \"foo\": it has x1, x2"
    );
}

#[test]
fn a_snap_is_enabled_or_disabled_once() {
    let mut world = at(1, &[1]);
    assert_eq!(disable(&world, "foo").expect("a plan").kind, "disable-snap");
    let fault = enable(&world, "foo").expect_err("it is");
    assert_eq!(fault.message, "snap \"foo\" already enabled");
    let disabled = SnapRecord {
        active: false,
        ..record(YAML, &[1])
    };
    world.snaps = super::world(vec![disabled]).snaps;
    assert_eq!(enable(&world, "foo").expect("a plan").kind, "enable-snap");
    let fault = disable(&world, "foo").expect_err("it is");
    assert_eq!(fault.message, "snap \"foo\" already disabled");
}

#[test]
fn a_switch_says_what_is_followed() {
    // contract: v2, section 3, "Switch ... (cohort variants)"
    let world = world(vec![SnapRecord {
        tracking_channel: String::from("20/beta"),
        cohort_key: String::from("old"),
        ..record(YAML, &[1])
    }]);
    let plan = |channel: Option<&str>, key: Option<&str>, leave| -> Result<Plan, Fault> {
        let options = SwitchOptions {
            channel: channel.map(str::to_owned),
            cohort_key: key.map(str::to_owned),
            leave_cohort: leave,
        };
        switch(&world, "foo", options)
    };
    let long = "0123456789abcdef";
    for (channel, key, leave, summary, follows, cohort) in [
        (
            Some("edge"),
            None,
            false,
            "Switch \"foo\" snap to channel \"edge\"",
            "20/edge",
            "old",
        ),
        (
            None,
            Some(long),
            false,
            "Switch \"foo\" snap to cohort \"…789abcdef\"",
            "20/beta",
            long,
        ),
        (
            None,
            None,
            true,
            "Switch \"foo\" snap away from cohort",
            "20/beta",
            "",
        ),
        (
            Some("18"),
            None,
            true,
            "Switch \"foo\" snap to channel \"18\" and away from cohort",
            "18/stable",
            "",
        ),
        (
            Some("18/edge/fix"),
            Some("new"),
            false,
            "Switch \"foo\" snap to channel \"18/edge/fix\" and cohort \"new\"",
            "18/edge/fix",
            "new",
        ),
    ] {
        let plan = plan(channel, key, leave).expect(summary);
        assert_eq!((plan.kind, plan.summary.as_str()), ("switch-snap", summary));
        assert_eq!(kinds_of(&plan), ["switch-snap"]);
        let wanted = json!({"snap": "foo", "channel": follows, "cohort_key": cohort});
        assert_eq!(plan.tasks[0].params, wanted, "{summary}");
    }
    assert_eq!(
        plan(None, None, false).expect_err("nothing").kind,
        ErrorKind::BadRequest
    );
    assert!(plan(Some("a/b"), None, false).is_err());
    let fault = switch(&world, "nosuch", SwitchOptions::default()).expect_err("not there");
    assert_eq!(fault.kind, ErrorKind::SnapNotInstalled);
}
