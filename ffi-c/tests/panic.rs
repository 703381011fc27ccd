//! Panics stop where they should: the function that every call runs in, by itself.

#[path = "../src/panic.rs"]
mod panic;

use panic::contain;

#[test]
fn a_panic_becomes_nothing() {
    assert_eq!(contain(|| 7), Some(7));
    assert_eq!(contain(|| -> u8 { panic!("on purpose") }), None);
    assert_eq!(contain(|| vec![1][std::hint::black_box(1)]), None);
}

#[test]
fn not_even_a_payload_that_panics_gets_out() {
    struct Twice;
    impl Drop for Twice {
        fn drop(&mut self) {
            panic!("on purpose, again");
        }
    }
    assert_eq!(contain(|| std::panic::panic_any(Twice)), None);
}
