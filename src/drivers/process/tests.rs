use super::family::marked;
use super::*;

fn shell(script: &str) -> Job {
    Job {
        program: PathBuf::from("/bin/sh"),
        args: vec!["-c".into(), script.into()],
        env: vec![variable("PATH", "/usr/bin:/bin")],
        owner: String::from("test"),
        ..Job::default()
    }
}

fn run_for(script: &str, seconds: u64) -> Run {
    run(&shell(script), Duration::from_secs(seconds), None).expect("it starts")
}

#[test]
fn output_and_status_come_back() {
    let run = run_for("echo out; echo err >&2; exit 3", 10);
    assert_eq!(run.reason, Reason::Ended(End::Exited(3)));
    assert_eq!(run.output, b"out\nerr\n");
}

#[test]
fn the_environment_is_clean_and_nothing_is_open() {
    // The mark is what finds descendants where there is no control group.
    let run = run_for("env | sed 's/=.*//' | sort; ls /proc/self/fd; umask", 10);
    let text = text(&run.output);
    let names: Vec<&str> = text.split_whitespace().collect();
    assert_eq!(
        names,
        ["PATH", "PINION_RUN", "PWD", "0", "1", "2", "3", "0022"],
        "{text}"
    );
}

#[test]
fn a_flood_is_cut_and_does_not_stop_the_clock() {
    let begun = Instant::now();
    let run = run_for("yes", 1);
    assert_eq!(run.reason, Reason::TimedOut);
    assert_eq!(run.output.len(), OUTPUT);
    assert!(run.dropped > 0);
    assert!(begun.elapsed() < Duration::from_secs(4));
}

#[test]
fn children_end_with_it_even_in_a_session_of_their_own() {
    let mut job = shell("setsid sleep 1000 & echo $!; sleep 1000 & echo $!; exit 0");
    job.owner = String::from("leaver");
    let run = run(&job, Duration::from_secs(10), None).expect("it starts");
    assert_eq!(run.reason, Reason::Ended(End::Exited(0)));
    assert_eq!(text(&run.output).lines().count(), 2);
    assert_eq!(marked("leaver|"), Vec::<i32>::new());
}

#[test]
fn a_run_is_not_taken_for_another_whose_number_begins_like_its_own() {
    let start = |mark: &str| {
        let mut command = Command::new("/bin/sleep");
        let child = command.arg("1000").env(MARK, mark).spawn().expect("it starts");
        // Its environment shows a moment after it was started.
        let path = format!("/proc/{}/environ", child.id());
        let until = Instant::now() + Duration::from_secs(10);
        while std::fs::read(&path).is_ok_and(|text| text.is_empty()) && Instant::now() < until {
            std::thread::sleep(Duration::from_millis(1));
        }
        child
    };
    let mut children = [
        start("counter|snap.one.app|5.1|"),
        start("counter|snap.one.app|5.10|"),
    ];
    let pids = children
        .each_ref()
        .map(|child| i32::try_from(child.id()).expect("a pid"));
    assert_eq!(marked("counter|snap.one.app|5.1|"), pids[..1]);
    let runs: Vec<_> = of_owner("counter")
        .into_iter()
        .map(|one| (one.name, one.run))
        .collect();
    let run = |number: &str| (String::from("snap.one.app"), String::from(number));
    assert_eq!(runs, [run("5.1"), run("5.10")]);
    for child in &mut children {
        child.kill().expect("a kill");
        child.wait().expect("an end");
    }
}

#[test]
fn an_abort_ends_it() {
    let begun = Instant::now();
    let run = run(
        &shell("sleep 1000"),
        Duration::from_secs(100),
        Some(&|| begun.elapsed() > Duration::from_millis(50)),
    )
    .expect("it starts");
    assert_eq!(run.reason, Reason::Aborted);
    assert!(begun.elapsed() < Duration::from_secs(5));
}

#[test]
fn a_group_catches_what_left_the_session() {
    let root = tempfile::tempdir().expect("a folder");
    let Some(tree) = crate::drivers::cgroup::Tree::open(root.path()) else {
        println!("skipped: drivers::process::groups: no rights on a control group tree");
        return;
    };
    let group = tree.group("snap.one.app").expect("a group");
    let mut job = shell("env -i setsid sleep 1000 & sleep 0.05; cat /proc/self/cgroup");
    job.group = Some(group.clone());
    let run = run(&job, Duration::from_secs(10), None).expect("it starts");
    assert!(
        text(&run.output).contains("/snap.one.app"),
        "{}",
        text(&run.output)
    );
    assert!(!group.is_populated());
    tree.remove();
    assert!(tree.names().is_empty());
}

#[test]
fn descriptors_are_passed_from_three_on() {
    let (one, two) = (
        nix::unistd::pipe().expect("a pipe"),
        nix::unistd::pipe().expect("a pipe"),
    );
    let mut job = shell("echo a >&3; echo b >&4; ls /proc/self/fd");
    job.passed = vec![Arc::new(two.1), Arc::new(one.1)];
    let run = run(&job, Duration::from_secs(10), None).expect("it starts");
    assert_eq!(
        text(&run.output).split_whitespace().collect::<Vec<_>>(),
        ["0", "1", "2", "3", "4", "5"]
    );
    drop(job);
    let read = |end: OwnedFd| io::read_to_string(File::from(end)).expect("text");
    assert_eq!(
        (read(two.0), read(one.0)),
        (String::from("a\n"), String::from("b\n"))
    );
}

#[tokio::test]
async fn a_service_is_ended_with_its_children() {
    let mut service = Service::start(&shell("sleep 1000 & echo up; wait")).expect("it starts");
    let mut buffer = [0; 3];
    let mut output = service.take_output().expect("the first time");
    tokio::io::AsyncReadExt::read_exact(&mut output, &mut buffer)
        .await
        .expect("output");
    assert!(service.family().is_alive());
    service.family().signal(Signal::SIGTERM);
    assert_eq!(service.ended().await.expect("an end"), End::Signalled(15));
    assert!(service.family().kill_all());
    assert!(!service.family().is_alive());
}
