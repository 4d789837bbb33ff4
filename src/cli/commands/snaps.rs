//! list, info, install, remove.

use crate::cli::args::{Install, List, Remove};
use crate::cli::session::{Failure, Outcome, Session};
use crate::cli::table::Table;
use crate::cli::time;
use crate::client::types::{App, Snap};
use crate::client::{Upload, escaped};
use crate::domain::sort;
use serde_json::json;

/// The resource that lists snaps by name.
fn by_names(names: &[String]) -> String {
    let names: Vec<String> = names.iter().map(|name| escaped(name)).collect();
    format!("snaps={}", names.join("%2C"))
}

pub async fn list(session: &Session, args: &List) -> Outcome {
    let mut query = Vec::new();
    if args.all {
        query.push(String::from("select=all"));
    }
    if !args.snaps.is_empty() {
        query.push(by_names(&args.snaps));
    }
    let path = match query.is_empty() {
        true => String::from("/v2/snaps"),
        false => format!("/v2/snaps?{}", query.join("&")),
    };
    let Some(mut snaps) = session.read_or_print::<Vec<Snap>>(&path).await? else {
        return Ok(());
    };
    if snaps.is_empty() {
        if !args.snaps.is_empty() {
            return Err(Failure::new("no matching snaps installed"));
        }
        session.remark("No snaps are installed yet; try `pinion install --dangerous FILE`.");
        return Ok(());
    }
    sort::by(&mut snaps, |a, b| a.name.cmp(&b.name));
    session.print(table(&snaps))
}

fn table(snaps: &[Snap]) -> Table {
    let mut table = Table::new(&["Name", "Version", "Rev", "Tracking", "Publisher", "Notes"]);
    for snap in snaps {
        let publisher = snap
            .publisher
            .as_ref()
            .map_or(snap.developer.as_str(), |publisher| &publisher.username);
        table.row([
            &snap.name,
            &snap.version,
            &snap.revision,
            &snap.tracking_channel,
            publisher,
            &notes(snap),
        ]);
    }
    table
}

/// What is special about a snap, in the words of `snap list`.
fn notes(snap: &Snap) -> String {
    let mut notes = Vec::new();
    if !matches!(snap.kind.as_str(), "" | "app") {
        notes.push(if snap.kind == "os" { "core" } else { &snap.kind });
    }
    let flags = [
        (snap.devmode, "devmode"),
        (!snap.devmode && snap.confinement == "classic", "classic"),
        (snap.jailmode, "jailmode"),
        (snap.trymode, "try"),
        (snap.status != "active", "disabled"),
        (!snap.broken.is_empty(), "broken"),
    ];
    notes.extend(flags.into_iter().filter(|(set, _)| *set).map(|(_, note)| note));
    let health = snap.health_word("status");
    if !matches!(health, "" | "okay" | "unknown") {
        notes.push(health);
    }
    notes.join(",")
}

pub async fn info(session: &Session, names: &[String]) -> Outcome {
    for (position, name) in names.iter().enumerate() {
        let path = format!("/v2/snaps/{}", escaped(name));
        let answer = session
            .client
            .get(&path)
            .await
            .map_err(|error| match error.refusal() {
                Some(refusal) if refusal.kind == "snap-not-found" => Failure::new(format!(
                    "snap {name:?} is not installed; `pinion list` names those that are"
                )),
                _ => error.into(),
            })?;
        if session.json {
            session.print_json(&answer.result)?;
        } else {
            let snap: Snap = answer.parse()?;
            if position > 0 {
                session.say("---")?;
            }
            session.print(details(&snap))?;
        }
    }
    Ok(())
}

/// Everything about one snap, in the form of `snap info`.
fn details(snap: &Snap) -> String {
    let mut table = Table::plain();
    table.row(["name:", &snap.name]);
    if !snap.summary.is_empty() {
        table.row(["summary:", &snap.summary]);
    }
    let publisher = snap
        .publisher
        .as_ref()
        .map_or("", |publisher| &publisher.display_name);
    table.row(["publisher:", publisher]);
    if !snap.license.is_empty() {
        table.row(["license:", &snap.license]);
    }
    let mut text = table.to_string();
    if !snap.description.trim().is_empty() {
        text.push_str("description: |\n");
        for line in snap.description.trim().lines() {
            text.push_str(&format!("  {line}\n"));
        }
    }
    let (services, commands): (Vec<&App>, Vec<&App>) =
        snap.apps.iter().partition(|app| !app.daemon.is_empty());
    if !commands.is_empty() {
        text.push_str("commands:\n");
        for app in commands {
            text.push_str(&format!("  - {}\n", command_name(&snap.name, &app.name)));
        }
    }
    if !services.is_empty() {
        text.push_str("services:\n");
        for app in services {
            let started = if app.enabled { "enabled" } else { "disabled" };
            let active = if app.active { "active" } else { "inactive" };
            text.push_str(&format!(
                "  {}: {}, {started}, {active}\n",
                command_name(&snap.name, &app.name),
                app.daemon
            ));
        }
    }
    let mut table = Table::plain();
    table.row(["type:", &snap.kind]);
    if !snap.base.is_empty() {
        table.row(["base:", &snap.base]);
    }
    if let Some(date) = &snap.install_date {
        table.row(["installed-at:", &time::shown(date, false)]);
    }
    let size = size(snap.installed_size);
    table.row([
        "installed:",
        &format!("{} ({}) {size} {}", snap.version, snap.revision, notes(snap)),
    ]);
    let health = snap.health_word("status");
    if !matches!(health, "" | "okay") {
        let message = snap.health_word("message");
        table.row(["health:", &format!("{health} {message}")]);
    }
    text + &table.to_string()
}

