//! The shape of `meta/snap.yaml` as it stands in the file, before any rule was held against it.

use serde::de::{Deserializer, MapAccess, Visitor};
use serde::{Deserialize, de};
use serde_json::Value;
use std::collections::BTreeMap;
use std::fmt;

/// The top of the file. Keys that are not here are ignored (contract: snaps-and-assertions, section 1).
#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "kebab-case")]
pub(super) struct Raw {
    pub name: Option<String>,
    pub version: Option<String>,
    #[serde(rename = "type")]
    pub kind: Option<String>,
    pub architectures: Option<Vec<String>>,
    pub assumes: Option<Vec<String>>,
    pub title: Option<String>,
    pub summary: Option<String>,
    pub description: Option<String>,
    pub provenance: Option<String>,
    pub license: Option<String>,
    pub epoch: Option<Value>,
    pub base: Option<String>,
    pub confinement: Option<String>,
    pub grade: Option<String>,
    pub environment: Ordered,
    pub plugs: Option<BTreeMap<String, Value>>,
    pub slots: Option<BTreeMap<String, Value>>,
    pub apps: Option<BTreeMap<String, Option<RawApp>>>,
    pub hooks: Option<BTreeMap<String, Option<RawHook>>>,
    pub layout: Option<BTreeMap<String, RawLayout>>,
    pub layouts: Option<Value>,
    pub links: Option<BTreeMap<String, Value>>,
}

/// One entry of `apps`.
#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "kebab-case")]
pub(super) struct RawApp {
    pub command: Option<String>,
    pub command_chain: Option<Vec<String>>,
    pub daemon: Option<String>,
    pub daemon_scope: Option<String>,
    pub stop_command: Option<String>,
    pub reload_command: Option<String>,
    pub post_stop_command: Option<String>,
    pub start_timeout: Option<String>,
    pub stop_timeout: Option<String>,
    pub watchdog_timeout: Option<String>,
    pub restart_condition: Option<String>,
    pub restart_delay: Option<String>,
    pub refresh_mode: Option<String>,
    pub stop_mode: Option<String>,
    pub install_mode: Option<String>,
    pub slots: Option<Vec<String>>,
    pub plugs: Option<Vec<String>>,
    pub bus_name: Option<String>,
    pub activates_on: Option<Vec<String>>,
    pub common_id: Option<String>,
    pub environment: Ordered,
    pub sockets: Option<BTreeMap<String, Option<RawSocket>>>,
    pub after: Option<Vec<String>>,
    pub before: Option<Vec<String>>,
    pub timer: Option<String>,
    pub autostart: Option<String>,
    pub completer: Option<String>,
    pub aliases: Option<Vec<String>>,
}

/// One socket of an app.
#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "kebab-case")]
pub(super) struct RawSocket {
    pub listen_stream: Option<String>,
    pub socket_mode: Option<String>,
}

/// One entry of `hooks`.
#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "kebab-case")]
pub(super) struct RawHook {
    pub plugs: Option<Vec<String>>,
    pub slots: Option<Vec<String>>,
    pub environment: Ordered,
    pub command_chain: Option<Vec<String>>,
}

/// One entry of `layout`.
#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "kebab-case")]
pub(super) struct RawLayout {
    pub bind: Option<String>,
    pub bind_file: Option<String>,
    #[serde(rename = "type")]
    pub kind: Option<String>,
    pub symlink: Option<String>,
    pub user: Option<String>,
    pub group: Option<String>,
    pub mode: Option<String>,
}

/// A map of texts in the order of the file: later entries may use earlier ones.
#[derive(Debug, Default)]
pub(super) struct Ordered(pub Vec<(String, String)>);

impl<'de> Deserialize<'de> for Ordered {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Entries;
        impl<'de> Visitor<'de> for Entries {
            type Value = Ordered;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a map of names to texts")
            }

            fn visit_none<E: de::Error>(self) -> Result<Ordered, E> {
                Ok(Ordered::default())
            }

            fn visit_unit<E: de::Error>(self) -> Result<Ordered, E> {
                Ok(Ordered::default())
            }

            fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> Result<Ordered, D::Error> {
                deserializer.deserialize_map(self)
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Ordered, A::Error> {
                let mut entries = Vec::new();
                while let Some((name, value)) = map.next_entry::<String, Option<String>>()? {
                    entries.push((name, value.unwrap_or_default()));
                }
                Ok(Ordered(entries))
            }
        }
        deserializer.deserialize_option(Entries)
    }
}
