//! The one envelope of the dialect, and what each kind of error is called in it (contract: v2, sections 1 and 4).

use crate::domain::{ChangeId, ErrorKind, Fault};
use crate::managers::Managers;
use crate::managers::system::Maintenance;
use axum::body::Body;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::Response;
use serde::Serialize;
use serde_json::Value;
use serde_json::value::RawValue;

/// What a handler answers.
pub enum Reply {
    /// 200 with a result; `null` when there is none to tell.
    Sync(Value),
    /// 200 with a result that is written already.
    Rendered {
        result: Box<RawValue>,
        /// Where the result comes from, for lists of snaps.
        sources: &'static [&'static str],
    },
    /// 202: the change goes on by itself.
    Async { change: ChangeId, result: Value },
    /// What went wrong.
    Error(Fault),
    /// Not in an envelope: files, streams.
    Raw(Response),
}

impl Reply {
    /// 200 with a result.
    pub fn of(result: &impl Serialize) -> Result<Self, Fault> {
        Self::from_sources(result, &[])
    }

    /// 200 with a result and where it comes from.
    pub fn from_sources(result: &impl Serialize, sources: &'static [&'static str]) -> Result<Self, Fault> {
        serde_json::value::to_raw_value(result)
            .map(|result| Self::Rendered { result, sources })
            .map_err(|error| Fault::internal(format!("cannot write the answer: {error}")))
    }

    /// 202 with nothing but the change.
    pub fn change(change: ChangeId) -> Self {
        Self::Async {
            change,
            result: Value::Null,
        }
    }
}

/// The wire's form, in the contract's order of names.
#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub(super) struct Envelope<'a, R: Serialize> {
    #[cfg_attr(test, schemars(extend("enum" = ["sync", "async", "error"])))]
    #[serde(rename = "type")]
    kind: &'static str,
    status_code: u16,
    status: &'static str,
    result: R,
    #[serde(skip_serializing_if = "Option::is_none")]
    change: Option<String>,
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    sources: &'a [&'static str],
    #[serde(skip_serializing_if = "Option::is_none")]
    warning_timestamp: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    warning_count: Option<usize>,
    #[serde(skip_serializing_if = "Option::is_none")]
    maintenance: Option<MaintenanceBody>,
}

#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema), schemars(rename = "Error"))]
pub(super) struct ErrorBody {
    message: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    kind: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    value: Option<Value>,
}

/// Why the agent will not be there for a moment.
#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema), schemars(rename = "Maintenance"))]
struct MaintenanceBody {
    #[cfg_attr(test, schemars(extend("enum" = ["system-restart", "daemon-restart"])))]
    kind: &'static str,
    message: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    value: Option<Value>,
}

impl From<Maintenance> for MaintenanceBody {
    fn from(maintenance: Maintenance) -> Self {
        let (kind, message, operation) = match maintenance {
            Maintenance::Rebooting => ("system-restart", "system is restarting", Some("reboot")),
            Maintenance::Halting => ("system-restart", "system is halting", Some("halt")),
            Maintenance::PoweringOff => ("system-restart", "system is powering off", Some("poweroff")),
            Maintenance::Restarting => ("daemon-restart", "daemon is restarting", None),
        };
        Self {
            kind,
            message,
            value: operation.map(|operation| serde_json::json!({ "op": operation })),
        }
    }
}

/// What stands in the file that clients read while nobody answers: the object alone.
pub fn maintenance_file(maintenance: Maintenance) -> Vec<u8> {
    // Plain texts are always written.
    serde_json::to_vec(&MaintenanceBody::from(maintenance)).unwrap_or_default()
}

