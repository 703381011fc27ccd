//! Published vectors, tried on every backend that is built.

use std::convert::Infallible;

use hpke::rand_core::{TryCryptoRng, TryRng};
use serde_json::Value;
use shake::Shake128;
use shake::digest::{ExtendableOutput, Update, XofReader};

use super::aead::{CipherOf, TAG_LENGTH};
use super::algorithm::Algorithm;
use super::backend::{AeadKey, Backend, Failure, Forged, MacKey, SignatureKey};
use super::hash::{hkdf, mac};
use super::hpke::hpke_public_key;
use super::identity::verify;
use super::siv::Siv;
use super::xaes::Xaes;
use crate::sys::pages::SecretBytes;

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
    rfc_8032_ed25519 sha_256 nist_aes_256_gcm nist_aes_256_cmac nist_sha_256 rfc_4231_hmac_sha512
    rfc_8439_chacha20_poly1305 reference_ed25519
}

fn rfc_8452_aes_256_gcm_siv<B: Backend>() {
    let file = load(include_str!("../../../tests/vectors/rfc8452-aes256-gcm-siv.json"));
    assert_eq!(check_aead::<B>(Algorithm::Aes256GcmSiv, &file), 26);
    report("rfc8452-aes256-gcm-siv", 26);
}

fn xaes_256_gcm<B: Backend>() {
    let file = load(XAES);
    assert_eq!(check_aead::<B>(Algorithm::Xaes256Gcm, &file), 2);
}

const XAES: &str = include_str!("../../../tests/vectors/xaes-256-gcm.json");

/// The digest over 10,000 messages; in the long form over 1,000,000 too.
fn xaes_256_gcm_accumulated<B: Backend>() {
    let file = load(XAES);
    let limit = if long() { 1_000_000 } else { 10_000 };
    let mut run = 0;
    for expected in file["accumulated"].as_array().unwrap() {
        let messages = expected["messages"].as_u64().unwrap();
        if messages <= limit {
            assert_eq!(accumulate_xaes::<B>(messages).as_slice(), bytes(&expected["digest"]));
            report(&format!("xaes-256-gcm accumulated over {messages}"), 1);
            run += 1;
        }
    }
    assert_eq!(run, if long() { 2 } else { 1 });
}

