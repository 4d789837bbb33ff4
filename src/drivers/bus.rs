//! A small client of the system's message bus (D-Bus): it waits until somebody owns a name. Everything that it sends
//! and reads is bounded; there is nothing else that the agent asks of the bus.

use std::io;
use std::path::Path;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixStream;

/// A longer message or line is not for this client.
const LONGEST: usize = 64 * 1024;

const CALL: u8 = 1;
const RETURN: u8 = 2;
const SIGNAL: u8 = 4;

/// Waits until a name has an owner on the bus at `path`.
pub async fn owned(path: &Path, name: &str) -> io::Result<()> {
    let mut bus = Connection::open(path).await?;
    bus.call("Hello", &[]).await?;
    let rule = format!(
        "type='signal',sender='org.freedesktop.DBus',interface='org.freedesktop.DBus',\
         member='NameOwnerChanged',arg0='{name}'"
    );
    bus.call("AddMatch", &[&rule]).await?;
    let answer = bus.call("NameHasOwner", &[name]).await?;
    if answer.body.first().is_some_and(|first| *first != 0) {
        return Ok(());
    }
    loop {
        let message = bus.receive().await?;
        if message.kind == SIGNAL && message.member == "NameOwnerChanged" {
            // name, old owner, new owner
            let texts = message.texts();
            if texts.first().is_some_and(|first| first == name)
                && texts.get(2).is_some_and(|new| !new.is_empty())
            {
                return Ok(());
            }
        }
    }
}

struct Connection {
    stream: UnixStream,
    serial: u32,
}

/// How long a message's fixed head is.
const HEAD: usize = 16;

/// What this client reads of a message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message {
    /// Call, answer, error or signal.
    pub kind: u8,
    /// To which call it is the answer.
    pub answers: u32,
    /// The method or signal that it names.
    pub member: String,
    body: Vec<u8>,
}

impl Message {
    /// Reads a whole message.
    pub fn decode(message: &[u8]) -> io::Result<Self> {
        let (head, rest) = message.split_first_chunk().ok_or_else(|| broken("too little"))?;
        let (fields, body) = lengths(head)?;
        let padded = fields.next_multiple_of(8);
        if rest.len() != padded + body {
            return Err(broken("more or less than it promised"));
        }
        let (answers, member) = read_fields(&rest[..fields]).ok_or_else(|| broken(NOT_DBUS))?;
        Ok(Self {
            kind: head[1],
            answers,
            member,
            body: rest[padded..].to_vec(),
        })
    }

    /// The texts that its body begins with.
    pub fn texts(&self) -> Vec<String> {
        texts(&self.body)
    }
}

const NOT_DBUS: &str = "something that is not its protocol";

fn broken(why: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, format!("the message bus says {why}"))
}

/// How long the fields and the body after a head are, without the padding between them.
fn lengths(head: &[u8; HEAD]) -> io::Result<(usize, usize)> {
    if head[0] != b'l' || head[3] != 1 {
        return Err(broken(NOT_DBUS));
    }
    let length = |at| number(head, at).map_or(usize::MAX, |length| length as usize);
    let (body, fields) = (length(4), length(12));
    if body > LONGEST || fields > LONGEST {
        return Err(broken("too much"));
    }
    Ok((fields, body))
}

impl Connection {
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
        Ok(Self { stream, serial: 0 })
    }

    /// Calls a method of the bus itself with texts; its answer.
    async fn call(&mut self, member: &str, arguments: &[&str]) -> io::Result<Message> {
        self.serial += 1;
        let call = encode(self.serial, member, arguments);
        self.stream.write_all(&call).await?;
        loop {
            let message = self.receive().await?;
            if message.answers != self.serial {
                continue;
            }
            return match message.kind {
                RETURN => Ok(message),
                _ => Err(broken(message.texts().first().map_or("no", String::as_str))),
            };
        }
    }

    async fn receive(&mut self) -> io::Result<Message> {
        let mut head = [0; HEAD];
        self.stream.read_exact(&mut head).await?;
        let (fields, body) = lengths(&head)?;
        let mut message = head.to_vec();
        message.resize(HEAD + fields.next_multiple_of(8) + body, 0);
        self.stream.read_exact(&mut message[HEAD..]).await?;
        Message::decode(&message)
    }
}

/// The number of four bytes at a place.
fn number(bytes: &[u8], at: usize) -> Option<u32> {
    let bytes = bytes.get(at..at.checked_add(4)?)?;
    Some(u32::from_le_bytes(bytes.try_into().ok()?))
}

