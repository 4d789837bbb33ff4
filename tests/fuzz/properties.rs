//! What must hold for any bytes that a parser is given. The fuzz targets and the replay of the corpus
//! (tests/integration/fuzz_corpus.rs) share it. Each function answers why the bytes were
//! refused, if they were.

#![allow(dead_code)] // each target uses one of them

use pinion::api::v2::multipart::{BadForm, Event, Form};
use pinion::config::board::{MAX_LINES, choose, parse_board};
use pinion::confine::Launch;
use pinion::confine::layout::{Inner, Place, What, step};
use pinion::domain::Dirs;
use pinion::domain::snap::Confinement;
use pinion::domain::{Schedule, Timestamp};
use pinion::drivers::bus;
use pinion::drivers::squashfs::{Entry, EntryKind, Image, ImageError};
use pinion::managers::settings::config;
use pinion::managers::snaps::yaml::{parse_gadget_yaml, parse_snap_yaml};

/// A refusal is one sentence that a person can read, not a page of the input.
fn assert_readable(error: &str) {
    assert!(!error.trim().is_empty(), "an empty error");
    assert!(
        !error.chars().any(|c| c.is_control()),
        "control characters in an error: {error:?}"
    );
    assert!(
        error.chars().count() <= 600,
        "an error of {} characters: {error:?}",
        error.chars().count()
    );
}

/// `meta/snap.yaml`: what is accepted keeps the bounds of the contract (snaps-and-assertions, section 1) and survives
/// the way into the store and back.
pub fn snap_yaml(data: &[u8]) -> Result<(), String> {
    let info = match parse_snap_yaml(data) {
        Ok(info) => info,
        Err(error) => {
            let error = error.to_string();
            assert_readable(&error);
            return Err(error);
        }
    };
    assert!(
        (2..=40).contains(&info.name.as_str().len()),
        "name {:?}",
        info.name
    );
    assert!(
        info.version.len() <= 32 && !info.version.is_empty(),
        "version {:?}",
        info.version
    );
    assert!(info.title.chars().count() <= 40, "title {:?}", info.title);
    assert!(info.description.chars().count() <= 4096, "a long description");
    assert!(
        !info.plugs.keys().any(|plug| info.slots.contains_key(plug)),
        "a name is a plug and a slot"
    );
    for end in info.plugs.values().chain(info.slots.values()) {
        assert!(!end.interface.is_empty(), "{} has no interface", end.name);
        assert!(
            end.apps.iter().all(|app| info.apps.contains_key(app)),
            "{} names a missing app",
            end.name
        );
    }
    let stored = serde_json::to_string(&info).expect("a parsed snap can be stored");
    let read: pinion::domain::SnapInfo = serde_json::from_str(&stored).expect("a stored snap can be read");
    assert_eq!(info, read, "the store changes it");
    Ok(())
}

/// A board file: what is accepted has unique names and lines, and its pins name what is there.
pub fn board_file(data: &[u8]) -> Result<(), String> {
    // A few words are also taken for what a device tree says of its board.
    if data.len() <= 64 && data.contains(&0) {
        let chosen = choose(None, data, true).expect("the boards of the binary are whole");
        assert!(chosen.is_some(), "where there is a chip there is a board");
    }
    let Ok(text) = std::str::from_utf8(data) else {
        return Err("not UTF-8".into());
    };
    let board = match parse_board("board.toml", text) {
        Ok(board) => board,
        Err(error) => {
            let error = error.to_string();
            assert_readable(&error);
            assert!(error.starts_with("board.toml:"), "no place in {error:?}");
            return Err(error);
        }
    };
    assert!(board.lines.len() <= MAX_LINES && board.leds.len() <= MAX_LINES);
    let mut names: Vec<&str> = board.lines.iter().map(|line| line.name.as_str()).collect();
    let mut places: Vec<_> = board.lines.iter().map(|line| (&line.chip, line.offset)).collect();
    let count = names.len();
    names.sort_unstable();
    names.dedup();
    assert_eq!(names.len(), count, "two lines of one name");
    places.sort_unstable();
    places.dedup();
    assert_eq!(places.len(), count, "one line twice");
    Ok(())
}

