//! `/v2/hardware`: the board's lines and LEDs (ours; decisions 5 to 12). A snap sees and drives what its own plugs are
//! connected to.

use super::{Call, Reply, stream};
use crate::domain::hardware::{Direction, OnRelease};
use crate::domain::{ErrorKind, Fault, PlugRef, Requester, SlotRef, work};
use crate::managers::hardware::{
    BoardView, ChipView, Hardware, HardwareView, Header, LedConfig, LedView, LineConfig, LineView,
    Unverified, Waits,
};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::sync::Arc;

/// What the streams here tell.
const EVENTS: &[&str] = &["hardware"];
/// One phase of blinking when nothing else is said, in milliseconds.
const BLINK_MS: u32 = 500;
/// How long an LED identifies itself when nothing else is said, in seconds.
const IDENTIFY_S: u32 = 10;

#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema), schemars(rename = "Hardware"))]
struct HardwareBody<'a> {
    board: Option<BoardBody<'a>>,
    chips: Vec<ChipBody<'a>>,
    lines: Vec<LineBody<'a>>,
    leds: Vec<LedBody<'a>>,
}

#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema), schemars(rename = "Board"))]
struct BoardBody<'a> {
    name: &'a str,
    model: &'a str,
    simulated: bool,
    /// The pins of the only header, pin 1 first.
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    header: &'a [String],
    /// Where there are several.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    headers: Vec<HeaderBody<'a>>,
    /// What of the board file no device tree shows.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    unverified: Vec<UnverifiedBody<'a>>,
    /// Labels of chips that the board file names and that are not there.
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    missing: &'a [String],
    /// Connections whose hardware is not there; they have it again when it is.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    waiting: Vec<WaitBody<'a>>,
}

#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema), schemars(rename = "Waiting"))]
struct WaitBody<'a> {
    plug: PlugBody<'a>,
    slot: SlotBody<'a>,
    /// What is missing.
    why: &'a str,
}

#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema), schemars(rename = "Header"))]
struct HeaderBody<'a> {
    name: &'a str,
    pins: &'a [String],
}

#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema), schemars(rename = "Unverified"))]
struct UnverifiedBody<'a> {
    what: &'a str,
    source: &'a str,
}

#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema), schemars(rename = "Chip"))]
#[serde(rename_all = "kebab-case")]
struct ChipBody<'a> {
    name: &'a str,
    label: &'a str,
    lines: u32,
    capabilities: &'a [&'static str],
    on_release: OnRelease,
}

#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema), schemars(rename = "Line"))]
#[serde(rename_all = "kebab-case")]
struct LineBody<'a> {
    name: &'a str,
    chip: &'a str,
    offset: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    header_pin: Option<u16>,
    /// The header of that pin, where there are several.
    #[serde(skip_serializing_if = "Option::is_none")]
    header: Option<&'a str>,
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    aliases: &'a [String],
    #[serde(skip_serializing_if = "Option::is_none")]
    function: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    direction: Option<Direction>,
    #[serde(skip_serializing_if = "Option::is_none")]
    value: Option<u8>,
    active_low: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    consumer: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    plug: Option<PlugBody<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    slot: Option<SlotBody<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    safe_value: Option<u8>,
    /// Its edges come as events.
    edges: bool,
}

#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema), schemars(rename = "Led"))]
#[serde(rename_all = "kebab-case")]
struct LedBody<'a> {
    name: &'a str,
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    aliases: &'a [String],
    brightness: u32,
    max_brightness: u32,
    trigger: &'a str,
    triggers: &'a [String],
    #[serde(skip_serializing_if = "Option::is_none")]
    blink: Option<BlinkBody>,
    #[serde(skip_serializing_if = "Option::is_none")]
    path: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    line: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    plug: Option<PlugBody<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    slot: Option<SlotBody<'a>>,
}

#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema), schemars(rename = "Blink"))]
#[serde(rename_all = "kebab-case")]
struct BlinkBody {
    on_ms: u32,
    off_ms: u32,
}

#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema), schemars(rename = "HolderPlug"))]
struct PlugBody<'a> {
    snap: &'a str,
    plug: &'a str,
}

