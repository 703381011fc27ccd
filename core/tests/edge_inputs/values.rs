//! The values of the table: written out, kept from earlier steps, and changed.

use std::collections::HashMap;

use serde_json::{Map, Value};

use crate::common::unhex;

/// What a step gave.
#[derive(Clone, Debug, PartialEq)]
pub enum Got {
    Nothing,
    Flag(bool),
    Bytes(Vec<u8>),
    List(Vec<Got>),
    /// In a list, the code of an item's error.
    Refused(String),
}

impl From<Option<&[u8]>> for Got {
    fn from(bytes: Option<&[u8]>) -> Self {
        bytes.map_or(Got::Nothing, |bytes| Got::Bytes(bytes.to_vec()))
    }
}

/// The values that have a name.
pub struct Values(HashMap<String, Got>);

impl Values {
    pub fn new(named: &Map<String, Value>) -> Self {
        let empty = Self(HashMap::new());
        Self(named.iter().map(|(name, value)| (name.clone(), Got::Bytes(empty.bytes(value)))).collect())
    }

    /// Keeps what a step gave under the name that it says.
    pub fn keep(&mut self, step: &Value, got: &Got) {
        if let Some(name) = step.get("as") {
            self.0.insert(name.as_str().unwrap().to_owned(), got.clone());
        }
    }

    /// A value as bytes; a text is its UTF-8.
    pub fn bytes(&self, value: &Value) -> Vec<u8> {
        if let Some(text) = value.as_str() {
            return text.as_bytes().to_vec();
        }
        let mut bytes = if let Some(name) = value["from"].as_str() {
            let mut got = self.0.get(name).unwrap_or_else(|| panic!("nothing is named {name}"));
            if let (Got::List(list), Some(item)) = (got, value["item"].as_u64()) {
                got = &list[item as usize];
            }
            let Got::Bytes(bytes) = got else { panic!("{name} is {got:?}") };
            bytes.clone()
        } else if let Some(hex) = value["hex"].as_str() {
            unhex(hex)
        } else {
            let byte = value["repeat"][0].as_str().unwrap_or_else(|| panic!("what value is {value}?"));
            unhex(byte).repeat(value["repeat"][1].as_u64().unwrap() as usize)
        };
        for change in value["change"].as_array().into_iter().flatten() {
            bytes = self.changed(bytes, change);
        }
        bytes
    }

    pub fn text(&self, value: &Value) -> String {
        String::from_utf8(self.bytes(value)).unwrap()
    }

    pub fn optional_bytes(&self, value: &Value) -> Option<Vec<u8>> {
        (!value.is_null()).then(|| self.bytes(value))
    }

    /// A list, written out or as one value many times.
    pub fn list(&self, value: &Value) -> Vec<Option<Vec<u8>>> {
        match value["times"].as_array() {
            Some(times) => vec![self.optional_bytes(&times[0]); times[1].as_u64().unwrap() as usize],
            None => value.as_array().unwrap().iter().map(|value| self.optional_bytes(value)).collect(),
        }
    }

    fn changed(&self, mut bytes: Vec<u8>, change: &Value) -> Vec<u8> {
        let number = |place: usize| change[place].as_i64().unwrap();
        let end = bytes.len();
        match change[0].as_str().unwrap() {
            "flip" => {
                let place = number(1);
                bytes[if place < 0 { end - place.unsigned_abs() as usize } else { place as usize }] ^= 1;
            }
            "cut" => bytes.truncate(end - number(1) as usize),
            "keep" => bytes.truncate(number(1) as usize),
            "halve" => bytes.truncate(end / 2),
            "append" => bytes.extend(self.bytes(&change[1])),
            "prepend" => bytes.splice(..0, self.bytes(&change[1])).for_each(drop),
            "text" => bytes = keyfold::to_text(&bytes).into_bytes(),
            "replace" => {
                let text = String::from_utf8(bytes).unwrap();
                let (old, new) = (change[1].as_str().unwrap(), self.text(&change[2]));
                assert!(text.contains(old), "{text} has no {old}");
                bytes = text.replace(old, &new).into_bytes();
            }
            // Two neighbours of a length, from a place on.
            "swap" => {
                let (place, length) = (number(1) as usize, number(2) as usize);
                bytes[place..place + 2 * length].rotate_left(length);
            }
            other => panic!("unknown change {other}"),
        }
        bytes
    }

    /// Whether this came out: a value, {"length": n}, null, a boolean, {"error": code}, or a list of these.
    pub fn matches(&self, got: &Got, wanted: &Value) -> bool {
        match (got, wanted) {
            (Got::Nothing, Value::Null) => true,
            (Got::Flag(flag), Value::Bool(wanted)) => flag == wanted,
            (Got::List(list), Value::Array(wanted)) => {
                list.len() == wanted.len()
                    && list.iter().zip(wanted).all(|(got, wanted)| self.matches(got, wanted))
            }
            (Got::List(list), wanted) => Some(list.len() as u64) == wanted["length"].as_u64(),
            (Got::Refused(code), wanted) => wanted["error"].as_str() == Some(code),
            (Got::Bytes(bytes), wanted) => match wanted["length"].as_u64() {
                Some(length) => bytes.len() as u64 == length,
                None if wanted.is_null() || wanted.is_boolean() || wanted.is_array() => false,
                None => *bytes == self.bytes(wanted),
            },
            _ => false,
        }
    }
}
