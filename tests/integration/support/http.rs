//! HTTP/1.1 over a unix socket, by hand: the tests see every byte, and share no code with the agent.

use super::described;
use serde_json::Value;
use std::io::{self, BufRead, BufReader, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::Duration;

/// Longer than anything that a test waits for.
const PATIENCE: Duration = Duration::from_secs(60);

/// A request to be sent.
#[derive(Clone, Debug)]
pub struct Request {
    method: String,
    path: String,
    headers: Vec<(String, String)>,
    body: Vec<u8>,
    chunked: bool,
}

/// What came back.
#[derive(Clone, Debug)]
pub struct Answer {
    pub status: u16,
    /// With names in lower case.
    pub headers: Vec<(String, String)>,
    pub bytes: Vec<u8>,
    /// The body as JSON; null when it is none.
    pub body: Value,
}

impl Answer {
    /// The first value of a header.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers
            .iter()
            .find(|(key, _)| key == name)
            .map(|(_, value)| value.as_str())
    }

    /// The envelope's result.
    pub fn result(&self) -> &Value {
        &self.body["result"]
    }

    /// The message of an error.
    pub fn message(&self) -> &str {
        self.body["result"]["message"].as_str().unwrap_or_default()
    }

    /// The kind of an error.
    pub fn kind(&self) -> &str {
        self.body["result"]["kind"].as_str().unwrap_or_default()
    }
}

impl Request {
    /// A request without a body.
    pub fn new(method: &str, path: &str) -> Self {
        Self {
            method: method.into(),
            path: path.into(),
            headers: vec![("Host".into(), "localhost".into())],
            body: Vec::new(),
            chunked: false,
        }
    }

    /// Its verb.
    pub fn method(&self) -> &str {
        &self.method
    }

    /// One more header.
    pub fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.into(), value.into()));
        self
    }

    /// A body of any kind.
    pub fn body(mut self, body: &[u8]) -> Self {
        self.body = body.to_vec();
        self
    }

    /// A JSON body.
    pub fn json(self, body: &Value) -> Self {
        self.header("Content-Type", "application/json")
            .body(body.to_string().as_bytes())
    }

    /// A form: text fields, then files as (field, file name, content), in chunks without a length, as the snap
    /// command sends it.
    pub fn form(mut self, fields: &[(&str, &str)], files: &[(&str, &str, &[u8])]) -> Self {
        const BOUNDARY: &str = "2c7a58e1d4f94be0b1a6";
        let mut body = Vec::new();
        for (name, value) in fields {
            let head = format!("--{BOUNDARY}\r\nContent-Disposition: form-data; name=\"{name}\"\r\n\r\n");
            body.extend_from_slice(head.as_bytes());
            body.extend_from_slice(value.as_bytes());
            body.extend_from_slice(b"\r\n");
        }
        for (name, file, content) in files {
            let head = format!(
                "--{BOUNDARY}\r\nContent-Disposition: form-data; name=\"{name}\"; filename=\"{file}\"\r\n\
                 Content-Type: application/octet-stream\r\n\r\n"
            );
            body.extend_from_slice(head.as_bytes());
            body.extend_from_slice(content);
            body.extend_from_slice(b"\r\n");
        }
        body.extend_from_slice(format!("--{BOUNDARY}--\r\n").as_bytes());
        self.chunked = true;
        self.header(
            "Content-Type",
            &format!("multipart/form-data; boundary={BOUNDARY}"),
        )
        .body(&body)
    }

    /// The head as it goes over the wire.
    fn head(&self) -> String {
        let mut head = format!("{} {} HTTP/1.1\r\n", self.method, self.path);
        for (name, value) in &self.headers {
            head.push_str(&format!("{name}: {value}\r\n"));
        }
        if self.chunked {
            head.push_str("Transfer-Encoding: chunked\r\n");
        } else if !self.body.is_empty() {
            head.push_str(&format!("Content-Length: {}\r\n", self.body.len()));
        }
        head.push_str("\r\n");
        head
    }

    /// Sends it on a connection of its own and reads the whole answer.
    pub fn send(&self, socket: &Path) -> io::Result<Answer> {
        let mut reader = BufReader::new(self.open(socket)?);
        let (status, headers) = read_head(&mut reader)?;
        let bytes = if self.method == "HEAD" {
            Vec::new()
        } else {
            read_body(&mut reader, &headers)?
        };
        let body = serde_json::from_slice(&bytes).unwrap_or_default();
        let answer = Answer {
            status,
            headers,
            bytes,
            body,
        };
        if let Some(complaint) = described::complaint(&self.method, &self.path, &answer) {
            panic!(
                "{} {}: {complaint}: mend the answer, or `described` of its resource\n{answer:?}",
                self.method, self.path
            );
        }
        Ok(answer)
    }

    /// Sends it and reads the head of the answer only, for answers that go on.
    pub fn send_for_head(&self, socket: &Path) -> io::Result<(u16, BufReader<UnixStream>)> {
        let mut reader = BufReader::new(self.open(socket)?);
        let (status, _) = read_head(&mut reader)?;
        Ok((status, reader))
    }

    fn open(&self, socket: &Path) -> io::Result<UnixStream> {
        let mut stream = UnixStream::connect(socket)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        stream.set_write_timeout(Some(PATIENCE))?;
        stream.write_all(self.head().as_bytes())?;
        // A refusal may come before the body is sent: then the answer tells, not the broken pipe.
        let sent = if self.chunked {
            send_chunks(&mut stream, &self.body)
        } else {
            stream.write_all(&self.body)
        };
        match sent {
            Err(error) if error.kind() != io::ErrorKind::BrokenPipe => Err(error),
            _ => Ok(stream),
        }
    }
}

