//! The system's own configuration, kept under `core` (contract: snaps-and-assertions, section 4): every option of the
//! contract with what it may be. An option that this agent does not act on yet is kept, and the task says so.

mod checks;

use super::config;
use super::hooks::{BEFORE, HookParams};
use crate::domain::{Dirs, SnapName};
use crate::drivers::host::{self, Host};
use crate::engine::{TaskContext, TaskError};
use crate::store::StoreError;
use checks::{
    certificate, duration, flag, free, hold, hostname, no_store, number, one_of, retention, schedule, size,
    timezone, vitality,
};
use serde_json::Value;
use std::collections::BTreeMap;
use std::sync::LazyLock;

/// The name under which it is stored.
#[allow(clippy::expect_used)] // "core" is a snap's name by the rules of names.
pub static STORED: LazyLock<SnapName> = LazyLock::new(|| SnapName::new("core").expect("a name"));

/// Under which name a task keeps what the host was before it: its name and its time zone.
const HOST_BEFORE: &str = "host-before";
type HostBefore = (Option<String>, Option<String>);

/// Says what is wrong with a text for the option of that key.
type Check = fn(&str, &str) -> Result<(), String>;

/// What comes of an option.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Effect {
    /// This agent goes by it.
    Here,
    /// It is set on the host that this agent manages as root.
    Host,
    /// Nothing yet: what has to come first.
    Later(&'static str),
}

use Effect::{Here, Host as OnHost, Later};

/// One option, or all below a prefix that ends with a dot.
struct SystemOption {
    key: &'static str,
    check: Check,
    effect: Effect,
}

const REFRESHES: Effect = Later("this agent refreshes snaps by itself");
const PROXIES: Effect = Later("this agent asks servers for something");
const SNAPSHOTS: Effect = Later("this agent makes snapshots");
const BOARD: Effect = Later("this agent sets up the board's system services");
const BOOT: Effect = Later("this agent writes the board's boot configuration");
const USERS: Effect = Later("this agent manages users");
const UNITS: Effect = Later("this agent ranks services for the kernel's memory killer");
const FEATURES: Effect = Later("this agent has features that can be switched");

const fn option(key: &'static str, check: Check, effect: Effect) -> SystemOption {
    SystemOption { key, check, effect }
}

/// Every option of the contract. Sorted, so that a missing one is seen.
static OPTIONS: &[SystemOption] = &[
    option("cloud.", free, BOARD),
    option("experimental.check-disk-space-install", flag, FEATURES),
    option("experimental.check-disk-space-refresh", flag, FEATURES),
    option("experimental.check-disk-space-remove", flag, FEATURES),
    option("experimental.classic-preserves-xdg-runtime-dir", flag, FEATURES),
    option("experimental.dbus-activation", flag, FEATURES),
    option("experimental.gate-auto-refresh-hook", flag, FEATURES),
    option("experimental.hidden-snap-folder", flag, FEATURES),
    option("experimental.hotplug", flag, FEATURES),
    option("experimental.layouts", flag, FEATURES),
    option("experimental.move-snap-home-dir", flag, FEATURES),
    option("experimental.parallel-instances", flag, FEATURES),
    option("experimental.per-user-mount-namespace", flag, FEATURES),
    option("experimental.quota-groups", flag, FEATURES),
    option("experimental.refresh-app-awareness", flag, FEATURES),
    option("experimental.robust-mount-namespace-updates", flag, FEATURES),
    option("experimental.snapd-snap", flag, FEATURES),
    option("experimental.user-daemons", flag, FEATURES),
    option("journal.persistent", flag, BOARD),
    option("network.disable-ipv6", flag, BOARD),
    option("pi-config.avoid-warnings", free, BOOT),
    option("pi-config.config-hdmi-boost", free, BOOT),
    option("pi-config.disable-overscan", free, BOOT),
    option("pi-config.display-rotate", free, BOOT),
    option("pi-config.force-turbo", free, BOOT),
    option("pi-config.framebuffer-depth", free, BOOT),
    option("pi-config.framebuffer-height", free, BOOT),
    option("pi-config.framebuffer-ignore-alpha", free, BOOT),
    option("pi-config.framebuffer-width", free, BOOT),
    option("pi-config.gpu-mem", free, BOOT),
    option("pi-config.gpu-mem-256", free, BOOT),
    option("pi-config.gpu-mem-512", free, BOOT),
    option("pi-config.hdmi-cvt", free, BOOT),
    option("pi-config.hdmi-drive", free, BOOT),
    option("pi-config.hdmi-force-hotplug", free, BOOT),
    option("pi-config.hdmi-group", free, BOOT),
    option("pi-config.hdmi-mode", free, BOOT),
    option("pi-config.hdmi-timings", free, BOOT),
    option("pi-config.overscan-bottom", free, BOOT),
    option("pi-config.overscan-left", free, BOOT),
    option("pi-config.overscan-right", free, BOOT),
    option("pi-config.overscan-scale", free, BOOT),
    option("pi-config.overscan-top", free, BOOT),
    option("pi-config.sdtv-aspect", free, BOOT),
    option("pi-config.start-x", free, BOOT),
    option("proxy.ftp", free, PROXIES),
    option("proxy.http", free, PROXIES),
    option("proxy.https", free, PROXIES),
    option("proxy.no-proxy", free, PROXIES),
    option("proxy.store", no_store, PROXIES),
    option("refresh.hold", hold, REFRESHES),
    option("refresh.metered", one_of, REFRESHES),
    option("refresh.rate-limit", size, REFRESHES),
    option("refresh.retain", number, Here),
    option("refresh.schedule", schedule, REFRESHES),
    option("refresh.timer", schedule, REFRESHES),
    option("resilience.vitality-hint", vitality, UNITS),
    option("seed.loaded", flag, Here),
    option("service.console-conf.disable", flag, BOARD),
    option("service.rsyslog.disable", flag, BOARD),
    option("service.ssh.disable", flag, BOARD),
    option("service.systemd-resolved.disable", flag, BOARD),
    option("snapshots.automatic.retention", retention, SNAPSHOTS),
    option("store-certs.", certificate, PROXIES),
    option("swap.size", size, BOARD),
    option("system.ctrl-alt-del-action", one_of, BOARD),
    option("system.disable-backlight-service", flag, BOARD),
    option("system.hostname", hostname, OnHost),
    option("system.kernel.printk.console-loglevel", number, BOARD),
    option("system.network.netplan.", free, BOARD),
    option("system.power-key-action", one_of, BOARD),
    option("system.timezone", timezone, OnHost),
    option("tmp.size", size, BOARD),
    option("users.create.automatic", flag, USERS),
    option("watchdog.runtime-timeout", duration, BOARD),
    option("watchdog.shutdown-timeout", duration, BOARD),
];