#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema), schemars(rename = "HolderSlot"))]
struct SlotBody<'a> {
    snap: &'a str,
    slot: &'a str,
}

impl<'a> From<&'a PlugRef> for PlugBody<'a> {
    fn from(plug: &'a PlugRef) -> Self {
        Self {
            snap: plug.snap.as_str(),
            plug: &plug.name,
        }
    }
}

impl<'a> From<&'a SlotRef> for SlotBody<'a> {
    fn from(slot: &'a SlotRef) -> Self {
        Self {
            snap: slot.snap.as_str(),
            slot: &slot.name,
        }
    }
}

impl<'a> From<&'a ChipView> for ChipBody<'a> {
    fn from(chip: &'a ChipView) -> Self {
        Self {
            name: &chip.name,
            label: &chip.label,
            lines: chip.lines,
            capabilities: chip.capabilities,
            on_release: chip.on_release,
        }
    }
}

impl<'a> From<&'a LineView> for LineBody<'a> {
    fn from(line: &'a LineView) -> Self {
        Self {
            name: &line.name,
            chip: &line.chip,
            offset: line.offset,
            header_pin: line.header_pin,
            header: line.header.as_deref(),
            aliases: &line.aliases,
            function: line.function.as_deref(),
            direction: line.direction,
            value: line.value,
            active_low: line.active_low,
            consumer: line.consumer.as_deref(),
            plug: line.plug.as_ref().map(PlugBody::from),
            slot: line.slot.as_ref().map(SlotBody::from),
            safe_value: line.safe_value,
            edges: line.edges,
        }
    }
}

impl<'a> From<&'a LedView> for LedBody<'a> {
    fn from(led: &'a LedView) -> Self {
        Self {
            name: &led.name,
            aliases: &led.aliases,
            brightness: led.brightness,
            max_brightness: led.max_brightness,
            trigger: &led.trigger,
            triggers: &led.triggers,
            blink: led.blink.map(|(on_ms, off_ms)| BlinkBody { on_ms, off_ms }),
            path: led.path.as_deref(),
            line: led.line.as_deref(),
            plug: led.plugs.first().map(PlugBody::from),
            slot: led.slot.as_ref().map(SlotBody::from),
        }
    }
}

impl<'a> From<&'a BoardView> for BoardBody<'a> {
    fn from(board: &'a BoardView) -> Self {
        let (only, named): (Vec<_>, Vec<_>) = board.headers.iter().partition(|header| header.name.is_empty());
        let name_and_pins = |header: &'a Header| HeaderBody {
            name: &header.name,
            pins: &header.pins,
        };
        let fact = |fact: &'a Unverified| UnverifiedBody {
            what: &fact.what,
            source: &fact.source,
        };
        let wait = |wait: &'a Waits| WaitBody {
            plug: (&wait.connection.plug).into(),
            slot: (&wait.connection.slot).into(),
            why: &wait.why,
        };
        Self {
            name: &board.name,
            model: &board.model,
            simulated: board.simulated,
            header: only.first().map_or(&[], |header| &header.pins),
            headers: named.into_iter().map(name_and_pins).collect(),
            unverified: board.unverified.iter().map(fact).collect(),
            missing: &board.missing,
            waiting: board.waiting.iter().map(wait).collect(),
        }
    }
}

impl<'a> From<&'a HardwareView> for HardwareBody<'a> {
    fn from(view: &'a HardwareView) -> Self {
        Self {
            board: view.board.as_ref().map(BoardBody::from),
            chips: view.chips.iter().map(ChipBody::from).collect(),
            lines: view.lines.iter().map(LineBody::from).collect(),
            leds: view.leds.iter().map(LedBody::from).collect(),
        }
    }
}

/// GET /v2/hardware
pub async fn all(call: Call) -> Result<Reply, Fault> {
    let view = call.managers.hardware.view(&call.who)?;
    Reply::of(&HardwareBody::from(&view))
}

/// GET /v2/hardware/lines/{name}
pub async fn line(call: Call) -> Result<Reply, Fault> {
    let line = call.managers.hardware.line(call.param("name"), &call.who)?;
    Reply::of(&LineBody::from(&line))
}

