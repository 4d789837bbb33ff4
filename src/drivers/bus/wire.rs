//! The bytes of the message bus (D-Bus specification, "Marshaling"), in the order of bytes of small machines.

/// How deep values may lie in each other.
const DEEPEST: u32 = 8;

/// A value as it is read. Numbers of every kind are one; of the rest there is nothing that the agent reads.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Value {
    Text(String),
    Number(u64),
    /// The parts of a list, a structure or a pair.
    Parts(Vec<Value>),
}

impl Value {
    /// The text, if it is one.
    pub fn text(&self) -> Option<&str> {
        match self {
            Self::Text(text) => Some(text),
            _ => None,
        }
    }

    /// The number, if it is one.
    pub fn number(&self) -> Option<u64> {
        match self {
            Self::Number(number) => Some(*number),
            _ => None,
        }
    }

    /// What it consists of; nothing for a text or a number.
    pub fn parts(&self) -> &[Value] {
        match self {
            Self::Parts(parts) => parts,
            _ => &[],
        }
    }
}

/// Reads the values of a signature. What is cut or not as the signature says is `None`.
pub fn read(bytes: &[u8], at: usize, signature: &str) -> Option<Vec<Value>> {
    let mut reader = Reader { bytes, at };
    let mut rest = signature.as_bytes();
    let mut values = Vec::new();
    while !rest.is_empty() {
        values.push(reader.value(&mut rest, DEEPEST)?);
    }
    Some(values)
}

struct Reader<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl Reader<'_> {
    fn take(&mut self, length: usize) -> Option<&[u8]> {
        let end = self.at.checked_add(length)?;
        let taken = self.bytes.get(self.at..end)?;
        self.at = end;
        Some(taken)
    }

    /// A number of so many bytes, which stands at a multiple of them.
    fn number(&mut self, length: usize) -> Option<u64> {
        self.at = self.at.next_multiple_of(length);
        let mut whole = [0; 8];
        whole.get_mut(..length)?.copy_from_slice(self.take(length)?);
        Some(u64::from_le_bytes(whole))
    }

    fn text(&mut self, length: u64) -> Option<String> {
        let text = String::from_utf8_lossy(self.take(usize::try_from(length).ok()?)?).into_owned();
        self.take(1)?;
        Some(text)
    }

    /// One value; takes its part of the signature away.
    fn value(&mut self, signature: &mut &[u8], depth: u32) -> Option<Value> {
        let depth = depth.checked_sub(1)?;
        let (kind, rest) = signature.split_first()?;
        *signature = rest;
        let value = match kind {
            b'y' => Value::Number(self.number(1)?),
            b'n' | b'q' => Value::Number(self.number(2)?),
            b'b' | b'i' | b'u' | b'h' => Value::Number(self.number(4)?),
            b'x' | b't' | b'd' => Value::Number(self.number(8)?),
            b's' | b'o' => {
                let length = self.number(4)?;
                Value::Text(self.text(length)?)
            }
            b'g' => {
                let length = self.number(1)?;
                Value::Text(self.text(length)?)
            }
            b'v' => {
                let length = self.number(1)?;
                let inner = self.text(length)?;
                self.value(&mut inner.as_bytes(), depth)?
            }
            b'(' | b'{' => {
                self.at = self.at.next_multiple_of(8);
                let mut parts = Vec::new();
                while !matches!(signature.first()?, b')' | b'}') {
                    parts.push(self.value(signature, depth)?);
                }
                *signature = &signature[1..];
                Value::Parts(parts)
            }
            b'a' => {
                let length = usize::try_from(self.number(4)?).ok()?;
                let one = *signature;
                let kind = one.get(..length_of(one)?)?;
                *signature = &one[kind.len()..];
                self.at = self.at.next_multiple_of(alignment(*kind.first()?));
                let end = self.at.checked_add(length)?;
                let mut parts = Vec::new();
                while self.at < end {
                    let begin = self.at;
                    parts.push(self.value(&mut &*kind, depth)?);
                    if self.at == begin {
                        // A list of nothings has no end.
                        return None;
                    }
                }
                Value::Parts(parts)
            }
            _ => return None,
        };
        Some(value)
    }
}

fn alignment(kind: u8) -> usize {
    match kind {
        b'y' | b'g' | b'v' => 1,
        b'n' | b'q' => 2,
        b'x' | b't' | b'd' | b'(' | b'{' => 8,
        _ => 4,
    }
}

/// How long the first whole kind of a signature is.
fn length_of(signature: &[u8]) -> Option<usize> {
    let mut open = 0;
    for (position, kind) in signature.iter().enumerate() {
        match kind {
            b'(' | b'{' => open += 1,
            b')' | b'}' => open -= 1,
            b'a' => continue,
            _ => {}
        }
        if open == 0 {
            return Some(position + 1);
        }
    }
    None
}

/// What a call is made to.
#[derive(Clone, Copy, Debug)]
pub struct Target<'a> {
    pub name: &'a str,
    pub path: &'a str,
    pub interface: &'a str,
}

/// An argument of a call.
#[derive(Clone, Copy, Debug)]
pub enum Argument<'a> {
    Text(&'a str),
    Texts(&'a [&'a str]),
}

