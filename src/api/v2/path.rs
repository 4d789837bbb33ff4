//! Unclean paths are redirected to their clean form, as the contract's daemon does before it routes.

use super::query::decoded;
use axum::http::Uri;

/// Where a request for an unclean path is sent; `None` when its path is clean.
pub fn cleaned(uri: &Uri) -> Option<String> {
    let path = decoded(uri.path(), false)?;
    let clean = clean(&path);
    if clean == path {
        return None;
    }
    let mut location = encoded(&clean);
    if let Some(query) = uri.query() {
        location.push('?');
        location.push_str(query);
    }
    Some(location)
}

/// Resolves empty, `.` and `..` segments; a slash at the end stays.
fn clean(path: &str) -> String {
    let mut segments: Vec<&str> = Vec::new();
    for segment in path.split('/') {
        match segment {
            "" | "." => {}
            ".." => {
                segments.pop();
            }
            name => segments.push(name),
        }
    }
    let mut clean = format!("/{}", segments.join("/"));
    if path.ends_with('/') && !segments.is_empty() {
        clean.push('/');
    }
    clean
}

/// Escapes what may not stand in a path.
fn encoded(path: &str) -> String {
    let mut text = String::with_capacity(path.len());
    for byte in path.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' => text.push(byte as char),
            b'/' | b'-' | b'.' | b'_' | b'~' | b'$' | b'&' | b'+' | b',' | b':' | b';' | b'=' | b'@' => {
                text.push(byte as char);
            }
            other => text.push_str(&format!("%{other:02X}")),
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unclean_paths_move() {
        for (path, location) in [
            ("/", None),
            ("/v2/snaps", None),
            ("/v2/snaps/", None),
            ("//v2/snaps", Some("/v2/snaps")),
            ("/v2//snaps/?select=all", Some("/v2/snaps/?select=all")),
            ("/v2/../v2/x", Some("/v2/x")),
            ("/v2/%2e%2e/%2e%2e/x", Some("/x")),
            ("/..", Some("/")),
            ("/a//b%20c%0a", Some("/a/b%20c%0A")),
        ] {
            let uri: Uri = path.parse().expect("a path");
            assert_eq!(cleaned(&uri).as_deref(), location, "{path}");
        }
    }
}
