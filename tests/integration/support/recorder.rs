//! Stands between a client and the daemon's socket, and writes down what was asked and with which status it was answered.

use super::http::{read_body, read_head};
use std::io::{self, BufRead, BufReader, Read, Write};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

/// What went by since it was last read: `METHOD PATH ->STATUS`.
#[derive(Clone, Debug, Default)]
pub struct Recorder(Arc<Mutex<Vec<String>>>);

impl Recorder {
    /// Listens at `front` and passes on to `back`.
    pub fn start(front: &Path, back: &Path) -> Self {
        let listener = UnixListener::bind(front).unwrap();
        let recorder = Self::default();
        let (seen, back) = (recorder.clone(), back.to_owned());
        // It ends with the test's process: nobody connects any more once the test is over.
        std::thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let (seen, back) = (seen.clone(), back.clone());
                std::thread::spawn(move || {
                    if let Err(error) = seen.serve(stream, &back) {
                        seen.note(format!("the recorder failed: {error}"));
                    }
                });
            }
        });
        recorder
    }

    /// What went by since the last time; the same request again and again counts as one, and the ids of changes as N.
    pub fn take(&self) -> Vec<String> {
        let mut seen = std::mem::take(&mut *self.0.lock().unwrap());
        seen.dedup();
        seen
    }

    fn note(&self, line: String) {
        self.0.lock().unwrap().push(line);
    }

    fn serve(&self, stream: UnixStream, back: &PathBuf) -> io::Result<()> {
        let mut answers = stream.try_clone()?;
        let mut requests = BufReader::new(stream);
        while let Some((mut head, body)) = request(&mut requests)? {
            let line: Vec<String> = head[0].split(' ').map(str::to_owned).collect();
            head.insert(1, String::from("Connection: close"));
            let mut agent = UnixStream::connect(back)?;
            agent.write_all(format!("{}\r\n\r\n", head.join("\r\n")).as_bytes())?;
            // What is refused early is not read to its end; the answer tells.
            let _ = agent.write_all(&body);
            let mut reader = BufReader::new(agent);
            let (status, headers) = read_head(&mut reader)?;
            let body = read_body(&mut reader, &headers)?;
            self.note(format!("{} {} ->{status}", line[0], without_id(&line[1])));
            let mut answer = format!("HTTP/1.1 {status} -\r\nContent-Length: {}\r\n", body.len());
            for (name, value) in &headers {
                if !["content-length", "transfer-encoding", "connection"].contains(&name.as_str()) {
                    answer.push_str(&format!("{name}: {value}\r\n"));
                }
            }
            answers.write_all(format!("{answer}\r\n").as_bytes())?;
            answers.write_all(&body)?;
        }
        Ok(())
    }
}

/// The lines of a head, and the body as it came (chunks with their sizes); nothing at the end of the connection.
fn request(reader: &mut impl BufRead) -> io::Result<Option<(Vec<String>, Vec<u8>)>> {
    let mut head = Vec::new();
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line)? == 0 {
            return Ok(None);
        }
        match line.trim_end() {
            "" => break,
            line => head.push(line.to_owned()),
        }
    }
    let header = |name: &str| {
        let of = |line: &&String| line.to_ascii_lowercase().starts_with(name);
        let line = head.iter().find(of)?;
        Some(line[name.len()..].trim().to_ascii_lowercase())
    };
    let mut body = Vec::new();
    if header("transfer-encoding:").as_deref() == Some("chunked") {
        loop {
            let from = body.len();
            reader.read_until(b'\n', &mut body)?;
            let size = String::from_utf8_lossy(&body[from..]).trim().to_owned();
            let size = usize::from_str_radix(&size, 16).map_err(io::Error::other)?;
            reader.take(size as u64 + 2).read_to_end(&mut body)?;
            if size == 0 {
                break;
            }
        }
    } else if let Some(length) = header("content-length:") {
        let length: u64 = length.parse().map_err(io::Error::other)?;
        reader.take(length).read_to_end(&mut body)?;
    }
    Ok(Some((head, body)))
}

/// The path with the id of a change as the contract writes it.
fn without_id(path: &str) -> String {
    match path.strip_prefix("/v2/changes/") {
        Some(_) => String::from("/v2/changes/N"),
        None => path.to_owned(),
    }
}
