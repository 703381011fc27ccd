//! Changes of inputs that follow from a number alone: what a fuzzer does, without its guidance.

/// Numbers that follow from a seed (splitmix64).
pub struct Random(pub u64);

impl Random {
    pub(crate) fn number(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// Less than `end`, which is not zero.
    pub fn below(&mut self, end: usize) -> usize {
        (self.number() % end as u64) as usize
    }
}

/// One of the inputs with one to four changes, some of them taken from the others.
pub fn changed(inputs: &[Vec<u8>], random: &mut Random) -> Vec<u8> {
    const LARGEST: usize = 8 << 10;
    let mut bytes = inputs[random.below(inputs.len())].clone();
    for _ in 0..1 + random.below(4) {
        let place = random.below(bytes.len() + 1);
        let end = (place + random.below(16)).min(bytes.len());
        match random.below(7) {
            0 => _ = bytes.drain(place..end),
            1 => bytes.truncate(place),
            2 => {
                let other = &inputs[random.below(inputs.len())];
                let start = random.below(other.len() + 1);
                let stop = (start + random.below(64)).min(other.len());
                bytes.splice(place..end, other[start..stop].iter().copied());
            }
            3 => _ = bytes.splice(place..place, bytes[place..end].to_vec()),
            4 => {
                let number = [0, 1, 0x7f, 0x80, 0xff, random.number() as u8][random.below(6)];
                bytes[place..end].fill(number);
            }
            _ => {
                if let Some(byte) = bytes.get_mut(place) {
                    *byte ^= 1 << random.below(8);
                }
            }
        }
    }
    bytes.truncate(LARGEST);
    bytes
}
