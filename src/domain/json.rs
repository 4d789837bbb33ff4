//! The one way from JSON to a record.
//!
//! Text becomes a [`Value`] first, and records are read from values only. A record type that is read both from text and
//! from values has its decoder twice in the program, and from borrowed values a third time; there are about 50 such
//! types. Measured on x86_64: 15 decoders from text were 190 kB.
//!
//! The values are read by a reader of our own: `serde_json`'s takes an array for a record, too, its fields in their
//! order, which nobody sends and which makes every decoder nearly twice as long.

use serde::de::value::StringDeserializer;
use serde::de::{
    DeserializeOwned, DeserializeSeed, Deserializer, Error as _, Expected, IntoDeserializer, MapAccess,
    SeqAccess, Unexpected, Visitor,
};
use serde_json::{Error, Map, Value};

/// A record from its text.
pub fn decode<T: DeserializeOwned>(text: &[u8]) -> Result<T, Error> {
    record(serde_json::from_slice(text)?)
}

/// A record from its value.
pub fn record<T: DeserializeOwned>(value: Value) -> Result<T, Error> {
    T::deserialize(Reader(value))
}

/// A value to be read.
struct Reader(Value);

/// The error of a value of the wrong type.
#[cold]
fn mistyped(value: &Value, expected: &dyn Expected) -> Error {
    let found = match value {
        Value::Null => Unexpected::Unit,
        Value::Bool(value) => Unexpected::Bool(*value),
        Value::Number(_) => Unexpected::Other("number"),
        Value::String(text) => Unexpected::Str(text),
        Value::Array(_) => Unexpected::Seq,
        Value::Object(_) => Unexpected::Map,
    };
    Error::invalid_type(found, expected)
}

/// Methods that read a plain value, which `serde_json` does as well.
macro_rules! plain {
    ($($method:ident)*) => {
        $(fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
            self.0.$method(visitor)
        })*
    };
}

impl<'de> Deserializer<'de> for Reader {
    type Error = Error;

    plain! {
        deserialize_bool deserialize_i8 deserialize_i16 deserialize_i32 deserialize_i64 deserialize_i128 deserialize_u8
        deserialize_u16 deserialize_u32 deserialize_u64 deserialize_u128 deserialize_f32 deserialize_f64 deserialize_char
        deserialize_str deserialize_string deserialize_bytes deserialize_byte_buf deserialize_unit deserialize_identifier
    }

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        match self.0 {
            Value::Null => visitor.visit_unit(),
            Value::Bool(value) => visitor.visit_bool(value),
            Value::Number(number) => number.deserialize_any(visitor),
            Value::String(text) => visitor.visit_string(text),
            Value::Array(items) => visitor.visit_seq(Items(items.into_iter())),
            Value::Object(members) => visitor.visit_map(Members::of(members)),
        }
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        match self.0 {
            Value::Null => visitor.visit_none(),
            _ => visitor.visit_some(self),
        }
    }

    fn deserialize_seq<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        match self.0 {
            Value::Array(items) => visitor.visit_seq(Items(items.into_iter())),
            other => Err(mistyped(&other, &visitor)),
        }
    }

    fn deserialize_map<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        match self.0 {
            Value::Object(members) => visitor.visit_map(Members::of(members)),
            other => Err(mistyped(&other, &visitor)),
        }
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Error> {
        self.deserialize_map(visitor)
    }

    fn deserialize_tuple<V: Visitor<'de>>(self, _: usize, visitor: V) -> Result<V::Value, Error> {
        self.deserialize_seq(visitor)
    }

    fn deserialize_tuple_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: usize,
        visitor: V,
    ) -> Result<V::Value, Error> {
        self.deserialize_seq(visitor)
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        visitor: V,
    ) -> Result<V::Value, Error> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_unit_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        visitor: V,
    ) -> Result<V::Value, Error> {
        self.deserialize_unit(visitor)
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        name: &'static str,
        variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Error> {
        self.0.deserialize_enum(name, variants, visitor)
    }

    fn deserialize_ignored_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        visitor.visit_unit()
    }
}

/// What an array still has.
struct Items(std::vec::IntoIter<Value>);

impl<'de> SeqAccess<'de> for Items {
    type Error = Error;

