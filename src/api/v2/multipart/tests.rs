use super::*;
use proptest::prelude::*;

/// What a form holds: (name, file, data) of each part.
type Parts = Vec<(String, Option<String>, Vec<u8>)>;

/// Parses a body that comes in pieces of the given sizes, over and over.
fn parse(body: &[u8], sizes: &[usize]) -> Result<Parts, BadForm> {
    let mut form = Form::new("boundary=XX")?;
    let mut parts: Parts = Vec::new();
    let mut ended = 0;
    let mut rest = body;
    for size in sizes.iter().cycle() {
        let (piece, after) = rest.split_at((*size).min(rest.len()));
        rest = after;
        form.feed(piece);
        while let Some(event) = form.next_event()? {
            match event {
                Event::Part { name, file } => parts.push((name, file, Vec::new())),
                Event::Data(bytes) => parts.last_mut().expect("a part").2.extend(bytes),
                Event::PartEnd => ended += 1,
                Event::End => assert_eq!(ended, parts.len()),
            }
        }
        if rest.is_empty() {
            break;
        }
    }
    form.finish().map(|()| parts)
}

fn body(parts: &Parts) -> Vec<u8> {
    let mut body = Vec::new();
    for (name, file, data) in parts {
        body.extend_from_slice(b"--XX\r\nContent-Disposition: form-data; ");
        body.extend_from_slice(format!("name=\"{name}\"").as_bytes());
        if let Some(file) = file {
            body.extend_from_slice(format!("; filename=\"{file}\"").as_bytes());
        }
        body.extend_from_slice(b"\r\nContent-Type: application/octet-stream\r\n\r\n");
        body.extend_from_slice(data);
        body.extend_from_slice(b"\r\n");
    }
    body.extend_from_slice(b"--XX--\r\n");
    body
}

#[test]
fn what_the_snap_command_sends() {
    let text = b"--XX\r\nContent-Disposition: form-data; name=\"action\"\r\n\r\ninstall\r\n\
        --XX\r\nContent-Disposition: form-data; name=\"snap-path\"\r\n\r\n\r\n\
        --XX\r\nContent-Disposition: form-data; name=\"snap\"; filename=\"a/b \\\"c\\\".snap\"\r\n\
        Content-Type: application/octet-stream\r\n\r\nhsqs\r\n--X\r\n--XX--\r\nepilogue";
    let expected: Parts = vec![
        ("action".into(), None, b"install".to_vec()),
        ("snap-path".into(), None, Vec::new()),
        (
            "snap".into(),
            Some("b \"c\".snap".into()),
            b"hsqs\r\n--X".to_vec(),
        ),
    ];
    for size in [1, 2, 3, 7, text.len()] {
        assert_eq!(parse(text, &[size]), Ok(expected.clone()), "pieces of {size}");
    }
}

#[test]
fn what_is_no_form_is_refused() {
    let head = "Content-Disposition: form-data; name=\"a\"\r\n\r\n";
    let long = format!("--XX\r\nX: {}", "y".repeat(HEAD_LIMIT + 1));
    let many = format!("--XX\r\n{head}\r\n").repeat(PART_LIMIT + 1);
    let table: &[(&str, BadForm)] = &[
        ("", BadForm::Unfinished),
        ("no boundary at all", BadForm::Unfinished),
        ("--XX", BadForm::Unfinished),
        ("--XX\r\nContent-Dispo", BadForm::Unfinished),
        (
            "--XX\r\nContent-Disposition: form-data; name=\"a\"\r\n\r\nhalf",
            BadForm::Unfinished,
        ),
        ("--XXY\r\n", BadForm::AfterBoundary),
        ("--XX\r\nA: b\r\n\r\n\r\n--XX--", BadForm::Disposition),
        (
            "--XX\r\nContent-Disposition: attachment\r\n\r\n\r\n--XX--",
            BadForm::Disposition,
        ),
        (&long, BadForm::Head),
        (&many, BadForm::Parts),
    ];
    for (text, error) in table {
        for size in [1, 5, 4096] {
            assert_eq!(
                parse(text.as_bytes(), &[size]),
                Err(error.clone()),
                "{:?}",
                &text[..text.len().min(60)]
            );
        }
    }
    for parameters in [
        "",
        "boundary=",
        "boundary=\"a",
        "charset=utf-8",
        "boundary=\"a \"",
        "boundary=ä",
    ] {
        assert_eq!(
            Form::new(parameters).err(),
            Some(BadForm::Boundary),
            "{parameters}"
        );
    }
    assert!(Form::new("charset=utf-8; Boundary=\"a b\"").is_ok());
}

proptest! {
    #[test]
    fn pieces_do_not_matter(
        parts in prop::collection::vec(
            ("[a-z]{1,8}", prop::option::of("[a-z.]{1,8}"), prop::collection::vec(
                prop::sample::select(vec![b'\r', b'\n', b'-', b'X', b'y']), 0..40)),
            0..4),
        sizes in prop::collection::vec(1usize..9, 1..5),
    ) {
        let delimiter: &[u8] = b"\r\n--XX";
        prop_assume!(parts.iter().all(|(_, _, data)| {
            let framed = [b"\r\n", &data[..], b"\r\n"].concat();
            !framed.windows(delimiter.len()).any(|window| window == delimiter)
        }));
        prop_assert_eq!(parse(&body(&parts), &sizes), Ok(parts));
    }

    #[test]
    fn nothing_panics_or_grows(bytes in prop::collection::vec(any::<u8>(), 0..400)) {
        let mut form = Form::new("boundary=XX").expect("a boundary");
        form.feed(b"--XX\r\n");
        form.feed(&bytes);
        while let Ok(Some(_)) = form.next_event() {}
        prop_assert!(form.buffer.len() <= bytes.len() + 8);
    }
}
