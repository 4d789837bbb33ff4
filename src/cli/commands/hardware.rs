//! board, line, led, events, sim.

use super::connections::natural;
use crate::cli::args::{LedArgs, LineArgs, Sim};
use crate::cli::board::{Board, STREAM};
use crate::cli::live::Live;
use crate::cli::session::{Failure, Outcome, Session};
use crate::cli::table::Table;
use crate::cli::terminal::{self, Style};
use crate::cli::time;
use crate::client::escaped;
use crate::client::types::{End, Hardware, Led, Line};
use crate::domain::{json, sort};
use serde_json::{Value, json};

const HARDWARE: &str = "/v2/hardware";
const EVENTS: &str = "/v2/hardware/events";

fn line_path(name: &str) -> String {
    format!("/v2/hardware/lines/{}", escaped(name))
}

fn led_path(name: &str) -> String {
    format!("/v2/hardware/leds/{}", escaped(name))
}

pub async fn board(session: &Session, watch: bool) -> Outcome {
    if watch {
        return watch_board(session).await;
    }
    let Some(hardware) = session.read_or_print::<Hardware>(HARDWARE).await? else {
        return Ok(());
    };
    let board = Board::new(hardware.clone());
    let remarks = board.remarks(Style::PLAIN);
    if hardware.chips.is_empty() && hardware.leds.is_empty() && remarks.is_empty() {
        session.remark(
            "This machine shows no chips and no LEDs; choose a board with `pinion daemon --board NAME`.",
        );
        return Ok(());
    }
    if terminal::is_live_stdout() && board.has_header() {
        let style = Style::of_terminal();
        return session.say(board.picture(style).join("\n"));
    }
    session.print(line_table(&hardware.lines))?;
    if !hardware.leds.is_empty() {
        session.print(format_args!("\n{}", led_table(&hardware.leds)))?;
    }
    if !remarks.is_empty() {
        session.say(format_args!("\n{}", remarks.join("\n")))?;
    }
    Ok(())
}

/// The picture, kept current by the events.
async fn watch_board(session: &Session) -> Outcome {
    if !terminal::is_live_stdout() || session.json {
        return follow(session, None).await;
    }
    let mut events = session.client.events(STREAM).await?;
    let mut board = Board::first_of(&mut events).await?;
    let style = Style::of_terminal();
    let mut live = Live::default();
    loop {
        live.draw(&board.picture(style))?;
        let event = tokio::select! {
            event = events.next() => event?,
            _ = tokio::signal::ctrl_c() => return Ok(()),
        };
        match event {
            None => return Err(Failure::new("the agent ended the stream")),
            Some(event) => drop(board.apply(&event)),
        }
    }
}

fn line_table(lines: &[Line]) -> Table {
    let mut lines: Vec<&Line> = lines.iter().collect();
    sort::by_key(&mut lines, |line| {
        (line.chip.clone(), line.offset, natural(&line.name))
    });
    let mut table = Table::new(&[
        "Line",
        "Pin",
        "Chip",
        "Offset",
        "Direction",
        "Value",
        "Safe",
        "Holder",
        "Slot",
    ]);
    for line in lines {
        table.row([
            &line.name,
            &optional(line.header_pin),
            &line.chip,
            &line.offset.to_string(),
            line.direction.as_deref().unwrap_or_default(),
            &optional(line.value),
            &optional(line.safe_value),
            &line.holder(),
            &optional(line.slot.as_ref()),
        ]);
    }
    table
}

fn optional<T: ToString>(value: Option<T>) -> String {
    value.map_or(String::new(), |value| value.to_string())
}

fn led_table(leds: &[Led]) -> Table {
    let mut table = Table::new(&["LED", "Brightness", "Max", "Trigger", "Line", "Holder"]);
    for led in leds {
        table.row([
            &led.name,
            &optional(led.brightness),
            &optional(led.max_brightness),
            led.trigger.as_deref().unwrap_or_default(),
            led.line.as_deref().unwrap_or_default(),
            &optional(led.plug.as_ref()),
        ]);
    }
    table
}

