//! How much of a proof runs, and from which random numbers.

/// Whether the long form of a proof was asked for.
pub fn long() -> bool {
    std::env::var("KEYFOLD_PROOF").is_ok_and(|form| form == "long")
}

/// Where a random proof begins: KEYFOLD_SEED, or else the clock.
pub fn seed() -> u64 {
    let given = std::env::var("KEYFOLD_SEED").ok().and_then(|seed| seed.parse().ok());
    let clock =
        || std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_nanos() as u64;
    let seed = given.unwrap_or_else(clock);
    println!("proof: KEYFOLD_SEED={seed}");
    seed
}