/// Whether the long form of a proof was asked for.
pub(super) fn long() -> bool {
    std::env::var("KEYFOLD_PROOF").is_ok_and(|form| form == "long")
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
        assert_eq!(verify::<B::Signer>(&public, &message, &signature), Ok(()));
        for position in (0..64).step_by(3) {
            let mut changed = signature.clone();
            changed[position] ^= 0x10;
            assert_eq!(verify::<B::Signer>(&public, &message, &changed), Err(Forged));
        }
        let other_message = [message.as_slice(), b"."].concat();
        assert_eq!(verify::<B::Signer>(&public, &other_message, &signature), Err(Forged));
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

/// Every test of the CAVP's two files that has our lengths; half of the second's are forgeries.
fn nist_aes_256_gcm<B: Backend>() {
    let file = load(include_str!("../../../tests/vectors/nist-aes256-gcm.json"));
    let (mut sealed_again, mut forged) = (0, 0);
    for test in tests(&file) {
        let cipher = CipherOf::<B>::new(Algorithm::Aes256Gcm, &bytes(&test["key"]).try_into().unwrap());
        let (nonce, aad, sealed) = (bytes(&test["nonce"]), bytes(&test["aad"]), bytes(&test["sealed"]));
        let opened = open(&cipher, &nonce, &aad, &sealed);
        if test["plaintext"].is_null() {
            assert_eq!(opened, Err(Forged));
            forged += 1;
        } else {
            let plaintext = bytes(&test["plaintext"]);
            assert_eq!(seal(&cipher, &nonce, &aad, &plaintext), sealed);
            assert_eq!(opened, Ok(plaintext));
            sealed_again += 1;
        }
    }
    assert_eq!(sealed_again + forged, 750);
    assert!(forged > 150, "{forged}");
    report("nist-aes256-gcm", 750);
}

/// The CMAC of one block, which XAES-256-GCM derives with; SP 800-38B has one such example.
fn nist_aes_256_cmac<B: Backend>() {
    let file = load(include_str!("../../../tests/vectors/nist-aes256-cmac.json"));
    let mut run = 0;
    for test in tests(&file) {
        if let Ok(mut block) = <[u8; 16]>::try_from(bytes(&test["message"])) {
            Xaes::<B>::new(&bytes(&test["key"]).try_into().unwrap()).cmac(&mut block).unwrap();
            assert_eq!(block.as_slice(), bytes(&test["code"]));
            run += 1;
        }
    }
    assert_eq!((run, tests(&file).len()), (1, 4));
    report("nist-aes256-cmac (one whole block; the other three are AES-SIV's business)", run);
}

fn nist_sha_256<B: Backend>() {
    let file = load(include_str!("../../../tests/vectors/nist-sha256.json"));
    for test in tests(&file) {
        let message = bytes(&test["message"]);
        let (first, second) = message.split_at(message.len() / 2);
        assert_eq!(B::sha256(&[first, second]).as_slice(), bytes(&test["digest"]));
    }
    let chain = file["chain"].as_array().unwrap();
    assert_eq!((tests(&file).len(), chain.len()), (65, 100));
    let mut seed: [u8; 32] = bytes(&file["seed"]).try_into().unwrap();
    for expected in chain {
        let mut last = [seed; 3];
        for _ in 0..1_000 {
            last = [last[1], last[2], B::sha256(&[&last[0], &last[1], &last[2]])];
        }
        seed = last[2];
        assert_eq!(seed.as_slice(), bytes(expected));
    }
    report("nist-sha256", 165);
}

fn rfc_4231_hmac_sha512<B: Backend>() {
    let file = load(include_str!("../../../tests/vectors/rfc4231-hmac-sha512.json"));
    for test in tests(&file) {
        let code = B::Mac512::new(&bytes(&test["key"])).mac(&[&bytes(&test["message"])]);
        assert_eq!(code.as_slice(), bytes(&test["code"]));
    }
    assert_eq!(tests(&file).len(), 6);
    report("rfc4231-hmac-sha512", 6);
}

/// The last step of XChaCha20-Poly1305.
fn rfc_8439_chacha20_poly1305<B: Backend>() {
    let file = load(include_str!("../../../tests/vectors/rfc8439-chacha20-poly1305.json"));
    for test in tests(&file) {
        let key = B::ChaCha::new(&bytes(&test["key"]).try_into().unwrap());
        let (nonce, aad, plaintext) = (bytes(&test["nonce"]), bytes(&test["aad"]), bytes(&test["plaintext"]));
        let sealed = bytes(&test["sealed"]);
        assert_eq!(seal_with(&key, &nonce, &aad, &plaintext), sealed);
        assert_eq!(open_with(&key, &nonce, &aad, &sealed), Ok(plaintext));
    }
    assert_eq!(tests(&file).len(), 65);
    report("rfc8439-chacha20-poly1305", 65);
}

fn reference_ed25519<B: Backend>() {
    let file = load(include_str!("../../../tests/vectors/ed25519.json"));
    for test in tests(&file) {
        let signer = B::Signer::new(&bytes(&test["seed"]).try_into().unwrap());
        let (public, message) = (signer.public(), bytes(&test["message"]));
        assert_eq!(public.as_slice(), bytes(&test["public"]));
        assert_eq!(signer.sign(&message).as_slice(), bytes(&test["signature"]));
        assert_eq!(verify::<B::Signer>(&public, &message, &bytes(&test["signature"])), Ok(()));
    }
    assert_eq!(tests(&file).len(), 64);
    report("ed25519", 64);
}

#[test]
fn rfc_5297_aes_256_siv() {
    let file = load(include_str!("../../../tests/vectors/rfc5297-aes256-siv.json"));
    for test in tests(&file) {
        let key = Siv::new(SecretBytes::copied(&bytes(&test["key"]))).unwrap();
        let aad: Vec<Vec<u8>> = test["aad"].as_array().unwrap().iter().map(bytes).collect();
        let [aad] = &aad[..] else { panic!("we have one element") };
        let (plaintext, sealed) = (bytes(&test["plaintext"]), bytes(&test["sealed"]));
        let mut out = vec![0; plaintext.len()];
        let iv = key.seal(aad, &plaintext, &mut out).unwrap();
        assert_eq!([&iv[..], &out].concat(), sealed);
        let mut opened = vec![0; out.len()];
        assert_eq!(key.open(aad, &out, &iv, &mut opened), Ok(()));
        assert_eq!(opened, plaintext);
    }
    assert_eq!(tests(&file).len(), 1);
    report("rfc5297-aes256-siv", 1);
}

/// Some have a secret, associated data or a cost that keyfold does not take, so past its limits.
#[test]
fn rfc_9106_argon2id() {
    let file = load(include_str!("../../../tests/vectors/rfc9106-argon2id.json"));
    for test in tests(&file) {
        let number = |name: &str| u32::try_from(test[name].as_u64().unwrap()).unwrap();
        let (secret, expected) = (bytes(&test["secret"]), bytes(&test["output"]));
        let mut builder = argon2::ParamsBuilder::new();
        builder.m_cost(number("memory")).t_cost(number("passes")).p_cost(number("lanes"));
        builder.output_len(expected.len());
        builder.data(argon2::AssociatedData::new(&bytes(&test["data"])).unwrap());
        let params = builder.build().unwrap();
        let (kind, version) = (argon2::Algorithm::Argon2id, argon2::Version::V0x13);
        let argon2 = argon2::Argon2::new_with_secret(&secret, kind, version, params).unwrap();
        let mut output = vec![0; expected.len()];
        super::password::fill(&argon2, &bytes(&test["password"]), &bytes(&test["salt"]), &mut output)
            .unwrap();
        assert_eq!(output, expected);
    }
    assert_eq!(tests(&file).len(), 6);
    report("rfc9106-argon2id", 6);
}

#[test]
fn rfc_7748_x25519() {
    let file = load(include_str!("../../../tests/vectors/rfc7748-x25519.json"));
    for test in tests(&file) {
        let part = |name: &str| bytes(&test[name]).try_into().unwrap();
        assert_eq!(x25519_dalek::x25519(part("scalar"), part("point")), part("result"));
    }
    assert_eq!(tests(&file).len(), 3);
    report("rfc7748-x25519", 3);
}

#[test]
fn nist_ml_kem_768() {
    use ml_kem::kem::{Decapsulate, KeyExport};
    let file = load(include_str!("../../../tests/vectors/nist-ml-kem-768.json"));
    for test in tests(&file) {
        let seed = [bytes(&test["d"]), bytes(&test["z"])].concat();
        let key = ml_kem::ml_kem_768::DecapsulationKey::from_seed(seed[..].try_into().unwrap());
        let public = key.encapsulation_key();
        assert_eq!(public.to_bytes()[..], bytes(&test["public"]));
        let message: ml_kem::B32 = bytes(&test["message"])[..].try_into().unwrap();
        let (ciphertext, shared) = public.encapsulate_deterministic(&message);
        assert_eq!(ciphertext[..], bytes(&test["ciphertext"]));
        assert_eq!(shared[..], bytes(&test["shared"]));
        assert_eq!(key.decapsulate(&ciphertext), shared);
    }
    assert_eq!(tests(&file).len(), 10);
    report("nist-ml-kem-768", 10);
}

/// Our KEM and KDF with another AEAD, and our KDF and AEAD with another KEM: there are no vectors of all three.
#[test]
fn hpke_suites() {
    use hpke::aead::{AesGcm256, ChaCha20Poly1305};
    use hpke::kem::{X25519HkdfSha256, XWing};
    let file = load(include_str!("../../../tests/vectors/hpke.json"));
    for test in tests(&file) {
        let part = |name: &str| bytes(&test[name]);
        let private: [u8; 32] = part("private").try_into().unwrap();
        let (info, aad, plaintext) = (part("info"), part("aad"), part("plaintext"));
        let mut randomness = Given(part("randomness"));
        let (sealed, opened) = match test["kem"].as_str().unwrap() {
            "X-Wing" => {
                assert_eq!(hpke_public_key(&private).unwrap(), part("public"));
                let open = super::hpke::open::<ChaCha20Poly1305, XWing>;
                let seal = super::hpke::seal::<ChaCha20Poly1305, XWing>;
                (
                    seal(&part("public"), &info, &aad, &plaintext, &mut randomness),
                    open(&private, &part("encapsulated"), &info, &aad, &part("ciphertext")),
                )
            }
            _ => {
                let open = super::hpke::open::<AesGcm256, X25519HkdfSha256>;
                let seal = super::hpke::seal::<AesGcm256, X25519HkdfSha256>;
                (
                    seal(&part("public"), &info, &aad, &plaintext, &mut randomness),
                    open(&private, &part("encapsulated"), &info, &aad, &part("ciphertext")),
                )
            }
        };
        assert_eq!(sealed.unwrap(), (part("encapsulated"), part("ciphertext")));
        assert_eq!(opened.unwrap().expose(), plaintext);
    }
    assert_eq!(tests(&file).len(), 2);
    report("hpke", 2);
}

/// The randomness that a vector gives, to be drawn once.
struct Given(Vec<u8>);

impl TryRng for Given {
    type Error = Infallible;

    fn try_next_u32(&mut self) -> Result<u32, Infallible> {
        unreachable!("bytes are drawn")
    }

    fn try_next_u64(&mut self) -> Result<u64, Infallible> {
        unreachable!("bytes are drawn")
    }

    fn try_fill_bytes(&mut self, out: &mut [u8]) -> Result<(), Infallible> {
        out.copy_from_slice(&std::mem::take(&mut self.0));
        Ok(())
    }
}

impl TryCryptoRng for Given {}

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

/// Ciphertext, then tag: the same where it is written elsewhere as where the plaintext was.
pub(super) fn seal<B: Backend>(cipher: &CipherOf<B>, nonce: &[u8], aad: &[u8], plaintext: &[u8]) -> Vec<u8> {
    sealed(
        plaintext,
        |data| cipher.seal_in_place(nonce, aad, data),
        |out, tag| cipher.seal(nonce, aad, plaintext, out, tag),
    )
}

/// As [`seal`], with a backend's own key.
pub(super) fn seal_with(key: &impl AeadKey, nonce: &[u8], aad: &[u8], plaintext: &[u8]) -> Vec<u8> {
    sealed(
        plaintext,
        |data| key.seal_in_place(nonce, aad, data),
        |out, tag| key.seal(nonce, aad, plaintext, out, tag),
    )
}

fn sealed(
    plaintext: &[u8],
    in_place: impl FnOnce(&mut [u8]) -> Result<[u8; TAG_LENGTH], Failure>,
    elsewhere: impl FnOnce(&mut [u8], &mut [u8; TAG_LENGTH]) -> Result<(), Failure>,
) -> Vec<u8> {
    let mut sealed = plaintext.to_vec();
    let tag = in_place(&mut sealed).unwrap();
    let (mut out, mut other) = (vec![9; plaintext.len()], [9; TAG_LENGTH]);
    elsewhere(&mut out, &mut other).unwrap();
    assert_eq!((&out, other), (&sealed, tag));
    sealed.extend(tag);
    sealed
}

/// Opens ciphertext and tag, in place and elsewhere, and sees to it that nothing is left of what does not verify.
pub(super) fn open<B: Backend>(
    cipher: &CipherOf<B>,
    nonce: &[u8],
    aad: &[u8],
    sealed: &[u8],
) -> Result<Vec<u8>, Forged> {
    opened(
        sealed,
        |data, tag| cipher.open_in_place(nonce, aad, data, tag),
        |data, tag, out| cipher.open(nonce, aad, data, tag, out),
    )
}

/// As [`open`], with a backend's own key.
pub(super) fn open_with(
    key: &impl AeadKey,
    nonce: &[u8],
    aad: &[u8],
    sealed: &[u8],
) -> Result<Vec<u8>, Forged> {
    opened(
        sealed,
        |data, tag| key.open_in_place(nonce, aad, data, tag),
        |data, tag, out| key.open(nonce, aad, data, tag, out),
    )
}

fn opened(
    sealed: &[u8],
    in_place: impl FnOnce(&mut [u8], &[u8]) -> Result<(), Forged>,
    elsewhere: impl FnOnce(&[u8], &[u8], &mut [u8]) -> Result<(), Forged>,
) -> Result<Vec<u8>, Forged> {
    let (ciphertext, tag) = sealed.split_at(sealed.len() - TAG_LENGTH);
    let (mut data, mut out) = (ciphertext.to_vec(), vec![9; ciphertext.len()]);
    let opened = in_place(&mut data, tag);
    assert_eq!((elsewhere(ciphertext, tag, &mut out), &out), (opened, &data));
    if opened.is_err() {
        assert!(data.iter().all(|byte| *byte == 0), "what does not verify is wiped");
    }
    opened.map(|()| data)
}

fn tests(file: &Value) -> &Vec<Value> {
    file["tests"].as_array().unwrap()
}

fn report(file: &str, run: usize) {
    println!("proof: vectors {file}: {run} run");
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
