//! Proofs have a short form, for every run of the tests, and a long one.

/// Whether the long form of a proof was asked for.
pub fn long() -> bool {
    std::env::var("KEYFOLD_PROOF").is_ok_and(|form| form == "long")
}

/// What a random proof runs by: KEYFOLD_SEED, else in the long form the clock, and in the short one always the same, so
/// that a change of the code is what makes it fail. Printed, so that a run can be repeated.
pub fn seed() -> u64 {
    let given =
        std::env::var("KEYFOLD_SEED").ok().map(|seed| seed.parse().expect("KEYFOLD_SEED is a number"));
    let clock =
        || std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_nanos() as u64;
    let seed = given.unwrap_or_else(|| if long() { clock() } else { 1 });
    println!("proof: KEYFOLD_SEED={seed}");
    seed
}
