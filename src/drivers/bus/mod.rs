//! A small client of the system's message bus (D-Bus): it waits until somebody owns a name, hears what systemd says of
//! units, and tells the bus of new files. Everything that it sends and reads is bounded; there is nothing else that the agent asks of the bus.

mod units;
mod wire;

pub use units::{UnitState, Units};

use std::collections::VecDeque;
use std::io;
use std::path::Path;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixStream;
use wire::{Argument, Target, Value};

/// A longer message or line is not for this client.
const LONGEST: usize = 1024 * 1024;

/// How long the bus may take to read its configuration.
const PATIENCE: Duration = Duration::from_secs(10);

const RETURN: u8 = 2;
const SIGNAL: u8 = 4;

/// The bus itself.
const BUS: Target<'_> = Target {
    name: "org.freedesktop.DBus",
    path: "/org/freedesktop/DBus",
    interface: "org.freedesktop.DBus",
};

/// Waits until a name has an owner on the bus at `path`.
pub async fn owned(path: &Path, name: &str) -> io::Result<()> {
    let mut bus = Connection::open(path).await?;
    let rule = format!(
        "type='signal',sender='org.freedesktop.DBus',interface='org.freedesktop.DBus',\
         member='NameOwnerChanged',arg0='{name}'"
    );
    bus.call(BUS, "AddMatch", &[Argument::Text(&rule)]).await?;
    let answer = bus.call(BUS, "NameHasOwner", &[Argument::Text(name)]).await?;
    if answer
        .first()
        .and_then(Value::number)
        .is_some_and(|owned| owned != 0)
    {
        return Ok(());
    }
    loop {
        let signal = bus.signal().await?;
        // name, old owner, new owner
        let text = |at: usize| signal.values.get(at).and_then(Value::text).unwrap_or_default();
        if signal.member == "NameOwnerChanged" && text(0) == name && !text(2).is_empty() {
            return Ok(());
        }
    }
}

/// Lets the bus at `path` read its configuration again, if there is one.
pub async fn reload(path: &Path) {
    let reloaded = async { Connection::open(path).await?.call(BUS, "ReloadConfig", &[]).await };
    match tokio::time::timeout(PATIENCE, reloaded).await {
        Ok(Ok(_)) => {}
        Ok(Err(error)) if error.kind() == io::ErrorKind::NotFound => {}
        Ok(Err(error)) => log::warn!("the message bus does not read its configuration again: {error}"),
        Err(_) => log::warn!("the message bus does not answer"),
    }
}

struct Connection {
    stream: UnixStream,
    serial: u32,
    /// What has come and is not a whole message yet.
    begun: Vec<u8>,
    /// Signals that came while an answer was waited for.
    kept: VecDeque<Message>,
}

/// What this client reads of a message.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Message {
    /// Call, answer, error or signal.
    pub kind: u8,
    /// To which call it is the answer.
    pub answers: u32,
    path: String,
    /// The method or signal that it names.
    pub member: String,
    values: Vec<Value>,
}

impl Message {
    /// Reads a whole message.
    pub fn decode(message: &[u8]) -> io::Result<Self> {
        if whole(message)? != Some(message.len()) {
            return Err(broken("more or less than it promised"));
        }
        decode(message).ok_or_else(|| broken(NOT_DBUS))
    }

    /// The texts among its values.
    pub fn texts(&self) -> Vec<String> {
        let texts = self.values.iter().filter_map(Value::text);
        texts.map(str::to_owned).collect()
    }
}

/// A call of a method of the bus itself with texts.
pub fn encode(serial: u32, member: &str, arguments: &[&str]) -> Vec<u8> {
    let arguments: Vec<Argument<'_>> = arguments.iter().map(|text| Argument::Text(text)).collect();
    wire::call(serial, BUS, member, &arguments)
}

const NOT_DBUS: &str = "something that is not its protocol";

fn broken(why: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, format!("the message bus says {why}"))
}

impl Connection {
    /// Connects, and says hello.
    async fn open(path: &Path) -> io::Result<Self> {
        let mut stream = UnixStream::connect(path).await?;
        let uid = nix::unistd::geteuid().to_string();
        let hex: String = uid.bytes().map(|byte| format!("{byte:02x}")).collect();
        stream
            .write_all(format!("\0AUTH EXTERNAL {hex}\r\n").as_bytes())
            .await?;
        let mut line = Vec::new();
        while !line.ends_with(b"\r\n") {
            if line.len() > LONGEST {
                return Err(broken("too much"));
            }
            line.push(stream.read_u8().await?);
        }
        if !line.starts_with(b"OK ") {
            return Err(broken(String::from_utf8_lossy(&line).trim()));
        }
        stream.write_all(b"BEGIN\r\n").await?;
        let mut bus = Self {
            stream,
            serial: 0,
            begun: Vec::new(),
            kept: VecDeque::new(),
        };
        bus.call(BUS, "Hello", &[]).await?;
        Ok(bus)
    }

