//! In the machine: starts the agent, says what it finds, then makes the load until the power goes. Everything is told
//! over the second serial line, so that it is outside when it counts.

use super::dice::Dice;
use nix::sys::termios::{SetArg, cfmakeraw, tcgetattr, tcsetattr};
use pinion::client::types::{Change, Connections, Snap};
use pinion::client::{Answer, Client, ClientError, Upload};
use pinion::store::Store;
use serde_json::{Value, json};
use std::fs::{File, OpenOptions};
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::rc::Rc;
use std::time::{Duration, Instant};

/// Where the programs and snaps are.
const BOARD: &str = "/board";
const STATE: &str = "/var/lib/pinion";
/// The data of the app, which goes with it from revision to revision.
const NOTE: &str = "/var/snap/lights/current/note";
/// How long a start, and all that is left to be done, may take. Only a failure takes that long.
const PATIENCE: Duration = Duration::from_secs(90);

struct Line(File);

impl Line {
    fn open() -> Self {
        let line = OpenOptions::new().read(true).write(true).open("/dev/ttyS1");
        let line = line.expect("a serial line");
        let mut settings = tcgetattr(&line).expect("its settings");
        cfmakeraw(&mut settings);
        tcsetattr(&line, SetArg::TCSANOW, &settings).expect("a raw line");
        Self(line)
    }

    fn say(&self, text: &str) {
        let text = text.replace('\n', " ");
        (&self.0)
            .write_all(format!("{text}\n").as_bytes())
            .expect("the line");
    }
}

/// What the state says before the agent has a look at it: from a copy, so that nothing is mended.
fn running() -> Option<Vec<String>> {
    let look = Path::new("/run/look");
    std::fs::create_dir_all(look).expect("a folder");
    for name in ["state.db", "state.db-wal"] {
        // There may be none.
        let _ = std::fs::copy(Path::new(STATE).join(name), look.join(name));
    }
    let world = Store::read_file(&look.join("state.db")).ok()?;
    let tasks = world.changes.values().flat_map(|change| &change.tasks);
    let running = tasks.filter(|task| task.status.is_running());
    Some(running.map(|task| task.kind.clone()).collect())
}

fn agent() -> Child {
    let console = || {
        OpenOptions::new()
            .write(true)
            .open("/dev/console")
            .expect("a console")
    };
    Command::new(format!("{BOARD}/pinion"))
        .args(["daemon", "--board", "sim"])
        .stdin(Stdio::null())
        .stdout(console())
        .stderr(console())
        .spawn()
        .expect("the agent")
}