/// The text at a place that is a multiple of four, and where it ends.
fn text(bytes: &[u8], at: usize) -> Option<(String, usize)> {
    let length = number(bytes, at)? as usize;
    let begin = at + 4;
    let text = bytes.get(begin..begin.checked_add(length)?)?;
    Some((String::from_utf8_lossy(text).into_owned(), begin + length + 1))
}

/// The texts that a body consists of.
fn texts(body: &[u8]) -> Vec<String> {
    let mut texts = Vec::new();
    let mut at = 0;
    while let Some((text, end)) = text(body, at) {
        texts.push(text);
        at = end.next_multiple_of(4);
    }
    texts
}

/// To which call a message answers, and the member that it names.
fn read_fields(fields: &[u8]) -> Option<(u32, String)> {
    let (mut answers, mut member) = (0, String::new());
    let mut at = 0;
    while at < fields.len() {
        let (code, signature) = (*fields.get(at)?, *fields.get(at + 2)?);
        let value = at + 4;
        at = match signature {
            b'u' => {
                if code == 5 {
                    answers = number(fields, value)?;
                }
                value + 4
            }
            b's' | b'o' => {
                let (read, end) = text(fields, value)?;
                if code == 3 {
                    member = read;
                }
                end
            }
            b'g' => value + usize::from(*fields.get(value)?) + 2,
            _ => return None,
        }
        .next_multiple_of(8);
    }
    Some((answers, member))
}

fn pad(bytes: &mut Vec<u8>, to: usize) {
    bytes.resize(bytes.len().next_multiple_of(to), 0);
}

fn put_text(bytes: &mut Vec<u8>, text: &str) {
    bytes.extend(u32::try_from(text.len()).unwrap_or_default().to_le_bytes());
    bytes.extend(text.as_bytes());
    bytes.push(0);
}

/// A call of a method of the bus itself with texts.
pub fn encode(serial: u32, member: &str, arguments: &[&str]) -> Vec<u8> {
    let mut body = Vec::new();
    for argument in arguments {
        pad(&mut body, 4);
        put_text(&mut body, argument);
    }
    let mut fields = Vec::new();
    let mut field = |code: u8, signature: u8, text: &str| {
        pad(&mut fields, 8);
        fields.extend([code, 1, signature, 0]);
        put_text(&mut fields, text);
    };
    field(1, b'o', "/org/freedesktop/DBus");
    field(2, b's', "org.freedesktop.DBus");
    field(3, b's', member);
    field(6, b's', "org.freedesktop.DBus");
    if !arguments.is_empty() {
        pad(&mut fields, 8);
        fields.extend([8, 1, b'g', 0]);
        fields.push(u8::try_from(arguments.len()).unwrap_or_default());
        fields.extend(arguments.iter().map(|_| b's'));
        fields.push(0);
    }
    let mut message = vec![b'l', CALL, 0, 1];
    message.extend(u32::try_from(body.len()).unwrap_or_default().to_le_bytes());
    message.extend(serial.to_le_bytes());
    message.extend(u32::try_from(fields.len()).unwrap_or_default().to_le_bytes());
    message.extend(fields);
    pad(&mut message, 8);
    message.extend(body);
    message
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_call_reads_back() {
        let call = encode(7, "NameHasOwner", &["org.example.One"]);
        let message = Message::decode(&call).expect("a message");
        assert_eq!((message.kind, message.answers), (CALL, 0));
        assert_eq!(message.member, "NameHasOwner");
        assert_eq!(message.texts(), ["org.example.One"]);
        assert!(Message::decode(&call[..call.len() - 1]).is_err(), "cut");
        assert!(Message::decode(&[]).is_err(), "nothing");
    }

    #[test]
    fn what_is_cut_or_wrong_is_not_read() {
        let call = encode(7, "NameHasOwner", &["org.example.One"]);
        let fields = number(&call, 12).expect("a length") as usize;
        let fields = &call[16..16 + fields];
        for end in 1..fields.len() - 1 {
            // A cut between two fields reads as fewer.
            let _ = read_fields(&fields[..end]);
        }
        assert!(read_fields(&[1, 1, b'a', 0, 0, 0, 0, 0]).is_none());
        assert!(read_fields(&[3, 1, b's', 0, 255, 255, 255, 255]).is_none());
        assert!(texts(&[255, 255, 255, 255, 1]).is_empty());
    }

    #[tokio::test]
    async fn without_a_bus_it_is_said() {
        let dir = tempfile::tempdir().expect("a folder");
        let error = owned(&dir.path().join("bus"), "org.example.One").await;
        assert_eq!(error.expect_err("no bus").kind(), io::ErrorKind::NotFound);
    }
}
