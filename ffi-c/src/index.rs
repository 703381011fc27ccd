//! Blind indexes: what a value can be found by.

use std::ffi::{c_char, c_void};
use std::mem::MaybeUninit;

use keyfold::{IndexOptions, Result, limits};

use crate::array::{KeyfoldData, present, texts, values};
use crate::buffer::KeyfoldBuf;
use crate::call::call;
use crate::error::KeyfoldError;
use crate::ffi::{bytes, invalid, optional_text, required, text};
use crate::json;
use crate::key::KeyfoldKey;
use crate::status::KeyfoldStatus;

/// The blind index of a value: store it beside the encrypted value and search for it. It stays the same while data keys
/// rotate. `field` names what is indexed, as in "users.email", up to 255 bytes. Keys of one purpose give the same index
/// for the same value and field. Equal values are seen to be equal, and how often. `options` is a JSON object, NULL
/// for the defaults:
///
///   {"kind": "exact",     all of the value; "prefix" or "suffix": its first or last `length` characters; "soundex":
///                         how a name sounds in English
///    "length": null,      1 to 255, for a prefix or suffix; a shorter value is indexed whole
///    "bits": 128,         1 to 256; fewer leak less and find more by chance
///    "normalize": []}     what is done to the value first, in this order: "casefold", "nfkc", "digits" (drops all else),
///                         "trim", "collapse_spaces"
///
/// Whatever but "exact" without normalisers reads the value as a text: KEYFOLD_INVALID_ARGUMENT where it is not UTF-8.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn keyfold_key_blind_index(
    key: Option<&KeyfoldKey>,
    value: *const c_void,
    value_len: usize,
    field: *const c_char,
    options: *const c_char,
    out: Option<&mut MaybeUninit<KeyfoldBuf>>,
    error: Option<&mut MaybeUninit<Option<Box<KeyfoldError>>>>,
) -> KeyfoldStatus {
    call(error, || {
        let out = required(out, "out")?;
        let key = required(key, "key")?.inner();
        // SAFETY: the caller's bytes and texts.
        let (value, field, options) =
            unsafe { (bytes(value, value_len, "value")?, text(field, "field")?, index_options(options)?) };
        out.write(KeyfoldBuf::copied(&key.blind_index(value, field, &options)?)?);
        Ok(())
    })
}

/// The blind indexes under all live versions of the index root: search for any of them. `out` holds `count` indexes of
/// the same length, out.len / count bytes, one after the other and the newest first.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn keyfold_key_blind_indexes(
    key: Option<&KeyfoldKey>,
    value: *const c_void,
    value_len: usize,
    field: *const c_char,
    options: *const c_char,
    out: Option<&mut MaybeUninit<KeyfoldBuf>>,
    count: Option<&mut MaybeUninit<usize>>,
    error: Option<&mut MaybeUninit<Option<Box<KeyfoldError>>>>,
) -> KeyfoldStatus {
    call(error, || {
        let out = required(out, "out")?;
        let count = required(count, "count")?;
        let key = required(key, "key")?.inner();
        // SAFETY: the caller's bytes and texts.
        let (value, field, options) =
            unsafe { (bytes(value, value_len, "value")?, text(field, "field")?, index_options(options)?) };
        let indexes = key.blind_indexes(value, field, &options)?;
        out.write(KeyfoldBuf::copied(&indexes.concat())?);
        count.write(indexes.len());
        Ok(())
    })
}

/// keyfold_key_blind_index of each of many values, of one field. A null has no index. `out` becomes `count` places of
/// `width` bytes each, one after the other: that of value i begins at out.data + i * width, and that of a null is zeros.
/// Where one value is refused nothing is written, and keyfold_error_index says which it was. KEYFOLD_LIMIT_EXCEEDED past
/// KEYFOLD_BATCH_MAX values.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn keyfold_key_blind_index_many(
    key: Option<&KeyfoldKey>,
    values: *const KeyfoldData,
    count: usize,
    field: *const c_char,
    options: *const c_char,
    out: Option<&mut MaybeUninit<KeyfoldBuf>>,
    width: Option<&mut MaybeUninit<usize>>,
    error: Option<&mut MaybeUninit<Option<Box<KeyfoldError>>>>,
) -> KeyfoldStatus {
    call(error, || {
        let out = required(out, "out")?;
        let width = required(width, "width")?;
        let key = required(key, "key")?.inner();
        // SAFETY: the caller's array and texts.
        let (values, field, options) = unsafe {
            (
                self::values(values, count, limits::INDEX_BATCH, "values")?,
                text(field, "field")?,
                index_options(options)?,
            )
        };
        let indexes = key.blind_index_many(&values, field, &options)?;
        out.write(KeyfoldBuf::copied(indexes.bytes())?);
        width.write(indexes.width());
        Ok(())
    })
}