    fn next_element_seed<T: DeserializeSeed<'de>>(&mut self, seed: T) -> Result<Option<T::Value>, Error> {
        match self.0.next() {
            Some(item) => seed.deserialize(Reader(item)).map(Some),
            None => Ok(None),
        }
    }

    fn size_hint(&self) -> Option<usize> {
        Some(self.0.len())
    }
}

/// What an object still has.
struct Members {
    rest: serde_json::map::IntoIter,
    value: Value,
}

impl Members {
    fn of(members: Map<String, Value>) -> Self {
        Self {
            rest: members.into_iter(),
            value: Value::Null,
        }
    }
}

impl<'de> MapAccess<'de> for Members {
    type Error = Error;

    fn next_key_seed<K: DeserializeSeed<'de>>(&mut self, seed: K) -> Result<Option<K::Value>, Error> {
        let Some((key, value)) = self.rest.next() else {
            return Ok(None);
        };
        self.value = value;
        let key: StringDeserializer<Error> = key.into_deserializer();
        seed.deserialize(key).map(Some)
    }

    fn next_value_seed<V: DeserializeSeed<'de>>(&mut self, seed: V) -> Result<V::Value, Error> {
        seed.deserialize(Reader(self.value.take()))
    }

    fn size_hint(&self) -> Option<usize> {
        Some(self.rest.len())
    }
}

#[cfg(test)]
mod tests {
    use super::{decode, record};
    use serde::{Deserialize, Serialize};
    use serde_json::{Value, json};
    use std::collections::BTreeMap;

    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    #[serde(rename_all = "kebab-case")]
    enum Kind {
        Plain,
        With(u8),
    }

    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    struct Name(String);

    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    struct Record {
        name: Name,
        number: i64,
        #[serde(default)]
        share: Option<f64>,
        kinds: Vec<Kind>,
        pair: (bool, char),
        inner: BTreeMap<String, Option<Box<Record>>>,
        rest: Value,
        #[serde(flatten)]
        more: BTreeMap<String, Value>,
    }

    fn example() -> Value {
        let inner =
            json!({"name": "b", "number": -1, "kinds": [], "pair": [false, "y"], "inner": {}, "rest": null});
        json!({
            "name": "a", "number": 7, "share": 0.5, "kinds": ["plain", {"with": 3}], "pair": [true, "x"],
            "inner": {"one": inner, "none": null}, "rest": {"deep": [1, "2", 1e300, null, true]}, "other": 12,
        })
    }

    #[test]
    fn a_record_reads_as_the_library_reads_it() {
        let theirs: Record = serde_json::from_value(example()).expect("theirs");
        assert_eq!(record::<Record>(example()).expect("ours"), theirs);
        assert_eq!(
            decode::<Record>(example().to_string().as_bytes()).expect("ours"),
            theirs
        );
        assert_eq!(record::<Value>(example()).expect("a value"), example());
        // A number keeps its literal.
        let literal = decode::<Value>(b"[123456789012345678901234567890, 1.50]").expect("numbers");
        assert_eq!(literal.to_string(), "[123456789012345678901234567890,1.50]");
    }

    #[test]
    fn what_does_not_fit_is_named_as_the_library_names_it() {
        for (key, value) in [
            ("name", json!(5)),
            ("name", json!(null)),
            ("number", json!("seven")),
            ("number", json!(1.5)),
            ("kinds", json!({"plain": 1})),
            ("kinds", json!(["other"])),
            ("kinds", json!([{"with": 300}])),
            ("pair", json!([true])),
            ("inner", json!([])),
            ("inner", json!({"x": true})),
        ] {
            let mut example = example();
            example[key] = value;
            let ours = record::<Record>(example.clone()).expect_err("it does not fit");
            let theirs = serde_json::from_value::<Record>(example).expect_err("it does not fit");
            assert_eq!(ours.to_string(), theirs.to_string(), "{key}");
        }
    }

    #[test]
    fn an_array_is_no_record() {
        #[derive(Debug, Deserialize)]
        struct Point {
            #[expect(dead_code, reason = "it is never made")]
            x: u8,
        }
        let error = record::<Point>(json!([1])).expect_err("it has no names");
        assert_eq!(error.to_string(), "invalid type: sequence, expected struct Point");
    }
}