/// The option that a key means.
fn find(key: &str) -> Option<&'static SystemOption> {
    OPTIONS.iter().find(|option| match option.key.strip_suffix('.') {
        Some(prefix) => key
            .strip_prefix(prefix)
            .is_some_and(|rest| rest.len() > 1 && rest.starts_with('.')),
        None => option.key == key,
    })
}

/// A value as its text: what a number or a flag is written like. Empty unsets, as null does.
fn text_of(key: &str, value: &Value) -> Result<String, String> {
    match value {
        Value::Null => Ok(String::new()),
        Value::String(text) => Ok(text.clone()),
        Value::Bool(_) | Value::Number(_) => Ok(value.to_string()),
        Value::Array(_) | Value::Object(_) => Err(format!(
            "cannot set \"core.{key}\": give a text, a number, true or false"
        )),
    }
}

/// What is wrong with setting this option; else what comes of it.
fn check(key: &str, value: &Value) -> Result<Effect, String> {
    let option = find(key).ok_or_else(|| format!("cannot set \"core.{key}\": unsupported system option"))?;
    // The network's settings are a document of their own.
    if option.key != "system.network.netplan." {
        let text = text_of(key, value)?;
        if !text.is_empty() {
            (option.check)(key, &text)?;
        }
    }
    Ok(option.effect)
}

/// What of a document the host shows.
fn wanted(document: &Value) -> Host {
    let text = |key: &str| {
        let value = config::get(STORED.as_str(), document, key).ok().flatten()?;
        text_of(key, value).ok().filter(|text| !text.is_empty())
    };
    Host {
        hostname: text("system.hostname"),
        timezone: text("system.timezone"),
    }
}