    /// Calls a method; what it answers.
    async fn call(
        &mut self,
        to: Target<'_>,
        member: &str,
        arguments: &[Argument<'_>],
    ) -> io::Result<Vec<Value>> {
        self.serial += 1;
        let call = wire::call(self.serial, to, member, arguments);
        self.stream.write_all(&call).await?;
        loop {
            let message = self.receive().await?;
            if message.answers != self.serial {
                if message.kind == SIGNAL {
                    self.kept.push_back(message);
                }
                continue;
            }
            return match message.kind {
                RETURN => Ok(message.values),
                _ => Err(broken(
                    message.values.first().and_then(Value::text).unwrap_or("no"),
                )),
            };
        }
    }

    /// The next signal. May be dropped and called again.
    async fn signal(&mut self) -> io::Result<Message> {
        if let Some(kept) = self.kept.pop_front() {
            return Ok(kept);
        }
        loop {
            let message = self.receive().await?;
            if message.kind == SIGNAL {
                return Ok(message);
            }
        }
    }

    /// The next message. May be dropped and called again.
    async fn receive(&mut self) -> io::Result<Message> {
        loop {
            if let Some(length) = whole(&self.begun)? {
                let message = Message::decode(&self.begun[..length])?;
                self.begun.drain(..length);
                if self.begun.is_empty() {
                    self.begun.shrink_to(0);
                }
                return Ok(message);
            }
            if self.stream.read_buf(&mut self.begun).await? == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
        }
    }
}

/// The number of four bytes at a place.
fn number(bytes: &[u8], at: usize) -> Option<usize> {
    let bytes = bytes.get(at..at + 4)?;
    usize::try_from(u32::from_le_bytes(bytes.try_into().ok()?)).ok()
}

/// How long the first message is, once all of it is there.
fn whole(bytes: &[u8]) -> io::Result<Option<usize>> {
    let (Some(body), Some(fields)) = (number(bytes, 4), number(bytes, 12)) else {
        return Ok(None);
    };
    if bytes[0] != b'l' || bytes[3] != 1 {
        return Err(broken(NOT_DBUS));
    }
    if body > LONGEST || fields > LONGEST {
        return Err(broken("too much"));
    }
    let length = 16 + fields.next_multiple_of(8) + body;
    Ok((bytes.len() >= length).then_some(length))
}

fn decode(bytes: &[u8]) -> Option<Message> {
    let mut message = Message {
        kind: *bytes.get(1)?,
        ..Message::default()
    };
    let mut signature = String::new();
    for field in wire::read(bytes, 12, "a(yv)")?.first()?.parts() {
        let [code, value] = field.parts() else { return None };
        let text = || value.text().map(str::to_owned);
        match code.number()? {
            1 => message.path = text()?,
            3 => message.member = text()?,
            5 => message.answers = u32::try_from(value.number()?).ok()?,
            8 => signature = text()?,
            _ => {}
        }
    }
    let body = bytes.len().checked_sub(number(bytes, 4)?)?;
    message.values = wire::read(&bytes[body..], 0, &signature)?;
    Some(message)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_are_taken_when_they_are_whole() {
        let call = wire::call(7, BUS, "NameHasOwner", &[Argument::Text("org.example.One")]);
        for end in 0..call.len() {
            assert_eq!(whole(&call[..end]).expect("a begin"), None, "{end}");
        }
        let more = [call.as_slice(), b"l"].concat();
        assert_eq!(whole(&more).expect("a message"), Some(call.len()));
        let message = Message::decode(&call).expect("a message");
        assert!(Message::decode(&more).is_err() && Message::decode(&[]).is_err());
        assert_eq!(
            (message.path.as_str(), message.member.as_str(), message.answers),
            (BUS.path, "NameHasOwner", 0)
        );
        assert_eq!(message.texts(), ["org.example.One"]);
    }

    #[test]
    fn what_is_not_the_protocol_is_refused() {
        assert!(whole(&[b'B'; 16]).is_err(), "the other order of bytes");
        let mut endless = wire::call(1, BUS, "Hello", &[]);
        endless[4..8].copy_from_slice(&u32::MAX.to_le_bytes());
        assert!(whole(&endless).is_err());
    }

    #[tokio::test]
    async fn without_a_bus_it_is_said() {
        let dir = tempfile::tempdir().expect("a folder");
        let error = owned(&dir.path().join("bus"), "org.example.One").await;
        assert_eq!(error.expect_err("no bus").kind(), io::ErrorKind::NotFound);
    }
}
