//! `/v2/hardware` over the real socket, on the simulated board: what the issue and the decisions 5 to 12 say.

use crate::support::daemon::binary;
use crate::support::http::Answer;
use crate::support::{Request, TestDaemon};
use serde_json::{Value, json};
use std::io::{BufRead, BufReader};
use std::os::unix::net::UnixStream;

impl TestDaemon {
    fn line(&self, name: &str) -> Value {
        let answer = self.get(&format!("/v2/hardware/lines/{name}"));
        assert_eq!(answer.status, 200, "{answer:?}");
        answer.result().clone()
    }

    fn order_line(&self, name: &str, body: &Value) -> Answer {
        self.post(&format!("/v2/hardware/lines/{name}"), body)
    }

    fn order_led(&self, name: &str, body: &Value) -> Answer {
        self.post(&format!("/v2/hardware/leds/{name}"), body)
    }

    /// The world outside gives an input a level.
    fn drive(&self, name: &str, value: u8) -> Answer {
        let body = json!({"action": "drive", "value": value});
        self.post(&format!("/v2/hardware/sim/lines/{name}"), &body)
    }

    fn events(&self, query: &str) -> Events {
        let request = Request::new("GET", &format!("/v2/hardware/events{query}"));
        let (status, reader) = request.send_for_head(&self.socket()).unwrap();
        assert_eq!(status, 200);
        Events(reader)
    }
}

/// A stream of records, each 0x1e, JSON, line feed, in chunks.
struct Events(BufReader<UnixStream>);

impl Events {
    fn next(&mut self) -> Value {
        loop {
            let mut line = Vec::new();
            assert_ne!(
                self.0.read_until(b'\n', &mut line).unwrap(),
                0,
                "the stream ended"
            );
            if let Some(record) = line.strip_prefix(&[0x1e]) {
                return serde_json::from_slice(record).unwrap();
            }
        }
    }
}

fn refused(answer: &Answer, status: u16, kind: &str) {
    assert_eq!((answer.status, answer.kind()), (status, kind), "{answer:?}");
}

#[test]
fn the_board_is_told_in_the_shape_of_the_issue() {
    let daemon = TestDaemon::start();
    let answer = daemon.get("/v2/hardware");
    let hardware = answer.result();
    assert_eq!(hardware["board"]["name"], "sim");
    let chip = &hardware["chips"][0];
    assert_eq!(chip["label"], "pinctrl-sim");
    assert_eq!(chip["lines"], 54);
    assert!(chip["capabilities"].as_array().unwrap().contains(&json!("edges")));
    assert!(["input", "keep", "pull"].contains(&chip["on-release"].as_str().unwrap()));
    assert_eq!(hardware["lines"].as_array().unwrap().len(), 54);
    let pin_13 = &hardware["lines"][27];
    assert_eq!(pin_13["name"], "GPIO27");
    assert_eq!(pin_13["chip"], "pinctrl-sim");
    assert_eq!(pin_13["offset"], 27);
    assert_eq!(pin_13["header-pin"], 13);
    assert_eq!(pin_13["active-low"], false);
    // Decision 9: nobody holds it, so nothing is known of its level, and looking did not change that.
    for name in ["value", "consumer", "plug", "slot", "safe-value"] {
        assert_eq!(pin_13.get(name), None, "{name}");
    }
    assert_eq!(daemon.line("GPIO27").get("value"), None);
    let leds: Vec<_> = hardware["leds"]
        .as_array()
        .unwrap()
        .iter()
        .map(|led| led["name"].clone())
        .collect();
    assert_eq!(leds, ["ACT", "PWR", "USER"]);
    // One line has several names.
    for name in ["pin-13", "bcm-gpio-27"] {
        assert_eq!(daemon.line(name)["name"], "GPIO27");
    }
}

