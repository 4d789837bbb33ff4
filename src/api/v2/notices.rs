//! `/v2/notices` (contract: v2-newer, section 1; decision 39).

use super::{Call, Reply};
use crate::access::Process;
use crate::domain::duration;
use crate::domain::record::Notice;
use crate::domain::requester::Role;
use crate::domain::{ErrorKind, Fault, SnapName, Timestamp};
use crate::managers::changes::{Audience, NoticeFilter, RUN_INHIBIT, is_notice_kind};
use serde::{Deserialize, Serialize};
use serde_json::json;
use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

/// Which types a snap may read, by the interface of which it has a connected plug (contract: v2-newer, section 1).
const READABLE: [(&str, &[&str]); 2] = [
    (
        "snap-refresh-observe",
        &["change-update", "refresh-inhibit", "snap-run-inhibit"],
    ),
    (
        "snap-interfaces-requests-control",
        &["interfaces-requests-prompt", "interfaces-requests-rule-update"],
    ),
];

/// The interfaces whose plugs open these routes.
pub const INTERFACES: &[&str] = &[READABLE[0].0, READABLE[1].0];

/// How long after its last occurrence a notice is told (contract: 7 days).
const EXPIRE_AFTER: i64 = 7 * 24 * 3600;

#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema), schemars(rename = "Notice"))]
#[serde(rename_all = "kebab-case")]
struct NoticeBody<'a> {
    id: String,
    user_id: Option<u32>,
    #[serde(rename = "type")]
    kind: &'a str,
    key: &'a str,
    first_occurred: String,
    last_occurred: String,
    last_repeated: String,
    occurrences: u64,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    last_data: &'a BTreeMap<String, String>,
    expire_after: String,
}

impl<'a> From<&'a Notice> for NoticeBody<'a> {
    fn from(notice: &'a Notice) -> Self {
        Self {
            id: notice.id.to_string(),
            user_id: notice.user,
            kind: &notice.kind,
            key: &notice.key,
            first_occurred: notice.first_occurred.rfc3339(),
            last_occurred: notice.last_occurred.rfc3339(),
            last_repeated: notice.last_repeated.rfc3339(),
            occurrences: notice.occurrences,
            last_data: &notice.last_data,
            expire_after: duration::text(EXPIRE_AFTER),
        }
    }
}

/// GET /v2/notices, at once or as soon as there are any.
pub async fn list(call: Call) -> Result<Reply, Fault> {
    let filter = NoticeFilter {
        audience: audience(&call)?,
        kinds: kinds(&call)?,
        keys: call.query.list("keys"),
        after: match call.query.text("after") {
            "" => None,
            text => Some(Timestamp::parse(text).ok_or_else(|| {
                Fault::bad(format!(
                    "invalid \"after\" timestamp: {text:?} is not an RFC 3339 time"
                ))
            })?),
        },
    };
    let wait = match call.query.text("timeout") {
        "" => Duration::ZERO,
        text => duration::parse(text).ok_or_else(|| {
            Fault::bad(format!(
                "invalid timeout: {text:?} is not a duration such as \"30s\""
            ))
        })?,
    };
    let changes = &call.managers.changes;
    let found = if wait.is_zero() {
        changes.notices(&filter)
    } else {
        tokio::select! {
            found = tokio::time::timeout(wait, changes.next_notices(&filter)) => found.unwrap_or_default(),
            () = call.stopping() => return Err(Fault::internal("request canceled")),
        }
    };
    let bodies: Vec<NoticeBody<'_>> = found.iter().map(|notice| (&**notice).into()).collect();
    Reply::of(&bodies)
}

/// The types that a snap may read; `None` for everybody else, who may read all.
fn readable(call: &Call) -> Option<Vec<&'static str>> {
    let snap = call.who.snap.as_ref()?;
    let plugs = call.policy.plugs_of(snap, INTERFACES);
    let mine = READABLE.iter().filter(|(interface, _)| plugs.contains(interface));
    Some(mine.flat_map(|(_, kinds)| kinds.iter().copied()).collect())
}

/// The types that are asked for; of a snap that asks for none those that it may read.
fn kinds(call: &Call) -> Result<Vec<String>, Fault> {
    let asked = call.query.list("types");
    let Some(readable) = readable(call) else {
        return Ok(asked);
    };
    if asked.is_empty() {
        return Ok(readable.into_iter().map(str::to_owned).collect());
    }
    let foreign = |kind: &String| is_notice_kind(kind) && !readable.contains(&kind.as_str());
    if asked.iter().any(foreign) {
        return Err(Fault::new(
            ErrorKind::Forbidden,
            "snap cannot access specified notice types",
        ));
    }
    Ok(asked)
}

