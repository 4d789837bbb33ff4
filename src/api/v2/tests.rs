use super::*;
use crate::domain::requester::Transport;
use crate::domain::{ChangeId, Dirs};
use crate::drivers::clock::Clock;
use crate::managers::system::Maintenance;
use crate::store::Store;
use http_body_util::BodyExt;
use serde_json::{Value, json};

struct House {
    _dir: tempfile::TempDir,
    store: Arc<Store>,
    managers: Arc<Managers>,
    dialect: V2,
    _stop: watch::Sender<bool>,
}

fn house() -> House {
    let dir = tempfile::tempdir().expect("a folder");
    let dirs = Dirs::new(dir.path());
    let (store, _) = Store::open(&dirs, Clock::system()).expect("a store");
    let managers = Managers::over(&store, &dirs);
    let (stopper, stop) = watch::channel(false);
    let policy = Policy::new(0, false, |_| None);
    House {
        dialect: V2::new(Arc::clone(&managers), policy, stop),
        _dir: dir,
        store,
        managers,
        _stop: stopper,
    }
}

fn peer(uid: u32) -> Arc<Peer> {
    Arc::new(Peer {
        transport: Transport::MainSocket,
        uid: Some(uid),
        process: None,
    })
}

async fn ask(house: &House, method: &str, path: &str) -> (Response<()>, String) {
    let request = Request::builder()
        .method(method)
        .uri(path)
        .body(Body::empty())
        .expect("a request");
    let response = house.dialect.clone().answer(peer(0), request).await;
    split(response).await
}

async fn split(response: Response) -> (Response<()>, String) {
    let (parts, body) = response.into_parts();
    let bytes = body.collect().await.expect("a body").to_bytes();
    (
        Response::from_parts(parts, ()),
        String::from_utf8(bytes.to_vec()).expect("text"),
    )
}

#[tokio::test(flavor = "current_thread")]
async fn the_envelope_is_as_observed() {
    let house = house();
    let (head, body) = ask(&house, "GET", "/").await;
    assert_eq!(head.status(), 200);
    assert_eq!(head.headers()["content-type"], "application/json");
    assert_eq!(
        body,
        r#"{"type":"sync","status-code":200,"status":"OK","result":["TBD"]}"#
    );
}

#[tokio::test(flavor = "current_thread")]
async fn unknown_paths_and_verbs() {
    let house = house();
    for (method, path, status, message) in [
        ("GET", "/v2/nosuch", 404, "not found"),
        ("GET", "/v2/system-info/", 404, "not found"),
        ("PUT", "/v2/system-info", 405, "method \"PUT\" not allowed"),
        ("BREW", "/v2/system-info", 405, "method \"BREW\" not allowed"),
        ("GET", "/v2/changes/7", 404, "cannot find change with id \"7\""),
        ("GET", "/v2/changes/x", 404, "cannot find change with id \"x\""),
        (
            "GET",
            "/v2/changes?select=some",
            400,
            "select should be one of: all,in-progress,ready",
        ),
    ] {
        let (head, body) = ask(&house, method, path).await;
        assert_eq!(head.status(), status, "{method} {path}");
        let body: Value = serde_json::from_str(&body).expect("JSON");
        assert_eq!(body["type"], "error");
        assert_eq!(body["status-code"], status);
        assert_eq!(body["result"], json!({ "message": message }));
        assert!(head.headers().get("allow").is_none());
    }
    let (head, _) = ask(&house, "HEAD", "/v2/system-info").await;
    assert_eq!(head.status(), 405);
    let (head, body) = ask(&house, "GET", "//v2/changes?select=all").await;
    assert_eq!(head.status(), 301);
    assert_eq!(head.headers()["location"], "/v2/changes?select=all");
    assert_eq!((body.as_str(), head.headers().get("content-type")), ("", None));
}

#[tokio::test(flavor = "current_thread")]
async fn warnings_and_maintenance_ride_along() {
    let house = house();
    house
        .store
        .commit_async(|tx| tx.add_warning("the disk is full"))
        .await
        .expect("a commit");
    let (_, body) = ask(&house, "GET", "/v2/changes").await;
    let body: Value = serde_json::from_str(&body).expect("JSON");
    assert_eq!(body["result"], json!([]));
    assert_eq!(body["warning-count"], 1);
    assert!(body["warning-timestamp"].is_string());
    let (_, body) = ask(&house, "GET", "/v2/nosuch").await;
    let body: Value = serde_json::from_str(&body).expect("JSON");
    assert!(body.get("warning-count").is_none(), "errors carry no warnings");
    house.managers.system.begin_maintenance(Maintenance::Rebooting);
    let (_, body) = ask(&house, "GET", "/v2/nosuch").await;
    let body: Value = serde_json::from_str(&body).expect("JSON");
    assert_eq!(
        body["maintenance"],
        json!({"kind": "system-restart", "message": "system is restarting", "value": {"op": "reboot"}})
    );
}

#[tokio::test(flavor = "current_thread")]
async fn an_async_reply_has_a_null_result_and_a_change() {
    let house = house();
    let response = envelope::render(Reply::change(ChangeId(17)), &house.managers);
    let (head, body) = split(response).await;
    assert_eq!(head.status(), 202);
    assert_eq!(
        body,
        r#"{"type":"async","status-code":202,"status":"Accepted","result":null,"change":"17"}"#
    );
}

#[tokio::test(flavor = "current_thread")]
async fn a_panic_is_an_error_of_ours() {
    fn falls(_: Call) -> futures_util::future::BoxFuture<'static, Reply> {
        Box::pin(async { panic!("on purpose") })
    }
    let house = house();
    for method in [Method::GET, Method::POST] {
        let verb = Verb {
            access: crate::access::Access::Open,
            handler: falls,
        };
        let (stopper, stop) = watch::channel(false);
        let call = Call {
            managers: Arc::clone(&house.managers),
            who: Policy::new(0, false, |_| None).identify(&peer(0), None),
            params: Vec::new(),
            query: Query::default(),
            headers: axum::http::HeaderMap::new(),
            body: Body::empty(),
            stop,
            policy: Policy::new(0, false, |_| None),
            peer: peer(0),
        };
        let reply = perform(&verb, &method, call).await;
        drop(stopper);
        assert!(matches!(reply, Reply::Error(fault) if fault.kind == ErrorKind::Internal));
    }
}

#[tokio::test(flavor = "current_thread")]
async fn access_is_decided_before_the_handler() {
    let house = house();
    let request = Request::builder()
        .uri("/v2/system-info")
        .body(Body::empty())
        .expect("a request");
    let nobody = Arc::new(Peer {
        transport: Transport::SnapSocket,
        uid: Some(0),
        process: None,
    });
    let (head, body) = split(house.dialect.clone().answer(nobody, request).await).await;
    assert_eq!(head.status(), 403);
    let body: Value = serde_json::from_str(&body).expect("JSON");
    assert_eq!(
        body["result"],
        json!({"message": "access denied", "kind": "login-required"})
    );
}