#[test]
fn lines_are_set_pulsed_and_configured() {
    let mut daemon = TestDaemon::start();
    let answer = daemon.order_line("GPIO27", &json!({"action": "set", "value": 1}));
    assert_eq!(answer.status, 200, "{answer:?}");
    assert_eq!(daemon.line("GPIO27")["value"], 1);
    assert_eq!(daemon.line("GPIO27")["direction"], "output");

    let mut events = daemon.events("");
    let pulse = json!({"action": "pulse", "value": 0, "duration-ms": 50});
    assert_eq!(daemon.order_line("GPIO27", &pulse).status, 200);
    let told: Vec<_> = [events.next(), events.next()]
        .iter()
        .map(|event| {
            (
                event["type"].clone(),
                event["data"]["line"].clone(),
                event["data"]["value"].clone(),
            )
        })
        .collect();
    let of_line = |value: u8| (json!("hardware.line"), json!("GPIO27"), json!(value));
    assert_eq!(told, [of_line(0), of_line(1)]);

    let config = json!({"action": "configure", "direction": "output", "safe-value": 1, "active-low": true});
    assert_eq!(daemon.order_line("GPIO22", &config).status, 200);
    let set = json!({"action": "set", "value": 0});
    assert_eq!(daemon.order_line("GPIO22", &set).status, 200);
    // Kept over a kill, with the safe value restored (decisions 10 and 12); what was only set is not kept.
    daemon.kill();
    daemon.launch();
    let line = daemon.line("GPIO22");
    assert_eq!(line["value"], 1);
    assert_eq!(line["safe-value"], 1);
    assert_eq!(line["active-low"], true);
    assert_eq!(line["direction"], "output");
    assert_eq!(daemon.line("GPIO27").get("value"), None);
    assert_eq!(
        daemon.order_line("GPIO22", &json!({"action": "release"})).status,
        200
    );
    assert_eq!(daemon.line("GPIO22").get("consumer"), None);
    assert!(daemon.stop().success());
}

#[test]
fn edges_are_told_as_they_come() {
    let daemon = TestDaemon::start();
    let config = json!({"action": "configure", "direction": "input"});
    assert_eq!(daemon.order_line("GPIO4", &config).status, 200);
    let mut events = daemon.events("?state=true");
    let state = events.next();
    assert_eq!(state["type"], "hardware.state");
    assert_eq!(state["data"]["lines"][4]["value"], 0);
    for value in [1, 0] {
        assert_eq!(daemon.drive("GPIO4", value).status, 200);
        let event = events.next();
        assert_eq!(event["type"], "hardware.edge");
        assert!(event["seq"].as_u64().unwrap() > 0);
        let data = &event["data"];
        assert_eq!((&data["line"], &data["value"]), (&json!("GPIO4"), &json!(value)));
        assert_eq!(data["edge"], if value == 1 { "rising" } else { "falling" });
        assert!(data["monotonic-ns"].as_u64().unwrap() > 0);
        assert!(data["time"].as_str().unwrap().ends_with('Z'));
        assert_eq!(daemon.line("GPIO4")["value"], value);
    }
}

#[test]
fn leds_are_lit_blinked_and_given_to_triggers() {
    let daemon = TestDaemon::start();
    let led = |name: &str| daemon.get(&format!("/v2/hardware/leds/{name}")).result().clone();
    assert_eq!(
        daemon
            .order_led("ACT", &json!({"action": "set", "value": 1}))
            .status,
        200
    );
    assert_eq!(led("ACT")["brightness"], led("ACT")["max-brightness"]);
    assert_eq!(
        daemon
            .order_led("ACT", &json!({"action": "set", "brightness": 7}))
            .status,
        200
    );
    assert_eq!(led("ACT")["brightness"], 7);
    let blink = json!({"action": "blink", "on-ms": 20, "off-ms": 20});
    assert_eq!(
        daemon.order_led("ACT", &blink).result()["blink"],
        json!({"on-ms": 20, "off-ms": 20})
    );
    assert_eq!(
        daemon
            .order_led("ACT", &json!({"action": "trigger", "trigger": "heartbeat"}))
            .status,
        200
    );
    assert_eq!(led("ACT")["trigger"], "heartbeat");
    assert_eq!(
        daemon
            .order_led("ACT", &json!({"action": "identify", "seconds": 1}))
            .status,
        200
    );
    // An LED that is wired to a line is that line.
    let mut events = daemon.events("?types=hardware.led");
    assert_eq!(
        daemon
            .order_led("USER", &json!({"action": "set", "value": 1}))
            .status,
        200
    );
    let told = std::iter::repeat_with(|| events.next())
        .find(|event| event["data"]["led"] == "USER")
        .unwrap();
    assert_eq!(told["data"]["brightness"], 1);
    assert_eq!(daemon.line("GPIO47")["value"], 1);
    let unknown = json!({"action": "trigger", "trigger": "disco"});
    let answer = daemon.order_led("ACT", &unknown);
    refused(&answer, 400, "hardware-unsupported");
    assert_eq!(answer.result()["value"], "disco");
}

