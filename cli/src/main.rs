//! The command `keyfold`.
fn main() {}