/// One index of several fields and their values: found only by who knows all of them. `fields` and `values` have
/// `count` items each, up to 16; their order does not matter, and no field may come twice. No value may be null: where
/// one is missing there is no index. `options` are those of keyfold_key_blind_index and hold for every value.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn keyfold_key_blind_index_compound(
    key: Option<&KeyfoldKey>,
    fields: *const *const c_char,
    values: *const KeyfoldData,
    count: usize,
    options: *const c_char,
    out: Option<&mut MaybeUninit<KeyfoldBuf>>,
    error: Option<&mut MaybeUninit<Option<Box<KeyfoldError>>>>,
) -> KeyfoldStatus {
    call(error, || {
        let out = required(out, "out")?;
        let key = required(key, "key")?.inner();
        // SAFETY: the caller's arrays and text.
        let (values, options) = unsafe { (named(fields, values, count)?, index_options(options)?) };
        out.write(KeyfoldBuf::copied(&key.blind_index_compound(&values, &options)?)?);
        Ok(())
    })
}

/// The compound indexes under all live versions of the index root; `out` and `indexes` are `out` and `count` of
/// keyfold_key_blind_indexes.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn keyfold_key_blind_indexes_compound(
    key: Option<&KeyfoldKey>,
    fields: *const *const c_char,
    values: *const KeyfoldData,
    count: usize,
    options: *const c_char,
    out: Option<&mut MaybeUninit<KeyfoldBuf>>,
    indexes: Option<&mut MaybeUninit<usize>>,
    error: Option<&mut MaybeUninit<Option<Box<KeyfoldError>>>>,
) -> KeyfoldStatus {
    call(error, || {
        let out = required(out, "out")?;
        let indexes = required(indexes, "indexes")?;
        let key = required(key, "key")?.inner();
        // SAFETY: the caller's arrays and text.
        let (values, options) = unsafe { (named(fields, values, count)?, index_options(options)?) };
        let found = key.blind_indexes_compound(&values, &options)?;
        out.write(KeyfoldBuf::copied(&found.concat())?);
        indexes.write(found.len());
        Ok(())
    })
}

/// What an index with these options would tell whoever reads its column, worked out over the values themselves, some
/// of which may be null; at most 1,000,000. No store is needed, and nothing is kept. `options` are those of
/// keyfold_key_blind_index. A JSON object:
///
///   {"rows": 1000, "nulls": 0,         how many values and nulls
///    "distinct_values": 50, "distinct_indexes": 48,
///    "most_common_share": 0.2,         the chance of guessing a row's value without its index
///    "guess_chance": 0.4,              the same with its index
///    "value_entropy": 5.1, "value_min_entropy": 2.3,    of the values, in bits a row
///    "leaked_bits": 4.9, "remaining_bits": 0.2,         of that entropy, to who sees the index
///    "min_entropy_leaked": 1.0,        how many times likelier the best guess becomes, in bits
///    "bits": 128,                      the width of the index
///    "found": 20.5, "false_positives": 0.1,     rows that a search finds, and those with another value
///    "recommended_bits": 4,            the most bits that surely leave a bit to find out; null where none do
///    "narrowest_bits": 5}              the fewest at which a search finds few others
#[unsafe(no_mangle)]
pub unsafe extern "C" fn keyfold_index_report(
    values: *const KeyfoldData,
    count: usize,
    options: *const c_char,
    out: Option<&mut MaybeUninit<KeyfoldBuf>>,
    error: Option<&mut MaybeUninit<Option<Box<KeyfoldError>>>>,
) -> KeyfoldStatus {
    call(error, || {
        let out = required(out, "out")?;
        // SAFETY: the caller's array and text.
        let (values, options) = unsafe {
            (self::values(values, count, limits::INDEX_REPORT_VALUES, "values")?, index_options(options)?)
        };
        out.write(json::object(&keyfold::index_report(&values, &options)?)?);
        Ok(())
    })
}

/// # Safety
/// As for [`optional_text`].
unsafe fn index_options(options: *const c_char) -> Result<IndexOptions> {
    // SAFETY: the same demand.
    let options = unsafe { optional_text(options, "options") }?;
    Ok(options.map(IndexOptions::from_json).transpose()?.unwrap_or_default())
}

/// Fields with their values.
///
/// # Safety
/// The arrays are as the header demands.
unsafe fn named<'a>(
    fields: *const *const c_char,
    values: *const KeyfoldData,
    count: usize,
) -> Result<Vec<(&'a str, &'a [u8])>> {
    if count == 0 {
        return Err(invalid("count is 0; a compound index has at least one field"));
    }
    let most = limits::INDEX_FIELDS;
    if count > most {
        return Err(invalid(format!("count is {count}; a compound index has at most {most} fields")));
    }
    // SAFETY: the same demand.
    let (fields, values) =
        unsafe { (texts(fields, count, most, "fields")?, present(values, count, most, "values")?) };
    Ok(fields.into_iter().zip(values).collect())
}