/// Sends an order to a line or LED; prints the answer for scripts.
async fn order(session: &Session, path: &str, body: Value) -> Outcome {
    let answer = session.client.post(path, &body).await?;
    if session.json {
        session.print_json(&answer.result)?;
    }
    Ok(())
}

pub async fn line(session: &Session, args: &LineArgs) -> Outcome {
    let Some(name) = &args.name else {
        return match session.read_or_print::<Hardware>(HARDWARE).await? {
            Some(hardware) => session.print(line_table(&hardware.lines)),
            None => Ok(()),
        };
    };
    if args.watch {
        return follow(session, Some(name)).await;
    }
    let configured = configuration(args);
    match (configured, args.pulse, args.action.as_deref()) {
        (Some(_), Some(_), _) | (Some(_), _, Some("0" | "1" | "release")) => Err(Failure::Usage(
            String::from("set or pulse a line in one command, configure it in another"),
        )),
        (Some(body), None, _) => order(session, &line_path(name), body).await,
        (None, _, Some("configure")) => Err(Failure::Usage(String::from(
            "say what to configure: --direction, --safe-value or --active-low",
        ))),
        (None, Some(_), Some("release")) => Err(Failure::Usage(String::from(
            "a line is pulsed or released, not both",
        ))),
        (None, None, Some("release")) => order(session, &line_path(name), json!({"action": "release"})).await,
        (None, Some(milliseconds), level) => {
            let value = u8::from(level != Some("0"));
            let body = json!({"action": "pulse", "value": value, "duration-ms": milliseconds});
            order(session, &line_path(name), body).await
        }
        (None, None, Some(level)) => {
            let body = json!({"action": "set", "value": u8::from(level == "1")});
            order(session, &line_path(name), body).await
        }
        (None, None, None) => show_line(session, name).await,
    }
}

/// What is to be configured, if anything.
fn configuration(args: &LineArgs) -> Option<Value> {
    let mut body = json!({"action": "configure"});
    if let Some(direction) = &args.direction {
        body["direction"] = json!(direction);
    }
    if let Some(value) = args.safe_value {
        body["safe-value"] = json!(value);
    }
    if let Some(active_low) = args.active_low {
        body["active-low"] = json!(active_low);
    }
    (body.as_object().map_or(0, serde_json::Map::len) > 1).then_some(body)
}

async fn show_line(session: &Session, name: &str) -> Outcome {
    let Some(line) = session.read_or_print::<Line>(&line_path(name)).await? else {
        return Ok(());
    };
    let mut table = Table::plain();
    table.row(["name:", &line.name]);
    table.row(["chip:", &format!("{} {}", line.chip, line.offset)]);
    table.row(["header-pin:", &optional(line.header_pin)]);
    table.row(["direction:", line.direction.as_deref().unwrap_or_default()]);
    let value = line.value.map_or(
        String::from("unknown (the agent does not hold the line)"),
        |value| value.to_string(),
    );
    table.row(["value:", &value]);
    table.row(["active-low:", if line.active_low { "yes" } else { "no" }]);
    table.row(["safe-value:", &optional(line.safe_value)]);
    table.row(["holder:", &line.holder()]);
    table.row(["slot:", &optional(line.slot.as_ref())]);
    session.print(table)
}

pub async fn led(session: &Session, args: &LedArgs) -> Outcome {
    let Some(name) = &args.name else {
        return match session.read_or_print::<Hardware>(HARDWARE).await? {
            Some(hardware) => session.print(led_table(&hardware.leds)),
            None => Ok(()),
        };
    };
    let body = match (&args.trigger, args.action.as_deref()) {
        (Some(trigger), _) if args.keep => json!({"action": "configure", "trigger": trigger}),
        (Some(trigger), _) => json!({"action": "trigger", "trigger": trigger}),
        (None, None) => {
            return match session.read_or_print::<Led>(&led_path(name)).await? {
                Some(led) => session.print(led_table(&[led])),
                None => Ok(()),
            };
        }
        (None, Some("on")) => json!({"action": "set", "value": 1}),
        (None, Some("off")) => json!({"action": "set", "value": 0}),
        (None, Some("blink")) => json!({"action": "blink", "on-ms": args.on, "off-ms": args.off}),
        (None, Some("identify")) => json!({"action": "identify"}),
        (None, Some(other)) => match other.parse::<u32>() {
            Ok(brightness) if args.keep => json!({"action": "configure", "brightness": brightness}),
            Ok(brightness) => json!({"action": "set", "brightness": brightness}),
            Err(_) => {
                return Err(Failure::Usage(format!(
                    "{other:?} is not on, off, blink, identify or a brightness"
                )));
            }
        },
    };
    order(session, &led_path(name), body).await
}

