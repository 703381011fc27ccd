//! The C interface of keyfold: it converts, and nothing else. Its manual is `include/keyfold.h`, which is made
//! from this crate.
//!
//! Arguments have types that say who owns what: `Option<&T>` is lent and may be NULL, `Option<Box<T>>` is given
//! to us, `Option<&mut MaybeUninit<T>>` is a place to write to. Data, names and texts come as plain pointers and
//! are turned into slices in `ffi` alone.
// What each pointer must be is said once, at the top of the header, for people who write C.
#![allow(clippy::missing_safety_doc)]

mod status;

mod error;

mod buffer;

mod array;

mod list;

mod library;

mod master_key;

mod recovery;

mod context;

mod store;

mod versions;

mod purposes;

mod salts;

mod recipients;

mod transfer;

mod backup;

mod key;

mod batch;

mod deterministic;

mod mac;

mod index;

mod stream;

mod stream_callbacks;

mod text;

mod call;
mod ffi;
mod json;
mod panic;
mod passphrase;