/// Status and kind of each error. No wildcard: a new kind must choose.
pub fn code(kind: ErrorKind) -> (StatusCode, Option<&'static str>) {
    use StatusCode as S;
    match kind {
        ErrorKind::BadRequest => (S::BAD_REQUEST, None),
        ErrorKind::NotFound => (S::NOT_FOUND, None),
        ErrorKind::MethodNotAllowed => (S::METHOD_NOT_ALLOWED, None),
        ErrorKind::Unauthorized => (S::UNAUTHORIZED, Some("login-required")),
        ErrorKind::Forbidden => (S::FORBIDDEN, Some("login-required")),
        ErrorKind::Conflict => (S::CONFLICT, None),
        ErrorKind::NotImplemented => (S::NOT_IMPLEMENTED, None),
        ErrorKind::TooLarge => (S::PAYLOAD_TOO_LARGE, None),
        ErrorKind::Internal => (S::INTERNAL_SERVER_ERROR, None),
        ErrorKind::SnapNotFound => (S::NOT_FOUND, Some("snap-not-found")),
        ErrorKind::SnapNotInstalled => (S::BAD_REQUEST, Some("snap-not-installed")),
        ErrorKind::SnapAlreadyInstalled => (S::BAD_REQUEST, Some("snap-already-installed")),
        ErrorKind::SnapChangeConflict => (S::CONFLICT, Some("snap-change-conflict")),
        ErrorKind::SnapLocal => (S::BAD_REQUEST, Some("snap-local")),
        ErrorKind::SnapNotASnap => (S::BAD_REQUEST, Some("snap-not-a-snap")),
        ErrorKind::SnapNeedsDevmode => (S::BAD_REQUEST, Some("snap-needs-devmode")),
        ErrorKind::SnapNeedsClassic => (S::BAD_REQUEST, Some("snap-needs-classic")),
        ErrorKind::SnapNeedsClassicSystem => (S::BAD_REQUEST, Some("snap-needs-classic-system")),
        ErrorKind::SnapNotClassic => (S::BAD_REQUEST, Some("snap-not-classic")),
        ErrorKind::AppNotFound => (S::NOT_FOUND, Some("app-not-found")),
        ErrorKind::InterfacesUnchanged => (S::BAD_REQUEST, Some("interfaces-unchanged")),
        ErrorKind::OptionNotFound => (S::BAD_REQUEST, Some("option-not-found")),
        ErrorKind::AssertionNotFound => (S::NOT_FOUND, Some("assertion-not-found")),
        ErrorKind::InsufficientDiskSpace => (S::INSUFFICIENT_STORAGE, Some("insufficient-disk-space")),
        ErrorKind::StoreUnreachable => (S::BAD_REQUEST, Some("dns-failure")),
        ErrorKind::Unsuccessful => (S::OK, Some("unsuccessful")),
        ErrorKind::LineNotFound => (S::NOT_FOUND, Some("line-not-found")),
        ErrorKind::LineBusy => (S::CONFLICT, Some("line-busy")),
        ErrorKind::LineDirection => (S::BAD_REQUEST, Some("line-direction")),
        ErrorKind::HardwareUnsupported => (S::BAD_REQUEST, Some("hardware-unsupported")),
        ErrorKind::HardwareError => (S::INTERNAL_SERVER_ERROR, Some("hardware-error")),
    }
}

/// Puts a reply in its envelope. Pending warnings ride on every reply but errors, a pending restart on all.
pub fn render(reply: Reply, managers: &Managers) -> Response {
    let maintenance = managers.system.maintenance().map(MaintenanceBody::from);
    let (status, kind) = match &reply {
        Reply::Raw(_) => (StatusCode::OK, ""),
        Reply::Sync(_) | Reply::Rendered { .. } => (StatusCode::OK, "sync"),
        Reply::Async { .. } => (StatusCode::ACCEPTED, "async"),
        Reply::Error(fault) => (code(fault.kind).0, "error"),
    };
    let pending = match &reply {
        Reply::Error(_) | Reply::Raw(_) => None,
        _ => managers.changes.pending_warnings(),
    };
    let frame = Envelope {
        kind,
        status_code: status.as_u16(),
        status: status.canonical_reason().unwrap_or_default(),
        result: (),
        change: None,
        sources: &[],
        warning_timestamp: pending.as_ref().map(|(_, last)| last.rfc3339()),
        warning_count: pending.as_ref().map(|(count, _)| *count),
        maintenance,
    };
    let text = match reply {
        Reply::Raw(response) => return response,
        Reply::Sync(result) => frame.write(result),
        Reply::Rendered { result, sources } => Envelope { sources, ..frame }.write(result),
        Reply::Async { change, result } => Envelope {
            change: Some(change.to_string()),
            ..frame
        }
        .write(result),
        Reply::Error(fault) => frame.write(ErrorBody {
            message: fault.message,
            kind: code(fault.kind).1,
            value: fault.value,
        }),
    };
    let mut response = Response::new(Body::from(text));
    *response.status_mut() = status;
    response
        .headers_mut()
        .insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}

impl Envelope<'_, ()> {
    fn write(self, result: impl Serialize) -> Vec<u8> {
        let full = Envelope {
            kind: self.kind,
            status_code: self.status_code,
            status: self.status,
            result,
            change: self.change,
            sources: self.sources,
            warning_timestamp: self.warning_timestamp,
            warning_count: self.warning_count,
            maintenance: self.maintenance,
        };
        // Writing plain values to memory does not fail: no map here has keys that are not text.
        serde_json::to_vec(&full).unwrap_or_default()
    }
}
