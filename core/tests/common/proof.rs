//! What the long and random proofs share.
#![allow(dead_code)]

/// Whether the long form of a proof was asked for.
pub fn long() -> bool { std::env::var("KEYFOLD_PROOF").is_ok_and(|form| form == "long") }