/// What a run-hook task does for the system: there is no hook, the agent acts on the options itself.
pub(super) fn perform(task: &TaskContext, params: &HookParams, dirs: &Dirs) -> Result<(), TaskError> {
    let mut later: BTreeMap<&str, Vec<String>> = BTreeMap::new();
    for (key, value) in config::leaves(&params.patch) {
        if let Later(what) = check(&key, value).map_err(TaskError::new)?
            && !value.is_null()
        {
            later.entry(what).or_default().push(key);
        }
    }
    let document = config::document(&task.world(), &STORED);
    let patched = config::patch(STORED.as_str(), &document, &params.patch)
        .map_err(|error| TaskError::new(error.to_string()))?;
    for (what, keys) in later {
        task.info(format!("kept, without effect until {what}: {}", keys.join(", ")));
    }
    if task.memory::<Value>(BEFORE).is_none() {
        task.remember(BEFORE, &document)?;
    }
    let (old, new) = (wanted(&document), wanted(&patched));
    if old != new && task.memory::<HostBefore>(HOST_BEFORE).is_none() {
        let present = host::present();
        task.remember(HOST_BEFORE, (present.hostname, present.timezone))?;
    }
    if old != new && !host::settle(dirs, &new)? {
        task.info("system.hostname and system.timezone are kept; they are set where the agent runs as root on its own host");
    }
    let patch = params.patch.clone();
    task.with_commit(move |tx| {
        let document = config::document(tx.world(), &STORED);
        let patched = config::patch(STORED.as_str(), &document, &patch)
            .map_err(|error| StoreError::Refused(error.to_string()))?;
        tx.put_config(&STORED, patched)
    });
    Ok(())
}

