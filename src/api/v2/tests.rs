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
    stop: watch::Sender<bool>,
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
        stop: stopper,
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
    fn falls(_: Call) -> futures_util::future::BoxFuture<'static, Result<Reply, Fault>> {
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

fn body(text: &str) -> Value {
    serde_json::from_str(text).expect("JSON")
}

async fn tell(house: &House, method: &str, path: &str, uid: u32, text: &'static str) -> (u16, Value) {
    let request = Request::builder()
        .method(method)
        .uri(path)
        .body(Body::from(text))
        .expect("a request");
    let response = house.dialect.clone().answer(peer(uid), request).await;
    let (head, text) = split(response).await;
    (head.status().as_u16(), body(&text))
}

#[tokio::test(flavor = "current_thread")]
async fn warnings_are_shown_until_they_are_seen() {
    let house = house();
    house
        .store
        .commit_async(|tx| tx.add_warning("the disk is full"))
        .await
        .expect("a commit");
    let (status, shown) = tell(&house, "GET", "/v2/warnings", 0, "").await;
    assert_eq!(status, 200);
    let warning = &shown["result"][0];
    assert_eq!(warning["message"], "the disk is full");
    assert_eq!(warning["expire-after"], "672h0m0s");
    assert_eq!(warning["repeat-after"], "24h0m0s");
    assert!(warning.get("last-shown").is_none());
    let (status, _) = tell(&house, "POST", "/v2/warnings", 1000, r#"{"action":"okay"}"#).await;
    assert_eq!(status, 401);
    let moment = shown["warning-timestamp"].as_str().expect("a time");
    let text = json!({"action": "okay", "timestamp": moment}).to_string();
    let (status, seen) = tell(&house, "POST", "/v2/warnings", 0, text.leak()).await;
    assert_eq!((status, &seen["result"]), (200, &json!(1)));
    let (_, left) = tell(&house, "GET", "/v2/warnings", 0, "").await;
    assert_eq!(left["result"], json!([]));
    assert!(left.get("warning-count").is_none());
    let (_, all) = tell(&house, "GET", "/v2/warnings?select=all", 0, "").await;
    assert_eq!(all["result"][0]["last-shown"], json!(moment));
    for (path, text) in [
        ("/v2/warnings?select=some", ""),
        ("/v2/warnings", r#"{"action":"dance"}"#),
        ("/v2/warnings", r#"{"action":"okay","timestamp":"noon"}"#),
        ("/v2/warnings", "[]"),
    ] {
        let method = if text.is_empty() { "GET" } else { "POST" };
        let (status, _) = tell(&house, method, path, 0, text).await;
        assert_eq!(status, 400, "{path} {text}");
    }
}

#[tokio::test(flavor = "current_thread")]
async fn notices_are_polled_and_waited_for() {
    let house = house();
    let (status, none) = tell(&house, "GET", "/v2/notices?types=change-update", 1000, "").await;
    assert_eq!((status, &none["result"]), (200, &json!([])));
    let waiting = {
        let mut dialect = house.dialect.clone();
        let request = Request::builder()
            .uri("/v2/notices?types=bogus,change-update&keys=4&timeout=30s")
            .body(Body::empty())
            .expect("a request");
        tokio::spawn(async move { split(dialect.answer(peer(1000), request).await).await })
    };
    tokio::task::yield_now().await;
    for (key, user) in [("3", None), ("4", Some(7)), ("4", None)] {
        house
            .store
            .commit_async(move |tx| {
                let data = [("kind".to_owned(), "install-snap".to_owned())].into();
                tx.add_notice("change-update", key, user, data)
            })
            .await
            .expect("a commit");
    }
    let (_, text) = waiting.await.expect("an answer");
    let found = body(&text);
    assert_eq!(
        found["result"].as_array().map(Vec::len),
        Some(1),
        "not another user's"
    );
    let notice = &found["result"][0];
    assert_eq!(notice["key"], "4");
    assert_eq!(notice["user-id"], Value::Null);
    assert_eq!(notice["occurrences"], 1);
    assert_eq!(notice["last-data"], json!({"kind": "install-snap"}));
    assert_eq!(notice["expire-after"], "168h0m0s");
    let (_, all) = tell(&house, "GET", "/v2/notices?users=all", 0, "").await;
    let all = all["result"].as_array().expect("a list").clone();
    let times: Vec<_> = all
        .iter()
        .map(|notice| notice["last-repeated"].as_str())
        .collect();
    assert!(times.is_sorted() && times.len() == 3, "{times:?}");
    let last = all[2]["last-repeated"].as_str().expect("a time");
    let path = format!("/v2/notices?users=all&after={last}");
    assert_eq!(tell(&house, "GET", &path, 0, "").await.1["result"], json!([]));
    let path = format!("/v2/notices/{}", all[1]["id"].as_str().expect("an id"));
    for (path, uid, status) in [
        ("/v2/notices?users=all", 1000, 403),
        ("/v2/notices?user-id=7", 1000, 403),
        ("/v2/notices?user-id=7", 0, 200),
        ("/v2/notices?user-id=x", 0, 400),
        ("/v2/notices?users=some", 0, 400),
        ("/v2/notices?users=all&user-id=7", 0, 400),
        ("/v2/notices?after=noon", 0, 400),
        ("/v2/notices?timeout=long", 0, 400),
        ("/v2/notices/99", 0, 404),
        (path.as_str(), 7, 200),
        (path.as_str(), 0, 200),
        (path.as_str(), 1000, 403),
    ] {
        assert_eq!(
            tell(&house, "GET", path, uid, "").await.0,
            status,
            "{path} by {uid}"
        );
    }
}

#[tokio::test(flavor = "current_thread")]
async fn a_wait_for_notices_ends_with_the_agent() {
    let house = house();
    let asked = ask(&house, "GET", "/v2/notices?timeout=1h");
    let stopped = async {
        tokio::task::yield_now().await;
        house.stop.send(true).expect("somebody listens");
    };
    let ((head, text), ()) = futures_util::future::join(asked, stopped).await;
    assert_eq!(head.status(), 500);
    assert_eq!(body(&text)["result"]["message"], "request canceled");
}

#[tokio::test(flavor = "current_thread")]
async fn nothing_is_fetched_from_anywhere() {
    let house = house();
    for (path, status, kind) in [
        ("/v2/find?name=hello", 500, Value::Null),
        ("/v2/find?q=hello", 400, json!("dns-failure")),
        ("/v2/sections", 500, Value::Null),
        ("/v2/model", 404, json!("assertion-not-found")),
        ("/v2/model/serial", 404, json!("assertion-not-found")),
    ] {
        let (code, answer) = tell(&house, "GET", path, 1000, "").await;
        assert_eq!((code, &answer["result"]["kind"]), (status, &kind), "{path}");
    }
    let (status, answer) = tell(&house, "GET", "/v2/find?select=refresh", 1000, "").await;
    assert_eq!((status, &answer["result"]), (200, &json!([])));
}