/// A form: the first line is the parameters of the content type, the rest the body. However the body is cut on its
/// way, it says the same, and a part's bytes come as they were sent.
pub fn multipart(data: &[u8]) -> Result<(), String> {
    let end = data.iter().position(|byte| *byte == b'\n').unwrap_or(data.len());
    let Ok(parameters) = std::str::from_utf8(&data[..end]) else {
        return Err("not UTF-8".into());
    };
    let body = data.get(end + 1..).unwrap_or_default();
    let whole = form(parameters, body, body.len().max(1));
    let steps: &[usize] = if body.len() < 2048 {
        &[1, 7, 64]
    } else {
        &[61, 1000]
    };
    for step in steps {
        assert_eq!(whole, form(parameters, body, *step), "cut into pieces of {step}");
    }
    let parts = whole?;
    assert!(parts.len() <= 256, "{} parts", parts.len());
    let bytes: usize = parts.iter().map(|part| part.2.len()).sum();
    assert!(bytes <= body.len(), "more bytes than were sent");
    for (_, file, content) in &parts {
        assert!(content.is_empty() || body.windows(content.len()).any(|window| window == content));
        assert!(
            !file.as_deref().unwrap_or_default().contains('/'),
            "a file name with a slash"
        );
    }
    Ok(())
}

type Part = (String, Option<String>, Vec<u8>);

/// The parts of a form that comes in pieces of `step` bytes.
fn form(parameters: &str, body: &[u8], step: usize) -> Result<Vec<Part>, String> {
    let readable = |error: BadForm| {
        let error = error.to_string();
        assert_readable(&error);
        error
    };
    let mut form = Form::new(parameters).map_err(readable)?;
    let mut parts: Vec<Part> = Vec::new();
    let mut open = false;
    for piece in body.chunks(step) {
        form.feed(piece);
        while let Some(event) = form.next_event().map_err(readable)? {
            match event {
                Event::Part { name, file } => {
                    assert!(!open, "a part in a part");
                    open = true;
                    parts.push((name, file, Vec::new()));
                }
                Event::Data(bytes) => {
                    assert!(open && !bytes.is_empty(), "data outside a part");
                    if let Some(part) = parts.last_mut() {
                        part.2.extend_from_slice(&bytes);
                    }
                }
                Event::PartEnd => {
                    assert!(open, "an end without a beginning");
                    open = false;
                }
                Event::End => assert!(!open, "the form ends in a part"),
            }
        }
    }
    form.finish().map_err(readable)?;
    Ok(parts)
}

/// A timer: what is accepted is written as the same schedule, and comes round within two months.
pub fn schedule(data: &[u8]) -> Result<(), String> {
    let text = std::str::from_utf8(data).map_err(|error| error.to_string())?;
    let schedule = match Schedule::parse(text) {
        Ok(schedule) => schedule,
        Err(error) => {
            let error = error.to_string();
            assert_readable(&error);
            return Err(error);
        }
    };
    assert_eq!(
        Schedule::parse(&schedule.to_string()).as_ref(),
        Ok(&schedule),
        "{text:?}"
    );
    let windows: usize = schedule.events.iter().map(|events| events.windows().len()).sum();
    assert!((1..=1440).contains(&windows), "{windows} windows");
    let after = Timestamp(1_533_081_600_000_000_000);
    let next = schedule
        .next(after, &jiff::tz::TimeZone::UTC, &|_| 0)
        .expect("an event");
    assert!(
        next > after && next < after.plus_seconds(64 * 24 * 3600),
        "{next:?}"
    );
    assert!(schedule.includes(next, &jiff::tz::TimeZone::UTC), "{next:?}");
    Ok(())
}

/// Places that no layout may touch (contract: snaps-and-assertions, section 1, "layout mount point").
const NOT_FOR_LAYOUTS: [&str; 13] = [
    "/dev",
    "/proc",
    "/sys",
    "/media",
    "/run",
    "/tmp",
    "/var/lib/snapd",
    "/lib/firmware",
    "/lib/modules",
    "/var/snap",
    "/home",
    "/boot",
    "/lost+found",
];