/// GET /v2/hardware/leds/{name}
pub async fn led(call: Call) -> Result<Reply, Fault> {
    let led = call.managers.hardware.led(call.param("name"), &call.who)?;
    Reply::of(&LedBody::from(&led))
}

/// What may be asked of a line.
#[derive(Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(tag = "action", rename_all = "kebab-case", rename_all_fields = "kebab-case")]
enum LineAction {
    Set {
        value: u8,
    },
    Pulse {
        #[serde(default = "one")]
        value: u8,
        duration_ms: u64,
    },
    Configure {
        direction: Option<Direction>,
        safe_value: Option<u8>,
        active_low: Option<bool>,
        bias: Option<Value>,
        debounce_us: Option<Value>,
        drive: Option<Value>,
    },
    Release,
}

fn one() -> u8 {
    1
}

/// POST /v2/hardware/lines/{name}
pub async fn act_on_line(mut call: Call) -> Result<Reply, Fault> {
    let action = call.json().await?;
    let (hardware, name) = (&call.managers.hardware, call.param("name"));
    let line = match action {
        LineAction::Set { value } => hardware.set_line(name, value, &call.who)?,
        LineAction::Pulse { value, duration_ms } => hardware.pulse(name, value, duration_ms, &call.who)?,
        LineAction::Configure {
            direction,
            safe_value,
            active_low,
            bias,
            debounce_us,
            drive,
        } => {
            let wishes = [("bias", bias), ("debounce", debounce_us), ("drive", drive)];
            let config = LineConfig {
                direction,
                safe_value,
                active_low,
                beyond_abi: wishes
                    .into_iter()
                    .filter_map(|(what, wish)| wish.map(|_| what))
                    .collect(),
            };
            waiting(&call, move |hardware, name, who| {
                hardware.configure_line(name, &config, who)
            })
            .await?
        }
        LineAction::Release => waiting(&call, |hardware, name, who| hardware.release_line(name, who)).await?,
    };
    Reply::of(&LineBody::from(&line))
}

/// What may be asked of an LED.
#[derive(Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(tag = "action", rename_all = "kebab-case", rename_all_fields = "kebab-case")]
enum LedAction {
    /// `value` 1 is as bright as it can be; `brightness` says how bright.
    Set {
        value: Option<u8>,
        brightness: Option<u32>,
    },
    Blink {
        on_ms: Option<u32>,
        off_ms: Option<u32>,
        count: Option<u32>,
    },
    Trigger {
        trigger: String,
    },
    Identify {
        seconds: Option<u32>,
    },
    Configure {
        brightness: Option<u32>,
        trigger: Option<String>,
    },
}

/// POST /v2/hardware/leds/{name}
pub async fn act_on_led(mut call: Call) -> Result<Reply, Fault> {
    let action = call.json().await?;
    let (hardware, name, who) = (&call.managers.hardware, call.param("name"), &call.who);
    let led = match action {
        LedAction::Set { value, brightness } => {
            hardware.set_led(name, wanted_brightness(value, brightness)?, who)?
        }
        LedAction::Blink { on_ms, off_ms, count } => {
            let (on, off) = (on_ms.unwrap_or(BLINK_MS), off_ms.unwrap_or(BLINK_MS));
            hardware.blink_led(name, on, off, count, who)?
        }
        LedAction::Trigger { trigger } => hardware.trigger_led(name, &trigger, who)?,
        LedAction::Identify { seconds } => hardware.identify_led(name, seconds.unwrap_or(IDENTIFY_S), who)?,
        LedAction::Configure { brightness, trigger } => {
            let config = LedConfig { brightness, trigger };
            waiting(&call, move |hardware, name, who| {
                hardware.configure_led(name, &config, who)
            })
            .await?
        }
    };
    Reply::of(&LedBody::from(&led))
}

fn wanted_brightness(value: Option<u8>, brightness: Option<u32>) -> Result<u32, Fault> {
    match (value, brightness) {
        (None, Some(brightness)) => Ok(brightness),
        (Some(0), None) => Ok(0),
        (Some(1), None) => Ok(u32::MAX),
        _ => Err(Fault::bad(
            "to set an LED say either value, 0 or 1, or brightness",
        )),
    }
}

