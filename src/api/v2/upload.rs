//! A multipart body whose files are written to disk while they come (contract: v2, Sideload; decision 20).

use super::multipart::{BadForm, Event, Form};
use super::query::is_true;
use super::{Call, call};
use crate::domain::{ErrorKind, Fault, work, work::Blocking};
use crate::managers::snaps::{Upload, Uploads};
use axum::body::Bytes;
use axum::http::header;
use http_body_util::BodyExt;
use tokio::sync::mpsc;

/// The most bytes of all text fields together (contract: v2, Sideload).
const TEXT_LIMIT: usize = 1 << 20;

/// How many pieces wait for the disk before the client has to.
const PIECES: usize = 4;

/// The fields and files of a form.
#[derive(Debug, Default)]
pub struct Received {
    fields: Vec<(String, String)>,
    /// The files of the asked field, in their order. Whoever makes a change of them keeps them; the others go.
    pub files: Vec<Upload>,
}

impl Received {
    /// The first value of a text field.
    pub fn text(&self, name: &str) -> Option<&str> {
        self.fields
            .iter()
            .find(|(key, _)| key == name)
            .map(|(_, value)| value.as_str())
    }

    /// A switch; whatever cannot be read means off.
    pub fn flag(&self, name: &str) -> bool {
        self.text(name).is_some_and(is_true)
    }
}

/// Reads the form of a request. Files of `field` are written to `uploads`; files of other fields are skipped.
pub async fn receive(call: &mut Call, uploads: &Uploads, field: &str) -> Result<Received, Fault> {
    let parameters = match call.media_type() {
        Some((media, parameters)) if media.starts_with("multipart/") => parameters.to_owned(),
        _ => {
            return Err(Fault::bad(
                "the request body is no form: send multipart/form-data",
            ));
        }
    };
    let form = Form::new(&parameters).map_err(|error| bad_form(&error))?;
    let length = call
        .headers
        .get(header::CONTENT_LENGTH)
        .and_then(|value| value.to_str().ok()?.parse().ok());
    if let Some(length) = length {
        let uploads = uploads.clone();
        blocking(move || uploads.check_space(length)).await?;
    }
    let mut receiver = Receiver {
        form,
        uploads,
        field,
        received: Received::default(),
        texts: 0,
        part: Part::Skipped,
    };
    while let Some(frame) = call.body.frame().await {
        let frame = frame.map_err(|error| call::broken_off(&error))?;
        if let Some(data) = frame.data_ref()
            && let Err(fault) = receiver.take(data).await
        {
            // What was written goes before the rest comes.
            drop(receiver);
            call.drop_body().await;
            return Err(fault);
        }
    }
    receiver.form.finish().map_err(|error| bad_form(&error))?;
    Ok(receiver.received)
}

/// What becomes of the present part.
enum Part {
    Text(String, Vec<u8>),
    File(Sink),
    Skipped,
}

struct Receiver<'a> {
    form: Form,
    uploads: &'a Uploads,
    field: &'a str,
    received: Received,
    texts: usize,
    part: Part,
}

impl Receiver<'_> {
    async fn take(&mut self, bytes: &[u8]) -> Result<(), Fault> {
        self.form.feed(bytes);
        while let Some(event) = self.form.next_event().map_err(|error| bad_form(&error))? {
            match event {
                Event::Part { name, file: None } => self.part = Part::Text(name, Vec::new()),
                Event::Part {
                    name,
                    file: Some(file),
                } if name == self.field => self.part = Part::File(Sink::open(self.uploads.clone(), file)),
                Event::Part { .. } => self.part = Part::Skipped,
                Event::Data(bytes) => self.data(bytes).await?,
                Event::PartEnd => self.end().await?,
                Event::End => {}
            }
        }
        Ok(())
    }

    async fn data(&mut self, bytes: Bytes) -> Result<(), Fault> {
        match &mut self.part {
            Part::Skipped => Ok(()),
            Part::File(sink) => sink.write(bytes).await,
            Part::Text(_, text) => {
                self.texts += bytes.len();
                if self.texts > TEXT_LIMIT {
                    return Err(Fault::bad(format!(
                        "the text fields of the form are larger than {TEXT_LIMIT} bytes; send less"
                    )));
                }
                text.extend_from_slice(&bytes);
                Ok(())
            }
        }
    }

    async fn end(&mut self) -> Result<(), Fault> {
        match std::mem::replace(&mut self.part, Part::Skipped) {
            Part::Skipped => {}
            Part::File(sink) => self.received.files.push(sink.finish().await?),
            Part::Text(name, text) => {
                let text = String::from_utf8_lossy(&text).into_owned();
                self.received.fields.push((name, text));
            }
        }
        Ok(())
    }
}

enum Piece {
    Data(Bytes),
    End,
}

/// A file that is written by a thread of its own, so that a slow disk holds up nobody but its client.
struct Sink {
    pieces: mpsc::Sender<Piece>,
    thread: Blocking<Result<Upload, Fault>>,
}

impl Sink {
    fn open(uploads: Uploads, name: String) -> Self {
        let (pieces, mut inbox) = mpsc::channel(PIECES);
        let thread = work::blocking(move || {
            let mut writer = uploads.begin()?;
            loop {
                match inbox.blocking_recv() {
                    Some(Piece::Data(bytes)) => writer.write(&bytes)?,
                    Some(Piece::End) => {
                        let mut upload = writer.finish()?;
                        upload.name = name;
                        return Ok(upload);
                    }
                    // The request broke off: the writer goes and takes its file with it.
                    None => return Err(Fault::bad("the request body broke off; send it again")),
                }
            }
        });
        Self { pieces, thread }
    }

