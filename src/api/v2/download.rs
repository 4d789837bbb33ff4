//! Files as bodies: streamed, never whole in memory, with ranges.

use super::Reply;
use crate::domain::{ErrorKind, Fault, work};
use axum::body::{Body, Bytes};
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::Response;
use futures_util::stream;
use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::path::PathBuf;

/// Bytes that are read at once.
const PIECE: usize = 64 * 1024;

/// Which bytes are sent: the first and the number.
type Extent = (u64, u64);

/// Answers with a file, or with the part of it that a Range header asks for.
pub async fn file(path: PathBuf, kind: &'static str, range: Option<&str>) -> Result<Reply, Fault> {
    let name = path
        .file_name()
        .unwrap_or_default()
        .to_string_lossy()
        .into_owned();
    let (file, size) = blocking(move || {
        let file = File::open(path)?;
        let size = file.metadata()?.len();
        Ok((file, size))
    })
    .await
    .map_err(|error| match error.kind() {
        io::ErrorKind::NotFound => Fault::new(ErrorKind::NotFound, format!("{name} is not there")),
        _ => Fault::internal(format!("cannot open {name}: {error}")),
    })?;
    let extent = range.map_or(Some((0, size)), |range| extent(range, size));
    let mut response = Response::new(Body::empty());
    let mut set = |name, value: String| {
        if let Ok(value) = HeaderValue::from_str(&value) {
            response.headers_mut().insert(name, value);
        }
    };
    set(header::CONTENT_TYPE, kind.to_owned());
    set(
        header::CONTENT_DISPOSITION,
        format!("attachment; filename={name}"),
    );
    set(header::ACCEPT_RANGES, String::from("bytes"));
    let Some((start, length)) = extent else {
        set(header::CONTENT_RANGE, format!("bytes */{size}"));
        *response.status_mut() = StatusCode::RANGE_NOT_SATISFIABLE;
        return Ok(Reply::Raw(response));
    };
    set(header::CONTENT_LENGTH, length.to_string());
    if (start, length) != (0, size) {
        set(
            header::CONTENT_RANGE,
            format!("bytes {start}-{}/{size}", start + length - 1),
        );
        *response.status_mut() = StatusCode::PARTIAL_CONTENT;
    }
    *response.body_mut() = Body::from_stream(pieces(file, start, length));
    Ok(Reply::Raw(response))
}

/// The part that a Range header with one range asks for: nothing when it lies outside, the whole file when the header
/// makes no sense (as HTTP has it).
fn extent(range: &str, size: u64) -> Option<Extent> {
    let whole = Some((0, size));
    let Some((first, last)) = range.strip_prefix("bytes=").and_then(|spec| spec.split_once('-')) else {
        return whole;
    };
    match (first.trim().parse::<u64>(), last.trim().parse::<u64>()) {
        (Ok(first), _) if first >= size => None,
        (Ok(first), Ok(last)) if last >= first => Some((first, last.min(size - 1) - first + 1)),
        (Ok(first), Err(_)) if last.trim().is_empty() => Some((first, size - first)),
        (Err(_), Ok(0)) if first.trim().is_empty() => None,
        (Err(_), Ok(count)) if first.trim().is_empty() => {
            let count = count.min(size);
            Some((size - count, count))
        }
        _ => whole,
    }
}

fn pieces(
    file: File,
    start: u64,
    length: u64,
) -> impl futures_util::Stream<Item = io::Result<Bytes>> + Send + 'static {
    stream::try_unfold((file, start, length), |(mut file, at, left)| async move {
        if left == 0 {
            return Ok(None);
        }
        let wanted = usize::try_from(left).unwrap_or(PIECE).min(PIECE);
        let (file, piece) = blocking(move || {
            let mut piece = vec![0; wanted];
            file.seek(SeekFrom::Start(at))?;
            file.read_exact(&mut piece)?;
            Ok((file, piece))
        })
        .await?;
        Ok(Some((
            Bytes::from(piece),
            (file, at + wanted as u64, left - wanted as u64),
        )))
    })
}

async fn blocking<T: Send + 'static>(read: impl FnOnce() -> io::Result<T> + Send + 'static) -> io::Result<T> {
    work::blocking(read).await.map_err(io::Error::other)?
}

#[cfg(test)]
mod tests {
    use super::extent;
    use proptest::prelude::*;

    #[test]
    fn ranges() {
        let table = [
            ("bytes=0-", Some((0, 100))),
            ("bytes=10-19", Some((10, 10))),
            ("bytes=90-500", Some((90, 10))),
            ("bytes=-30", Some((70, 30))),
            ("bytes=-300", Some((0, 100))),
            ("bytes=100-", None),
            ("bytes=-0", None),
            ("bytes=5-2", Some((0, 100))),
            ("lines=1-2", Some((0, 100))),
            ("bytes=x-y", Some((0, 100))),
        ];
        for (range, wanted) in table {
            assert_eq!(extent(range, 100), wanted, "{range}");
        }
    }

    proptest! {
        #[test]
        fn any_range_lies_in_the_file(
            first in "[0-9]{0,3}|[ -~]{0,4}|18446744073709551615",
            last in "[0-9]{0,3}|[ -~]{0,4}|18446744073709551615",
            size in prop_oneof![0u64..50, Just(u64::MAX)],
        ) {
            if let Some((start, length)) = extent(&format!("bytes={first}-{last}"), size) {
                prop_assert!(start.checked_add(length).is_some_and(|end| end <= size));
                prop_assert!(length > 0 || size == 0);
            }
        }
    }
}