/// What may be asked of a simulated line.
#[derive(Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(tag = "action", rename_all = "kebab-case")]
enum SimAction {
    Drive { value: u8 },
}

/// POST /v2/hardware/sim/lines/{name}: the world outside gives an input a level. Exists on the simulated board only.
pub async fn drive(mut call: Call) -> Result<Reply, Fault> {
    if !call.managers.hardware.is_simulated() {
        return Err(Fault::new(ErrorKind::NotFound, "not found"));
    }
    let SimAction::Drive { value } = call.json().await?;
    let line = call.managers.hardware.sim_drive(call.param("name"), value)?;
    Reply::of(&LineBody::from(&line))
}

/// GET /v2/hardware/events: json-seq. With `state=true` the first record tells the whole state, so that who draws it
/// needs no second request.
pub async fn events(call: Call) -> Result<Reply, Fault> {
    let state = || {
        let view = call.managers.hardware.view(&call.who)?;
        serde_json::to_value(HardwareBody::from(&view))
            .map_err(|error| Fault::internal(format!("cannot write the state: {error}")))
    };
    match call.query.get("state") {
        Some("true") => stream::events_after_state(&call, EVENTS, "hardware.state", state),
        _ => stream::events(&call, EVENTS),
    }
}

/// Runs what waits for the disk where waiting is allowed. The rest is one system call and is done at once.
fn waiting<T: Send + 'static, F>(
    call: &Call,
    act: F,
) -> impl Future<Output = Result<T, Fault>> + Send + use<T, F>
where
    F: FnOnce(&Hardware, &str, &Requester) -> Result<T, Fault> + Send + 'static,
{
    let hardware = Arc::clone(&call.managers.hardware);
    let (name, who) = (call.param("name").to_owned(), call.who.clone());
    let acting = work::blocking(move || act(&hardware, &name, &who));
    async move {
        let ended = acting
            .await
            .map_err(|_| Fault::internal("the agent failed while it kept this; its journal has the reason"));
        ended?
    }
}

/// What the verbs here take and answer, for the description of the API.
#[cfg(test)]
pub(super) fn described() -> Vec<super::openapi::describe::Operation> {
    use super::openapi::describe::{get, post};
    use ErrorKind as E;
    let driven = [
        E::LineNotFound,
        E::LineBusy,
        E::LineDirection,
        E::HardwareUnsupported,
        E::HardwareError,
    ];
    vec![
        get("/v2/hardware", "The board: chips, lines and LEDs").result::<HardwareBody<'_>>(),
        get("/v2/hardware/lines/{name}", "One line")
            .named("the name or an alias of a line")
            .result::<LineBody<'_>>()
            .fails(&[E::LineNotFound, E::HardwareError]),
        post(
            "/v2/hardware/lines/{name}",
            "Set, pulse, configure or release a line",
        )
        .named("the name or an alias of a line")
        .body::<LineAction>()
        .result::<LineBody<'_>>()
        .fails(&driven),
        get("/v2/hardware/leds/{name}", "One LED")
            .named("the name or an alias of an LED")
            .result::<LedBody<'_>>()
            .fails(&[E::LineNotFound, E::HardwareError]),
        post(
            "/v2/hardware/leds/{name}",
            "Set, blink, identify or configure an LED, or give it a trigger",
        )
        .named("the name or an alias of an LED")
        .body::<LedAction>()
        .result::<LedBody<'_>>()
        .fails(&driven),
        get(
            "/v2/hardware/events",
            "What happens to the hardware; the answer does not end",
        )
        .list("types", "Only of these types")
        .number(
            "since",
            0,
            "Also what came after this number, as far as it is known",
        )
        .flag("state", "The first record tells the whole state")
        .records::<stream::EventBody<'_>>()
        .fails(&[E::BadRequest]),
        post(
            "/v2/hardware/sim/lines/{name}",
            "Give an input of the simulated board a level",
        )
        .named("the name or an alias of a line")
        .body::<SimAction>()
        .result::<LineBody<'_>>()
        .fails(&driven)
        .fails(&[E::NotFound]),
    ]
}

#[cfg(all(test, feature = "sim"))]
mod tests;
