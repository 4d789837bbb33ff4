//! Every row of the contract's table of commands that needs no store, assertion, user, quota group or snapshot, by the
//! unmodified `snap`: its exit code, and the requests that it sends with the statuses that they are answered with
//! (contract: v2-observed, "CLI subcommand -> HTTP requests").

use crate::support::recorder::Recorder;
use crate::support::snap::{Snap, has_snap, words};
use crate::support::snaps::pack;
use serde_json::Value;
use std::collections::BTreeSet;

/// EXIT-CODE COMMAND | METHOD PATH ->STATUS; …, as the contract has it. Asked of a root without snaps. Where the contract
/// asked for change 1 and found none, 99 is asked for: change 1 is the seeding here (decision 14). Two rows name requests
/// that the recording of the contract leaves out: `watch --last` and `interfaces`.
const EMPTY: &str = "\
0 version | GET /v2/system-info ->200
0 list | GET /v2/snaps ->200
0 list --all | GET /v2/snaps?select=all ->200
0 changes | GET /v2/changes?select=all ->200
1 change 99 | GET /v2/changes/N ->404
1 tasks 99 | GET /v2/changes/N ->404
0 changes core | GET /v2/changes?for=core&select=all ->200
1 watch 99 | GET /v2/changes/N ->404
0 connections --all | GET /v2/connections?select=all ->200
1 interface | GET /v2/interfaces?select=connected ->200
0 interface gpio | GET /v2/interfaces?doc=true&names=gpio&plugs=true&select=all&slots=true ->200
0 interface --attrs network | GET /v2/interfaces?doc=true&names=network&plugs=true&select=all&slots=true ->200
0 warnings | GET /v2/warnings ->200
1 okay |
0 services | GET /v2/apps?select=service ->200
0 aliases | GET /v2/aliases ->200
64 debug api /v2/system-info |
0 debug confinement | GET /v2/system-info ->200
0 debug sandbox-features | GET /v2/system-info ->200
0 debug ensure-state-soon | POST /v2/debug ->200
0 debug can-manage-refreshes | POST /v2/debug ->200
0 debug seeding | GET /v2/debug?aspect=seeding ->200
1 debug timings 1 | GET /v2/debug?all=false&aspect=change-timings&change-id=1&ensure=&startup= ->400
0 debug paths |
0 debug stacktraces | POST /v2/debug ->200
0 managed | GET /v2/system-info ->200
0 recovery | GET /v2/systems ->200
1 recovery --show-keys |
1 reboot --recover | POST /v2/systems ->500
0 routine console-conf-start | POST /v2/internal/console-conf-start ->200
0 auto-import |
0 advise-snap hello |
64 advise-command hello |
0 keys |
64 can-manage-refreshes |
64 get-base-declaration |
1 abort 99 | POST /v2/changes/N ->404
0 help |
0 prepare-image --help |
0 saved | GET /v2/snapshots ->200
0 validate | GET /v2/validation-sets ->200
0 whoami |
1 find x | GET /v2/find?q=x&scope=wide ->400
1 find | GET /v2/find?scope=wide&section=featured ->400
1 search x | GET /v2/find?q=x&scope=wide ->400
1 install hello | POST /v2/snaps/hello ->400
0 remove nosuch | POST /v2/snaps/nosuch ->400";

