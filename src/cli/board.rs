//! The board as a picture: the 40-pin header from above, the LEDs, who holds what.

use super::terminal::{Ink, Style};
use crate::client::types::{Hardware, Led, Line};
use crate::client::{ClientError, Events};
use crate::domain::json;
use serde_json::Value;

/// What the pins of the 40-pin header are that are no lines (the layout that Raspberry Pi boards and their kin share).
const POWER: [(u32, &str); 12] = [
    (1, "3V3"),
    (2, "5V"),
    (4, "5V"),
    (6, "GND"),
    (9, "GND"),
    (14, "GND"),
    (17, "3V3"),
    (20, "GND"),
    (25, "GND"),
    (30, "GND"),
    (34, "GND"),
    (39, "GND"),
];

/// The pins of that header.
const PINS: u32 = 40;

/// The board as it is known at a moment: read once, then kept current by events.
#[derive(Clone, Debug)]
pub struct Board {
    hardware: Hardware,
}

/// What an event said.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Moved {
    /// The line or LED.
    pub name: String,
    /// Its level or brightness after it.
    pub value: u64,
    /// It is an LED.
    pub is_led: bool,
}

/// The stream that tells the whole state first and then every move.
pub const STREAM: &str = "/v2/hardware/events?state=true";

impl Board {
    pub fn new(hardware: Hardware) -> Self {
        Self { hardware }
    }

    /// The board as the first record of [`STREAM`] tells it.
    pub async fn first_of(events: &mut Events) -> Result<Self, ClientError> {
        let state = events.next().await?.and_then(|event| {
            let kind = event.get("type").and_then(Value::as_str);
            (kind == Some("hardware.state")).then(|| event["data"].clone())
        });
        let state = state
            .ok_or_else(|| ClientError::Answer(String::from("the stream does not begin with the state")))?;
        json::record(state)
            .map(Self::new)
            .map_err(|error| ClientError::Answer(error.to_string()))
    }

    /// Takes in an event; answers what it moved, if it moved a line or an LED.
    pub fn apply(&mut self, event: &Value) -> Option<Moved> {
        let data = event.get("data")?;
        let text = |key: &str| data.get(key).and_then(Value::as_str);
        let number = |key: &str| data.get(key).and_then(Value::as_u64);
        if let Some(name) = text("led") {
            let value = number("brightness").or_else(|| number("value"))?;
            let led = self.hardware.leds.iter_mut().find(|led| led.name == name)?;
            led.brightness = u32::try_from(value).ok();
            led.trigger = text("trigger").map(str::to_owned);
            led.plug = data.get("plug").and_then(|end| json::record(end.clone()).ok());
            return Some(Moved {
                name: name.to_owned(),
                value,
                is_led: true,
            });
        }
        let name = text("line")?;
        let line = self.hardware.lines.iter_mut().find(|line| line.name == name)?;
        let level = number("value").map(|value| u8::from(value != 0));
        let moved = level.is_some() && line.value != level;
        if event.get("type").and_then(Value::as_str) == Some("hardware.line") {
            // All that a line has become: what is absent is no more.
            let end = |key: &str| data.get(key).and_then(|end| json::record(end.clone()).ok());
            line.direction = text("direction").map(str::to_owned).or(line.direction.take());
            line.consumer = text("consumer").map(str::to_owned);
            (line.plug, line.slot) = (end("plug"), end("slot"));
            line.value = level;
        } else if level.is_some() {
            line.value = level;
        }
        // An LED that is wired to the line shines with it.
        for led in &mut self.hardware.leds {
            if led.line.as_deref() == Some(name) {
                led.brightness = level.map(|level| u32::from(level) * led.max_brightness.unwrap_or(1));
            }
        }
        moved.then(|| Moved {
            name: name.to_owned(),
            value: level.map_or(0, u64::from),
            is_led: false,
        })
    }

    fn at_pin(&self, header: Option<&str>, pin: u32) -> Option<&Line> {
        self.hardware
            .lines
            .iter()
            .find(|line| line.header_pin == Some(pin) && line.header.as_deref() == header)
    }

    /// The headers that have names, with what stands at each pin.
    fn named_headers(&self) -> Vec<(&str, Vec<String>)> {
        let Some(Value::Array(headers)) = self.hardware.board.get("headers") else {
            return Vec::new();
        };
        headers
            .iter()
            .filter_map(|header| Some((header["name"].as_str()?, texts(header.get("pins")?.as_array()?))))
            .collect()
    }

