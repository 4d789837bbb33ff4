//! What systemd says of units (org.freedesktop.systemd1(5)): once for all of them, then whenever something changes.

use super::wire::{Argument, Target, Value};
use super::{BUS, Connection, Message};
use std::collections::HashMap;
use std::io;
use std::path::Path;

const MANAGER: Target<'_> = Target {
    name: "org.freedesktop.systemd1",
    path: "/org/freedesktop/systemd1",
    interface: "org.freedesktop.systemd1.Manager",
};
const UNITS: &str = "/org/freedesktop/systemd1/unit/";
const SERVICE: &str = "org.freedesktop.systemd1.Service";
const UNIT: &str = "org.freedesktop.systemd1.Unit";

/// What a unit is doing, in systemd's words.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct UnitState {
    pub name: String,
    pub active: String,
    pub sub: String,
    /// Of a service: its first process.
    pub pid: Option<i32>,
    /// Of a service: how it ended.
    pub result: String,
}

/// The units whose names begin alike.
pub struct Units {
    bus: Connection,
    prefix: &'static str,
    /// Process and result of services, which are told before their states are.
    services: Services,
}

/// Process and result by name.
type Services = HashMap<String, (Option<i32>, String)>;

impl Units {
    /// Hears of them from now on.
    pub async fn open(path: &Path, prefix: &'static str) -> io::Result<Self> {
        let mut bus = Connection::open(path).await?;
        let rule = "type='signal',sender='org.freedesktop.systemd1',member='PropertiesChanged',\
                    interface='org.freedesktop.DBus.Properties',\
                    path_namespace='/org/freedesktop/systemd1/unit'";
        bus.call(BUS, "AddMatch", &[Argument::Text(rule)]).await?;
        bus.call(MANAGER, "Subscribe", &[]).await?;
        Ok(Self {
            bus,
            prefix,
            services: HashMap::new(),
        })
    }

    /// All that systemd knows.
    pub async fn all(&mut self) -> io::Result<Vec<UnitState>> {
        let pattern = format!("{}*", self.prefix);
        let arguments = [Argument::Texts(&[]), Argument::Texts(&[&pattern])];
        let rows = self.bus.call(MANAGER, "ListUnitsByPatterns", &arguments).await?;
        self.states(&rows).await
    }

    /// What has been told of units until now, and one of them as it is, last.
    pub async fn look(&mut self, name: &str) -> io::Result<Vec<UnitState>> {
        let arguments = [Argument::Texts(&[name])];
        let rows = self.bus.call(MANAGER, "ListUnitsByNames", &arguments).await?;
        let looked = self.states(&rows).await?;
        let kept: Vec<Message> = self.bus.kept.drain(..).collect();
        let told = |message: &Message| told(&mut self.services, self.prefix, message);
        let mut states: Vec<UnitState> = kept.iter().filter_map(told).collect();
        states.extend(looked);
        Ok(states)
    }

    /// The next change. May be dropped and called again.
    pub async fn next(&mut self) -> io::Result<UnitState> {
        loop {
            let message = self.bus.signal().await?;
            if let Some(state) = told(&mut self.services, self.prefix, &message) {
                return Ok(state);
            }
        }
    }

    /// The states in an answer: name, description, load, active, sub, and more.
    async fn states(&mut self, rows: &[Value]) -> io::Result<Vec<UnitState>> {
        let mut states = Vec::new();
        for row in rows.first().map(Value::parts).unwrap_or_default() {
            let text = |at: usize| {
                let value = row.parts().get(at).and_then(Value::text);
                value.unwrap_or_default().to_owned()
            };
            let mut state = UnitState {
                name: text(0),
                active: text(3),
                sub: text(4),
                ..UnitState::default()
            };
            if state.name.ends_with(".service") && state.active != "inactive" {
                let pid = self.property(&state.name, "MainPID").await;
                state.pid = pid.as_ref().and_then(process);
                let result = self.property(&state.name, "Result").await;
                state.result = result
                    .as_ref()
                    .and_then(Value::text)
                    .unwrap_or_default()
                    .to_owned();
            }
            let known = (state.pid, state.result.clone());
            self.services.insert(state.name.clone(), known);
            states.push(state);
        }
        Ok(states)
    }

    async fn property(&mut self, unit: &str, name: &str) -> Option<Value> {
        let path = format!("{UNITS}{}", escape(unit));
        let to = Target {
            name: MANAGER.name,
            path: &path,
            interface: "org.freedesktop.DBus.Properties",
        };
        let arguments = [Argument::Text(SERVICE), Argument::Text(name)];
        // A unit that is gone by now has none.
        let answer = self.bus.call(to, "Get", &arguments).await.ok()?;
        answer.into_iter().next()
    }
}

