//! snapd's dialect: one JSON envelope, a table of routes, one file per resource (contract: v2 and v2-observed).

mod aliases;
mod apps;
mod call;
mod changes;
mod conf;
mod connections;
mod debug;
mod download;
mod envelope;
mod find;
mod hardware;
mod interfaces;
pub mod multipart;
mod nothing;
mod notices;
mod openapi;
mod path;
mod query;
mod routes;
mod snap_actions;
mod snapctl;
mod snaps;
mod stream;
mod system;
pub mod upload;
mod warnings;

use crate::access::{Denied, Peer, Policy};
use crate::domain::{ErrorKind, Fault};
use crate::managers::Managers;
use axum::Router;
use axum::body::Body;
use axum::extract::{RawPathParams, Request};
use axum::http::{Method, StatusCode, header};
use axum::response::Response;
use axum::routing::any;
use futures_util::FutureExt;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use tokio::sync::watch;
use tower_service::Service;

pub use call::Call;
pub use envelope::{Reply, maintenance_file};
pub use query::Query;
pub use routes::{Handler, ROUTES, Route, Verb};

/// The header by which a snap's program shows its cookie.
const COOKIE_HEADER: &str = "x-snap-context";

/// The dialect, ready to answer.
#[derive(Clone)]
pub struct V2 {
    router: Router,
}

/// What every request of the dialect needs.
struct Room {
    managers: Arc<Managers>,
    policy: Policy,
    stop: watch::Receiver<bool>,
    /// The number of the last request.
    requests: AtomicU64,
}

impl V2 {
    /// The dialect over its route table. `stop` turns true when the agent ends: long polls answer then.
    pub fn new(managers: Arc<Managers>, policy: Policy, stop: watch::Receiver<bool>) -> Self {
        let room = Arc::new(Room {
            managers,
            policy,
            stop,
            requests: AtomicU64::new(0),
        });
        let mut router = Router::new();
        for route in ROUTES {
            let room = Arc::clone(&room);
            let answer = move |params: RawPathParams, request: Request| {
                let room = Arc::clone(&room);
                async move { room.answer(route, &params, request).await }
            };
            router = router.route(route.path, any(answer));
        }
        let router = router.fallback(move || {
            let room = Arc::clone(&room);
            async move { room.render(Reply::Error(Fault::new(ErrorKind::NotFound, "not found"))) }
        });
        Self { router }
    }

    /// Answers one request of a peer; never fails and never panics.
    pub async fn answer(&mut self, peer: Arc<Peer>, mut request: Request) -> Response {
        if let Some(location) = path::cleaned(request.uri()) {
            return moved(&location);
        }
        request.extensions_mut().insert(peer);
        match self.router.call(request).await {
            Ok(response) => response,
            Err(never) => match never {},
        }
    }
}

/// The redirect of an unclean path: a Location and nothing else (contract: v2-observed).
fn moved(location: &str) -> Response {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = StatusCode::MOVED_PERMANENTLY;
    if let Ok(value) = location.parse() {
        response.headers_mut().insert(header::LOCATION, value);
    }
    response
}

impl Room {
    async fn answer(
        self: Arc<Self>,
        route: &'static Route,
        params: &RawPathParams,
        request: Request,
    ) -> Response {
        let id = self.requests.fetch_add(1, Ordering::Relaxed) + 1;
        let method = request.method().clone();
        let Some(verb) = route.verb(&method) else {
            return self.render(Reply::Error(Fault::new(
                ErrorKind::MethodNotAllowed,
                format!("method {:?} not allowed", method.as_str()),
            )));
        };
        let call = match self.admit(verb, params, request) {
            Ok(call) => call,
            Err(fault) => return self.render(Reply::Error(fault)),
        };
        let who = call.who.identity.clone();
        let response = self.render(perform(verb, &method, call).await);
        let status = response.status();
        if status.is_server_error() {
            log::warn!(REQUEST_ID = id; "{method} {} by {who}: {status}", route.path);
        } else if method == Method::GET {
            log::debug!(REQUEST_ID = id; "{method} {} by {who}: {status}", route.path);
        } else {
            log::info!(REQUEST_ID = id; "{method} {} by {who}: {status}", route.path);
        }
        response
    }

    /// Decides access, before the body is looked at.
    fn admit(&self, verb: &Verb, params: &RawPathParams, request: Request) -> Result<Call, Fault> {
        let (parts, body) = request.into_parts();
        let denied = |kind| Fault::new(kind, "access denied");
        let Some(peer) = parts.extensions.get::<Arc<Peer>>().cloned() else {
            return Err(denied(ErrorKind::Forbidden));
        };
        let cookie = parts
            .headers
            .get(COOKIE_HEADER)
            .and_then(|value| value.to_str().ok());
        let who = self.policy.identify(&peer, cookie);
        self.policy.permit(verb.access, &who).map_err(|reason| {
            denied(match reason {
                Denied::Unauthorized => ErrorKind::Unauthorized,
                Denied::Forbidden => ErrorKind::Forbidden,
            })
        })?;
        let params = params
            .iter()
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .collect();
        Ok(Call {
            managers: Arc::clone(&self.managers),
            who,
            params,
            query: Query::parse(parts.uri.query().unwrap_or_default()),
            headers: parts.headers,
            body,
            stop: self.stop.clone(),
            policy: self.policy.clone(),
            peer,
        })
    }

    /// Puts a reply in its envelope, with what rides on every one.
    fn render(&self, reply: Reply) -> Response {
        envelope::render(reply, &self.managers)
    }
}

/// Runs the handler. A read ends with its client; a write that was begun runs to its end even if nobody waits for the
/// answer. A panic becomes an error of ours (decision 28).
async fn perform(verb: &Verb, method: &Method, call: Call) -> Reply {
    let work = (verb.handler)(call);
    let ended = if method == Method::GET {
        AssertUnwindSafe(work).catch_unwind().await.map_err(|_| ())
    } else {
        tokio::spawn(work).await.map_err(|_| ())
    };
    ended
        .unwrap_or_else(|()| {
            Err(Fault::internal(
                "the agent failed while it answered this; its journal has the reason",
            ))
        })
        .unwrap_or_else(Reply::Error)
}

#[cfg(test)]
mod tests;
