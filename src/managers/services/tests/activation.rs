//! Sockets, timers and bus names that start services.

use super::*;
use crate::domain::snap::SocketInfo;

fn socket(listen: &str, mode: Option<u32>) -> SocketInfo {
    SocketInfo {
        listen_stream: listen.to_owned(),
        mode,
    }
}

/// Answers each caller of its first socket with its pid and how it was called.
const ANSWER: &str = "exec python3 -c \"import os,socket\n\
    assert os.environ['LISTEN_FDS']=='2'\n\
    s=socket.socket(fileno=3)\n\
    while True:\n  c,_=s.accept(); c.send(('%d %s\\n'%(os.getpid(),os.environ['LISTEN_FDNAMES'])).encode()); c.close()\"";

async fn ask(path: &Path) -> String {
    let path = path.to_owned();
    let asked = tokio::task::spawn_blocking(move || {
        let mut caller = std::os::unix::net::UnixStream::connect(path)?;
        let mut text = String::new();
        std::io::Read::read_to_string(&mut caller, &mut text).map(|_| text)
    });
    asked.await.expect("no panic").expect("an answer")
}

#[tokio::test]
async fn a_socket_starts_its_service_and_stays_over_a_restart() {
    let mut called = app("called");
    called
        .sockets
        .insert(String::from("first"), socket("$SNAP_COMMON/run/s", Some(0o640)));
    called
        .sockets
        .insert(String::from("second"), socket("@snap.web.test-second", None));
    let board = board(vec![(called, ANSWER)]);
    let path = board.root.path().join("var/snap/web/common/run/s");
    std::fs::create_dir_all(board.root.path().join("var/snap/web/common")).expect("a folder");
    board.start(&["called"]).await.expect("its sockets listen");
    let view = || {
        board
            .services
            .list(&[String::from("web")], true)
            .expect("a list")
            .remove(0)
    };
    let of = |view: AppView| {
        let status = view.status.expect("a service");
        let activators = view.activators.into_iter();
        (
            status.enabled,
            status.active,
            activators
                .map(|one| (one.name, one.kind, one.active, one.enabled))
                .collect::<Vec<_>>(),
        )
    };
    let listening = vec![
        (String::from("first"), "socket", true, true),
        (String::from("second"), "socket", true, true),
    ];
    assert_eq!(of(view()), (true, false, listening.clone()));
    assert_eq!(
        std::fs::metadata(&path).expect("a socket").permissions().mode() & 0o777,
        0o640
    );

    let first = ask(&path).await;
    assert!(first.ends_with(" first:second\n"), "{first}");
    assert_eq!(of(view()), (true, true, listening.clone()));
    assert_eq!(ask(&path).await, first, "one service answers all");
    board
        .services
        .restart(&board.snap, &[String::from("called")])
        .await
        .expect("restarted");
    let second = ask(&path).await;
    assert_ne!(second, first, "another process answers on the same socket");

    board.stop(&["called"]).await.expect("stopped");
    assert!(!path.exists(), "a stopped service has no sockets");
    assert!(!of(view()).1);
}

#[tokio::test]
async fn a_service_that_only_ends_when_it_is_called_is_given_up() {
    let mut bad = app("bad");
    bad.restart_condition = RestartCondition::Never;
    bad.sockets
        .insert(String::from("s"), socket("$SNAP_COMMON/s", None));
    let board = board(vec![(bad, "echo x >> $1/count; exit 1")]);
    std::fs::create_dir_all(board.root.path().join("var/snap/web/common")).expect("a folder");
    board.start(&["bad"]).await.expect("its socket listens");
    let path = board.root.path().join("var/snap/web/common/s");
    let _caller = std::os::unix::net::UnixStream::connect(&path).expect("it listens");
    eventually("a warning is raised", || !board.store.world().warnings.is_empty()).await;
    assert_eq!(board.file("count").expect("runs").lines().count(), 5);
    assert!(!path.exists(), "nobody listens any more");
    assert_eq!(board.live("bad").activity, Activity::Failed);
}

#[tokio::test]
async fn a_socket_that_cannot_be_is_told_and_nothing_starts() {
    let mut bad = app("bad");
    bad.sockets
        .insert(String::from("s"), socket("$SNAP_COMMON/link/s", None));
    let board = board(vec![(bad, "touch $1/ran"), (app("good"), "exec sleep 1000")]);
    let common = board.root.path().join("var/snap/web/common");
    std::fs::create_dir_all(&common).expect("a folder");
    std::os::unix::fs::symlink("/etc", common.join("link")).expect("a link");
    let fault = board.start(&["good", "bad"]).await.expect_err("refused");
    assert_eq!(
        fault.message,
        "cannot start the activators of service \"bad\" of snap \"web\": cannot listen on \"$SNAP_COMMON/link/s\": the path leads out of its folder"
    );
    assert!(!board.live("good").active && board.file("ran").is_none());
}