fn pad(bytes: &mut Vec<u8>, to: usize) {
    bytes.resize(bytes.len().next_multiple_of(to), 0);
}

fn put_number(bytes: &mut Vec<u8>, number: usize) {
    pad(bytes, 4);
    bytes.extend(u32::try_from(number).unwrap_or_default().to_le_bytes());
}

fn put_text(bytes: &mut Vec<u8>, text: &str) {
    put_number(bytes, text.len());
    bytes.extend(text.as_bytes());
    bytes.push(0);
}

/// A call of a method.
pub fn call(serial: u32, to: Target<'_>, member: &str, arguments: &[Argument<'_>]) -> Vec<u8> {
    let (mut body, mut signature) = (Vec::new(), String::new());
    for argument in arguments {
        match argument {
            Argument::Text(text) => {
                signature.push('s');
                put_text(&mut body, text);
            }
            Argument::Texts(texts) => {
                signature.push_str("as");
                let mut list = Vec::new();
                for text in *texts {
                    put_text(&mut list, text);
                }
                put_number(&mut body, list.len());
                body.extend(list);
            }
        }
    }
    let mut fields = Vec::new();
    for (code, kind, text) in [
        (1, b'o', to.path),
        (2, b's', to.interface),
        (3, b's', member),
        (6, b's', to.name),
    ] {
        pad(&mut fields, 8);
        fields.extend([code, 1, kind, 0]);
        put_text(&mut fields, text);
    }
    if !signature.is_empty() {
        pad(&mut fields, 8);
        fields.extend([8, 1, b'g', 0]);
        fields.push(u8::try_from(signature.len()).unwrap_or_default());
        fields.extend(signature.as_bytes());
        fields.push(0);
    }
    let mut message = vec![b'l', 1, 0, 1];
    put_number(&mut message, body.len());
    message.extend(serial.to_le_bytes());
    put_number(&mut message, fields.len());
    message.extend(fields);
    pad(&mut message, 8);
    message.extend(body);
    message
}

#[cfg(test)]
mod tests {
    use super::*;

    const TO: Target<'_> = Target {
        name: "org.example.One",
        path: "/one",
        interface: "org.example.Face",
    };

    fn text(text: &str) -> Value {
        Value::Text(text.to_owned())
    }

    #[test]
    fn a_call_reads_back() {
        let call = call(
            7,
            TO,
            "Do",
            &[
                Argument::Text("a"),
                Argument::Texts(&["bc", ""]),
                Argument::Texts(&[]),
            ],
        );
        let fields = read(&call, 12, "a(yv)").expect("fields");
        let parts: Vec<&Value> = fields[0].parts().iter().map(|field| &field.parts()[1]).collect();
        assert_eq!(
            parts,
            [
                &text("/one"),
                &text("org.example.Face"),
                &text("Do"),
                &text("org.example.One"),
                &text("sasas")
            ]
        );
        let length = u32::from_le_bytes(call[4..8].try_into().expect("four bytes")) as usize;
        let body = &call[call.len() - length..];
        assert_eq!(
            read(body, 0, "sasas").expect("the body"),
            [
                text("a"),
                Value::Parts(vec![text("bc"), text("")]),
                Value::Parts(Vec::new())
            ]
        );
    }

    #[test]
    fn values_of_every_kind() {
        // y=1, n=2 at 2, u=3 at 4, t=4 at 8, a{sv} of one pair whose value is a variant of (iay)
        let mut bytes = vec![1, 0, 2, 0, 3, 0, 0, 0, 4, 0, 0, 0, 0, 0, 0, 0];
        let pair = [
            &[1, 0, 0, 0, b'k', 0, 5, b'(', b'i', b'a', b'y', b')', 0, 0, 0, 0][..],
            &[9, 0, 0, 0, 2, 0, 0, 0, 7, 8],
        ]
        .concat();
        bytes.extend(u32::try_from(pair.len()).expect("small").to_le_bytes());
        bytes.extend([0; 4]);
        bytes.extend(pair);
        let values = read(&bytes, 0, "ynuta{sv}").expect("values");
        assert_eq!(
            values[..4],
            [1, 2, 3, 4].map(Value::Number),
            "numbers stand at multiples of their size"
        );
        let inner = Value::Parts(vec![
            Value::Number(9),
            Value::Parts(vec![Value::Number(7), Value::Number(8)]),
        ]);
        assert_eq!(
            values[4],
            Value::Parts(vec![Value::Parts(vec![text("k"), inner])])
        );
        for end in 0..bytes.len() {
            assert_eq!(read(&bytes[..end], 0, "ynuta{sv}"), None, "cut at {end}");
        }
    }

    #[test]
    fn what_is_wrong_is_not_read() {
        for (bytes, signature) in [
            (&[0u8; 64][..], "z"),
            (&[0; 64], "(u"),
            (&[0; 64], "a"),
            (&[0; 64], "a(u"),
            (&[8; 64], "a()"),
            (&[255; 64], "s"),
            (&[255; 64], "as"),
            (&[255; 64], "v"),
            (&[0; 64], "((((((((u))))))))"),
        ] {
            assert_eq!(read(bytes, 0, signature), None, "{signature}");
        }
    }
}
