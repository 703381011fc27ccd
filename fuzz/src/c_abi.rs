//! The C interface: calls in any order, with any lengths, NULLs and handles that its header allows.

mod calls;
mod header;
mod values;

use crate::input::Input;
use calls::Caller;

/// One call after another, as long as there is input.
pub fn run(data: &[u8]) {
    let mut input = Input::new(data);
    let mut caller = Caller::new();
    for _ in 0..64 {
        if input.is_empty() {
            break;
        }
        caller.call(&mut input);
    }
}
