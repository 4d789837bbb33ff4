//! `/v2/notices` (contract: v2-newer, section 1; decision 39).

use super::{Call, Reply};
use crate::domain::duration;
use crate::domain::record::Notice;
use crate::domain::requester::Role;
use crate::domain::{ErrorKind, Fault, Timestamp};
use crate::managers::changes::{Audience, NoticeFilter};
use serde::Serialize;
use serde_json::json;
use std::collections::BTreeMap;
use std::time::Duration;

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
        kinds: call.query.list("types"),
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
    Ok(Reply::Sync(json!(NoticeBody::from(&*notice))))
}

/// What the verbs here take and answer, for the description of the API.
#[cfg(test)]
pub(super) fn described() -> Vec<super::openapi::describe::Operation> {
    use super::openapi::describe::get;
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
        get("/v2/notices/{id}", "One notice")
            .named("the id of a notice")
            .result::<NoticeBody<'_>>()
            .fails(&[ErrorKind::NotFound]),
    ]
}
