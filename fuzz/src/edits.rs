//! Changes to good bytes, as an input describes them.

use crate::input::Input;

/// Changes a copy in up to eight places: bits, bytes, cuts, repeats, and what the input brings along.
pub(crate) fn edited(good: &[u8], input: &mut Input) -> Vec<u8> {
    let mut bytes = good.to_vec();
    for _ in 0..input.below(8) {
        edit(&mut bytes, input);
    }
    bytes
}

fn edit(bytes: &mut Vec<u8>, input: &mut Input) {
    let kind = input.byte();
    let place = input.below(bytes.len() + 1);
    match kind % 7 {
        0 => bytes.truncate(place),
        1 => _ = bytes.drain(..place),
        2 => {
            let new = input.bytes();
            bytes.splice(place..place, new.iter().copied());
        }
        3 => {
            let new = input.bytes();
            let end = bytes.len().min(place + new.len());
            bytes[place..end].copy_from_slice(&new[..end - place]);
        }
        4 => {
            let end = bytes.len().min(place + input.below(64));
            let part = bytes[place..end].to_vec();
            let to = input.below(bytes.len() + 1);
            bytes.splice(to..to, part);
        }
        5 => {
            let other = input.below(bytes.len() + 1);
            if place < bytes.len() && other < bytes.len() {
                bytes.swap(place, other);
            }
        }
        _ => {
            let change = input.byte();
            if let Some(byte) = bytes.get_mut(place) {
                *byte ^= change;
            }
        }
    }
}
