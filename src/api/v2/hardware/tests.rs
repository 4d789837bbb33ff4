use crate::access::{Peer, Policy};
use crate::api::v2::V2;
use crate::domain::hardware::Target;
use crate::domain::requester::Transport;
use crate::domain::{ConnRef, Dirs, PlugRef, SlotRef, SnapName};
use crate::drivers::clock::Clock;
use crate::managers::Managers;
use crate::store::Store;
use axum::body::Body;
use axum::extract::Request;
use http_body_util::BodyExt;
use serde_json::{Value, json};
use std::sync::Arc;
use tokio::sync::watch;

struct House {
    managers: Arc<Managers>,
    dialect: V2,
    _dir: tempfile::TempDir,
    _stop: watch::Sender<bool>,
}

fn name(text: &str) -> SnapName {
    SnapName::new(text).expect("a name")
}

/// A board on which `lamp` has line 27 and the LED ACT, and `door` has line 4. A snap's cookie is its name.
fn house() -> House {
    let dir = tempfile::tempdir().expect("a folder");
    let dirs = Dirs::new(dir.path());
    let (store, _) = Store::open(&dirs, Clock::system()).expect("a store");
    let managers = Managers::over(&store, &dirs);
    let (stopper, stop) = watch::channel(false);
    let policy = Policy::new(0, false, |cookie| SnapName::new(cookie).ok());
    for (snap, plug, slot, target) in [
        ("lamp", "relay", "bcm-gpio-27", Target::Number(27)),
        ("lamp", "status", "led-act", Target::Led("ACT".into())),
        ("door", "contact", "bcm-gpio-4", Target::Number(4)),
    ] {
        let connection = ConnRef {
            plug: PlugRef::new(name(snap), plug),
            slot: SlotRef::new(name("pi"), slot),
        };
        managers
            .hardware
            .attach(&connection, &target, None)
            .expect("connected");
    }
    House {
        dialect: V2::new(Arc::clone(&managers), policy, stop),
        managers,
        _dir: dir,
        _stop: stopper,
    }
}

impl House {
    /// Asks on the socket for snaps, as a service of the snap of that cookie.
    async fn ask(&self, cookie: Option<&str>, path: &str, body: Option<Value>) -> (u16, Value) {
        self.ask_as(0, cookie, path, body).await
    }

    /// The same as some user.
    async fn ask_as(&self, uid: u32, cookie: Option<&str>, path: &str, body: Option<Value>) -> (u16, Value) {
        let mut request = Request::builder()
            .uri(path)
            .method(if body.is_some() { "POST" } else { "GET" })
            .header("content-type", "application/json");
        if let Some(cookie) = cookie {
            request = request.header("x-snap-context", cookie);
        }
        let body = body.map_or_else(Body::empty, |body| Body::from(body.to_string()));
        let peer = Arc::new(Peer {
            transport: Transport::SnapSocket,
            uid: Some(uid),
            process: None,
        });
        let answer = self
            .dialect
            .clone()
            .answer(peer, request.body(body).expect("a request"))
            .await;
        let status = answer.status().as_u16();
        let bytes = answer.into_body().collect().await.expect("a body").to_bytes();
        let envelope: Value = serde_json::from_slice(&bytes).expect("JSON");
        (status, envelope["result"].clone())
    }
}

#[tokio::test(flavor = "current_thread")]
async fn a_snap_sees_and_drives_what_is_connected_to_its_plugs() {
    let house = house();
    let (status, seen) = house.ask(Some("lamp"), "/v2/hardware", None).await;
    assert_eq!(status, 200);
    let names = |list: &Value| -> Vec<String> {
        let list = list.as_array().expect("a list").iter();
        list.map(|one| one["name"].as_str().expect("a name").to_owned())
            .collect()
    };
    assert_eq!(names(&seen["lines"]), ["GPIO27"]);
    assert_eq!(names(&seen["leds"]), ["ACT"]);
    let set = || Some(json!({"action": "set", "value": 1}));
    for path in [
        "/v2/hardware/lines/relay",
        "/v2/hardware/lines/GPIO27",
        "/v2/hardware/leds/status",
    ] {
        assert_eq!(house.ask(Some("lamp"), path, set()).await.0, 200, "{path}");
        assert_eq!(house.ask(Some("lamp"), path, None).await.0, 200, "{path}");
        let (status, result) = house.ask(Some("door"), path, set()).await;
        assert_eq!(
            (status, result["kind"].as_str()),
            (404, Some("line-not-found")),
            "{path}"
        );
        assert_eq!(house.ask(Some("door"), path, None).await.0, 404, "{path}");
    }
    assert_eq!(
        house.ask(Some("lamp"), "/v2/hardware/leds/PWR", set()).await.0,
        404
    );
}

