//! Streams in parts, and whole files.

use keyfold::{FileOptions, Key, Result, StreamDecryptor, StreamEncryptor};

use crate::answer::Answer;
use crate::bound::Bound;
use crate::handles::{self, with_key, with_stream};
use crate::progress::{self, Listener};
use crate::raw::{Js, Value};
use crate::wiped::wipe;
use crate::work;

/// A stream under way.
pub enum Stream {
    Encryptor(StreamEncryptor),
    Decryptor(StreamDecryptor),
}

impl Stream {
    fn update(&mut self, part: &[u8], out: &mut Vec<u8>) -> Result<()> {
        match self {
            Self::Encryptor(encryptor) => encryptor.update(part, out),
            Self::Decryptor(decryptor) => decryptor.update(part, out),
        }
    }

    fn finish(&mut self, out: &mut Vec<u8>) -> Result<()> {
        match self {
            Self::Encryptor(encryptor) => encryptor.finish(out),
            Self::Decryptor(decryptor) => decryptor.finish(out),
        }
    }
}

/// beginEncryptor(key, bound) → stream
pub fn begin_encryptor<'a>(js: Js<'a>, arguments: &[Value<'a>]) -> Result<Value<'a>> {
    begin(js, arguments, |key, bound| key.stream_encryptor(bound.aad()).map(Stream::Encryptor))
}

/// beginDecryptor(key, bound) → stream
pub fn begin_decryptor<'a>(js: Js<'a>, arguments: &[Value<'a>]) -> Result<Value<'a>> {
    begin(js, arguments, |key, bound| key.stream_decryptor(bound.aad()).map(Stream::Decryptor))
}

fn begin<'a>(
    js: Js<'a>,
    arguments: &[Value<'a>],
    run: fn(&Key, &Bound<'a>) -> Result<Stream>,
) -> Result<Value<'a>> {
    let bound = Bound::read(js, arguments[1])?;
    let stream = with_key(js.handle(arguments[0]), |key| run(key, &bound))?;
    js.number(handles::insert_stream(stream).into())
}

/// updateStream(stream, part) → bytes, or undefined where the part completed nothing
pub fn update<'a>(js: Js<'a>, arguments: &[Value<'a>]) -> Result<Value<'a>> {
    let part = js.bytes(arguments[1], "a stream's part")?;
    given(js, arguments, |stream, out| stream.update(part.as_slice(), out))
}

/// finishStream(stream) → bytes, or undefined where there are none
pub fn finish<'a>(js: Js<'a>, arguments: &[Value<'a>]) -> Result<Value<'a>> {
    given(js, arguments, Stream::finish)
}

fn given<'a>(
    js: Js<'a>,
    arguments: &[Value<'a>],
    run: impl FnOnce(&mut Stream, &mut Vec<u8>) -> Result<()>,
) -> Result<Value<'a>> {
    with_stream(js.handle(arguments[0]), |stream| {
        let mut out = Vec::new();
        run(stream, &mut out)?;
        if out.is_empty() {
            return js.undefined();
        }
        let buffer = js.buffer(&out);
        if matches!(stream, Stream::Decryptor(_)) {
            wipe(&mut out);
        }
        buffer
    })
}

/// streamFacts(stream) → { version, needsReencrypt }, null until a decryptor's first segment is open
pub fn facts<'a>(js: Js<'a>, arguments: &[Value<'a>]) -> Result<Value<'a>> {
    let (version, needs_reencrypt) = with_stream(js.handle(arguments[0]), |stream| match stream {
        Stream::Encryptor(_) => Ok((None, None)),
        Stream::Decryptor(decryptor) => Ok((decryptor.version(), decryptor.needs_reencrypt())),
    })?;
    let null = js.null()?;
    js.object(&[
        ("version", version.map(|version| js.number(version.into())).transpose()?.unwrap_or(null)),
        ("needsReencrypt", needs_reencrypt.map(|needs| js.boolean(needs)).transpose()?.unwrap_or(null)),
    ])
}

/// releaseStream(stream): forgets the handle.
pub fn release<'a>(js: Js<'a>, arguments: &[Value<'a>]) -> Result<Value<'a>> {
    handles::release_stream(js.handle(arguments[0]));
    js.undefined()
}

/// encryptFile(key, from, to, bound, optionsJson, told, later) → bytes read
pub fn encrypt_file<'a>(js: Js<'a>, arguments: &[Value<'a>]) -> Result<Value<'a>> {
    convert(js, arguments, |key, from, to, aad, options, told| {
        key.encrypt_file_with(from, to, aad, options, told)
    })
}

/// decryptFile(key, from, to, bound, optionsJson, told, later) → bytes written
pub fn decrypt_file<'a>(js: Js<'a>, arguments: &[Value<'a>]) -> Result<Value<'a>> {
    convert(js, arguments, |key, from, to, aad, options, told| {
        key.decrypt_file_with(from, to, aad, options, told)
    })
}

type Convert =
    fn(&Key, &str, &str, keyfold::Aad<'_>, &FileOptions, &mut keyfold::Progress<'_>) -> Result<u64>;

fn convert<'a>(js: Js<'a>, arguments: &[Value<'a>], run: Convert) -> Result<Value<'a>> {
    let [key, from, to, bound, options, told, later, ..] = arguments else { return js.undefined() };
    let later = js.flag(*later)?;
    let key = handles::key(js.handle(*key))?;
    let from = js.text(*from, "from")?.to_string();
    let to = js.text(*to, "to")?.to_string();
    let bound = Bound::read(js, *bound)?.kept();
    let options = FileOptions::from_json(&js.text(*options, "options")?)?;
    match Listener::read(js, *told, later)? {
        Listener::Function(function) => {
            let mut tell = |done: u64| progress::call(js, function, &[done as f64]);
            run(&key, &from, &to, bound.aad(), &options, &mut tell).map(Answer::Count)?.into_js(js)
        }
        Listener::Shared(shared) => work::run(js, later, move || {
            let mut tell = |done| shared.tell(done, 0);
            run(&key, &from, &to, bound.aad(), &options, &mut tell).map(Answer::Count)
        }),
        Listener::Nobody => work::run(js, later, move || {
            run(&key, &from, &to, bound.aad(), &options, &mut |_| Ok(())).map(Answer::Count)
        }),
    }
}