    /// What stands at each pin of the header, pin 1 first: as the board tells, else by the pins of its lines when
    /// they fit the common header.
    fn pins(&self) -> Vec<String> {
        if let Some(Value::Array(pins)) = self.hardware.board.get("header")
            && !pins.is_empty()
        {
            return texts(pins);
        }
        let of_lines: Vec<u32> = self
            .hardware
            .lines
            .iter()
            .filter(|line| line.header.is_none())
            .filter_map(|line| line.header_pin)
            .collect();
        let power = |pin: u32| {
            POWER
                .iter()
                .find(|(power, _)| *power == pin)
                .map(|(_, name)| *name)
        };
        if of_lines.is_empty() || of_lines.iter().any(|&pin| pin > PINS || power(pin).is_some()) {
            return Vec::new();
        }
        (1..=PINS)
            .map(|pin| {
                let line = self.at_pin(None, pin).map(|line| line.name.as_str());
                line.or(power(pin)).unwrap_or_default().to_owned()
            })
            .collect()
    }

    /// There is a header to draw.
    pub fn has_header(&self) -> bool {
        !self.pins().is_empty() || !self.named_headers().is_empty()
    }

    /// The picture, a row a line: title, header, LEDs, and held lines that are not on the header.
    pub fn picture(&self, style: Style) -> Vec<String> {
        let mut rows = vec![self.title(style)];
        rows.extend(self.header(None, &self.pins(), style));
        for (name, pins) in self.named_headers() {
            rows.push(format!(" {}", style.paint(Ink::Title, name)));
            rows.extend(self.header(Some(name), &pins, style));
        }
        for line in self
            .hardware
            .lines
            .iter()
            .filter(|line| line.header_pin.is_none())
        {
            let holder = line.holder();
            if !holder.is_empty() && line.plug.is_some() {
                rows.push(format!(
                    " {} {}  {}",
                    line.name,
                    mark(line, style),
                    style.paint(Ink::Held, &holder)
                ));
            }
        }
        if !self.hardware.leds.is_empty() {
            let leds: Vec<String> = self
                .hardware
                .leds
                .iter()
                .map(|led| led_text(led, style))
                .collect();
            rows.push(format!(" LEDs   {}", leds.join("   ")));
        }
        rows.extend(self.remarks(style));
        rows
    }

    /// What is to know of the board file: chips that are not there, facts that no device tree shows.
    pub fn remarks(&self, style: Style) -> Vec<String> {
        let list = |key: &str| self.hardware.board.get(key).and_then(Value::as_array);
        let mut rows = Vec::new();
        if let Some(missing) = list("missing") {
            rows.push(format!(
                " {} {}",
                style.paint(Ink::Power, "not there:"),
                texts(missing).join(", ")
            ));
        }
        for wait in list("waiting").into_iter().flatten() {
            let end = |key: &str| wait[key].as_str().unwrap_or_default().to_owned();
            rows.push(format!(
                " {} {}:{} ({})",
                style.paint(Ink::Power, "waiting:"),
                wait["plug"]["snap"].as_str().unwrap_or_default(),
                wait["plug"]["plug"].as_str().unwrap_or_default(),
                end("why")
            ));
        }
        for fact in list("unverified").into_iter().flatten() {
            let text = |key: &str| fact[key].as_str().unwrap_or_default();
            rows.push(format!(
                " {} {} ({})",
                style.paint(Ink::Faint, "unverified:"),
                text("what"),
                text("source")
            ));
        }
        rows
    }

    fn title(&self, style: Style) -> String {
        let chips: Vec<String> = self
            .hardware
            .chips
            .iter()
            .map(|chip| format!("{} ({} lines)", chip.label, chip.lines))
            .collect();
        let dot = if style.unicode { " · " } else { " - " };
        let name = style.paint(Ink::Title, self.hardware.board_name());
        match chips.is_empty() {
            true => format!(" {name}{dot}no chips"),
            false => format!(" {name}{dot}{}", chips.join(", ")),
        }
    }