/// The `layout` of a snap.yaml: what is accepted leads nowhere but from the snap's own folders to places that a snap
/// may have, and no place contains another.
pub fn layout(data: &[u8]) -> Result<(), String> {
    let Ok(text) = std::str::from_utf8(data) else {
        return Err("not UTF-8".into());
    };
    let mut yaml = String::from("name: lay\nversion: 1\nlayout:\n");
    for line in text.lines() {
        yaml.push_str("  ");
        yaml.push_str(line);
        yaml.push('\n');
    }
    let info = parse_snap_yaml(yaml.as_bytes()).map_err(|error| {
        let error = error.to_string();
        assert_readable(&error);
        error
    })?;
    let launch = Launch {
        info: std::sync::Arc::new(info),
        revision: "x1".parse().map_err(|_| "no revision")?,
        confinement: Confinement::Strict,
        plugs: Default::default(),
    };
    let own = |inner: &Inner| {
        let tops = ["/snap", "/var/snap"].map(std::path::Path::new);
        assert!(tops.contains(&inner.top.as_path()), "{inner:?}");
        assert!(
            ["lay/x1", "lay/common"]
                .iter()
                .any(|start| inner.below.starts_with(start)),
            "{inner:?}"
        );
        assert!(
            !inner.below.components().any(|part| part.as_os_str() == ".."),
            "{inner:?}"
        );
    };
    let mut places = Vec::new();
    for entry in &launch.info.layout {
        let Some((place, what)) = step(&Dirs::new("/"), &launch, entry) else {
            panic!("{entry:?} is accepted and comes to nothing");
        };
        match &place {
            Place::Snap(inner) => own(inner),
            Place::Host(path) => {
                assert!(path.is_absolute(), "{path:?}");
                assert!(
                    !path.components().any(|part| part.as_os_str() == ".."),
                    "{path:?}"
                );
                let forbidden = NOT_FOR_LAYOUTS.iter().find(|top| path.starts_with(top));
                assert_eq!(forbidden, None, "{path:?}");
            }
        }
        match &what {
            What::Folder(source) | What::File(source) => own(source),
            What::Link(target) => assert!(
                ["/snap/lay/", "/var/snap/lay/"]
                    .iter()
                    .any(|top| target.starts_with(top)),
                "{target:?}"
            ),
            What::Memory(mode, ..) => assert!(*mode <= 0o1777, "{mode:o}"),
        }
        places.push(entry.path.clone());
    }
    for one in &places {
        let above = places.iter().find(|other| one.starts_with(&format!("{other}/")));
        assert_eq!(above, None, "{one:?}");
    }
    Ok(())
}

/// A patch of configuration: two JSON values, the document and the patch. What is accepted does what the patch says,
/// and can be stored and read again.
pub fn config_patch(data: &[u8]) -> Result<(), String> {
    let mut values = serde_json::Deserializer::from_slice(data).into_iter::<serde_json::Value>();
    let (Some(Ok(document)), Some(Ok(serde_json::Value::Object(patch)))) = (values.next(), values.next())
    else {
        return Err("no document and patch".into());
    };
    let patched_by = |document: &serde_json::Value, patch| {
        config::patch("snap", document, patch).map_err(|error| {
            let error = error.to_string();
            assert_readable(&error);
            error
        })
    };
    // What is stored was accepted once.
    let whole = document.as_object().cloned().unwrap_or_default();
    let document = patched_by(&serde_json::Value::Null, &whole)?;
    let patched = patched_by(&document, &patch)?;
    assert_eq!(
        patched_by(&patched, &patch).as_ref(),
        Ok(&patched),
        "twice is once"
    );
    for (key, value) in &patch {
        let below = format!("{key}.");
        if !value.is_object() && !patch.keys().any(|other| other.starts_with(&below)) {
            let wanted = Some(value).filter(|value| !value.is_null());
            assert_eq!(config::get("snap", &patched, key), Ok(wanted), "{key}");
        }
    }
    let whole = patched.as_object().cloned().unwrap_or_default();
    assert_eq!(config::check_bounds("snap", &whole), Ok(()));
    let (leaves, checked) = (config::leaves(&whole), config::check("snap", &patch));
    assert!(checked.is_ok() || checked.is_err_and(|error| !error.to_string().is_empty()));
    // A key inside a value may be any text. With a dot in it it is no path.
    let leaves = if has_dots(&patched) { Vec::new() } else { leaves };
    for (key, value) in leaves {
        if let Ok(found) = config::get("snap", &patched, &key) {
            assert_eq!(found, Some(value), "{key}");
        }
    }
    let stored = serde_json::to_string(&patched).expect("it can be stored");
    // A control character takes six bytes in JSON.
    assert!(stored.len() <= 6 * config::MAX_SIZE, "{} bytes", stored.len());
    // A document also stands within records.
    let within = format!("[[[[{stored}]]]]");
    let read: serde_json::Value = serde_json::from_str(&within).expect("it can be read again");
    assert_eq!(read[0][0][0][0], patched);
    assert_eq!(
        config::merge(&document, &patched, &document),
        patched,
        "nobody else has changed it"
    );
    Ok(())
}