/// Follows the hardware's events, of one line or of all, until Ctrl-C.
pub async fn follow(session: &Session, line: Option<&str>) -> Outcome {
    if let Some(name) = line {
        // A name that is wrong is told at once instead of never.
        session.client.get(&line_path(name)).await?;
    }
    let mut events = session.client.events(EVENTS).await?;
    loop {
        let event = tokio::select! {
            event = events.next() => event?,
            _ = tokio::signal::ctrl_c() => return Ok(()),
        };
        let Some(event) = event else {
            return Err(Failure::new("the agent ended the stream"));
        };
        if line.is_some_and(|name| event["data"]["line"].as_str() != Some(name)) {
            continue;
        }
        if session.json {
            session.say(&event)?;
        } else {
            session.say(event_text(&event))?;
        }
    }
}

/// An event in one line: when, what, whose, its value, then the rest by name; what is null is not told.
pub fn event_text(event: &Value) -> String {
    let text = |key: &str| event.get(key).and_then(Value::as_str).unwrap_or_default();
    let data = event.get("data").and_then(Value::as_object);
    let mut first = Vec::new();
    let mut rest = Vec::new();
    for (key, value) in data.into_iter().flatten() {
        match (key.as_str(), value) {
            (_, Value::Null) | ("time" | "monotonic-ns", _) => {}
            ("line" | "led", Value::String(name)) => first.insert(0, name.clone()),
            ("value" | "brightness", value) => first.push(value.to_string()),
            ("plug" | "slot", end) => match json::record::<End>(end.clone()) {
                Ok(end) => rest.push(format!("{key}={end}")),
                Err(_) => rest.push(format!("{key}={end}")),
            },
            (key, Value::String(value)) => rest.push(format!("{key}={value}")),
            (key, value) => rest.push(format!("{key}={value}")),
        }
    }
    format!(
        "{}  {:<14}  {:<12}  {}",
        time::of_day(text("time")),
        text("type"),
        first.join(" "),
        rest.join(" ")
    )
    .trim_end()
    .to_owned()
}

pub async fn sim(session: &Session, what: &Sim) -> Outcome {
    match what {
        Sim::Line { name, value } => {
            let body = json!({"action": "drive", "value": value});
            order(
                session,
                &format!("/v2/hardware/sim/lines/{}", escaped(name)),
                body,
            )
            .await
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_listed_by_chip_and_offset() {
        let lines: Vec<Line> = serde_json::from_value(json!([
            {"name": "GPIO10", "chip": "c", "offset": 10, "direction": "input"},
            {"name": "GPIO2", "chip": "c", "offset": 2, "header-pin": 3, "direction": "output", "value": 1,
             "safe-value": 0, "plug": "a:b", "slot": {"snap": "pi", "slot": "pin-3"}}]))
        .expect("lines");
        assert_eq!(
            line_table(&lines).to_string(),
            "Line    Pin  Chip  Offset  Direction  Value  Safe  Holder  Slot\n\
             GPIO2   3    c     2       output     1      0     a:b     pi:pin-3\n\
             GPIO10  -    c     10      input      -      -     -       -\n"
        );
    }

    #[test]
    fn an_event_is_one_line() {
        let event = json!({"seq": 1, "time": "x", "type": "hardware.line", "data": {
            "cause": "set", "line": "GPIO2", "value": 1, "slot": null, "plug": {"snap": "a", "plug": "b"}}});
        assert_eq!(
            event_text(&event),
            "x  hardware.line   GPIO2 1       cause=set plug=a:b"
        );
    }
}
