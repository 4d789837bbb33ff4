//! What makes the changes that the agent is killed in.

use crate::agent::install_form;
use crate::snaps::Snaps;
use pinion::client::types::Change;
use pinion::client::{Client, Upload};
use serde_json::json;
use std::path::Path;

/// Something that makes one change; together they have every kind of task.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Scenario {
    Seed,
    /// The gadget gives the system its options.
    Gadget,
    Install,
    Connect,
    Stop,
    /// The system is configured.
    System,
    /// A configure hook orders a service about.
    Ordered,
    /// An app does.
    Asked,
    Disconnect,
    Update,
    Refresh,
    Configure,
    Switch,
    Disable,
    Enable,
    Revert,
    Try,
    RemoveTried,
    RemoveOne,
    Alias,
    AliasOfOld,
    Unalias,
    NoAliases,
    Prefer,
    Remove,
}

pub const SCENARIOS: [Scenario; 25] = [
    Scenario::Seed,
    Scenario::Install,
    Scenario::Connect,
    Scenario::Stop,
    Scenario::Gadget,
    Scenario::System,
    Scenario::Ordered,
    Scenario::Asked,
    Scenario::Disconnect,
    Scenario::Update,
    Scenario::Refresh,
    Scenario::Configure,
    Scenario::Switch,
    Scenario::Disable,
    Scenario::Enable,
    Scenario::Revert,
    Scenario::Try,
    Scenario::RemoveTried,
    Scenario::RemoveOne,
    Scenario::Alias,
    Scenario::AliasOfOld,
    Scenario::Unalias,
    Scenario::NoAliases,
    Scenario::Prefer,
    Scenario::Remove,
];

/// Kinds that do something else in these scenarios than in the first one that has them; `#N` is the N-th of its kind.
pub const AGAIN: [(Scenario, &str); 21] = [
    (Scenario::Gadget, "run-hook#2"),
    (Scenario::Gadget, "run-hook#3"),
    (Scenario::System, "run-hook"),
    (Scenario::Ordered, "run-hook"),
    (Scenario::Ordered, "service-control"),
    (Scenario::Asked, "service-control"),
    (Scenario::Update, "set-auto-aliases"),
    (Scenario::Update, "setup-aliases"),
    (Scenario::Enable, "setup-aliases"),
    (Scenario::Disable, "remove-aliases"),
    (Scenario::Disable, "unlink-snap"),
    (Scenario::Enable, "prepare-snap"),
    (Scenario::Enable, "link-snap"),
    (Scenario::Revert, "prepare-snap"),
    (Scenario::Revert, "unlink-current-snap"),
    (Scenario::Revert, "link-snap"),
    (Scenario::Try, "prepare-snap"),
    (Scenario::Try, "mount-snap"),
    (Scenario::Try, "link-snap"),
    (Scenario::RemoveTried, "discard-snap"),
    (Scenario::RemoveOne, "discard-snap"),
];

pub async fn install(client: &Client, file: &Path) -> Option<String> {
    match client.upload("/v2/snaps", install_form(file)).await {
        Ok(answer) => answer.change,
        Err(error) => {
            // The agent died over it, or refused; the outcome tells which.
            println!("the upload of {}: {error}", file.display());
            None
        }
    }
}

/// An action on the app.
async fn lights(client: &Client, body: serde_json::Value) -> Option<String> {
    client.post("/v2/snaps/lights", &body).await.ok()?.change
}

async fn aliases(client: &Client, body: serde_json::Value) -> Option<String> {
    client.post("/v2/aliases", &body).await.ok()?.change
}

fn interfaces(action: &str) -> serde_json::Value {
    json!({
        "action": action,
        "plugs": [{"snap": "lights", "plug": "pin"}],
        "slots": [{"snap": "board", "slot": "bcm-gpio-17"}],
    })
}

