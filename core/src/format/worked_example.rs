//! Recomputes the worked example of `docs/format.md`.

use crate::format::{Context, prefix, to_text};
use crate::primitives::{Algorithm, Cipher, HmacKey, Siv};
use crate::sys::pages::SecretBytes;

const PAGE: &str = include_str!("../../../docs/format.md");

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[test]
fn every_line_of_the_worked_example_is_true() {
    let key: [u8; 32] = std::array::from_fn(|n| n as u8);
    let nonce: [u8; 12] = std::array::from_fn(|n| n as u8);
    let context = Context::new().with("table", "users").with("id", 42).to_aad().unwrap();
    let mut body = *b"ada";
    let tag = Cipher::new(Algorithm::Aes256GcmSiv, &key).seal_in_place(&nonce, &context, &mut body).unwrap();
    let sealed = [&prefix(0x9f3c_2a17)[..], &nonce, &body, &tag].concat();
    let root = crate::keyring::IndexRoot { mac: HmacKey::new(&key) };
    let index = crate::key::index_under(&root, b"ada@example.org", "users.email", 128).unwrap();
    let derived = crate::store::derive(&key, "session cookies", 32).unwrap();
    let siv_key = SecretBytes::copied(&std::array::from_fn::<u8, 64, _>(|n| n as u8));
    let mut body = *b"ada";
    let iv = Siv::new(siv_key).unwrap().seal_in_place(&context, &mut body).unwrap();
    let deterministic = [&prefix(0x9f3c_2a17)[..], &iv, &body].concat();
    let code = [&prefix(0x9f3c_2a17)[..], &HmacKey::new(&key).mac(&[b"ada"])].concat();
    for line in [
        hex(&key),
        hex(&nonce),
        hex(b"ada"),
        hex(&context),
        hex(&sealed),
        to_text(&sealed),
        hex(&index),
        hex(&deterministic),
        hex(&code),
        hex(&derived),
    ] {
        assert!(PAGE.contains(&format!("`{line}`")), "docs/format.md does not have {line}");
    }
}