/// Any user may run a snap's app, and so be known as the snap; only what root started drives its hardware.
#[tokio::test(flavor = "current_thread")]
async fn who_runs_an_app_of_a_snap_may_look_and_not_drive() {
    let house = house();
    for path in ["/v2/hardware/lines/relay", "/v2/hardware/leds/status"] {
        let set = Some(json!({"action": "set", "value": 1}));
        assert_eq!(
            house.ask_as(1000, Some("lamp"), path, None).await.0,
            200,
            "{path}"
        );
        let (status, result) = house.ask_as(1000, Some("lamp"), path, set).await;
        assert_eq!(
            (status, result["kind"].as_str()),
            (401, Some("login-required")),
            "{path}"
        );
    }
}

#[tokio::test(flavor = "current_thread")]
async fn what_is_the_administrators_is_forbidden_to_a_snap() {
    let house = house();
    let line = "/v2/hardware/lines/relay";
    let safe = json!({"action": "configure", "safe-value": 1});
    assert_eq!(house.ask(Some("lamp"), line, Some(safe)).await.0, 403);
    assert_eq!(
        house
            .ask(Some("lamp"), line, Some(json!({"action": "release"})))
            .await
            .0,
        403
    );
    let keep = json!({"action": "configure", "trigger": "heartbeat"});
    assert_eq!(
        house
            .ask(Some("lamp"), "/v2/hardware/leds/status", Some(keep))
            .await
            .0,
        403
    );
    let direction = json!({"action": "configure", "direction": "output"});
    assert_eq!(house.ask(Some("lamp"), line, Some(direction)).await.0, 200);
    // Whoever is no snap is nobody here, and the world outside is not a snap's to move.
    for path in ["/v2/hardware", line, "/v2/hardware/events"] {
        assert_eq!(house.ask(None, path, None).await.0, 403, "{path}");
    }
    let drive = json!({"action": "drive", "value": 1});
    assert_eq!(
        house
            .ask(Some("door"), "/v2/hardware/sim/lines/GPIO4", Some(drive))
            .await
            .0,
        403
    );
}

#[tokio::test(flavor = "current_thread")]
async fn a_snap_is_told_of_its_own_lines() {
    let house = house();
    let request = Request::builder()
        .uri("/v2/hardware/events?state=true")
        .header("x-snap-context", "door")
        .body(Body::empty())
        .expect("a request");
    let peer = Arc::new(Peer {
        transport: Transport::SnapSocket,
        uid: Some(1000),
        process: None,
    });
    let answer = house.dialect.clone().answer(peer, request).await;
    let mut body = answer.into_body();
    let mut next = async || -> Value {
        let frame = body.frame().await.expect("a frame").expect("no error");
        let bytes = frame.into_data().expect("data");
        serde_json::from_slice(bytes.strip_prefix(&[0x1e]).expect("a record")).expect("JSON")
    };
    let state = next().await;
    assert_eq!(state["type"], "hardware.state");
    assert_eq!(state["data"]["lines"][0]["name"], "GPIO4");
    assert_eq!(state["data"]["lines"].as_array().expect("a list").len(), 1);
    let root = crate::domain::Requester {
        identity: "root".into(),
        uid: Some(0),
        pid: None,
        role: crate::domain::requester::Role::Admin,
        transport: Transport::MainSocket,
        snap: None,
    };
    house.managers.hardware.set_line("GPIO27", 1, &root).expect("set");
    house.managers.hardware.sim_drive("GPIO4", 1).expect("driven");
    let told = next().await;
    assert_eq!(
        (&told["type"], &told["data"]["line"]),
        (&json!("hardware.edge"), &json!("GPIO4"))
    );
}
