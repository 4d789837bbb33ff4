//! The floor: one unix socket, one database, one answer, by the packages that the agent is made of. What the agent
//! takes on top of it is what the agent does.
//!
//! `floor ROOT` serves `GET /v2/system-info` on ROOT/run/snapd.socket.

use axum::Router;
use axum::http::header::CONTENT_TYPE;
use axum::routing::get;
use hyper_util::rt::TokioIo;
use hyper_util::service::TowerToHyperService;
use std::error::Error;
use std::path::PathBuf;
use tokio::net::UnixListener;

fn main() -> Result<(), Box<dyn Error>> {
    let root = PathBuf::from(std::env::args_os().nth(1).ok_or("usage: floor ROOT")?);
    std::fs::create_dir_all(root.join("run"))?;
    std::fs::create_dir_all(root.join("var/lib/floor"))?;
    let database = rusqlite::Connection::open(root.join("var/lib/floor/state.db"))?;
    database.pragma_update(None, "journal_mode", "wal")?;
    database.pragma_update(None, "synchronous", "full")?;
    database.execute_batch("CREATE TABLE IF NOT EXISTS meta (key TEXT PRIMARY KEY, value TEXT) STRICT")?;
    database.execute("INSERT OR REPLACE INTO meta VALUES ('starts', '1')", [])?;

    let answer = serde_json::json!({
        "type": "sync", "status-code": 200, "status": "OK",
        "result": {"series": "16", "version": "0", "architecture": "amd64", "confinement": "none",
            "os-release": {"id": "debian", "version-id": "12"}, "on-classic": true, "managed": false,
            "kernel-version": "6.1", "virtualization": "none", "system-mode": "run",
            "refresh": {"timer": "00:00~24:00/4"}, "locations": {"snap-mount-dir": "/snap", "snap-bin-dir": "/snap/bin"},
            "build-id": "00000000000000000000000000000000", "features": {}}
    });
    let router = Router::new().route("/v2/system-info", get(move || async move { ([(CONTENT_TYPE, "application/json")], answer.to_string()) }));
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async move {
        let socket = root.join("run/snapd.socket");
        let _ = std::fs::remove_file(&socket);
        let listener = UnixListener::bind(&socket)?;
        loop {
            let (stream, _) = listener.accept().await?;
            let service = TowerToHyperService::new(router.clone());
            tokio::spawn(async move {
                let _ = hyper::server::conn::http1::Builder::new()
                    .serve_connection(TokioIo::new(stream), service)
                    .await;
            });
        }
    })
}
