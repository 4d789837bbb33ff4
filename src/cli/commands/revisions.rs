//! revert, enable, disable, switch, refresh, try.

use crate::cli::args::{Act, Try};
use crate::cli::session::{Failure, Outcome, Session};
use crate::client::types::Snap;
use crate::client::{Upload, escaped};
use serde_json::{Value, json};

pub async fn act(session: &Session, args: &Act) -> Outcome {
    let mut body = json!({"action": args.action});
    for flag in &args.flags {
        body[*flag] = Value::Bool(true);
    }
    for (name, value) in &args.values {
        body[*name] = Value::from(value.as_str());
    }
    let path = format!("/v2/snaps/{}", escaped(&args.snap));
    let answer = session.client.post(&path, &body).await?;
    if session.finish(answer, args.wait.no_wait).await?.is_none() {
        return Ok(());
    }
    let name = &args.snap;
    match args.action {
        "revert" | "switch" => {
            let snap: Snap = session.client.read(&path).await?;
            match (args.action, snap.tracking_channel.as_str()) {
                ("revert", _) => session.say(format_args!("{name} reverted to {}", snap.version)),
                (_, "") => session.say(format_args!("{name} switched")),
                (_, channel) => session.say(format_args!("{name} follows {channel}")),
            }
        }
        action => session.say(format_args!("{name} {action}d")),
    }
}

pub async fn refresh(session: &Session, names: &[String], no_wait: bool) -> Outcome {
    let answer = match names {
        [name] => {
            let path = format!("/v2/snaps/{}", escaped(name));
            session.client.post(&path, &json!({"action": "refresh"})).await?
        }
        names => {
            let body = json!({"action": "refresh", "snaps": names});
            session.client.post("/v2/snaps", &body).await?
        }
    };
    if let Some(change) = session.finish(answer, no_wait).await?
        && change.snap_names().is_empty()
    {
        session.say("All snaps up to date.")?;
    }
    Ok(())
}

pub async fn try_folder(session: &Session, args: &Try) -> Outcome {
    let folder = args
        .dir
        .canonicalize()
        .map_err(|error| Failure::new(format!("cannot try {}: {error}", args.dir.display())))?;
    let mut form = Upload::new()
        .field("action", "try")
        .field("snap-path", &folder.to_string_lossy());
    for flag in &args.flags {
        form = form.field(flag, "true");
    }
    let answer = session.client.upload("/v2/snaps", form).await?;
    let Some(change) = session.finish(answer, args.wait.no_wait).await? else {
        return Ok(());
    };
    for name in change.snap_names() {
        session.say(format_args!("{name} is tried from {}", folder.display()))?;
    }
    Ok(())
}
