//! Contexts: one encoding for one context, and one context for one encoding.

use std::collections::BTreeMap;

use keyfold::{Context, ContextValue, ErrorKind, limits};

use crate::home::{expect, refuse, store};
use crate::input::Input;

type Fields = Vec<(String, Vec<u8>)>;

/// Two contexts, and bytes that claim to be one's encoding.
pub fn run(data: &[u8]) {
    let mut input = Input::new(data);
    let (one, other) = (fields(&mut input), fields(&mut input));
    let (first, second) = (encoded(&one), encoded(&other));
    if let (Some(first), Some(second)) = (&first, &second) {
        assert_eq!(sorted(&one) == sorted(&other), first == second, "{one:?} and {other:?}");
    }
    let mut backwards = one.clone();
    backwards.reverse();
    assert_eq!(first, encoded(&backwards), "the order of the calls matters");
    if let (Some(first), Some(second)) = (first, second) {
        bound(&one, &first, &second);
    }
    let given = input.rest();
    if let Some(fields) = parsed(given) {
        assert_eq!(encoded(&fields).as_deref(), Some(given), "two encodings of one context");
    }
}

fn fields(input: &mut Input) -> Fields {
    let count = input.below(limits::CONTEXT_FIELDS + 3);
    (0..count).map(|_| (input.text(), value(input))).collect()
}

/// Bytes, or a number as it stands in a context.
fn value(input: &mut Input) -> Vec<u8> {
    match input.bytes() {
        bytes if bytes.len() == 8 => {
            let number = i64::from_be_bytes(bytes.try_into().expect("eight bytes"));
            assert_eq!(ContextValue::from(number), ContextValue::from(number.to_string()));
            number.to_string().into_bytes()
        }
        bytes => bytes.to_vec(),
    }
}

fn sorted(fields: &Fields) -> BTreeMap<&str, &[u8]> {
    fields.iter().map(|(name, value)| (name.as_str(), value.as_slice())).collect()
}

/// The encoding; `None` where there is none, as there must not be.
fn encoded(fields: &Fields) -> Option<Vec<u8>> {
    let mut context = Context::new();
    for (name, value) in fields {
        context.insert(name, value.as_slice());
    }
    let twice = sorted(fields).len() < fields.len();
    if fields.is_empty() || twice {
        refuse(context.to_aad(), &[ErrorKind::InvalidArgument]);
        return None;
    }
    if fields.len() > limits::CONTEXT_FIELDS {
        refuse(context.to_aad(), &[ErrorKind::LimitExceeded]);
        return None;
    }
    let bytes = expect(context.to_aad(), &[]).expect("a context");
    let expected: Vec<_> =
        sorted(fields).into_iter().map(|(name, value)| (name.to_owned(), value.to_vec())).collect();
    assert_eq!(parsed(&bytes), Some(expected), "what is encoded is not what was given");
    Some(bytes)
}

/// Reads an encoding as docs/format.md has it: `None` where a field is cut or out of order.
fn parsed(bytes: &[u8]) -> Option<Fields> {
    let mut rest = bytes.strip_prefix(b"kf-context-v1")?;
    let mut fields: Fields = Vec::new();
    let mut part = || {
        let (length, after) = rest.split_first_chunk::<4>()?;
        let (part, after) = after.split_at_checked(u32::from_be_bytes(*length) as usize)?;
        rest = after;
        Some((part, after.is_empty()))
    };
    loop {
        let (name, _) = part()?;
        let name = str::from_utf8(name).ok()?.to_owned();
        if fields.last().is_some_and(|(before, _)| *before >= name) {
            return None;
        }
        let (value, ended) = part()?;
        fields.push((name, value.to_vec()));
        if ended {
            return (fields.len() <= limits::CONTEXT_FIELDS).then_some(fields);
        }
    }
}

/// A context and its encoding, given as aad, are one; and no other opens what it sealed.
fn bound(fields: &Fields, aad: &[u8], other: &[u8]) {
    let key = store().key("siv").expect("a key of this store");
    let mut context = Context::new();
    for (name, value) in fields {
        context.insert(name, value.as_slice());
    }
    let sealed = key.encrypt(b"x", &context).expect("a current version");
    assert_eq!(key.decrypt(&sealed, aad).expect("the same aad")[..], b"x"[..]);
    if aad != other {
        refuse(key.decrypt(&sealed, other), &[ErrorKind::DecryptionFailed]);
    }
}
