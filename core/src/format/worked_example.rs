//! Recomputes the worked example of `docs/format.md`.

use crate::format::{Context, prefix, to_text};
use crate::key::{compound_under, index_under};
use crate::primitives::{Algorithm, Cipher, HmacKey, Siv};
use crate::store::IndexOptions;
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
    let surname = IndexOptions::new().normalize(["casefold"]);
    let exact = IndexOptions::new();
    let indexes = [
        index_under(&root, b"ada@example.org", "users.email", &exact),
        index_under(&root, b"ada@example.org", "users.email", &IndexOptions::new().bits(12)),
        index_under(&root, "ÉlODie".as_bytes(), "users.surname", &surname.clone().kind("prefix").length(3)),
        index_under(
            &root,
            b"4111 1111-1111 1234",
            "users.card",
            &IndexOptions::new().kind("suffix").length(4).normalize(["digits"]),
        ),
        index_under(&root, b"Ashcraft", "users.surname", &IndexOptions::new().kind("soundex")),
        compound_under(&root, &[("users.zip", b"02139"), ("users.surname", b"Ashcraft")], &surname),
        index_under(&root, b"", "users.email", &exact),
    ];
    let derived = crate::store::derive(&key, "session cookies", 32).unwrap();
    let siv_key = SecretBytes::copied(&std::array::from_fn::<u8, 64, _>(|n| n as u8));
    let iv = Siv::new(siv_key).unwrap().seal(&context, b"ada", &mut body).unwrap();
    let deterministic = [&prefix(0x9f3c_2a17)[..], &iv, &body].concat();
    let code = [&prefix(0x9f3c_2a17)[..], &HmacKey::new(&key).mac(&[b"ada"])].concat();
    let lines =
        [hex(&key), hex(&nonce), hex(b"ada"), hex(&context), hex(&sealed), to_text(&sealed)].into_iter();
    let others = [hex(&deterministic), hex(&code), hex(&derived)];
    for line in lines.chain(indexes.iter().map(|index| hex(index))).chain(others) {
        assert!(PAGE.contains(&format!("`{line}`")), "docs/format.md does not have {line}");
    }
}