/// The state that a signal tells.
fn told(services: &mut Services, prefix: &str, message: &Message) -> Option<UnitState> {
    let name = unescape(message.path.strip_prefix(UNITS)?)?;
    if message.member != "PropertiesChanged" || !name.starts_with(prefix) {
        return None;
    }
    let [interface, changed, ..] = message.values.as_slice() else {
        return None;
    };
    let value = |wanted: &str| {
        changed.parts().iter().find_map(|pair| match pair.parts() {
            [key, value] if key.text() == Some(wanted) => Some(value),
            _ => None,
        })
    };
    let known = services.entry(name.clone()).or_default();
    if interface.text() == Some(SERVICE) {
        if let Some(pid) = value("MainPID") {
            known.0 = process(pid);
        }
        if let Some(result) = value("Result").and_then(Value::text) {
            result.clone_into(&mut known.1);
        }
    }
    if interface.text() != Some(UNIT) {
        return None;
    }
    let text = |key: &str| Some(value(key)?.text()?.to_owned());
    let state = UnitState {
        active: text("ActiveState")?,
        sub: text("SubState")?,
        pid: known.0,
        result: known.1.clone(),
        name,
    };
    if state.active == "inactive" {
        services.remove(&state.name);
    }
    Some(state)
}

fn process(value: &Value) -> Option<i32> {
    let pid = i32::try_from(value.number()?).ok()?;
    (pid != 0).then_some(pid)
}

/// A name as the last part of a path.
fn escape(name: &str) -> String {
    let mut escaped = String::new();
    for (position, byte) in name.bytes().enumerate() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' => escaped.push(char::from(byte)),
            b'0'..=b'9' if position > 0 => escaped.push(char::from(byte)),
            other => escaped.push_str(&format!("_{other:02x}")),
        }
    }
    escaped
}

fn unescape(part: &str) -> Option<String> {
    let mut bytes = Vec::new();
    let mut rest = part.bytes();
    while let Some(byte) = rest.next() {
        let mut digit = || char::from(rest.next()?).to_digit(16);
        bytes.push(match byte {
            b'_' => u8::try_from(digit()? * 16 + digit()?).ok()?,
            other => other,
        });
    }
    String::from_utf8(bytes).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_in_paths() {
        for (name, path) in [
            ("snap.a-b.c.service", "snap_2ea_2db_2ec_2eservice"),
            ("1x2", "_31x2"),
        ] {
            assert_eq!(escape(name), path);
            assert_eq!(unescape(path).as_deref(), Some(name));
        }
        assert_eq!(unescape("a_2"), None);
        assert_eq!(unescape("a_zz"), None);
    }

    fn text(text: &str) -> Value {
        Value::Text(text.to_owned())
    }

    fn signal(path: &str, interface: &str, pairs: &[(&str, Value)]) -> Message {
        let pairs = pairs
            .iter()
            .map(|(key, value)| Value::Parts(vec![text(key), value.clone()]));
        Message {
            path: format!("{UNITS}{path}"),
            member: String::from("PropertiesChanged"),
            values: vec![
                text(interface),
                Value::Parts(pairs.collect()),
                Value::Parts(Vec::new()),
            ],
            ..Message::default()
        }
    }

    #[test]
    fn a_state_comes_with_the_process_that_was_told_before_it() {
        let mut services = Services::new();
        let mut hear = |message: &Message| told(&mut services, "snap.", message);
        let path = "snap_2ea_2eb_2eservice";
        let state = |active: &str, sub: &str| [("ActiveState", text(active)), ("SubState", text(sub))];
        let up = [("MainPID", Value::Number(7)), ("Result", text("success"))];
        assert_eq!(hear(&signal(path, SERVICE, &up)), None);
        let seen = hear(&signal(path, UNIT, &state("active", "running"))).expect("a state");
        let (name, pid) = (seen.name.as_str(), seen.pid);
        assert_eq!(
            (name, seen.active.as_str(), seen.sub.as_str(), pid),
            ("snap.a.b.service", "active", "running", Some(7))
        );
        let down = [("MainPID", Value::Number(0)), ("Result", text("signal"))];
        assert_eq!(hear(&signal(path, SERVICE, &down)), None);
        let seen = hear(&signal(path, UNIT, &state("failed", "failed"))).expect("a state");
        assert_eq!((seen.pid, seen.result.as_str()), (None, "signal"));
        assert_eq!(
            hear(&signal("ssh_2eservice", UNIT, &state("active", "running"))),
            None
        );
        assert_eq!(hear(&signal(path, UNIT, &[])), None, "nothing of its state");
    }
}