#[test]
fn what_cannot_be_done_is_said() {
    let daemon = TestDaemon::start();
    refused(&daemon.get("/v2/hardware/lines/GPIO99"), 404, "line-not-found");
    refused(&daemon.get("/v2/hardware/leds/GPIO27"), 404, "line-not-found");
    let set = json!({"action": "set", "value": 1});
    refused(&daemon.order_line("GPIO99", &set), 404, "line-not-found");
    let input = json!({"action": "configure", "direction": "input"});
    assert_eq!(daemon.order_line("GPIO4", &input).status, 200);
    refused(&daemon.order_line("GPIO4", &set), 400, "line-direction");
    for (name, value) in [
        ("bias", json!("pull-up")),
        ("debounce-us", json!(100)),
        ("drive", json!("open-drain")),
    ] {
        let answer = daemon.order_line("GPIO4", &json!({"action": "configure", name: value}));
        refused(&answer, 400, "hardware-unsupported");
        assert!(
            name.starts_with(answer.result()["value"].as_str().unwrap()),
            "{answer:?}"
        );
    }
    for body in [
        json!({}),
        json!({"action": "dance"}),
        json!({"action": "set"}),
        json!({"action": "set", "value": 2}),
        json!({"action": "set", "value": "1"}),
        json!({"action": "pulse", "duration-ms": 0}),
        json!({"action": "pulse", "value": 1}),
        json!({"action": "configure", "safe-value": 7}),
        json!({"action": "configure", "direction": "sideways"}),
        json!([]),
    ] {
        let answer = daemon.order_line("GPIO5", &body);
        assert_eq!(answer.status, 400, "{body}: {answer:?}");
        assert!(!answer.message().is_empty());
    }
    assert_eq!(
        daemon.line("GPIO5").get("consumer"),
        None,
        "nothing of it happened"
    );
    for body in [
        json!({"action": "set"}),
        json!({"action": "set", "value": 1, "brightness": 1}),
        json!({"action": "blink", "on-ms": 0}),
        json!({"action": "blink", "count": 0}),
        json!({"action": "identify", "seconds": 100_000}),
    ] {
        assert_eq!(daemon.order_led("ACT", &body).status, 400, "{body}");
    }
    assert_eq!(daemon.get("/v2/hardware/events?types=snap").status, 400);
}

/// Decision 6: fake hardware never appears by itself; the simulator's route is not there without it.
#[test]
fn only_the_simulated_board_can_be_driven() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("bare.toml");
    std::fs::write(&file, "name = \"bare\"\n").unwrap();
    let daemon = TestDaemon::with_args(&["--board", file.to_str().unwrap()]);
    let hardware = daemon.get("/v2/hardware");
    assert_eq!(hardware.result()["board"]["name"], "bare");
    assert_eq!(hardware.result()["lines"], json!([]));
    assert_eq!(daemon.drive("GPIO4", 1).status, 404);
    assert_eq!(daemon.get("/v2/hardware/lines/GPIO4").status, 404);
}

/// The gadget of the Raspberry Pi family and an app with a plug for each of its interfaces, installed.
fn with_gadget() -> TestDaemon {
    let daemon = TestDaemon::start();
    let app = daemon.scratch().join("app");
    std::fs::create_dir_all(app.join("meta")).unwrap();
    let yaml = "name: try\nversion: '1'\nsummary: Plugs\nbase: none\nplugs:\n  pin: {interface: gpio}\n  \
                file: {interface: bool-file}\n  light: {interface: led}\n  other: {interface: bool-file}\n";
    std::fs::write(app.join("meta/snap.yaml"), yaml).unwrap();
    let gadget = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("gadget/pi");
    let files: Vec<_> = [("pi", gadget), ("try", app)]
        .into_iter()
        .map(|(name, folder)| {
            let file = daemon.scratch().join(format!("{name}.snap"));
            let packed = std::process::Command::new(binary())
                .arg("pack")
                .arg(folder)
                .arg(&file)
                .output()
                .unwrap();
            assert!(packed.status.success(), "{packed:?}");
            (name, std::fs::read(&file).unwrap())
        })
        .collect();
    for (name, content) in &files {
        let answer = daemon.post_form("/v2/snaps", &[("dangerous", "true")], &[("snap", name, content)]);
        daemon.done(&answer);
    }
    daemon
}