    async fn write(&mut self, bytes: Bytes) -> Result<(), Fault> {
        if self.pieces.send(Piece::Data(bytes)).await.is_ok() {
            return Ok(());
        }
        // The thread has ended before its time, so it has a reason.
        match (&mut self.thread).await {
            Ok(Err(fault)) => Err(fault),
            Ok(Ok(_)) | Err(_) => Err(Fault::internal("the uploaded file was not written to its end")),
        }
    }

    async fn finish(self) -> Result<Upload, Fault> {
        // When the thread has ended already, its result tells why.
        let _ = self.pieces.send(Piece::End).await;
        self.thread
            .await
            .unwrap_or_else(|error| Err(Fault::internal(error.to_string())))
    }
}

/// Does what blocks on a thread for such work.
pub async fn blocking<T: Send + 'static>(
    write: impl FnOnce() -> Result<T, Fault> + Send + 'static,
) -> Result<T, Fault> {
    work::blocking(write)
        .await
        .unwrap_or_else(|error| Err(Fault::internal(error.to_string())))
}

fn bad_form(error: &BadForm) -> Fault {
    Fault::new(
        ErrorKind::BadRequest,
        format!("cannot read POST form: {error}; send it again"),
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::access::{Peer, Policy};
    use crate::api::v2::Query;
    use crate::domain::Dirs;
    use crate::domain::requester::Transport;
    use crate::drivers::clock::Clock;
    use crate::managers::Managers;
    use crate::store::Store;
    use axum::body::Body;
    use axum::http::{HeaderMap, HeaderValue};
    use futures_util::stream;
    use std::sync::Arc;

    struct House {
        _dir: tempfile::TempDir,
        dirs: Dirs,
        call: Call,
        _stop: tokio::sync::watch::Sender<bool>,
    }

    /// A call whose body comes in these pieces, and then ends or breaks.
    fn house(pieces: Vec<std::io::Result<Vec<u8>>>) -> House {
        let dir = tempfile::tempdir().expect("a folder");
        let dirs = Dirs::new(dir.path());
        let (store, _) = Store::open(&dirs, Clock::system()).expect("a store");
        let policy = Policy::new(0, false, |_| None);
        let peer = Arc::new(Peer {
            transport: Transport::MainSocket,
            uid: Some(0),
            process: None,
        });
        let (stopper, stop) = tokio::sync::watch::channel(false);
        let mut headers = HeaderMap::new();
        headers.insert(
            header::CONTENT_TYPE,
            HeaderValue::from_static("multipart/form-data; boundary=XX"),
        );
        let call = Call {
            managers: Managers::over(&store, &dirs),
            who: policy.identify(&peer, None),
            params: Vec::new(),
            query: Query::default(),
            headers,
            body: Body::from_stream(stream::iter(pieces)),
            stop,
            policy,
            peer,
        };
        House {
            _dir: dir,
            dirs,
            call,
            _stop: stopper,
        }
    }

    fn left(dirs: &Dirs) -> usize {
        std::fs::read_dir(dirs.snap_files()).map_or(0, |list| list.count())
    }

    fn part(head: &str, data: &str) -> std::io::Result<Vec<u8>> {
        Ok(format!("--XX\r\nContent-Disposition: form-data; {head}\r\n\r\n{data}\r\n").into())
    }

    #[tokio::test(flavor = "current_thread")]
    async fn files_are_written_whatever_the_order() {
        let mut house = house(vec![
            part("name=\"snap\"; filename=\"a.snap\"", "abc"),
            part("name=\"dangerous\"", "true"),
            part("name=\"other\"; filename=\"x\"", "skipped"),
            part("name=\"snap\"; filename=\"b.snap\"", ""),
            part("name=\"action\"", "install"),
            Ok(b"--XX--\r\n".to_vec()),
        ]);
        let uploads = Uploads::new(&house.dirs);
        let received = receive(&mut house.call, &uploads, "snap").await.expect("a form");
        assert!(received.flag("dangerous") && !received.flag("devmode"));
        assert_eq!(received.text("action"), Some("install"));
        let files: Vec<_> = received
            .files
            .iter()
            .map(|file| (file.name.as_str(), file.size))
            .collect();
        assert_eq!(files, [("a.snap", 3), ("b.snap", 0)]);
        assert_eq!(std::fs::read(received.files[0].path()).expect("a file"), b"abc");
        drop(received);
        assert_eq!(left(&house.dirs), 0);
    }

    #[tokio::test(flavor = "current_thread")]
    async fn nothing_stays_of_a_form_that_breaks_off() {
        let gone = || std::io::Error::new(std::io::ErrorKind::ConnectionReset, "gone");
        let long = "x".repeat(TEXT_LIMIT + 1);
        let file = || part("name=\"snap\"; filename=\"a.snap\"", "abc");
        let broken = vec![
            vec![file(), Err(gone())],
            vec![file()],
            vec![file(), Ok(b"--XX\r\nContent-Dispo".to_vec())],
            vec![file(), part("name=\"text\"", &long), Ok(b"--XX--".to_vec())],
            vec![Ok(
                b"--XX\r\nContent-Disposition: form-data; name=\"snap\"; filename=\"a\"\r\n\r\nhalf".to_vec(),
            )],
        ];
        for pieces in broken {
            let mut house = house(pieces);
            let uploads = Uploads::new(&house.dirs);
            let fault = receive(&mut house.call, &uploads, "snap")
                .await
                .expect_err("broken");
            assert_eq!(fault.kind, ErrorKind::BadRequest, "{fault}");
            // The thread of a file that broke off may still be on its way out.
            for _ in 0..200 {
                if left(&house.dirs) == 0 {
                    break;
                }
                tokio::time::sleep(std::time::Duration::from_millis(10)).await;
            }
            assert_eq!(left(&house.dirs), 0, "{fault}");
        }
    }
}