/// Whose notices are asked for: one's own, or those of others for admins who say so.
fn audience(call: &Call) -> Result<Audience, Fault> {
    let users: Vec<_> = call.query.all("users").collect();
    let ids: Vec<_> = call.query.all("user-id").collect();
    let admin = |name: &str| {
        if call.who.role >= Role::Admin {
            Ok(())
        } else {
            let message = format!("only admins may use the {name:?} filter");
            Err(Fault::new(ErrorKind::Forbidden, message))
        }
    };
    match (users.as_slice(), ids.as_slice()) {
        ([], []) => Ok(Audience::User(call.who.uid)),
        ([_, ..], [_, ..]) => {
            admin("user-id")?;
            Err(Fault::bad("cannot use both \"users\" and \"user-id\" parameters"))
        }
        (users, []) => {
            admin("users")?;
            match users {
                ["all"] => Ok(Audience::All),
                _ => Err(Fault::bad("invalid \"users\" filter: must be \"all\"")),
            }
        }
        ([], ids) => {
            admin("user-id")?;
            match ids {
                [id] => id
                    .parse()
                    .map(|id| Audience::User(Some(id)))
                    .map_err(|_| Fault::bad(format!("invalid \"user-id\" filter: {id:?} is no user id"))),
                _ => Err(Fault::bad(
                    "invalid \"user-id\" filter: must only include one \"user-id\"",
                )),
            }
        }
    }
}

/// GET /v2/notices/{id}.
pub async fn one(call: Call) -> Result<Reply, Fault> {
    let all = call.who.role >= Role::Admin;
    let notice = call
        .managers
        .changes
        .notice(call.param("id"), call.who.uid, all)?;
    if readable(&call).is_some_and(|kinds| !kinds.contains(&notice.kind.as_str())) {
        return Err(Fault::new(
            ErrorKind::Forbidden,
            format!("not allowed to access notice with id {:?}", call.param("id")),
        ));
    }
    Ok(Reply::Sync(json!(NoticeBody::from(&*notice))))
}

#[derive(Default, Deserialize)]
#[serde(default)]
#[cfg_attr(test, derive(schemars::JsonSchema), schemars(rename = "NoticeAction"))]
struct Action {
    action: String,
    #[serde(rename = "type")]
    kind: String,
    key: String,
}

#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema), schemars(rename = "NoticeId"))]
struct IdBody {
    id: String,
}

/// POST /v2/notices: what the snap command tells of an app that waits for a refresh. Nobody is kept out by this, only
/// misuse.
pub async fn add(mut call: Call) -> Result<Reply, Fault> {
    let body: Action = call.json().await?;
    let refused = |why: String| {
        Fault::bad(format!(
            "{why} (can only record notices from the \"snap\" command)"
        ))
    };
    if body.action != "add" {
        return Err(refused(format!("invalid action {:?}", body.action)));
    }
    if body.kind != RUN_INHIBIT {
        return Err(refused(format!("cannot add notice of type {:?}", body.kind)));
    }
    let snap = SnapName::new(&body.key).map_err(|error| refused(format!("invalid key: {error}")))?;
    let mounts = &call.managers.system.facts().snap_mount_dir;
    let program = call.peer.process.as_ref().and_then(Process::program);
    if !program.is_some_and(|program| is_snap_command(&program, mounts)) {
        return Err(refused(String::from("the request comes from another program")));
    }
    let user = call
        .who
        .uid
        .ok_or_else(|| Fault::new(ErrorKind::Forbidden, "access denied"))?;
    let id = call.managers.changes.note_run_inhibit(&snap, user).await?;
    Reply::of(&IdBody { id: id.to_string() })
}

/// The program is called as the snap command is, and stands where it does.
fn is_snap_command(program: &Path, mounts: &Path) -> bool {
    let name = program.file_name().and_then(|name| name.to_str());
    let called = matches!(name, Some("snap" | "snap-fips" | "snapd" | "snapd-fips"));
    let places = [
        mounts.join("snapd"),
        mounts.join("core"),
        "/usr/bin".into(),
        "/usr/lib/snapd".into(),
        "/usr/libexec/snapd".into(),
    ];
    called && places.iter().any(|place| program.starts_with(place))
}

/// What the verbs here take and answer, for the description of the API.
#[cfg(test)]
pub(super) fn described() -> Vec<super::openapi::describe::Operation> {
    use super::openapi::describe::{get, post};
    vec![
        get("/v2/notices", "List notices, or wait for one")
            .list("types", "Only of these types")
            .list("keys", "Only with these keys")
            .text("after", "Only those that occurred again after this time")
            .text("timeout", "Wait so long for one, as in 30s")
            .text("user-id", "Those of this user; for admins")
            .words("users", &["all"], "Those of all users; for admins")
            .result::<Vec<NoticeBody<'_>>>()
            .fails(&[ErrorKind::BadRequest]),
        post(
            "/v2/notices",
            "Tell that an app waits for a refresh; for the snap command",
        )
        .body::<Action>()
        .result::<IdBody>(),
        get("/v2/notices/{id}", "One notice")
            .named("the id of a notice")
            .result::<NoticeBody<'_>>()
            .fails(&[ErrorKind::NotFound]),
    ]
}

#[cfg(test)]
mod tests {
    use super::is_snap_command;
    use std::path::Path;

    #[test]
    fn the_snap_command_is_known_by_its_place() {
        // contract: v2-newer, section 1, POST
        for (program, known) in [
            ("/usr/bin/snap", true),
            ("/usr/lib/snapd/snapd", true),
            ("/snap/snapd/17/usr/bin/snap", true),
            ("/snap/core/5/usr/bin/snap-fips", true),
            ("/snap/other/5/usr/bin/snap", false),
            ("/usr/bin/snapctl", false),
            ("/usr/local/bin/snap", false),
            ("/tmp/snap", false),
            ("/usr/bin/snap (deleted)", false),
        ] {
            assert_eq!(
                is_snap_command(Path::new(program), Path::new("/snap")),
                known,
                "{program}"
            );
        }
    }
}
