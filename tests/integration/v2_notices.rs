//! Notices, and what the answers say while the agent goes and comes (contract: v2-newer, section 1; v2, section 1).

use crate::support::TestDaemon;
use serde_json::{Value, json};
use std::time::{Duration, Instant};

/// contract: v2-newer, section 1: the loop of a client that follows changes.
#[test]
fn notices_follow_changes() {
    let daemon = TestDaemon::start();
    let first = daemon.get("/v2/notices?types=change-update");
    let notice = &first.result()[0];
    assert_eq!(
        (&notice["type"], &notice["key"], &notice["user-id"]),
        (&json!("change-update"), &json!("1"), &Value::Null)
    );
    assert_eq!(notice["last-data"], json!({"kind": "seed"}));
    let one = daemon.get(&format!("/v2/notices/{}", notice["id"].as_str().unwrap()));
    assert_eq!(one.result(), notice);
    let began = Instant::now();
    let path = format!(
        "/v2/notices?timeout=300ms&after={}",
        notice["last-repeated"].as_str().unwrap()
    );
    assert_eq!(daemon.get(&path).result(), &json!([]));
    assert!(began.elapsed() >= Duration::from_millis(300));
    // decision 39: unknown types do not make a client spin
    let began = Instant::now();
    assert_eq!(
        daemon.get("/v2/notices?types=bogus&timeout=300ms").result(),
        &json!([])
    );
    assert!(began.elapsed() >= Duration::from_millis(300));
}
