//! Hostile bytes: one function for each thing in keyfold that reads bytes which anybody may have written.
//!
//! Each takes arbitrary bytes, does with them what an attacker would, and panics where keyfold answers what it must
//! not: a wrong plaintext, two values for one encoding, an error of a kind that the docs do not name. The programs in
//! `fuzz_targets` hand them what a fuzzer invents; `replay` hands them the corpus, and changes of it, on any toolchain.

pub mod c_abi;
pub mod ciphertext;
pub mod context;
pub mod database;
pub mod import;
pub mod keyset_binary;
pub mod keyset_json;
pub mod options;
pub mod printed;
pub mod rows;
pub mod stream;
pub mod text;

pub mod changes;
mod damage;
mod edits;
mod home;
mod input;
mod keysets;
mod sample;
pub mod seeds;

/// A target's name and what it does with bytes.
pub type Target = (&'static str, fn(&[u8]));

/// All of them.
pub const TARGETS: [Target; 12] = [
    ("ciphertext", ciphertext::run),
    ("text", text::run),
    ("stream", stream::run),
    ("context", context::run),
    ("keyset_json", keyset_json::run),
    ("keyset_binary", keyset_binary::run),
    ("options", options::run),
    ("rows", rows::run),
    ("database", database::run),
    ("printed", printed::run),
    ("import", import::run),
    ("c_abi", c_abi::run),
];