impl Scenario {
    /// What must have happened before.
    pub fn needs(self) -> &'static [Self] {
        match self {
            Self::Seed => &[],
            Self::Gadget | Self::System => &[Self::Seed],
            Self::Install => &[Self::Seed],
            Self::Connect
            | Self::Stop
            | Self::Ordered
            | Self::Asked
            | Self::Configure
            | Self::Switch
            | Self::Try
            | Self::Alias
            | Self::AliasOfOld => &[Self::Seed, Self::Install],
            Self::RemoveTried => &[Self::Seed, Self::Install, Self::Try],
            // The second revision keeps one alias and loses the other with its app.
            Self::Update => &[Self::Seed, Self::Install, Self::Alias, Self::AliasOfOld],
            Self::Disable | Self::Unalias | Self::NoAliases => &[Self::Seed, Self::Install, Self::Alias],
            Self::Prefer => &[Self::Seed, Self::Install, Self::Alias, Self::NoAliases],
            Self::Enable => &[Self::Seed, Self::Install, Self::Alias, Self::Disable],
            Self::Refresh | Self::Revert | Self::RemoveOne => {
                &[Self::Seed, Self::Install, Self::Alias, Self::Update]
            }
            Self::Disconnect => &[Self::Seed, Self::Install, Self::Connect],
            Self::Remove => &[Self::Seed, Self::Install, Self::Connect, Self::Alias],
        }
    }

    /// Sends the request; `None` when the agent died over it.
    pub async fn act(self, client: &Client, snaps: &Snaps, root: &Path) -> Option<String> {
        match self {
            // The first start makes it.
            Self::Seed => Some(String::from("1")),
            Self::Gadget => install(client, &snaps.gadget).await,
            Self::Install => install(client, &snaps.lights[0]).await,
            Self::Update => install(client, &snaps.lights[1]).await,
            // The third revision makes the first one garbage (refresh.retain is 2 where this is no Core).
            Self::Refresh => install(client, &snaps.lights[2]).await,
            Self::Connect => {
                client
                    .post("/v2/interfaces", &interfaces("connect"))
                    .await
                    .ok()?
                    .change
            }
            Self::Disconnect => {
                client
                    .post("/v2/interfaces", &interfaces("disconnect"))
                    .await
                    .ok()?
                    .change
            }
            Self::Stop => {
                let body = json!({"action": "stop", "names": ["lights"]});
                client.post("/v2/apps", &body).await.ok()?.change
            }
            Self::System => {
                let body = json!({"refresh.retain": 5});
                client.put("/v2/snaps/system/conf", &body).await.ok()?.change
            }
            Self::Ordered => {
                let body = json!({"order": true});
                client.put("/v2/snaps/lights/conf", &body).await.ok()?.change
            }
            Self::Asked => {
                // It comes back when the change has come to its end, or the agent to its own.
                let run = std::process::Command::new(env!("CARGO_BIN_EXE_pinion"))
                    .arg("--root")
                    .arg(root)
                    .args(["run", "lights.say", "restart", "lights.lights"])
                    .output()
                    .expect("the app runs");
                println!("the app said {}", String::from_utf8_lossy(&run.stderr));
                let changes: Vec<Change> = client.read("/v2/changes?select=all").await.ok()?;
                let asked = changes
                    .into_iter()
                    .filter(|change| change.kind == "service-control");
                asked.map(|change| change.id).max()
            }
            Self::Configure => {
                client
                    .put("/v2/snaps/lights/conf", &json!({"colour": "red"}))
                    .await
                    .ok()?
                    .change
            }
            Self::Switch => lights(client, json!({"action": "switch", "channel": "edge"})).await,
            Self::Disable => lights(client, json!({"action": "disable"})).await,
            Self::Enable => lights(client, json!({"action": "enable"})).await,
            Self::Revert => lights(client, json!({"action": "revert"})).await,
            Self::Try => {
                let form = Upload::new()
                    .field("action", "try")
                    .field("snap-path", &snaps.folder.to_string_lossy());
                client.upload("/v2/snaps", form).await.ok()?.change
            }
            Self::RemoveTried => lights(client, json!({"action": "remove"})).await,
            Self::RemoveOne => lights(client, json!({"action": "remove", "revision": "x1"})).await,
            Self::Alias => {
                let alias = json!({"action": "alias", "snap": "lights", "app": "say", "alias": "tell"});
                aliases(client, alias).await
            }
            Self::AliasOfOld => {
                let alias = json!({"action": "alias", "snap": "lights", "app": "hum", "alias": "sing"});
                aliases(client, alias).await
            }
            Self::Unalias => aliases(client, json!({"action": "unalias", "alias": "tell"})).await,
            Self::NoAliases => aliases(client, json!({"action": "unalias", "snap": "lights"})).await,
            Self::Prefer => aliases(client, json!({"action": "prefer", "snap": "lights"})).await,
            Self::Remove => lights(client, json!({"action": "remove"})).await,
        }
    }
}

impl Scenario {
    /// What must be there once its change is done, besides what the agent's own check sees.
    pub async fn left(self, client: &Client, what: &str) {
        let (path, pointer, wanted) = match self {
            Self::Gadget => ("/v2/snaps/system/conf", "/refresh/retain", json!(2)),
            Self::System => ("/v2/snaps/system/conf", "/refresh/retain", json!(5)),
            Self::Install => ("/v2/snaps/lights/conf", "/colour", json!("blue")),
            Self::Configure => ("/v2/snaps/lights/conf", "/colour", json!("red")),
            Self::Ordered | Self::Asked => ("/v2/apps?names=lights.lights", "/0/active", json!(true)),
            _ => return,
        };
        let answer = client.get(path).await.expect("an answer").result;
        assert_eq!(answer.pointer(pointer), Some(&wanted), "{what}: {answer:#}");
    }
}
