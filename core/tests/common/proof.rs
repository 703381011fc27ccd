//! Which form of a proof is asked for.

/// Whether the long form of a proof was asked for.
pub fn long() -> bool {
    std::env::var("KEYFOLD_PROOF").is_ok_and(|form| form == "long")
}