impl TestDaemon {
    /// Connects or disconnects and answers the ready change.
    fn wire(&self, action: &str, plug: &str, slot: &str) -> Value {
        let body = json!({
            "action": action,
            "plugs": [{"snap": "try", "plug": plug}],
            "slots": [{"snap": "pi", "slot": slot}],
        });
        let answer = self.post("/v2/interfaces", &body);
        assert_eq!(answer.status, 202, "{answer:?}");
        self.wait(answer.body["change"].as_str().unwrap())
    }
}

#[test]
fn every_slot_of_the_gadget_is_something_on_the_board() {
    let daemon = with_gadget();
    let numbers = (0..28).map(|number| ("pin", format!("bcm-gpio-{number}"), format!("GPIO{number}")));
    let hardware = daemon.get("/v2/hardware");
    let header = hardware.result()["board"]["header"].as_array().unwrap().clone();
    let pins = header.iter().enumerate().filter_map(|(index, name)| {
        let name = name.as_str().unwrap();
        name.starts_with("GPIO")
            .then(|| ("file", format!("pin-{}", index + 1), name.to_owned()))
    });
    let slots: Vec<_> = numbers.chain(pins).collect();
    assert_eq!(slots.len(), 56);
    for (plug, slot, line) in slots {
        assert_eq!(daemon.wire("connect", plug, &slot)["status"], "Done", "{slot}");
        let now = daemon.line(&line);
        assert_eq!(now["slot"]["slot"], *slot, "{slot}");
        assert_eq!(now["plug"]["plug"], plug, "{slot}");
        assert_eq!(daemon.wire("disconnect", plug, &slot)["status"], "Done", "{slot}");
        assert_eq!(daemon.line(&line).get("plug"), None, "{slot}");
    }
    for (plug, slot, led) in [
        ("file", "act-led", "ACT"),
        ("light", "led-act", "ACT"),
        ("light", "led-pwr", "PWR"),
    ] {
        assert_eq!(daemon.wire("connect", plug, slot)["status"], "Done", "{slot}");
        let now = daemon.get(&format!("/v2/hardware/leds/{led}"));
        assert_eq!(now.result()["plug"]["plug"], plug, "{slot}");
        assert_eq!(daemon.wire("disconnect", plug, slot)["status"], "Done", "{slot}");
    }
}

#[test]
fn a_line_belongs_to_one_slot_and_stays_safe_after_it() {
    let mut daemon = with_gadget();
    assert_eq!(daemon.wire("connect", "file", "pin-13")["status"], "Done");
    // decision 5: who has it is told
    let taken = daemon.order_line("pin-13", &json!({"action": "release"}));
    refused(&taken, 409, "line-busy");
    assert!(
        taken.result()["value"]
            .as_str()
            .is_some_and(|who| who.ends_with(":file")),
        "{taken:?}"
    );
    // pin-13 and bcm-gpio-27 are one line (decision 7).
    let change = daemon.wire("connect", "pin", "bcm-gpio-27");
    assert_eq!(change["status"], "Error");
    let text = change["err"].as_str().unwrap();
    assert!(
        text.contains("GPIO27") && text.contains("pi:pin-13") && text.contains("try:file"),
        "{text}"
    );
    // Several plugs share a slot's line.
    assert_eq!(daemon.wire("connect", "other", "pin-13")["status"], "Done");
    let set = json!({"action": "set", "value": 1});
    assert_eq!(daemon.order_line("pin-13", &set).status, 200);
    assert_eq!(daemon.wire("disconnect", "file", "pin-13")["status"], "Done");
    assert_eq!(daemon.line("pin-13")["value"], 1);
    // A restart finds it connected.
    daemon.kill();
    daemon.launch();
    assert_eq!(
        daemon.line("pin-13")["plug"],
        json!({"snap": "try", "plug": "other"})
    );
    // Decision 10: after the last disconnect an output is held at its safe value.
    let config = json!({"action": "configure", "safe-value": 1});
    assert_eq!(daemon.order_line("pin-13", &config).status, 200);
    let set = json!({"action": "set", "value": 0});
    assert_eq!(daemon.order_line("pin-13", &set).status, 200);
    assert_eq!(daemon.wire("disconnect", "other", "pin-13")["status"], "Done");
    let line = daemon.line("pin-13");
    assert_eq!((&line["value"], line.get("plug")), (&json!(1), None));
    assert_eq!(daemon.wire("connect", "pin", "bcm-gpio-27")["status"], "Done");
}
