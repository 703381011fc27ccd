//! The two backends agree, on random input and on each other's output.

use super::aead::CipherOf;
use super::algorithm::Algorithm;
use super::aws_lc::AwsLc;
use super::backend::{Backend, BlockKey, MacKey, SignatureKey};
use super::hash::{hkdf, mac};
use super::identity::verify;
use super::portable::Portable;
use super::random::draw_nonce;
use super::vectors::{long, open, seal};

/// How many random messages of each algorithm.
fn rounds() -> usize {
    if long() { 100_000 } else { 300 }
}

/// Mostly short, some at the borders of blocks, few of up to 64 KiB.
fn length(round: usize) -> usize {
    let drawn = u16::from_le_bytes(make()).into();
    match round % 100 {
        0 => drawn,
        1..10 => drawn % 20 * 16 + round % 3,
        _ => drawn % 301,
    }
}

#[test]
fn on_encryption() {
    for algorithm in Algorithm::AEAD {
        for round in 0..rounds() {
            let key = make::<32>();
            let nonce = make_bytes(algorithm.nonce_length());
            let (aad, plaintext) = (make_bytes(length(round + 50) % 301), make_bytes(length(round)));
            let (one, other) =
                (CipherOf::<AwsLc>::new(algorithm, &key), CipherOf::<Portable>::new(algorithm, &key));
            let sealed = seal(&one, &nonce, &aad, &plaintext);
            assert_eq!(seal(&other, &nonce, &aad, &plaintext), sealed);
            assert_eq!(open(&one, &nonce, &aad, &sealed), Ok(plaintext.clone()));
            assert_eq!(open(&other, &nonce, &aad, &sealed), Ok(plaintext));
            let mut changed = sealed;
            changed[round % 16] ^= 1;
            assert!(open(&one, &nonce, &aad, &changed).is_err());
            assert!(open(&other, &nonce, &aad, &changed).is_err());
        }
        report(algorithm.name(), rounds());
    }
}

fn report(what: &str, rounds: usize) {
    println!("proof: both backends agree on {rounds} random inputs of {what}");
}

#[test]
fn on_blocks() {
    for _ in 0..rounds() {
        let key = make::<32>();
        let (mut one, mut other) = ([5; 16], [5; 16]);
        <AwsLc as Backend>::Block::new(&key).encrypt(&mut one).unwrap();
        <Portable as Backend>::Block::new(&key).encrypt(&mut other).unwrap();
        assert_eq!(one, other);
    }
    report("AES-256 blocks", rounds());
}

#[test]
fn on_hashes_codes_and_derived_keys() {
    for round in 0..rounds() {
        let (key, message) = (make_bytes(length(round + 50) % 301), make_bytes(length(round)));
        let parts = [&key[..], &message];
        assert_eq!(AwsLc::sha256(&parts), Portable::sha256(&parts));
        let one = mac::<AwsLc>(&key, &parts);
        assert_eq!(one, mac::<Portable>(&key, &parts));
        assert_eq!(long_mac::<AwsLc>(&key, &parts), long_mac::<Portable>(&key, &parts));
        let (mut one, mut other) = (vec![0; round % 300], vec![0; round % 300]);
        hkdf::<AwsLc>(&message, &key, b"info", &mut one).unwrap();
        hkdf::<Portable>(&message, &key, b"info", &mut other).unwrap();
        assert_eq!(one, other);
    }
    report("SHA-256, HMAC-SHA256, HMAC-SHA512 and HKDF-SHA256", rounds());
}

fn long_mac<B: Backend>(key: &[u8], parts: &[&[u8]]) -> [u8; 64] {
    B::Mac512::new(key).mac(parts)
}

type Theirs = <AwsLc as Backend>::Signer;
type Ours = <Portable as Backend>::Signer;

#[test]
fn on_signatures() {
    // They take their time.
    let rounds = rounds() / 10;
    for round in 0..rounds {
        let (seed, message) = (make::<32>(), make_bytes(length(round)));
        let (one, other) = (Theirs::new(&seed), Ours::new(&seed));
        let (public, signature) = (SignatureKey::public(&one), SignatureKey::sign(&one, &message));
        assert_eq!(public, other.public());
        assert_eq!(signature, SignatureKey::sign(&other, &message));
        assert_eq!(verify::<Theirs>(&public, &message, &signature), Ok(()));
        assert_eq!(verify::<Ours>(&public, &message, &signature), Ok(()));
        for byte in [round % 32, 32 + round % 32] {
            let mut changed = signature;
            changed[byte] ^= 1 << (round % 8);
            assert!(verify::<Theirs>(&public, &message, &changed).is_err());
            assert!(verify::<Ours>(&public, &message, &changed).is_err());
        }
    }
    report("Ed25519", rounds);
}

/// Encodings on which implementations of Ed25519 are known to differ: points of small order and points not in
/// canonical form, as key and as R, with S zero or S unreduced.
#[test]
fn on_unusual_signatures() {
    let mut points: Vec<[u8; 32]> = super::identity::SMALL_ORDER.to_vec();
    points.extend((0xed..=0xff).map(at_or_above_modulus));
    points.push(make());
    let signed: Vec<_> = points.iter().flat_map(|point| [*point, with_sign(*point)]).collect();
    for public in &signed {
        for r in &signed {
            for s in [[0; 32], ORDER] {
                let signature = [*r, s].concat();
                assert!(verify::<Theirs>(public, b"message", &signature).is_err());
                assert!(verify::<Ours>(public, b"message", &signature).is_err());
            }
        }
    }
}

/// The order of the group, little endian: the least S that is not reduced.
const ORDER: [u8; 32] = [
    0xed, 0xd3, 0xf5, 0x5c, 0x1a, 0x63, 0x12, 0x58, 0xd6, 0x9c, 0xf7, 0xa2, 0xde, 0xf9, 0xde, 0x14, 0, 0, 0,
    0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x10,
];

/// An encoding of 2^255 - 19 or more, by its lowest byte.
fn at_or_above_modulus(lowest: u8) -> [u8; 32] {
    let mut encoded = [0xff; 32];
    encoded[0] = lowest;
    encoded[31] = 0x7f;
    encoded
}

fn with_sign(mut point: [u8; 32]) -> [u8; 32] {
    point[31] ^= 0x80;
    point
}

fn make<const LENGTH: usize>() -> [u8; LENGTH] {
    let mut bytes = [0; LENGTH];
    draw_nonce(&mut bytes).unwrap();
    bytes
}

fn make_bytes(length: usize) -> Vec<u8> {
    let mut bytes = vec![0; length];
    draw_nonce(&mut bytes).unwrap();
    bytes
}