#[tokio::test]
async fn a_timer_runs_its_service_at_its_time_only() {
    let mut timed = app("timed");
    timed.daemon = Some(Daemon::Oneshot);
    timed.timer = Some(String::from("0:00-24:00/1440"));
    let (clock, hand) = Clock::manual(Timestamp(30_000_000_000));
    let board = board_at(vec![(timed, "echo x >> $1/count")], clock);
    board.start(&["timed"]).await.expect("it waits");
    assert!(!board.live("timed").active && board.file("count").is_none());
    for (minute, runs) in [(1, 1), (2, 2)] {
        // The unit has to be waiting when its clock moves.
        eventually("it is down", || {
            board.live("timed").activity == Activity::Inactive
        })
        .await;
        hand.advance(Timestamp(minute * 60_000_000_000));
        eventually("it has run", || {
            board
                .file("count")
                .is_some_and(|count| count.lines().count() == runs)
        })
        .await;
    }
    board.stop(&["timed"]).await.expect("stopped");
    hand.advance(Timestamp(600_000_000_000));
    assert_eq!(board.file("count").expect("runs").lines().count(), 2);
}

#[tokio::test]
async fn without_a_bus_it_is_said_and_with_one_it_waits_for_the_name() {
    let mut named = app("named");
    named.daemon = Some(Daemon::Dbus);
    named.bus_name = Some(String::from("org.example.Lamp"));
    named.start_timeout = Some(300);
    let board = board(vec![(named, "exec sleep 1000")]);
    board.start(&["named"]).await.expect("it counts as up");
    let said = board.printed("named");
    assert!(
        said.contains("there is no bus at ") && said.contains("org.example.Lamp"),
        "{said}"
    );
    board.stop(&["named"]).await.expect("stopped");

    let folder = board.root.path().join("run/dbus");
    std::fs::create_dir_all(&folder).expect("a folder");
    let bus = folder.join("system_bus_socket");
    let config = format!(
        "<busconfig><listen>unix:path={}</listen><auth>EXTERNAL</auth>\
         <policy context='default'><allow send_destination='*'/><allow own='*'/><allow receive_sender='*'/></policy></busconfig>",
        bus.display()
    );
    std::fs::write(board.root.path().join("bus.conf"), config).expect("written");
    let started = std::process::Command::new("dbus-daemon")
        .arg(format!(
            "--config-file={}",
            board.root.path().join("bus.conf").display()
        ))
        .arg("--nofork")
        .stdout(std::process::Stdio::null())
        .stderr(std::process::Stdio::null())
        .spawn();
    let Ok(daemon) = started else {
        println!("skipped: managers::services::bus: there is no dbus-daemon");
        return;
    };
    let _daemon = Ends(daemon);
    eventually("the bus is there", || bus.exists()).await;
    let fault = board
        .start(&["named"])
        .await
        .expect_err("it never takes its name");
    assert!(
        fault.message.contains("did not take its bus name"),
        "{}",
        fault.message
    );

    let take = format!(
        "exec python3 -c \"import socket,time\n\
         s=socket.socket(socket.AF_UNIX); s.connect('{}')\n\
         import os\n\
         s.send(b'\\0AUTH EXTERNAL '+str(os.getuid()).encode().hex().encode()+b'\\r\\n'); s.recv(100); s.send(b'BEGIN\\r\\n')\n\
         def call(n,m,b,g):\n\
         \x20 f=b''\n\
         \x20 for c,t,v in ((1,b'o',b'/org/freedesktop/DBus'),(2,b's',b'org.freedesktop.DBus'),(3,b's',m),(6,b's',b'org.freedesktop.DBus')):\n\
         \x20   f+=b'\\0'*(-len(f)%8)+bytes([c,1])+t+b'\\0'+len(v).to_bytes(4,'little')+v+b'\\0'\n\
         \x20 if g: f+=b'\\0'*(-len(f)%8)+bytes([8,1])+b'g\\0'+bytes([len(g)])+g+b'\\0'\n\
         \x20 h=b'l\\1\\0\\1'+len(b).to_bytes(4,'little')+n.to_bytes(4,'little')+len(f).to_bytes(4,'little')+f\n\
         \x20 s.send(h+b'\\0'*(-len(h)%8)+b)\n\
         call(1,b'Hello',b'',b'')\n\
         v=b'org.example.Lamp'\n\
         b=len(v).to_bytes(4,'little')+v+b'\\0'; b+=b'\\0'*(-len(b)%4)+(0).to_bytes(4,'little')\n\
         call(2,b'RequestName',b,b'su')\n\
         time.sleep(1000)\"",
        bus.display()
    );
    std::fs::write(board.root.path().join("apps/web.named"), take).expect("written");
    let mut patient = app("named");
    patient.daemon = Some(Daemon::Dbus);
    patient.bus_name = Some(String::from("org.example.Lamp"));
    board.install(patient);
    board.start(&["named"]).await.expect("it has its name");
    assert!(board.live("named").active);
    board.stop(&["named"]).await.expect("stopped");
}

/// A process that ends with its test.
struct Ends(std::process::Child);

impl Drop for Ends {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