/// `pinion check --deep`: what it says, if it is not content.
fn check() -> Vec<String> {
    let output = Command::new(format!("{BOARD}/pinion"))
        .args(["check", "--deep"])
        .output();
    let output = output.expect("pinion check");
    if output.status.success() {
        return Vec::new();
    }
    let text = format!(
        "{}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
    text.lines().map(str::to_owned).collect()
}

fn install(name: &str) -> Upload {
    Upload::new()
        .field("action", "install")
        .field("dangerous", "true")
        .file("snap", &Path::new(BOARD).join(format!("{name}.snap")))
}

/// Everything is ready; what is ready when the time is over is all the answer.
async fn settled(client: &Client) -> Vec<Change> {
    let begin = Instant::now();
    loop {
        let changes: Vec<Change> = match client.read("/v2/changes?select=all").await {
            Ok(changes) => changes,
            Err(error) if error.is_absence() => Vec::new(),
            Err(error) => panic!("the changes: {error}"),
        };
        let ready = !changes.is_empty() && changes.iter().all(|change| change.ready);
        if ready || begin.elapsed() > PATIENCE {
            return changes;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

async fn app(client: &Client) -> String {
    let snaps: Vec<Snap> = client.read("/v2/snaps?select=all").await.unwrap_or_default();
    let active = snaps
        .iter()
        .find(|snap| snap.name == "lights" && snap.status == "active");
    match active {
        Some(snap) => format!(
            "{}/{}",
            snap.version,
            std::fs::read_to_string(NOTE).unwrap_or_default()
        ),
        None => String::from("none"),
    }
}

async fn pin(client: &Client) -> String {
    let connections: Connections = client.read("/v2/connections").await.expect("the connections");
    let mut all = connections.established.iter();
    let connected = all.any(|one| one.plug.snap == "lamp" && one.plug.plug == "pin");
    String::from(if connected { "connected" } else { "free" })
}

async fn field(client: &Client, path: &str, name: &str) -> String {
    match client.get(path).await {
        Ok(answer) => answer.result[name].to_string(),
        Err(error) if error.refusal().is_some() => String::from("null"),
        Err(error) => panic!("{path}: {error}"),
    }
}

async fn report(client: &Client, line: &Line) {
    for change in settled(client).await {
        line.say(&format!("change {} {}", change.id, change.status));
    }
    line.say(&format!("thing app {}", app(client).await));
    line.say(&format!("thing pin {}", pin(client).await));
    line.say(&format!(
        "thing conf {}",
        field(client, "/v2/snaps/clock/conf", "n").await
    ));
    let safe = field(client, "/v2/hardware/lines/GPIO22", "safe-value").await;
    line.say(&format!("thing line {safe}"));
    for finding in check() {
        line.say(&format!("finding {finding}"));
    }
}

/// A client that changes one thing, over and over.
struct Worker {
    client: Client,
    line: Rc<Line>,
    dice: Dice,
    thing: &'static str,
}

impl Worker {
    /// Sends what makes the thing become `value`, and tells what comes of it. True when it became so.
    async fn order(&self, value: &str, asked: impl Future<Output = Result<Answer, ClientError>>) -> bool {
        let thing = self.thing;
        self.line.say(&format!("send {thing} {value}"));
        let id = match asked.await {
            Ok(Answer { change: Some(id), .. }) => id,
            Ok(_) => {
                self.line.say(&format!("kept {thing}"));
                return true;
            }
            Err(error) => {
                assert!(error.refusal().is_some(), "{thing}: {error}");
                self.line.say(&format!("no {thing} {error}"));
                tokio::time::sleep(Duration::from_millis(50)).await;
                return false;
            }
        };
        self.line.say(&format!("ack {thing} {id}"));
        let change = self.client.wait(&id).await.expect("its end");
        self.line.say(&format!("done {thing} {id} {}", change.status));
        change.status == "Done"
    }

    async fn apps(mut self) {
        let mut present = app(&self.client).await;
        loop {
            if present != "none" && self.dice.below(4) == 0 {
                let body = json!({"action": "remove"});
                if self
                    .order("none", self.client.post("/v2/snaps/lights", &body))
                    .await
                {
                    present = String::from("none");
                }
                continue;
            }
            let version = 1 + self.dice.below(3);
            let mut note = String::new();
            if let Some((old, _)) = present.split_once('/') {
                note = format!("{}", self.dice.below(1_000_000));
                self.line.say(&format!("send app {old}/{note}"));
                pinion::drivers::fs::write_atomic(Path::new(NOTE), note.as_bytes(), 0o644).expect("a note");
                self.line.say("kept app");
            }
            let value = format!("{version}/{note}");
            let form = install(&format!("lights-{version}"));
            if self.order(&value, self.client.upload("/v2/snaps", form)).await {
                present = value;
            } else {
                present = app(&self.client).await;
            }
        }
    }

    async fn pins(self) {
        loop {
            let (action, value) = match pin(&self.client).await.as_str() {
                "free" => ("connect", "connected"),
                _ => ("disconnect", "free"),
            };
            let body = json!({
                "action": action,
                "plugs": [{"snap": "lamp", "plug": "pin"}],
                "slots": [{"snap": "board", "slot": "bcm-gpio-17"}],
            });
            self.order(value, self.client.post("/v2/interfaces", &body)).await;
        }
    }

    async fn confs(mut self) {
        loop {
            let n = self.dice.below(1_000_000);
            let body = json!({"n": n});
            self.order(&n.to_string(), self.client.put("/v2/snaps/clock/conf", &body))
                .await;
        }
    }

    async fn lines(mut self) {
        loop {
            let value = self.dice.below(2);
            let body: Value = json!({"action": "configure", "direction": "output", "safe-value": value});
            let path = "/v2/hardware/lines/GPIO22";
            self.order(&value.to_string(), self.client.post(path, &body))
                .await;
            tokio::time::sleep(Duration::from_millis(50 + self.dice.below(300))).await;
        }
    }
}

pub fn run() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.expect("a runtime");
    let line = Rc::new(Line::open());
    let said = Rc::clone(&line);
    std::panic::set_hook(Box::new(move |info| {
        // The line is a file of its own: it can be opened again.
        let mut line = OpenOptions::new().write(true).open("/dev/ttyS1").expect("a line");
        let _ = writeln!(line, "problem {}", info.to_string().replace('\n', " "));
    }));
    drop(said);
    tokio::task::LocalSet::new().block_on(&runtime, live(line));
}

async fn live(line: Rc<Line>) {
    match running() {
        Some(kinds) => line.say(&format!("running {}", kinds.join(" "))),
        None => line.say("new"),
    }
    let begin = Instant::now();
    let mut agent = agent();
    line.say("agent");
    let client = Client::new("/run/snapd.socket");
    while client.get("/v2/system-info").await.is_err() {
        assert!(begin.elapsed() < PATIENCE, "the agent does not answer");
        let ended = agent.try_wait().expect("its state");
        assert!(ended.is_none(), "the agent ended with {ended:?}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    line.say(&format!("ready {}", begin.elapsed().as_millis()));
    settled(&client).await;
    line.say(&format!("settled {}", begin.elapsed().as_millis()));
    for name in ["bare", "board", "lamp", "clock"] {
        if field(&client, &format!("/v2/snaps/{name}"), "status").await == "null" {
            let id = client
                .upload("/v2/snaps", install(name))
                .await
                .expect("an answer");
            let change = client.wait(&id.change.expect("a change")).await.expect("its end");
            assert_eq!(change.status, "Done", "{name}: {}", change.err);
        }
    }
    report(&client, &line).await;
    line.say("whole");

    let mut order = String::new();
    BufReader::new(&line.0).read_line(&mut order).expect("an order");
    let Some(seed) = order
        .trim()
        .strip_prefix("load ")
        .and_then(|seed| seed.parse().ok())
    else {
        let pid = nix::unistd::Pid::from_raw(i32::try_from(agent.id()).expect("a pid"));
        nix::sys::signal::kill(pid, nix::sys::signal::Signal::SIGTERM).expect("a signal");
        let ended = agent.wait().expect("its end");
        line.say(&format!("ended {ended}"));
        return;
    };
    let mut dice = Dice::new(seed);
    let mut worker = |thing| Worker {
        client: Client::new("/run/snapd.socket"),
        line: Rc::clone(&line),
        dice: Dice::new(dice.next()),
        thing,
    };
    let (apps, pins, confs, lines) = (worker("app"), worker("pin"), worker("conf"), worker("line"));
    tokio::join!(apps.apps(), pins.pins(), confs.confs(), lines.lines());
}