/// Gives the host back what it had before.
pub(super) fn undo(task: &TaskContext, dirs: &Dirs) -> Result<(), TaskError> {
    if let Some((hostname, timezone)) = task.memory::<HostBefore>(HOST_BEFORE) {
        host::settle(dirs, &Host { hostname, timezone })?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    /// contract: snaps-and-assertions, section 4, "core/system options"
    const CONTRACT: &str = "refresh.hold refresh.schedule refresh.timer refresh.metered refresh.retain refresh.rate-limit proxy.http \
        proxy.https proxy.ftp proxy.no-proxy proxy.store snapshots.automatic.retention system.hostname system.timezone \
        system.power-key-action system.ctrl-alt-del-action system.disable-backlight-service \
        system.kernel.printk.console-loglevel system.network.netplan.x network.disable-ipv6 journal.persistent swap.size \
        tmp.size watchdog.runtime-timeout watchdog.shutdown-timeout users.create.automatic resilience.vitality-hint \
        store-certs.x cloud.x seed.loaded service.ssh.disable service.rsyslog.disable service.console-conf.disable \
        service.systemd-resolved.disable pi-config.disable-overscan pi-config.force-turbo pi-config.framebuffer-width \
        pi-config.framebuffer-height pi-config.framebuffer-depth pi-config.framebuffer-ignore-alpha \
        pi-config.overscan-left pi-config.overscan-right pi-config.overscan-top pi-config.overscan-bottom \
        pi-config.overscan-scale pi-config.display-rotate pi-config.hdmi-cvt pi-config.hdmi-group pi-config.hdmi-mode \
        pi-config.hdmi-timings pi-config.hdmi-drive pi-config.hdmi-force-hotplug pi-config.avoid-warnings \
        pi-config.gpu-mem pi-config.gpu-mem-256 pi-config.gpu-mem-512 pi-config.sdtv-aspect \
        pi-config.config-hdmi-boost pi-config.start-x experimental.layouts experimental.parallel-instances \
        experimental.hotplug experimental.snapd-snap experimental.per-user-mount-namespace \
        experimental.refresh-app-awareness experimental.classic-preserves-xdg-runtime-dir \
        experimental.robust-mount-namespace-updates experimental.user-daemons experimental.dbus-activation \
        experimental.hidden-snap-folder experimental.move-snap-home-dir experimental.check-disk-space-install \
        experimental.check-disk-space-refresh experimental.check-disk-space-remove \
        experimental.gate-auto-refresh-hook experimental.quota-groups";

    #[test]
    fn every_option_of_the_contract_is_known_and_no_other() {
        for key in CONTRACT.split_whitespace() {
            assert!(find(key).is_some(), "{key}");
            assert!(check(key, &Value::Null).is_ok(), "{key} cannot be unset");
        }
        assert_eq!(CONTRACT.split_whitespace().count(), OPTIONS.len());
        assert!(OPTIONS.windows(2).all(|two| two[0].key < two[1].key));
        for key in [
            "no.such",
            "refresh",
            "refresh.retain.x",
            "cloud",
            "cloud.",
            "seed",
            "store-certs",
        ] {
            assert_eq!(
                check(key, &json!(1)),
                Err(format!("cannot set \"core.{key}\": unsupported system option"))
            );
        }
    }

    #[test]
    fn values() {
        let good = [
            ("refresh.retain", json!(3)),
            ("refresh.retain", json!("20")),
            ("refresh.retain", json!("")),
            ("refresh.metered", json!("hold")),
            ("refresh.hold", json!("2030-01-31T08:00:00+02:00")),
            ("refresh.rate-limit", json!("2MB")),
            ("refresh.timer", json!("mon,10:00-12:00")),
            ("snapshots.automatic.retention", json!("48h")),
            ("snapshots.automatic.retention", json!("no")),
            ("system.hostname", json!("green-house.lan")),
            ("system.timezone", json!("Europe/Paris")),
            ("system.power-key-action", json!("poweroff")),
            ("system.kernel.printk.console-loglevel", json!(7)),
            (
                "system.network.netplan.network.bridges",
                json!({"br0": {"dhcp4": true}}),
            ),
            ("swap.size", json!("1G")),
            ("swap.size", json!(0)),
            ("watchdog.runtime-timeout", json!("1m30s")),
            ("resilience.vitality-hint", json!("one,two")),
            ("service.ssh.disable", json!(true)),
            ("experimental.layouts", json!("true")),
            ("pi-config.gpu-mem", json!(64)),
            (
                "store-certs.one",
                json!("-----BEGIN CERTIFICATE-----\nMII=\n-----END CERTIFICATE-----\n"),
            ),
        ];
        for (key, value) in good {
            assert!(
                check(key, &value).is_ok(),
                "{key} {value}: {:?}",
                check(key, &value)
            );
        }
        let bad = [
            (
                "refresh.retain",
                json!(21),
                "retain must be a number between 2 and 20, not \"21\"",
            ),
            (
                "refresh.retain",
                json!(1.5),
                "retain must be a number between 2 and 20, not \"1.5\"",
            ),
            (
                "refresh.retain",
                json!([3]),
                "cannot set \"core.refresh.retain\": give a text, a number, true or false",
            ),
            (
                "refresh.metered",
                json!("x"),
                "refresh.metered value \"x\" is invalid: use hold",
            ),
            (
                "refresh.hold",
                json!("forever"),
                "refresh.hold cannot be parsed: \"forever\" is no time such as 2030-01-31T08:00:00Z",
            ),
            (
                "refresh.rate-limit",
                json!("fast"),
                "refresh.rate-limit cannot be \"fast\": give a size such as 512K, 16M or 1G",
            ),
            (
                "refresh.schedule",
                json!("managed"),
                "cannot set schedule to managed",
            ),
            (
                "proxy.store",
                json!("x"),
                "cannot set proxy.store to \"x\" without a matching store assertion",
            ),
            (
                "snapshots.automatic.retention",
                json!("1h"),
                "snapshots.automatic.retention must be a value greater than 24 hours, or \"no\" to disable",
            ),
            (
                "system.hostname",
                json!("-x"),
                "cannot set hostname \"-x\": name not valid",
            ),
            (
                "system.hostname",
                json!("a b"),
                "cannot set hostname \"a b\": name not valid",
            ),
            (
                "system.timezone",
                json!("../etc/passwd"),
                "cannot set timezone \"../etc/passwd\": name not valid",
            ),
            (
                "system.timezone",
                json!("/UTC"),
                "cannot set timezone \"/UTC\": name not valid",
            ),
            (
                "system.kernel.printk.console-loglevel",
                json!(8),
                "console-loglevel must be a number between 0 and 7, not \"8\"",
            ),
            (
                "swap.size",
                json!("1000"),
                "swap.size is 1000: it must be at least 1048576 bytes",
            ),
            (
                "watchdog.shutdown-timeout",
                json!("-5s"),
                "watchdog.shutdown-timeout cannot be \"-5s\": give a time such as 30s or 1m30s",
            ),
            (
                "resilience.vitality-hint",
                json!("snapd"),
                "cannot set \"resilience.vitality-hint\": snapd snap vitality cannot be changed",
            ),
            (
                "resilience.vitality-hint",
                json!("A"),
                "cannot set \"resilience.vitality-hint\": invalid snap name: \"A\"",
            ),
            (
                "experimental.layouts",
                json!("maybe"),
                "experimental.layouts can only be set to 'true' or 'false'",
            ),
            (
                "store-certs.one",
                json!("x"),
                "cannot decode pem certificate \"one\"",
            ),
        ];
        for (key, value, text) in bad {
            assert_eq!(check(key, &value), Err(text.into()), "{key} {value}");
        }
        let timer = check("refresh.timer", &json!("someday")).expect_err("no schedule");
        assert!(timer.starts_with("refresh.timer cannot be parsed: "), "{timer}");
        let many = vec!["ab"; 101].join(",");
        assert_eq!(
            check("resilience.vitality-hint", &json!(many)),
            Err("cannot set more than 100 snaps in \"resilience.vitality-hint\": got 101".into())
        );
    }
}
