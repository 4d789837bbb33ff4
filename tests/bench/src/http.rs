//! The smallest client that measures: blocking, one connection, no copies that cost.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;

/// One connection that is kept.
pub struct Http {
    stream: BufReader<UnixStream>,
}

fn bad(text: impl Into<String>) -> io::Error {
    io::Error::other(text.into())
}

impl Http {
    pub fn open(socket: &Path) -> io::Result<Self> {
        let stream = UnixStream::connect(socket)?;
        stream.set_read_timeout(Some(std::time::Duration::from_secs(30)))?;
        Ok(Self {
            stream: BufReader::new(stream),
        })
    }

    pub fn get(&mut self, path: &str) -> io::Result<(u16, Vec<u8>)> {
        self.send("GET", path, None)?;
        self.answer()
    }

    pub fn post(&mut self, path: &str, body: &str) -> io::Result<(u16, Vec<u8>)> {
        self.send("POST", path, Some(body))?;
        self.answer()
    }

    fn send(&mut self, method: &str, path: &str, body: Option<&str>) -> io::Result<()> {
        let mut head = format!("{method} {path} HTTP/1.1\r\nHost: localhost\r\n");
        if let Some(body) = body {
            head.push_str(&format!("Content-Type: application/json\r\nContent-Length: {}\r\n", body.len()));
        }
        head.push_str("\r\n");
        head.push_str(body.unwrap_or_default());
        self.stream.get_mut().write_all(head.as_bytes())
    }

    /// Reads status and headers; the length of the body, or nothing where it comes in chunks.
    fn head(&mut self) -> io::Result<(u16, Option<usize>)> {
        let mut line = String::new();
        self.stream.read_line(&mut line)?;
        let status = line
            .split(' ')
            .nth(1)
            .and_then(|code| code.parse().ok())
            .ok_or_else(|| bad(format!("no status in {line:?}")))?;
        let mut length = None;
        loop {
            line.clear();
            self.stream.read_line(&mut line)?;
            if line.trim().is_empty() {
                return Ok((status, length));
            }
            if let Some((name, value)) = line.split_once(':')
                && name.eq_ignore_ascii_case("content-length")
            {
                length = value.trim().parse().ok();
            }
        }
    }

    fn answer(&mut self) -> io::Result<(u16, Vec<u8>)> {
        let (status, length) = self.head()?;
        let mut body = Vec::new();
        if let Some(length) = length {
            body.resize(length, 0);
            self.stream.read_exact(&mut body)?;
        } else {
            while let Some(chunk) = self.chunk()? {
                body.extend_from_slice(&chunk);
            }
        }
        Ok((status, body))
    }

    /// The next chunk of a body without a length.
    fn chunk(&mut self) -> io::Result<Option<Vec<u8>>> {
        let mut line = String::new();
        self.stream.read_line(&mut line)?;
        let size = usize::from_str_radix(line.trim(), 16).map_err(|_| bad(format!("no chunk in {line:?}")))?;
        let mut chunk = vec![0; size + 2];
        self.stream.read_exact(&mut chunk)?;
        chunk.truncate(size);
        Ok((size > 0).then_some(chunk))
    }

    /// Turns the connection into the stream of records that `path` answers.
    pub fn follow(mut self, path: &str) -> io::Result<Records> {
        self.send("GET", path, None)?;
        match self.head()? {
            (200, None) => Ok(Records {
                http: self,
                text: Vec::new(),
            }),
            (status, length) => Err(bad(format!("{path} answered {status}, length {length:?}, no stream"))),
        }
    }
}

/// A json-seq stream.
pub struct Records {
    http: Http,
    text: Vec<u8>,
}

impl Records {
    /// The next record as text.
    pub fn next(&mut self) -> io::Result<String> {
        loop {
            if let Some(end) = self.text.iter().position(|b| *b == b'\n') {
                let record: Vec<u8> = self.text.drain(..=end).collect();
                let record = String::from_utf8_lossy(&record);
                let record = record.trim_matches(['\u{1e}', '\n', ' ']);
                if !record.is_empty() {
                    return Ok(record.to_owned());
                }
                continue;
            }
            let chunk = self.http.chunk()?.ok_or_else(|| bad("the stream ended"))?;
            self.text.extend_from_slice(&chunk);
        }
    }
}