fn send_chunks(stream: &mut UnixStream, body: &[u8]) -> io::Result<()> {
    for chunk in body.chunks(32 * 1024) {
        stream.write_all(format!("{:x}\r\n", chunk.len()).as_bytes())?;
        stream.write_all(chunk)?;
        stream.write_all(b"\r\n")?;
    }
    stream.write_all(b"0\r\n\r\n")
}

fn bad(text: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, text.to_owned())
}

/// Status and headers, with names in lower case.
pub fn read_head(reader: &mut impl BufRead) -> io::Result<(u16, Vec<(String, String)>)> {
    let mut line = String::new();
    reader.read_line(&mut line)?;
    let status = line
        .split(' ')
        .nth(1)
        .and_then(|code| code.parse().ok())
        .ok_or_else(|| bad(&format!("no status line: {line:?}")))?;
    let mut headers = Vec::new();
    loop {
        let mut line = String::new();
        reader.read_line(&mut line)?;
        let line = line.trim_end();
        if line.is_empty() {
            return Ok((status, headers));
        }
        let (name, value) = line.split_once(':').ok_or_else(|| bad("no header"))?;
        headers.push((name.to_ascii_lowercase(), value.trim().to_owned()));
    }
}

/// The body that these headers announce.
pub fn read_body(reader: &mut impl BufRead, headers: &[(String, String)]) -> io::Result<Vec<u8>> {
    let header = |name: &str| {
        headers
            .iter()
            .find(|(key, _)| key == name)
            .map(|(_, value)| value.as_str())
    };
    let mut body = Vec::new();
    if header("transfer-encoding") == Some("chunked") {
        loop {
            let mut line = String::new();
            reader.read_line(&mut line)?;
            let size = usize::from_str_radix(line.trim(), 16).map_err(|_| bad("no chunk size"))?;
            let from = body.len();
            body.resize(from + size, 0);
            reader.read_exact(&mut body[from..])?;
            reader.read_line(&mut line)?;
            if size == 0 {
                return Ok(body);
            }
        }
    }
    let length = header("content-length")
        .and_then(|length| length.parse().ok())
        .ok_or_else(|| bad("no length"))?;
    body.resize(length, 0);
    reader.read_exact(&mut body)?;
    Ok(body)
}