/// The same, in its order, on a root that has what the rows before brought.
const FULL: &str = "\
0 install --dangerous core_16_amd64.snap | POST /v2/snaps ->202; GET /v2/changes/N ->200; GET /v2/snaps?snaps=core ->200
0 install --dangerous hello-peer_1.0_all.snap | POST /v2/snaps ->202; GET /v2/changes/N ->200; GET /v2/snaps?snaps=hello-peer ->200
0 install --dangerous --no-wait hello-peer_2.0_all.snap | POST /v2/snaps ->202
0 watch --last=install | GET /v2/changes?select=all ->200; GET /v2/changes/N ->200
0 install --devmode --dangerous svc-peer_1.0_all.snap | POST /v2/snaps ->202; GET /v2/changes/N ->200; GET /v2/snaps?snaps=svc-peer ->200
0 install --dangerous plugs-peer_1.0_all.snap | POST /v2/snaps ->202; GET /v2/changes/N ->200; GET /v2/snaps?snaps=plugs-peer ->200
0 install --dangerous plain-peer_0.1_all.snap bare_1.0_all.snap | POST /v2/snaps ->202; GET /v2/changes/N ->200; GET /v2/snaps?snaps=plain-peer%2Cbare ->200
1 install bare_1.0_all.snap | POST /v2/snaps ->400
0 list | GET /v2/snaps ->200
0 list hello-peer | GET /v2/snaps?snaps=hello-peer ->200
1 list nosuch | GET /v2/snaps?snaps=nosuch ->200
0 info hello-peer_1.0_all.snap |
0 interfaces | GET /v2/connections?select=all ->200
0 connections | GET /v2/connections ->200
0 connections plugs-peer | GET /v2/connections?select=all&snap=plugs-peer ->200
0 connect plugs-peer:shared-in plugs-peer:shared-out | POST /v2/interfaces ->202; GET /v2/changes/N ->200
0 connect plugs-peer:my-gpio core:bcm-gpio-4 | POST /v2/interfaces ->202; GET /v2/changes/N ->200
1 connect plugs-peer:nosuch core:bcm-gpio-4 | POST /v2/interfaces ->400
0 disconnect plugs-peer:shared-in plugs-peer:shared-out | POST /v2/interfaces ->202; GET /v2/changes/N ->200
0 disconnect plugs-peer:my-gpio | POST /v2/interfaces ->202; GET /v2/changes/N ->200
0 disconnect --forget plugs-peer:home | POST /v2/interfaces ->202; GET /v2/changes/N ->200
0 set svc-peer a=1 b.c=x d={\"e\":[1]} | PUT /v2/snaps/svc-peer/conf ->202; GET /v2/changes/N ->200
0 get svc-peer | GET /v2/snaps/svc-peer/conf?keys= ->200
0 get -d svc-peer a b | GET /v2/snaps/svc-peer/conf?keys=a%2Cb ->200
0 get svc-peer a | GET /v2/snaps/svc-peer/conf?keys=a ->200
1 get svc-peer nosuch | GET /v2/snaps/svc-peer/conf?keys=nosuch ->400
0 unset svc-peer a | PUT /v2/snaps/svc-peer/conf ->202; GET /v2/changes/N ->200
0 set system refresh.retain=3 | PUT /v2/snaps/system/conf ->202; GET /v2/changes/N ->200
0 get system | GET /v2/snaps/system/conf?keys= ->200
0 services | GET /v2/apps?select=service ->200
0 services svc-peer | GET /v2/apps?names=svc-peer&select=service ->200
0 start svc-peer.web | POST /v2/apps ->202; GET /v2/changes/N ->200
0 start --enable svc-peer.web | POST /v2/apps ->202; GET /v2/changes/N ->200
0 stop svc-peer.web | POST /v2/apps ->202; GET /v2/changes/N ->200
0 stop --disable svc-peer | POST /v2/apps ->202; GET /v2/changes/N ->200
0 restart svc-peer | POST /v2/apps ->202; GET /v2/changes/N ->200
0 restart --reload svc-peer | POST /v2/apps ->202; GET /v2/changes/N ->200
0 logs svc-peer | GET /v2/logs?n=10&names=svc-peer ->200
0 logs -n=2 svc-peer.web | GET /v2/logs?n=2&names=svc-peer.web ->200
0 logs -n=all svc-peer | GET /v2/logs?n=-1&names=svc-peer ->200
0 alias hello-peer.hello hp | POST /v2/aliases ->202; GET /v2/changes/N ->200
0 aliases | GET /v2/aliases ->200
0 unalias hp | POST /v2/aliases ->202; GET /v2/changes/N ->200
0 unalias hello-peer | POST /v2/aliases ->202; GET /v2/changes/N ->200
0 prefer hello-peer | POST /v2/aliases ->202; GET /v2/changes/N ->200
0 disable hello-peer | POST /v2/snaps/hello-peer ->202; GET /v2/changes/N ->200
0 enable hello-peer | POST /v2/snaps/hello-peer ->202; GET /v2/changes/N ->200
0 revert hello-peer | POST /v2/snaps/hello-peer ->202; GET /v2/changes/N ->200; GET /v2/snaps?snaps=hello-peer ->200
0 switch --channel=edge hello-peer | POST /v2/snaps/hello-peer ->202; GET /v2/changes/N ->200; GET /v2/snaps?snaps=hello-peer ->200
0 switch --cohort=xx hello-peer | POST /v2/snaps/hello-peer ->202; GET /v2/changes/N ->200; GET /v2/snaps?snaps=hello-peer ->200
0 refresh | POST /v2/snaps ->202; GET /v2/changes/N ->200
0 refresh --list | GET /v2/find?select=refresh ->200
0 refresh --time | GET /v2/system-info ->200
1 refresh hello-peer | POST /v2/snaps/hello-peer ->400
64 refresh --hold |
1 refresh --amend hello-peer | POST /v2/snaps/hello-peer ->400
0 try hello | POST /v2/snaps ->202; GET /v2/changes/N ->200; GET /v2/snaps?snaps=hello-peer ->200
0 wait system seed.loaded | GET /v2/snaps/system/conf?keys=seed.loaded ->200
0 set system experimental.quota-groups=true | PUT /v2/snaps/system/conf ->202; GET /v2/changes/N ->200
0 routine file-access svc-peer /tmp/x | GET /v2/snaps/svc-peer ->200; GET /v2/connections?snap=svc-peer ->200
1 abort --last=install | GET /v2/changes?select=all ->200; POST /v2/changes/N ->400
0 changes | GET /v2/changes?select=all ->200
0 tasks --last=install | GET /v2/changes?select=all ->200; GET /v2/changes/N ->200
0 remove --no-wait plain-peer | POST /v2/snaps/plain-peer ->202
0 remove bare | POST /v2/snaps/bare ->202; GET /v2/changes/N ->200
0 remove --revision=x1 hello-peer | POST /v2/snaps/hello-peer ->202; GET /v2/changes/N ->200
0 remove nosuch | POST /v2/snaps/nosuch ->400
0 remove --purge plugs-peer | POST /v2/snaps/plugs-peer ->202; GET /v2/changes/N ->200
0 remove svc-peer hello-peer | POST /v2/snaps ->202; GET /v2/changes/N ->200
0 warnings | GET /v2/warnings ->200";

/// The files that the rows install: name, snap.yaml, other files.
type Files = &'static [(&'static str, &'static str)];
const SNAPS: [(&str, &str, Files); 7] = [
    (
        "core_16_amd64",
        "name: core\nversion: 16\ntype: os\nslots: {bcm-gpio-4: {interface: gpio, number: 4}}\n",
        &[],
    ),
    (
        "hello-peer_1.0_all",
        "name: hello-peer\nversion: 1.0\napps: {hello: {command: bin/hello}}\n",
        &[("bin/hello", "#!/bin/sh\necho hello\n")],
    ),
    (
        "hello-peer_2.0_all",
        "name: hello-peer\nversion: 2.0\napps: {hello: {command: bin/hello}}\n",
        &[("bin/hello", "#!/bin/sh\necho hello again\n")],
    ),
    (
        "svc-peer_1.0_all",
        "name: svc-peer\nversion: 1.0\napps: {web: {command: bin/web, daemon: simple, reload-command: bin/ok}}\n",
        &[
            ("bin/web", "#!/bin/sh\necho web is up\nexec sleep 100000\n"),
            ("bin/ok", "#!/bin/sh\nexit 0\n"),
            ("meta/hooks/configure", "#!/bin/sh\nexit 0\n"),
        ],
    ),
    (
        "plugs-peer_1.0_all",
        "name: plugs-peer\nversion: 1.0\nplugs:\n  my-gpio: gpio\n  home: home\n  \
         shared-in: {interface: content, content: shared, target: $SNAP/in}\n\
         slots:\n  shared-out: {interface: content, content: shared, read: [$SNAP/out]}\n",
        &[],
    ),
    ("plain-peer_0.1_all", "name: plain-peer\nversion: 0.1\n", &[]),
    ("bare_1.0_all", "name: bare\nversion: 1.0\ntype: base\n", &[]),
];

/// Runs the rows in the folder of the files; all that differs from the contract.
fn differences(snap: &Snap, table: &str) -> Vec<String> {
    let root = snap.daemon.scratch().join("front");
    std::fs::create_dir_all(root.join("run")).unwrap();
    let recorder = Recorder::start(&root.join("run/snapd.socket"), &snap.daemon.socket());
    let mut found = Vec::new();
    for row in table.lines() {
        let (command, asked) = row.split_once(" |").unwrap();
        let (code, line) = command.split_once(' ').unwrap();
        let run = snap
            .on(&root, &words(line))
            .current_dir(snap.daemon.scratch())
            .output()
            .unwrap();
        let said = format!("{code} {line} | {}", recorder.take().join("; "));
        // `install --no-wait` ends before its change: the next row begins after it.
        if line.contains("--no-wait") {
            snap.daemon.wait(String::from_utf8_lossy(&run.stdout).trim());
        }
        let was = run.status.code().unwrap_or(-1).to_string();
        if was != code || said.trim_end() != format!("{command} |{asked}").trim_end() {
            let errors = String::from_utf8_lossy(&run.stderr).into_owned();
            found.push(format!("{row}\n  ended with {was}: {said}\n  {errors}"));
        }
    }
    found
}

#[test]
fn on_a_root_without_snaps() {
    if !has_snap("snap_table::on_a_root_without_snaps") {
        return;
    }
    let found = differences(&Snap::new(), EMPTY);
    assert!(found.is_empty(), "{}", found.join("\n"));
}

#[test]
fn on_a_root_with_snaps() {
    if !has_snap("snap_table::on_a_root_with_snaps") {
        return;
    }
    let snap = Snap::new();
    for (name, yaml, files) in SNAPS {
        std::fs::write(
            snap.daemon.scratch().join(format!("{name}.snap")),
            pack(yaml, files),
        )
        .unwrap();
    }
    let tried = snap.daemon.scratch().join("hello");
    std::fs::create_dir_all(tried.join("meta")).unwrap();
    std::fs::write(tried.join("meta/snap.yaml"), "name: hello-peer\nversion: 3.0\n").unwrap();
    let found = differences(&snap, FULL);
    assert!(found.is_empty(), "{}", found.join("\n"));
    // The rows bring every kind of change that there is (contract: v2-newer, section 3: `features` lists them).
    let changes = snap.daemon.get("/v2/changes?select=all").result().clone();
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let seen: BTreeSet<String> = changes
        .as_array()
        .unwrap()
        .iter()
        .map(|change| text(&change["kind"]))
        .collect();
    let features = snap.daemon.get("/v2/debug?aspect=features").result().clone();
    let listed: BTreeSet<String> = features["changes"].as_array().unwrap().iter().map(text).collect();
    assert_eq!(seen, listed);
}
