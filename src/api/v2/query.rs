//! The query of a request.

/// Its parameters, decoded, in the order in which they came.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Query(Vec<(String, String)>);

impl Query {
    /// Reads the part after the question mark. A pair with a broken escape is left out, as the contract's daemon does.
    pub fn parse(text: &str) -> Self {
        let pairs = text
            .split('&')
            .filter(|pair| !pair.is_empty() && !pair.contains(';'))
            .filter_map(|pair| {
                let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
                Some((decoded(name, true)?, decoded(value, true)?))
            });
        Self(pairs.collect())
    }

    /// The first value of a parameter; `Some("")` when it is there without one.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.0
            .iter()
            .find(|(key, _)| key == name)
            .map(|(_, value)| value.as_str())
    }

    /// The first value of a parameter, or the empty text.
    pub fn text(&self, name: &str) -> &str {
        self.get(name).unwrap_or_default()
    }

    /// Every value of a parameter.
    pub fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        self.0
            .iter()
            .filter(move |(key, _)| key == name)
            .map(|(_, value)| value.as_str())
    }

    /// Every value of a parameter, cut at commas, blanks taken off, without the empty ones.
    pub fn list(&self, name: &str) -> Vec<String> {
        self.all(name)
            .flat_map(|value| value.split(','))
            .map(str::trim)
            .filter(|item| !item.is_empty())
            .map(str::to_owned)
            .collect()
    }

    /// A switch: on for what the contract's daemon reads as true, off for everything else.
    pub fn flag(&self, name: &str) -> bool {
        is_true(self.text(name))
    }
}

/// The texts that mean yes (Go's `strconv.ParseBool`); whatever cannot be read means no.
pub fn is_true(text: &str) -> bool {
    matches!(text, "1" | "t" | "T" | "true" | "TRUE" | "True")
}

/// Undoes percent escapes, and `+` for a blank where that is the custom; `None` when an escape is broken or the result
/// is not UTF-8.
pub fn decoded(text: &str, plus: bool) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        bytes.push(match byte {
            b'+' if plus => b' ',
            b'%' => digit(rest.next()?)? << 4 | digit(rest.next()?)?,
            other => other,
        });
    }
    String::from_utf8(bytes).ok()
}

fn digit(byte: u8) -> Option<u8> {
    (byte as char)
        .to_digit(16)
        .and_then(|digit| u8::try_from(digit).ok())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn pairs_are_decoded_and_broken_ones_left_out() {
        let query = Query::parse("snaps=a%2Cb&snaps=c&select=all&q=x+y&bad=%zz&worse=%f&keys=&doc=true&n");
        assert_eq!(query.list("snaps"), ["a", "b", "c"]);
        assert_eq!(query.get("select"), Some("all"));
        assert_eq!(query.get("q"), Some("x y"));
        assert_eq!(query.get("bad"), None);
        assert_eq!(query.get("worse"), None);
        assert_eq!(query.get("keys"), Some(""));
        assert_eq!(query.get("n"), Some(""));
        assert!(query.list("keys").is_empty());
        assert!(query.flag("doc") && !query.flag("select") && !query.flag("none"));
    }

    fn encoded(text: &str) -> String {
        text.bytes().map(|byte| format!("%{byte:02x}")).collect()
    }

    proptest! {
        #[test]
        fn what_is_read_can_be_written(text in "[a-c%0-9&=+;,\u{0}-\u{ff}]{0,60}") {
            let query = Query::parse(&text);
            let bytes: usize = query.0.iter().map(|(name, value)| name.len() + value.len()).sum();
            prop_assert!(bytes <= text.len());
            let again: Vec<String> = query
                .0
                .iter()
                .map(|(name, value)| format!("{}={}", encoded(name), encoded(value)))
                .collect();
            prop_assert_eq!(Query::parse(&again.join("&")), query);
        }
    }
}
