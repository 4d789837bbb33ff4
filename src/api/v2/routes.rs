//! The route table: what there is, who may use it with which verb, and what answers (contract: v2, section 2).

use super::call::Call;
use super::envelope::Reply;
use super::{
    aliases, apps, changes, conf, connections, debug, find, hardware, interfaces, nothing, notices, openapi,
    snap_actions, snapctl, snaps, stream, system, warnings,
};
use crate::access::Access::{
    self, Authenticated, AuthenticatedOrSnap, Open, OpenOrPlug, OpenOrSnap, Root, SnapOnly,
};
use crate::domain::Fault;
use axum::http::Method;
use futures_util::future::BoxFuture;

/// What answers a verb of a route.
pub type Handler = fn(Call) -> BoxFuture<'static, Result<Reply, Fault>>;

/// One verb of a route.
#[derive(Clone, Copy)]
pub struct Verb {
    /// Who may use it.
    pub access: Access,
    /// What answers.
    pub handler: Handler,
}

/// One path and its verbs; the dialect knows no others than these three.
#[derive(Clone, Copy)]
pub struct Route {
    /// With `{name}` for a segment that is a parameter.
    pub path: &'static str,
    get: Option<Verb>,
    post: Option<Verb>,
    put: Option<Verb>,
}

impl Route {
    const fn get(mut self, access: Access, handler: Handler) -> Self {
        self.get = Some(Verb { access, handler });
        self
    }

    const fn post(mut self, access: Access, handler: Handler) -> Self {
        self.post = Some(Verb { access, handler });
        self
    }

    const fn put(mut self, access: Access, handler: Handler) -> Self {
        self.put = Some(Verb { access, handler });
        self
    }

    /// What the route has for a method.
    pub fn verb(&self, method: &Method) -> Option<&Verb> {
        match *method {
            Method::GET => self.get.as_ref(),
            Method::POST => self.post.as_ref(),
            Method::PUT => self.put.as_ref(),
            _ => None,
        }
    }
}

const fn route(path: &'static str) -> Route {
    Route {
        path,
        get: None,
        post: None,
        put: None,
    }
}

/// Makes a [`Handler`] of an `async fn(Call) -> Result<Reply, Fault>`.
macro_rules! handler {
    ($function:path) => {
        |call| Box::pin($function(call))
    };
}

/// Open, also to snaps that may watch refreshes (contract: v2-newer, section 6).
const OBSERVED: Access = OpenOrPlug(&["snap-refresh-observe"]);

/// Every route of the dialect.
pub static ROUTES: &[Route] = &[
    route("/").get(Open, handler!(system::root)),
    route("/v2/system-info").get(Open, handler!(system::info)),
    route("/v2/changes").get(OBSERVED, handler!(changes::list)),
    route("/v2/changes/{id}")
        .get(OBSERVED, handler!(changes::one))
        .post(Authenticated, handler!(changes::act)),
    route("/v2/debug")
        .get(Open, handler!(debug::show))
        .post(Root, handler!(debug::act)),
    route("/v2/connections").get(Open, handler!(connections::list)),
    route("/v2/interfaces")
        .get(Open, handler!(interfaces::list))
        .post(Authenticated, handler!(interfaces::post)),
    route("/v2/snaps")
        .get(OBSERVED, handler!(snaps::list))
        .post(Authenticated, handler!(snap_actions::post)),
    route("/v2/snaps/{name}")
        .get(OBSERVED, handler!(snaps::one))
        .post(Authenticated, handler!(snap_actions::act)),
    route("/v2/snaps/{name}/file").get(Open, handler!(snaps::file)),
    route("/v2/icons/{name}/icon").get(OBSERVED, handler!(snaps::icon)),
    route("/v2/find").get(Open, handler!(find::find)),
    route("/v2/sections").get(Open, handler!(find::sections)),
    route("/v2/model").get(Open, handler!(find::model)),
    route("/v2/model/serial").get(Open, handler!(find::serial)),
    route("/v2/aliases")
        .get(Open, handler!(aliases::list))
        .post(Authenticated, handler!(aliases::act)),
    route("/v2/apps")
        .get(Open, handler!(apps::list))
        .post(Authenticated, handler!(apps::control)),
    route("/v2/logs").get(Authenticated, handler!(apps::logs)),
    route("/v2/snaps/{name}/conf")
        .get(Authenticated, handler!(conf::show))
        .put(Authenticated, handler!(conf::set)),
    route("/v2/snapctl").post(SnapOnly, handler!(snapctl::run)),
    route("/v2/internal/console-conf-start").post(Authenticated, handler!(nothing::console)),
    route("/v2/internal/join").post(SnapOnly, handler!(snapctl::join)),
    route("/v2/warnings")
        .get(Open, handler!(warnings::list))
        .post(Authenticated, handler!(warnings::act)),
    route("/v2/notices")
        .get(OpenOrPlug(notices::INTERFACES), handler!(notices::list))
        .post(Open, handler!(notices::add)),
    route("/v2/notices/{id}").get(OpenOrPlug(notices::INTERFACES), handler!(notices::one)),
    route("/v2/snapshots").get(Open, handler!(nothing::list)),
    route("/v2/quotas").get(Open, handler!(nothing::list)),
    route("/v2/validation-sets").get(Authenticated, handler!(nothing::list)),
    route("/v2/systems")
        .get(Authenticated, handler!(nothing::systems))
        .post(Root, handler!(nothing::restart_into_system)),
    route("/v2/hardware").get(OpenOrSnap, handler!(hardware::all)),
    route("/v2/hardware/lines/{name}")
        .get(OpenOrSnap, handler!(hardware::line))
        .post(AuthenticatedOrSnap, handler!(hardware::act_on_line)),
    route("/v2/hardware/leds/{name}")
        .get(OpenOrSnap, handler!(hardware::led))
        .post(AuthenticatedOrSnap, handler!(hardware::act_on_led)),
    route("/v2/hardware/events").get(OpenOrSnap, handler!(hardware::events)),
    route("/v2/hardware/sim/lines/{name}").post(Authenticated, handler!(hardware::drive)),
    route("/v2/openapi.json").get(Open, handler!(openapi::show)),
    route("/v2/events").get(OpenOrSnap, handler!(stream::all)),
];
