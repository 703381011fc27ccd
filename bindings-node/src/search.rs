//! Blind indexes. Options come as JSON, or undefined for the defaults.

use keyfold::{IndexOptions, Result, limits};

use crate::answer::Answer;
use crate::batch::{Texts, read_lengths};
use crate::handles::with_key;
use crate::key::buffers;
use crate::raw::{Bytes, Js, Value};
use crate::wiped::WipedText;
use crate::work;

/// blindIndex(key, value, field, optionsJson) → bytes
pub fn blind_index<'a>(js: Js<'a>, arguments: &[Value<'a>]) -> Result<Value<'a>> {
    let (value, field, options) = question(js, arguments)?;
    js.buffer(&with_key(js.handle(arguments[0]), |key| key.blind_index(value.as_slice(), &field, &options))?)
}

/// blindIndexes(key, value, field, optionsJson) → [bytes]
pub fn blind_indexes<'a>(js: Js<'a>, arguments: &[Value<'a>]) -> Result<Value<'a>> {
    let (value, field, options) = question(js, arguments)?;
    let indexes =
        with_key(js.handle(arguments[0]), |key| key.blind_indexes(value.as_slice(), &field, &options))?;
    buffers(js, &indexes)
}

fn question<'a>(js: Js<'a>, arguments: &[Value<'a>]) -> Result<(Bytes<'a>, WipedText, IndexOptions)> {
    let value = js.bytes_or_text(arguments[1], "the value")?;
    let field = js.text(arguments[2], "field")?;
    Ok((value, field, read_options(js, arguments[3])?))
}

fn read_options<'a>(js: Js<'a>, value: Value<'a>) -> Result<IndexOptions> {
    if js.is_nothing(value)? {
        return Ok(IndexOptions::new());
    }
    IndexOptions::from_json(&js.text(value, "options")?)
}

/// blindIndexMany(key, text, lengths, field, optionsJson) → [bytes of all, width]; zeros where a value was null
pub fn blind_index_many<'a>(js: Js<'a>, arguments: &[Value<'a>]) -> Result<Value<'a>> {
    let [key, text, lengths, field, options, ..] = arguments else { return js.undefined() };
    let field = js.text(*field, "field")?;
    let options = read_options(js, *options)?;
    let packed = with_values(js, *text, *lengths, |values| {
        with_key(js.handle(*key), |key| key.blind_index_many(values, &field, &options))
    })?;
    js.array(&[js.buffer(packed.bytes())?, js.number(packed.width() as f64)?])
}

/// Values as one string or as bytes, one after the other.
fn with_values<'a, R>(
    js: Js<'a>,
    values: Value<'a>,
    lengths: Value<'a>,
    run: impl FnOnce(&[Option<&[u8]>]) -> Result<R>,
) -> Result<R> {
    if js.is_string(values)? {
        let texts = Texts::read(js, values, lengths)?;
        let values: Vec<_> = texts.values().into_iter().map(|text| text.map(str::as_bytes)).collect();
        return run(&values);
    }
    let bytes = js.bytes(values, "the values")?;
    let lengths = read_lengths(&js.bytes(lengths, "the lengths")?)?;
    run(&crate::batch::split(bytes.as_slice(), &lengths, Ok)?)
}

/// blindIndexCompound(key, fields, values, optionsJson) → bytes
pub fn blind_index_compound<'a>(js: Js<'a>, arguments: &[Value<'a>]) -> Result<Value<'a>> {
    compound(js, arguments, |key, values, options| {
        js.buffer(&with_key(key, |key| key.blind_index_compound(values, options))?)
    })
}

/// blindIndexesCompound(key, fields, values, optionsJson) → [bytes]
pub fn blind_indexes_compound<'a>(js: Js<'a>, arguments: &[Value<'a>]) -> Result<Value<'a>> {
    compound(js, arguments, |key, values, options| {
        buffers(js, &with_key(key, |key| key.blind_indexes_compound(values, options))?)
    })
}

fn compound<'a>(
    js: Js<'a>,
    arguments: &[Value<'a>],
    run: impl FnOnce(u32, &[(&str, &[u8])], &IndexOptions) -> Result<Value<'a>>,
) -> Result<Value<'a>> {
    let [key, fields, values, options, ..] = arguments else { return js.undefined() };
    let read_field = |value| js.text(value, "field");
    let read_value = |value| js.bytes_or_text(value, "the value");
    // More than may be, for the core to say so.
    let most = limits::INDEX_BATCH;
    let fields: Result<Vec<_>> = js.items(*fields, "the fields", most)?.into_iter().map(read_field).collect();
    let values: Result<Vec<_>> = js.items(*values, "the values", most)?.into_iter().map(read_value).collect();
    let (fields, values) = (fields?, values?);
    let pairs = fields.iter().zip(&values).map(|(field, value)| (&**field, value.as_slice()));
    let options = read_options(js, *options)?;
    run(js.handle(*key), &pairs.collect::<Vec<_>>(), &options)
}

/// indexReport(values, lengths, optionsJson, later) → IndexReport
pub fn index_report<'a>(js: Js<'a>, arguments: &[Value<'a>]) -> Result<Value<'a>> {
    let [values, lengths, options, later, ..] = arguments else { return js.undefined() };
    let options = read_options(js, *options)?;
    if !js.flag(*later)? {
        return with_values(js, *values, *lengths, |values| keyfold::index_report(values, &options))
            .and_then(|report| Answer::IndexReport(report).into_js(js));
    }
    let owned = with_values(js, *values, *lengths, |values| {
        Ok(values.iter().map(|value| value.map(|value| value.to_vec().into())).collect::<Vec<_>>())
    })?;
    work::run(js, true, move || {
        let values: Vec<_> =
            owned.iter().map(|value: &Option<crate::wiped::WipedBytes>| value.as_deref()).collect();
        keyfold::index_report(&values, &options).map(Answer::IndexReport)
    })
}
