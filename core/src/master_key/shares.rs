//! A secret in the hands of several people: any `threshold` of `count` shares open the store (Shamir).

use std::sync::Arc;

use zeroize::Zeroizing;

use super::printed::Form;
use super::{LENGTH, MasterKey};
use crate::error::{Error, Result};
use crate::limits;
use crate::primitives::{SecretShare, combine_shares, random_bytes, split_secret};
use crate::sys::pages::SecretBytes;

pub(super) const FORM: Form = Form { prefix: "kfs1-", name: "a share", length: SET_LENGTH + 2 + LENGTH };

/// A random number that all shares of one secret carry.
const SET_LENGTH: usize = 4;

/// The shares of a secret as they are made: give each to somebody else, and add a recipient for them.
pub struct Shares {
    secret: Arc<SecretBytes>,
    shares: Vec<SecretBytes>,
}

impl Shares {
    /// A new random secret in `count` shares, any `threshold` of which give it: 2 ≤ threshold ≤ count ≤ 16.
    pub fn split(threshold: u8, count: u8) -> Result<Self> {
        if threshold < 2 || count < threshold || count > limits::SHARES {
            return Err(Error::invalid(format!(
                "{threshold} of {count} shares cannot be: at least 2, of as many or more, of at most {}",
                limits::SHARES
            )));
        }
        let secret = SecretBytes::random(LENGTH)?;
        let mut set = [0; SET_LENGTH];
        random_bytes(&mut set)?;
        let shares = split_secret(&secret, threshold, count)?;
        let shares = shares.iter().map(|share| content(set, threshold, share)).collect();
        Ok(Self { secret: Arc::new(secret), shares })
    }

    /// The texts to hand out: `kfs1-` and 13 groups of six characters each.
    pub fn reveal(&self) -> Vec<Zeroizing<String>> {
        self.shares.iter().map(|share| FORM.print(share)).collect()
    }

    /// As what opens a store, or is added to one.
    pub fn master_key(&self) -> MasterKey {
        MasterKey::from_shares(Arc::clone(&self.secret))
    }
}

impl std::fmt::Debug for Shares {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(out, "Shares({})", self.shares.len())
    }
}

/// Set, threshold, place, value.
fn content(set: [u8; SET_LENGTH], threshold: u8, share: &SecretShare) -> SecretBytes {
    SecretBytes::fill_with(FORM.length, |bytes| {
        let (head, value) = bytes.split_at_mut(SET_LENGTH + 2);
        head[..SET_LENGTH].copy_from_slice(&set);
        head[SET_LENGTH..].copy_from_slice(&[threshold, share.place]);
        value.copy_from_slice(share.value.expose());
    })
}

/// The secret of these texts. Errors name shares by where they stand, from 1.
pub(super) fn combine(texts: &[&str]) -> Result<SecretBytes> {
    let mut shares: Vec<SecretShare> = Vec::new();
    let mut first: Option<([u8; SET_LENGTH], u8)> = None;
    if texts.len() > usize::from(limits::SHARES) {
        return Err(Error::limit(format!("at most {} shares are given at once", limits::SHARES)));
    }
    for (number, text) in (1..).zip(texts) {
        let parsed = FORM.parse(text.trim());
        let bytes = parsed.map_err(|error| Error::invalid(format!("share {number}: {}", error.message())))?;
        let (head, value) = bytes.expose().split_at(SET_LENGTH + 2);
        let (set, rest) = head.split_first_chunk().ok_or_else(|| Error::internal("a short share"))?;
        let (threshold, place) = (rest[0], rest[1]);
        if threshold < 2 || place == 0 {
            return Err(Error::invalid(format!("share {number} is none that keyfold makes")));
        }
        if *first.get_or_insert((*set, threshold)) != (*set, threshold) {
            return Err(Error::invalid(format!(
                "share {number} belongs to another secret than share 1: they were made at different times"
            )));
        }
        if let Some(twin) = shares.iter().position(|share| share.place == place) {
            return Err(Error::invalid(format!("shares {} and {number} are the same one", twin + 1)));
        }
        shares.push(SecretShare { place, value: SecretBytes::copied(value) });
    }
    let threshold = first.map_or(2, |(_, threshold)| threshold);
    if shares.len() < usize::from(threshold) {
        return Err(Error::invalid(format!(
            "{} shares are too few: this secret wants {threshold}",
            shares.len()
        )));
    }
    Ok(combine_shares(threshold, &shares)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(texts: &[&str]) -> String {
        let error = combine(texts).map(|_| ()).unwrap_err();
        for text in texts.iter().filter(|text| text.len() > 20) {
            assert!(!format!("{error:?}").contains(&text[5..11]), "{error:?}");
        }
        error.message().to_owned()
    }

    #[test]
    fn enough_shares_of_one_set_give_the_secret() {
        let shares = Shares::split(3, 5).unwrap();
        let texts = shares.reveal();
        let secret = shares.secret.expose();
        let texts: Vec<&str> = texts.iter().map(|text| text.as_str()).collect();
        assert_eq!(combine(&[texts[4], texts[0], texts[2]]).unwrap().expose(), secret);
        assert_eq!(combine(&texts).unwrap().expose(), secret);
        assert_eq!(format!("{shares:?}"), "Shares(5)");
    }

    #[test]
    fn what_is_wrong_with_them_is_said() {
        let (one, other) = (Shares::split(2, 3).unwrap().reveal(), Shares::split(2, 3).unwrap().reveal());
        assert_eq!(message(&[]), "0 shares are too few: this secret wants 2");
        assert_eq!(message(&[&one[1]]), "1 shares are too few: this secret wants 2");
        assert_eq!(message(&[&one[1], &one[0], &one[1]]), "shares 1 and 3 are the same one");
        assert!(message(&[&one[1], &other[2]]).starts_with("share 2 belongs to another secret than share 1"));
        let other_sign = if &one[1][12..13] == "0" { "1" } else { "0" };
        let damaged = format!("{}{other_sign}{}", &one[1][..12], &one[1][13..]);
        assert!(message(&[&one[0], &damaged]).starts_with("share 2: group "));
        assert!(message(&["kfr1-000000", &one[0]]).starts_with("share 1: a share begins with kfs1-"));
        let many = vec![one[0].as_str(); 17];
        assert_eq!(combine(&many).map(|_| ()).unwrap_err().kind(), crate::ErrorKind::LimitExceeded);
    }

    #[test]
    fn counts_are_bounded() {
        assert!(Shares::split(16, 16).is_ok());
        for (threshold, count) in [(0, 0), (1, 3), (3, 2), (2, 17), (17, 17)] {
            assert_eq!(
                Shares::split(threshold, count).map(|_| ()).unwrap_err().kind(),
                crate::ErrorKind::InvalidArgument
            );
        }
    }
}