fn command_name(snap: &str, app: &str) -> String {
    crate::domain::names::app_command(snap, app)
}

/// Bytes for people.
fn size(bytes: u64) -> String {
    match bytes {
        0..1_000 => format!("{bytes}B"),
        1_000..1_000_000 => format!("{}kB", bytes / 1_000),
        1_000_000..1_000_000_000 => format!("{}MB", bytes / 1_000_000),
        _ => format!("{:.1}GB", bytes as f64 / 1e9),
    }
}

pub async fn install(session: &Session, args: &Install) -> Outcome {
    for file in &args.files {
        // A name without a file is what one would install from a store; there is none here.
        if !file.exists() && !file.to_string_lossy().contains(['/', '.']) {
            return Err(Failure::new(format!(
                "cannot install {:?}: pinion installs from files, give the path of a .snap file",
                file.display()
            )));
        }
    }
    let mut form = Upload::new().field("action", "install");
    if let [file] = args.files.as_slice() {
        form = form.field("snap-path", &file.to_string_lossy());
    }
    let flags = [
        ("dangerous", args.dangerous),
        ("devmode", args.devmode),
        ("jailmode", args.jailmode),
        ("classic", args.classic),
    ];
    for (name, _) in flags.into_iter().filter(|(_, set)| *set) {
        form = form.field(name, "true");
    }
    for file in &args.files {
        form = form.file("snap", file);
    }
    let answer = session
        .client
        .upload("/v2/snaps", form)
        .await
        .map_err(|error| match error.refusal() {
            Some(refusal) if refusal.message.contains("cannot find signatures") => Failure::new(format!(
                "{}; to install it without, use --dangerous",
                refusal.message
            )),
            _ => error.into(),
        })?;
    let Some(change) = session.finish(answer, args.wait.no_wait).await? else {
        return Ok(());
    };
    let names = change.snap_names();
    if names.is_empty() {
        return Ok(());
    }
    let path = format!("/v2/snaps?{}", by_names(&names));
    for snap in session.client.read::<Vec<Snap>>(&path).await? {
        session.say(format_args!("{} {} installed", snap.name, snap.version))?;
    }
    Ok(())
}

pub async fn remove(session: &Session, args: &Remove) -> Outcome {
    let sent = if let [name] = args.snaps.as_slice() {
        let mut body = json!({"action": "remove"});
        if args.purge {
            body["purge"] = json!(true);
        }
        if let Some(revision) = &args.revision {
            body["revision"] = json!(revision);
        }
        let path = format!("/v2/snaps/{}", escaped(name));
        session.client.post(&path, &body).await
    } else {
        if args.purge || args.revision.is_some() {
            return Err(Failure::Usage(String::from(
                "--purge and --revision go with one snap only",
            )));
        }
        let body = json!({"action": "remove", "snaps": args.snaps});
        session.client.post("/v2/snaps", &body).await
    };
    let answer = match sent {
        // Nothing to do is no failure: the same as `snap` answers (contract: v2-observed, section 4).
        Err(error)
            if error
                .refusal()
                .is_some_and(|refusal| refusal.kind == "snap-not-installed") =>
        {
            session.remark(error);
            return Ok(());
        }
        sent => sent?,
    };
    if let Some(change) = session.finish(answer, args.wait.no_wait).await? {
        // Of several, those that were not there are not among the change's.
        let affected = change.snap_names();
        let removed = args
            .snaps
            .iter()
            .filter(|name| args.snaps.len() == 1 || affected.contains(name));
        for name in removed {
            session.say(format_args!("{name} removed"))?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn snap(value: serde_json::Value) -> Snap {
        serde_json::from_value(value).expect("a snap")
    }

    #[test]
    fn the_list_is_as_wide_as_needed() {
        let snaps = [
            snap(
                json!({"name": "keyboard-lights", "version": "1.0", "revision": "x1", "status": "active",
                        "type": "app", "confinement": "strict"}),
            ),
            snap(
                json!({"name": "pi", "version": "20-1", "revision": "x12", "status": "installed",
                        "type": "gadget", "confinement": "strict", "tracking-channel": "20/stable",
                        "publisher": {"username": "canonical"}}),
            ),
        ];
        assert_eq!(
            table(&snaps).to_string(),
            "Name             Version  Rev  Tracking   Publisher  Notes\n\
             keyboard-lights  1.0      x1   -          -          -\n\
             pi               20-1     x12  20/stable  canonical  gadget,disabled\n"
        );
    }

    #[test]
    fn details_name_services_and_commands() {
        let text = details(&snap(
            json!({"name": "a", "summary": "An a", "description": "Two\nlines",
            "version": "1", "revision": "x1", "status": "active", "type": "app", "base": "bare",
            "installed-size": 4096, "apps": [
                {"name": "a"}, {"name": "web", "daemon": "simple", "enabled": true, "active": true}]}),
        ));
        for line in [
            "name:       a\n",
            "  Two\n",
            "  - a\n",
            "  a.web: simple, enabled, active\n",
            "1 (x1) 4kB",
        ] {
            assert!(text.contains(line), "{line:?} in {text}");
        }
    }

    #[test]
    fn names_are_one_parameter() {
        assert_eq!(by_names(&["a".into(), "b c".into()]), "snaps=a%2Cb%20c");
    }
}
