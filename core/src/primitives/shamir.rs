//! Shamir's secret sharing over GF(256): any `threshold` shares give the secret, fewer say nothing of it.
//!
//! The crate computes with tables, on one machine and with nobody who times it in mind. It wipes its shares and its
//! polynomials; what it leaves on the stack is wiped here.

use blahaj::{Share, Sharks};
use zeroize::{Zeroizing, zeroize_stack};

use super::backend::Failure;
use super::hpke::KernelRandomness;
use crate::sys::pages::SecretBytes;

/// One share: its place, 1 to 255, and as many bytes as the secret has.
pub(crate) struct SecretShare {
    pub(crate) place: u8,
    pub(crate) value: SecretBytes,
}

/// `count` shares, any `threshold` of which give the secret.
pub(crate) fn split_secret(
    secret: &SecretBytes,
    threshold: u8,
    count: u8,
) -> Result<Vec<SecretShare>, Failure> {
    let mut randomness = KernelRandomness::default();
    let shares: Vec<SecretShare> = Sharks(threshold)
        .dealer_rng(secret.expose(), &mut randomness)
        .take(count.into())
        .filter_map(|share| {
            let bytes = Zeroizing::new(Vec::from(&share));
            let (place, value) = bytes.split_first()?;
            Some(SecretShare { place: *place, value: SecretBytes::copied(value) })
        })
        .collect();
    zeroize_stack::<STACK>();
    let whole = threshold >= 1 && shares.len() == usize::from(count) && count >= threshold;
    if randomness.failed || !whole { Err(Failure) } else { Ok(shares) }
}

/// The secret of these shares, which must be as many as the threshold and of different places. Wrong shares give a
/// wrong secret.
pub(crate) fn combine_shares(threshold: u8, shares: &[SecretShare]) -> Result<SecretBytes, Failure> {
    let shares = shares
        .iter()
        .map(|share| {
            let bytes = Zeroizing::new([&[share.place], share.value.expose()].concat());
            Share::try_from(&bytes[..]).ok().filter(|_| share.place != 0).ok_or(Failure)
        })
        .collect::<Result<Vec<Share>, Failure>>()?;
    let secret = Sharks(threshold).recover(&shares).map(Zeroizing::new).map_err(|_| Failure)?;
    let secret = SecretBytes::copied(&secret);
    zeroize_stack::<STACK>();
    Ok(secret)
}

/// What the crate may use of the stack.
const STACK: usize = 4 * 1024;

#[cfg(test)]
mod tests {
    use super::*;

    fn chosen(shares: &[SecretShare], places: &[usize]) -> Vec<SecretShare> {
        let copy = |share: &SecretShare| SecretShare {
            place: share.place,
            value: SecretBytes::copied(share.value.expose()),
        };
        places.iter().map(|place| copy(&shares[*place])).collect()
    }

    /// Product in GF(2^8) modulo x^8 + x^4 + x^3 + x^2 + 1, bit by bit.
    fn times(mut a: u8, mut b: u8) -> u8 {
        let mut product = 0;
        while b != 0 {
            product ^= if b & 1 == 1 { a } else { 0 };
            a = (a << 1) ^ if a & 0x80 == 0 { 0 } else { 0x1d };
            b >>= 1;
        }
        product
    }

    /// The polynomial through these points at `x`, by Lagrange's formula.
    fn interpolated(points: &[(u8, u8)], x: u8) -> u8 {
        let inverse = |a: u8| (1..=255).find(|b| times(a, *b) == 1).unwrap();
        let term = |(place, value): &(u8, u8)| {
            let others = points.iter().filter(|(other, _)| other != place);
            others.fold(*value, |term, (other, _)| times(times(term, x ^ other), inverse(place ^ other)))
        };
        points.iter().map(term).fold(0, |sum, term| sum ^ term)
    }

    /// No standard has vectors of it, so it is held against its definition.
    #[test]
    fn shares_are_points_of_polynomials() {
        for (threshold, count) in [(2, 2), (2, 5), (3, 5), (7, 16), (16, 16)] {
            let secret = SecretBytes::random(32).unwrap();
            let shares = split_secret(&secret, threshold, count).unwrap();
            let enough = &shares[usize::from(count - threshold)..];
            for byte in 0..32 {
                let points: Vec<_> =
                    enough.iter().map(|share| (share.place, share.value.expose()[byte])).collect();
                assert_eq!(interpolated(&points, 0), secret.expose()[byte]);
                for share in &shares {
                    assert_eq!(interpolated(&points, share.place), share.value.expose()[byte]);
                }
            }
        }
    }

    #[test]
    fn any_threshold_of_them_gives_the_secret() {
        let secret = SecretBytes::random(32).unwrap();
        let shares = split_secret(&secret, 3, 5).unwrap();
        for places in [[0, 1, 2], [4, 2, 0], [1, 3, 4], [2, 3, 4]] {
            let combined = combine_shares(3, &chosen(&shares, &places)).unwrap();
            assert_eq!(combined.expose(), secret.expose());
        }
        let all = combine_shares(3, &chosen(&shares, &[0, 1, 2, 3, 4])).unwrap();
        assert_eq!(all.expose(), secret.expose());
        assert!(combine_shares(3, &chosen(&shares, &[0, 1])).is_err());
        assert!(combine_shares(3, &chosen(&shares, &[0, 1, 1])).is_err());
        // Told that two are enough, they give something else.
        assert_ne!(combine_shares(2, &chosen(&shares, &[0, 1])).unwrap().expose(), secret.expose());
    }

    /// Interpolated by the definition: multiplication by shifts, division by search.
    #[test]
    fn they_are_points_of_a_polynomial() {
        fn times(mut a: u8, mut b: u8) -> u8 {
            let mut product = 0;
            while b != 0 {
                product ^= if b & 1 == 1 { a } else { 0 };
                a = (a << 1) ^ if a & 0x80 == 0 { 0 } else { 0x1d };
                b >>= 1;
            }
            product
        }
        fn inverse(a: u8) -> u8 {
            (1..=255).find(|b| times(a, *b) == 1).unwrap()
        }
        let secret = SecretBytes::random(32).unwrap();
        let shares = split_secret(&secret, 3, 4).unwrap();
        for byte in 0..32 {
            let mut value = 0;
            for share in &shares[1..] {
                let mut term = share.value.expose()[byte];
                for other in shares[1..].iter().filter(|other| other.place != share.place) {
                    term = times(term, times(other.place, inverse(other.place ^ share.place)));
                }
                value ^= term;
            }
            assert_eq!(value, secret.expose()[byte]);
        }
    }

    #[test]
    fn places_and_thresholds_that_make_no_sense_are_refused() {
        let secret = SecretBytes::random(32).unwrap();
        assert!(split_secret(&secret, 3, 2).is_err());
        let mut shares = split_secret(&secret, 2, 2).unwrap();
        shares[0].place = 0;
        assert!(combine_shares(2, &shares).is_err());
        assert!(combine_shares(2, &[]).is_err());
    }
}
