//! Forms with files (`multipart/form-data`), read from disk while they are sent.

use super::ClientError;
use super::http::Body;
use bytes::Bytes;
use http_body_util::BodyExt;
use hyper::body::Frame;
use std::collections::VecDeque;
use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::task::{Context, Poll};

/// How much is read from a file at a time.
const CHUNK: usize = 64 * 1024;

/// A form on its way: text fields first, then the files, as `snap` sends them.
#[derive(Debug)]
pub struct Upload {
    boundary: String,
    fields: Vec<(String, String)>,
    files: Vec<(String, PathBuf)>,
}

impl Default for Upload {
    fn default() -> Self {
        Self::new()
    }
}

impl Upload {
    /// A form without anything in it.
    pub fn new() -> Self {
        // Long enough, with this process and this moment, that no file contains it by accident.
        let moment = std::time::SystemTime::now()
            .duration_since(std::time::UNIX_EPOCH)
            .map_or(0, |since| since.as_nanos());
        Self {
            boundary: format!("pinion-form-{:08x}-{moment:032x}", std::process::id()),
            fields: Vec::new(),
            files: Vec::new(),
        }
    }

    /// Adds a text field.
    pub fn field(mut self, name: &str, value: &str) -> Self {
        self.fields.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Adds a file part.
    pub fn file(mut self, name: &str, path: &Path) -> Self {
        self.files.push((name.to_owned(), path.to_owned()));
        self
    }

    pub(super) fn content_type(&self) -> String {
        format!("multipart/form-data; boundary={}", self.boundary)
    }

    /// Opens every file, so that a missing one is told before anything is sent.
    pub(super) fn into_body(self) -> Result<Body, ClientError> {
        let boundary = &self.boundary;
        let mut pieces = VecDeque::new();
        for (name, value) in &self.fields {
            pieces.push_back(Piece::Text(format!(
                "--{boundary}\r\nContent-Disposition: form-data; name=\"{}\"\r\n\r\n{value}\r\n",
                quoted(name)
            )));
        }
        for (name, path) in &self.files {
            let named = |source| ClientError::File {
                path: path.clone(),
                source,
            };
            let file = File::open(path).map_err(named)?;
            if file.metadata().map_err(named)?.is_dir() {
                return Err(named(io::ErrorKind::IsADirectory.into()));
            }
            let filename = path.file_name().unwrap_or_default().to_string_lossy();
            pieces.push_back(Piece::Text(format!(
                "--{boundary}\r\nContent-Disposition: form-data; name=\"{}\"; filename=\"{}\"\r\n\
                 Content-Type: application/octet-stream\r\n\r\n",
                quoted(name),
                quoted(&filename)
            )));
            pieces.push_back(Piece::File(file));
            pieces.push_back(Piece::Text(String::from("\r\n")));
        }
        pieces.push_back(Piece::Text(format!("--{boundary}--\r\n")));
        Ok(Form { pieces }.boxed())
    }
}

/// A text inside the quotes of a header.
fn quoted(text: &str) -> String {
    text.replace('\\', "\\\\")
        .replace('"', "\\\"")
        .replace(['\r', '\n'], " ")
}

enum Piece {
    Text(String),
    File(File),
}

/// The body: pieces that are handed out one after the other. Files are read in place: a client has nothing else to
/// do meanwhile.
struct Form {
    pieces: VecDeque<Piece>,
}

impl hyper::body::Body for Form {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        _context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, io::Error>>> {
        let pieces = &mut self.get_mut().pieces;
        loop {
            match pieces.pop_front() {
                None => return Poll::Ready(None),
                Some(Piece::Text(text)) => return Poll::Ready(Some(Ok(Frame::data(Bytes::from(text))))),
                Some(Piece::File(mut file)) => {
                    let mut chunk = vec![0; CHUNK];
                    let length = file.read(&mut chunk)?;
                    if length > 0 {
                        chunk.truncate(length);
                        pieces.push_front(Piece::File(file));
                        return Poll::Ready(Some(Ok(Frame::data(Bytes::from(chunk)))));
                    }
                }
            }
        }
    }
}