fn has_dots(value: &serde_json::Value) -> bool {
    let mut entries = value.as_object().into_iter().flatten();
    entries.any(|(key, value)| key.contains('.') || has_dots(value))
}

/// `meta/gadget.yaml`: what is accepted is bounded and survives the way into the store and back.
pub fn gadget_yaml(data: &[u8]) -> Result<(), String> {
    let gadget = match parse_gadget_yaml(data) {
        Ok(gadget) => gadget,
        Err(error) => {
            let error = error.to_string();
            assert_readable(&error);
            return Err(error);
        }
    };
    assert!(gadget.connections.len() <= 1000 && gadget.defaults.len() <= 1000);
    let stored = serde_json::to_string(&gadget).expect("a parsed gadget can be stored");
    let read: pinion::domain::snap::GadgetInfo =
        serde_json::from_str(&stored).expect("a stored gadget can be read");
    assert_eq!(gadget, read, "the store changes it");
    Ok(())
}

/// A message of the message bus: what is read is no more than what came, and texts that were read can be sent.
pub fn bus(data: &[u8]) -> Result<(), String> {
    let message = match bus::Message::decode(data) {
        Ok(message) => message,
        Err(error) => {
            let error = error.to_string();
            assert_readable(&error);
            return Err(error);
        }
    };
    let texts = message.texts();
    let bytes: usize = texts.iter().map(String::len).sum();
    // What is no UTF-8 is replaced by a character of three bytes.
    assert!(message.member.len() + bytes <= 3 * data.len(), "more than came");
    let arguments: Vec<&str> = texts.iter().take(255).map(String::as_str).collect();
    let call = bus::encode(message.answers, &message.member, &arguments);
    if call.len() < 60 * 1024 {
        let again = bus::Message::decode(&call).expect("what is sent can be read");
        assert_eq!(
            (&again.member, again.texts().len()),
            (&message.member, arguments.len())
        );
        assert_eq!(again.texts(), arguments);
    }
    Ok(())
}

/// How much of an image is looked at.
struct Walk {
    entries: usize,
    bytes: u64,
}

/// The bytes of an image (no other process writes to the file): whatever they are, looking ends, each file has as many
/// bytes as it says, and no name leads out of its folder.
pub fn squashfs(data: &[u8]) -> Result<(), String> {
    let file = std::env::temp_dir().join(format!(
        "pinion-image-{}-{:?}",
        std::process::id(),
        std::thread::current().id()
    ));
    std::fs::write(&file, data).expect("a file");
    let looked = look(&file);
    std::fs::remove_file(&file).expect("removed");
    looked.map_err(|error| {
        let error = error.to_string();
        assert_readable(&error);
        error
    })
}

fn look(file: &std::path::Path) -> Result<(), ImageError> {
    let image = Image::open(file)?;
    let yaml = image.read("meta/snap.yaml", 4096)?;
    assert!(yaml.len() <= 4096);
    let mut walk = Walk {
        entries: 300,
        bytes: 1 << 20,
    };
    walk.folder(&image, &image.root()?, 0)
}

impl Walk {
    fn folder(&mut self, image: &Image, folder: &Entry, depth: u32) -> Result<(), ImageError> {
        for (name, entry) in image.list(folder)? {
            assert!(!name.is_empty() && name.len() <= 256 && name != b"." && name != b"..");
            assert!(!name.contains(&b'/') && !name.contains(&0));
            if self.entries == 0 || depth > 8 {
                return Ok(());
            }
            self.entries -= 1;
            match &entry.kind {
                EntryKind::Folder => self.folder(image, &entry, depth + 1)?,
                EntryKind::File(size) if *size <= self.bytes => {
                    self.bytes -= size;
                    let mut copied = 0;
                    image.copy(&entry, &mut |bytes| {
                        copied += bytes.len() as u64;
                        Ok(())
                    })?;
                    assert_eq!(copied, *size, "{:?}", String::from_utf8_lossy(&name));
                }
                EntryKind::Link(target) => assert!((1..=4095).contains(&target.len())),
                EntryKind::File(_) | EntryKind::Special => {}
            }
        }
        Ok(())
    }
}
