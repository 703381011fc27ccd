//! Published vectors, tried on every backend that is built.

use serde_json::Value;
use shake::Shake128;
use shake::digest::{ExtendableOutput, Update, XofReader};

use super::aead::{CipherOf, TAG_LENGTH};
use super::algorithm::Algorithm;
use super::backend::{Backend, Forged, MacKey, SignatureKey};
use super::hash::{hkdf, mac};
use super::hpke::hpke_public_key;
use super::identity::verify;

/// Runs the tests below once for each backend.
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

on_every_backend! {
    rfc_8452_aes_256_gcm_siv xaes_256_gcm xaes_256_gcm_accumulated xchacha20_draft rfc_4231_hmac rfc_5869_hkdf
    rfc_8032_ed25519 sha_256
}

fn rfc_8452_aes_256_gcm_siv<B: Backend>() {
    let file = load(include_str!("../../../tests/vectors/rfc8452-aes256-gcm-siv.json"));
    assert_eq!(check_aead::<B>(Algorithm::Aes256GcmSiv, &file), 26);
}

fn xaes_256_gcm<B: Backend>() {
    let file = load(XAES);
    assert_eq!(check_aead::<B>(Algorithm::Xaes256Gcm, &file), 2);
}

const XAES: &str = include_str!("../../../tests/vectors/xaes-256-gcm.json");

/// The digest over 10,000 messages; with KEYFOLD_LONG_TESTS set, over 1,000,000 too.
fn xaes_256_gcm_accumulated<B: Backend>() {
    let file = load(XAES);
    let limit = if std::env::var_os("KEYFOLD_LONG_TESTS").is_some() { 1_000_000 } else { 10_000 };
    let mut run = 0;
    for expected in file["accumulated"].as_array().unwrap() {
        let messages = expected["messages"].as_u64().unwrap();
        if messages <= limit {
            assert_eq!(accumulate_xaes::<B>(messages).as_slice(), bytes(&expected["digest"]));
            run += 1;
        }
    }
    assert!(run > 0);
}

fn accumulate_xaes<B: Backend>(messages: u64) -> [u8; 32] {
    let mut source = Shake128::default().finalize_xof();
    let mut digest = Shake128::default();
    let mut draw = |length: usize| {
        let mut drawn = vec![0; length];
        source.read(&mut drawn);
        drawn
    };
    for _ in 0..messages {
        let (key, nonce) = (draw(32), draw(24));
        let length = draw(1)[0].into();
        let plaintext = draw(length);
        let length = draw(1)[0].into();
        let aad = draw(length);
        let cipher = CipherOf::<B>::new(Algorithm::Xaes256Gcm, &key.try_into().unwrap());
        let sealed = seal(&cipher, &nonce, &aad, &plaintext);
        assert_eq!(open(&cipher, &nonce, &aad, &sealed), Ok(plaintext));
        digest.update(&sealed);
    }
    let mut out = [0; 32];
    digest.finalize_xof().read(&mut out);
    out
}

/// draft-irtf-cfrg-xchacha-03, appendix A.3.1.
fn xchacha20_draft<B: Backend>() {
    let key: [u8; 32] = std::array::from_fn(|index| 0x80 + index as u8);
    let nonce: [u8; 24] = std::array::from_fn(|index| 0x40 + index as u8);
    let aad = [0x50, 0x51, 0x52, 0x53, 0xc0, 0xc1, 0xc2, 0xc3, 0xc4, 0xc5, 0xc6, 0xc7];
    let plaintext =
        b"Ladies and Gentlemen of the class of '99: If I could offer you only one tip for the future, \
                      sunscreen would be it.";
    let cipher = CipherOf::<B>::new(Algorithm::XChaCha20Poly1305, &key);
    let sealed = seal(&cipher, &nonce, &aad, plaintext);
    assert_eq!(sealed[..4], [0xbd, 0x6d, 0x17, 0x9d]);
    let tag =
        [0xc0, 0x87, 0x59, 0x24, 0xc1, 0xc7, 0x98, 0x79, 0x47, 0xde, 0xaf, 0xd8, 0x78, 0x0a, 0xcf, 0x49];
    assert_eq!(sealed[plaintext.len()..], tag);
    assert_eq!(open(&cipher, &nonce, &aad, &sealed).unwrap(), plaintext);
}

fn rfc_4231_hmac<B: Backend>() {
    let file = load(include_str!("../../../tests/vectors/rfc4231-hmac-sha256.json"));
    let tests = file["tests"].as_array().unwrap();
    assert_eq!(tests.len(), 6);
    for test in tests {
        let (key, message) = (bytes(&test["key"]), bytes(&test["message"]));
        let (first, second) = message.split_at(message.len() / 3);
        assert_eq!(mac::<B>(&key, &[first, second]).as_slice(), bytes(&test["code"]));
        let reused = B::Mac::new(&key);
        reused.mac(&[b"something else"]);
        assert_eq!(reused.mac(&[&message]).as_slice(), bytes(&test["code"]));
    }
}