    fn header(&self, header: Option<&str>, pins: &[String], style: Style) -> Vec<String> {
        let none = String::new();
        let sides: Vec<(Side<'_>, Side<'_>)> = (1..)
            .step_by(2)
            .zip(pins.chunks(2))
            .map(|(pin, pair)| {
                (
                    self.side(header, pin, &pair[0]),
                    self.side(header, pin + 1, pair.get(1).unwrap_or(&none)),
                )
            })
            .collect();
        let widest = |texts: Vec<&String>| texts.iter().map(|text| text.chars().count()).max().unwrap_or(0);
        // Where nothing is held, the picture keeps a place for the names that come with a connection.
        let holder = widest(sides.iter().map(|(left, _)| &left.holder).collect()).clamp(12, 36);
        let name = widest(sides.iter().map(|(left, _)| &left.name).collect());
        let name_right = widest(sides.iter().map(|(_, right)| &right.name).collect());
        let bar = if style.unicode { "│" } else { "|" };
        sides
            .iter()
            .enumerate()
            .map(|(row, (left, right))| {
                let (left_pin, right_pin) = (2 * row + 1, 2 * row + 2);
                format!(
                    " {}  {} {} {bar}{left_pin:>3} {right_pin:<3}{bar} {} {}  {}",
                    style.paint(Ink::Held, &format!("{:>holder$}", cut(&left.holder, holder))),
                    left.painted(style, &format!("{:>name$}", left.name)),
                    left.mark(style),
                    right.mark(style),
                    right.painted(style, &format!("{:<name_right$}", right.name)),
                    style.paint(Ink::Held, &right.holder)
                )
                .trim_end()
                .to_owned()
            })
            .collect()
    }

    fn side(&self, header: Option<&str>, pin: u32, name: &str) -> Side<'_> {
        let line = self.at_pin(header, pin);
        Side {
            name: name.to_owned(),
            holder: line.map(Line::holder).unwrap_or_default(),
            line,
        }
    }
}

/// The texts of a list.
fn texts(list: &[Value]) -> Vec<String> {
    let text = |entry: &Value| entry.as_str().unwrap_or_default().to_owned();
    list.iter().map(text).collect()
}

/// One pin's side of the picture.
struct Side<'a> {
    name: String,
    holder: String,
    line: Option<&'a Line>,
}

impl Side<'_> {
    fn mark(&self, style: Style) -> String {
        self.line.map_or(String::from(" "), |line| mark(line, style))
    }

    fn painted(&self, style: Style, text: &str) -> String {
        match (self.line, self.name.as_str()) {
            (None, "GND" | "") => style.paint(Ink::Faint, text),
            (None, _) => style.paint(Ink::Power, text),
            (Some(line), _) if line.value.is_some() || !self.holder.is_empty() => {
                style.paint(Ink::Held, text)
            }
            (Some(_), _) => style.paint(Ink::Faint, text),
        }
    }
}

/// A line's level: full, empty, or a dot where the agent does not hold it and so does not look.
fn mark(line: &Line, style: Style) -> String {
    match (line.value, style.unicode) {
        (Some(0), true) => String::from("○"),
        (Some(0), false) => String::from("0"),
        (Some(_), unicode) => style.paint(Ink::High, if unicode { "●" } else { "1" }),
        (None, unicode) => style.paint(Ink::Faint, if unicode { "·" } else { "." }),
    }
}

fn led_text(led: &Led, style: Style) -> String {
    let lit = led.brightness.is_some_and(|brightness| brightness > 0);
    let mark = match (led.brightness, style.unicode) {
        (None, true) => String::from("·"),
        (None, false) => String::from("?"),
        (Some(0), true) => String::from("○"),
        (Some(0), false) => String::from("off"),
        (Some(_), unicode) => style.paint(Ink::High, if unicode { "●" } else { "on" }),
    };
    let name = if lit {
        style.paint(Ink::Held, &led.name)
    } else {
        led.name.clone()
    };
    match (&led.plug, led.trigger.as_deref()) {
        (Some(plug), _) => format!("{name} {mark} {}", style.paint(Ink::Held, &plug.to_string())),
        (None, None | Some("none" | "")) => format!("{name} {mark}"),
        (None, Some(trigger)) => format!("{name} {mark} ({trigger})"),
    }
}

