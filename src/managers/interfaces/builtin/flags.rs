//! Interfaces with one or two small attributes (contract: interfaces-and-hardware, section 5).

use super::Offered::{Classic, Everywhere};
use super::{APP_OR_CORE, GADGET_OR_CORE, Interface, Pair, plain, values};
use crate::domain::snap::EndInfo;
use serde_json::Value;

pub(super) const BROWSER_SUPPORT: Interface = plain("browser-support", "what a web browser needs")
    .offered(Everywhere)
    .auto_when(|pair| pair.plug.get("allow-sandbox") != Some(&Value::Bool(true)))
    .plug(|plug| values::flag(plug, "plug", "allow-sandbox").map(|_| ()));

pub(super) const OPTICAL_DRIVE: Interface = plain("optical-drive", "CD and DVD drives")
    .offered(Classic)
    .auto_when(|pair| pair.plug.get("write") != Some(&Value::Bool(true)))
    .plug(|plug| values::flag(plug, "plug", "write").map(|_| ()));

pub(super) const DOCKER_SUPPORT: Interface = plain("docker-support", "running a Docker daemon")
    .offered(Everywhere)
    .privileged()
    .plug(|plug| values::flag(plug, "plug", "privileged-containers").map(|_| ()));

pub(super) const HOME: Interface = plain("home", "the user's own files")
    .offered(Everywhere)
    .auto_when(|pair| pair.classic && !pair.plug.contains_key("read"))
    .plug(|plug| only(plug, "read", &["all"]));

pub(super) const SNAPD_CONTROL: Interface = plain("snapd-control", "everything that this API can do")
    .offered(Everywhere)
    .privileged()
    .plug(|plug| only(plug, "refresh-schedule", &["managed"]));

pub(super) const GREENGRASS_SUPPORT: Interface = plain("greengrass-support", "running AWS Greengrass")
    .offered(Everywhere)
    .privileged()
    .plug(|plug| {
        let flavors = ["legacy-container", "no-container", "process-v2-container"];
        only(plug, "flavor", &flavors)
    });

pub(super) const KUBERNETES_SUPPORT: Interface = plain("kubernetes-support", "running Kubernetes")
    .offered(Everywhere)
    .privileged()
    .plug(|plug| only(plug, "flavor", &["kubelet", "kubeproxy", "autobind-unix"]));

pub(super) const SD_CONTROL: Interface = plain("sd-control", "switching dual SD cards")
    .offered(Everywhere)
    .privileged()
    .plug(|plug| only(plug, "flavor", &["dual-sd"]));

pub(super) const DSP: Interface = plain("dsp", "digital signal processors")
    .slots(GADGET_OR_CORE)
    .slot(|slot| only(slot, "flavor", &["ambarella"]));

/// Auto-connects to the system's slot where there is one: a snap's own slot is for connections by hand.
pub(super) const WAYLAND: Interface = plain("wayland", "drawing on, or being, a Wayland display server")
    .offered(Classic)
    .slots(APP_OR_CORE)
    .auto_when(on_classic);

pub(super) const X11: Interface = plain("x11", "drawing on, or being, an X11 display server")
    .offered(Classic)
    .slots(APP_OR_CORE)
    .auto_when(on_classic);

fn on_classic(pair: &Pair) -> bool {
    pair.classic
}

/// The attribute may be missing and must else be one of these words.
fn only(end: &EndInfo, name: &str, words: &[&str]) -> Result<(), String> {
    match end.attrs.get(name) {
        None => Ok(()),
        Some(Value::String(word)) if words.contains(&word.as_str()) => Ok(()),
        Some(_) => Err(format!(
            "{} attribute {name:?} can only be {}",
            end.interface,
            words
                .iter()
                .map(|word| format!("{word:?}"))
                .collect::<Vec<_>>()
                .join(" or ")
        )),
    }
}