fn rfc_5869_hkdf<B: Backend>() {
    let file = load(include_str!("../../../tests/vectors/rfc5869-hkdf-sha256.json"));
    let tests = file["tests"].as_array().unwrap();
    assert_eq!(tests.len(), 3);
    for test in tests {
        let mut out = vec![0; test["length"].as_u64().unwrap() as usize];
        hkdf::<B>(&bytes(&test["ikm"]), &bytes(&test["salt"]), &bytes(&test["info"]), &mut out).unwrap();
        assert_eq!(out, bytes(&test["okm"]));
    }
}

fn rfc_8032_ed25519<B: Backend>() {
    let file = load(include_str!("../../../tests/vectors/rfc8032-ed25519.json"));
    let tests = file["tests"].as_array().unwrap();
    assert_eq!(tests.len(), 5);
    for test in tests {
        let (message, signature) = (bytes(&test["message"]), bytes(&test["signature"]));
        let signer = B::Signer::new(&bytes(&test["seed"]).try_into().unwrap());
        let public = signer.public();
        assert_eq!(public.as_slice(), bytes(&test["public"]));
        assert_eq!(signer.sign(&message).as_slice(), signature);
        assert_eq!(verify::<B>(&public, &message, &signature), Ok(()));
        for position in (0..64).step_by(3) {
            let mut changed = signature.clone();
            changed[position] ^= 0x10;
            assert_eq!(verify::<B>(&public, &message, &changed), Err(Forged));
        }
        let other_message = [message.as_slice(), b"."].concat();
        assert_eq!(verify::<B>(&public, &other_message, &signature), Err(Forged));
    }
}

/// FIPS 180-2, appendix B, and the empty message.
fn sha_256<B: Backend>() {
    let long = b"abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq";
    let digest = |hex: &str| decode(hex);
    let of_nothing = digest("e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
    let of_abc = digest("ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    let of_long = digest("248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1");
    assert_eq!(B::sha256(&[]).as_slice(), of_nothing);
    assert_eq!(B::sha256(&[b"a", b"", b"bc"]).as_slice(), of_abc);
    assert_eq!(B::sha256(&[long]).as_slice(), of_long);
}

#[test]
fn x_wing_public_keys() {
    let file = load(include_str!("../../../tests/vectors/x-wing.json"));
    let tests = file["tests"].as_array().unwrap();
    assert_eq!(tests.len(), 3);
    for test in tests {
        let seed = bytes(&test["seed"]).try_into().unwrap();
        assert_eq!(hpke_public_key(&seed).unwrap(), bytes(&test["public"]));
    }
}

/// Seals and opens every test of the file, and tries each with one bit wrong everywhere. Returns how many.
fn check_aead<B: Backend>(algorithm: Algorithm, file: &Value) -> usize {
    let tests = file["tests"].as_array().unwrap();
    for test in tests {
        let cipher = CipherOf::<B>::new(algorithm, &bytes(&test["key"]).try_into().unwrap());
        let (nonce, aad, plaintext) = (bytes(&test["nonce"]), bytes(&test["aad"]), bytes(&test["plaintext"]));
        let sealed = bytes(&test["sealed"]);
        assert_eq!(seal(&cipher, &nonce, &aad, &plaintext), sealed);
        assert_eq!(open(&cipher, &nonce, &aad, &sealed), Ok(plaintext));
        for bit in 0..sealed.len() * 8 {
            let mut changed = sealed.clone();
            changed[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(open(&cipher, &nonce, &aad, &changed), Err(Forged));
        }
    }
    tests.len()
}

/// Ciphertext, then tag.
pub(super) fn seal<B: Backend>(cipher: &CipherOf<B>, nonce: &[u8], aad: &[u8], plaintext: &[u8]) -> Vec<u8> {
    let mut sealed = plaintext.to_vec();
    let tag = cipher.seal_in_place(nonce, aad, &mut sealed).unwrap();
    sealed.extend(tag);
    sealed
}

/// Opens ciphertext and tag, and sees to it that nothing is left of what does not verify.
pub(super) fn open<B: Backend>(
    cipher: &CipherOf<B>,
    nonce: &[u8],
    aad: &[u8],
    sealed: &[u8],
) -> Result<Vec<u8>, Forged> {
    let (data, tag) = sealed.split_at(sealed.len() - TAG_LENGTH);
    let mut data = data.to_vec();
    let opened = cipher.open_in_place(nonce, aad, &mut data, tag);
    if opened.is_err() {
        assert!(data.iter().all(|byte| *byte == 0), "what does not verify is wiped");
    }
    opened.map(|()| data)
}

fn load(text: &str) -> Value {
    serde_json::from_str(text).unwrap()
}

fn bytes(hex: &Value) -> Vec<u8> {
    decode(hex.as_str().unwrap())
}

fn decode(hex: &str) -> Vec<u8> {
    assert!(hex.len().is_multiple_of(2));
    (0..hex.len()).step_by(2).map(|at| u8::from_str_radix(&hex[at..at + 2], 16).unwrap()).collect()
}