/// A text of at most so many characters.
fn cut(text: &str, width: usize) -> String {
    if text.chars().count() <= width {
        return text.to_owned();
    }
    let mut short: String = text.chars().take(width.saturating_sub(1)).collect();
    short.push('~');
    short
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn board() -> Board {
        Board::new(
            serde_json::from_value(json!({
                "board": "sim",
                "chips": [{"name": "gpiochip0", "label": "pinctrl-sim", "lines": 54}],
                "lines": [
                    {"name": "GPIO2", "chip": "pinctrl-sim", "offset": 2, "header-pin": 3, "direction": "input"},
                    {"name": "GPIO27", "chip": "pinctrl-sim", "offset": 27, "header-pin": 13,
                     "direction": "output", "value": 1, "plug": "keyboard-lights:capslock-led"},
                    {"name": "GPIO14", "chip": "pinctrl-sim", "offset": 14, "header-pin": 8,
                     "direction": "input", "value": 0, "consumer": "kernel"}],
                "leds": [{"name": "ACT", "brightness": 0, "max-brightness": 1},
                         {"name": "USER", "brightness": 0, "max-brightness": 255, "line": "GPIO27"}]
            }))
            .expect("hardware"),
        )
    }

    #[test]
    fn the_picture_shows_level_and_holder() {
        let rows = board().picture(Style::PLAIN);
        assert_eq!(rows.len(), 1 + 20 + 1);
        assert_eq!(rows[0], " sim - pinctrl-sim (54 lines)");
        assert_eq!(rows[1], "                                  3V3   |  1 2  |   5V");
        assert_eq!(rows[2], "                                GPIO2 . |  3 4  |   5V");
        assert_eq!(
            rows[4],
            "                                        |  7 8  | 0 GPIO14  kernel"
        );
        assert_eq!(rows[7], " keyboard-lights:capslock-led  GPIO27 1 | 13 14 |   GND");
        assert_eq!(rows[21], " LEDs   ACT off   USER off");
    }

    #[test]
    fn colours_do_not_move_anything() {
        let strip = |text: &str| {
            let mut out = String::new();
            let mut rest = text;
            while let Some((head, tail)) = rest.split_once('\x1b') {
                out.push_str(head);
                rest = tail.split_once('m').map_or("", |(_, after)| after);
            }
            out + rest
        };
        let colour = Style {
            colour: true,
            unicode: false,
        };
        for (plain, painted) in board().picture(Style::PLAIN).iter().zip(board().picture(colour)) {
            assert_eq!(plain.trim_end(), strip(&painted).trim_end());
        }
    }

    #[test]
    fn events_move_the_picture() {
        let mut board = board();
        let event = json!({"seq": 4, "type": "hardware.line", "data": {"line": "GPIO27", "value": 0}});
        assert_eq!(
            board.apply(&event),
            Some(Moved {
                name: "GPIO27".into(),
                value: 0,
                is_led: false
            })
        );
        assert_eq!(board.apply(&event), None, "nothing moved");
        assert!(board.picture(Style::PLAIN)[7].contains("GPIO27 0"));
        assert!(
            !board.picture(Style::PLAIN)[7].contains("keyboard-lights"),
            "the plug is gone"
        );
        let event = json!({"type": "hardware.edge", "data": {"line": "GPIO27", "value": 1}});
        board.apply(&event);
        assert_eq!(board.picture(Style::PLAIN)[21], " LEDs   ACT off   USER on");
        let event = json!({"type": "hardware.led", "data": {"led": "ACT", "brightness": 1}});
        assert!(board.apply(&event).is_some_and(|moved| moved.is_led));
        assert_eq!(board.apply(&json!({"type": "change.update", "data": {}})), None);
    }

    #[test]
    fn another_header_is_drawn_as_the_board_tells_it() {
        let hardware = json!({"board": "x", "lines": [{"name": "A", "header-pin": 1}]});
        let board = Board::new(serde_json::from_value(hardware).expect("hardware"));
        assert!(!board.has_header());
        let told = json!({"board": {"name": "x", "header": ["5V", "A", "GND"]}, "lines": [{"name": "A", "header-pin": 2}]});
        let rows = Board::new(serde_json::from_value(told).expect("hardware")).picture(Style::PLAIN);
        assert_eq!(rows[1].trim(), "5V   |  1 2  | . A");
        assert_eq!(rows[2].trim(), "GND   |  3 4  |");
    }
}
