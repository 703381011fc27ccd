//! Where the fuzzer starts: small inputs of real values.

use keyfold::{Aad, Algorithm, Context, ImportKeyset, KeysetFormat, KeysetProtection, to_text};

use crate::changes::Random;
use crate::ciphertext;
use crate::home::{MESSAGES, store};
use crate::keyset_json::{next_name, shop};
use crate::keysets::{Known, keyset};
use crate::stream;

/// Inputs for the target of this name.
pub fn of(target: &str) -> Vec<Vec<u8>> {
    match target {
        "ciphertext" => ciphertexts(),
        "text" => texts(),
        "stream" => streams(),
        "context" => contexts(),
        "keyset_json" => keysets(KeysetFormat::Json, &[0, 1, 2, 4]),
        "keyset_binary" => keysets(KeysetFormat::Binary, &[0, 2, 3, 5]),
        "options" => options(),
        "printed" => (0..5).flat_map(|kind| noise(6, 40, Some(kind))).chain(master_keys()).collect(),
        "import" => imports(),
        "database" => (0..4).flat_map(|kind| noise(6, 60, Some(kind))).collect(),
        "rows" => noise(40, 60, None).into_iter().chain(cells()).collect(),
        _ => noise(60, 200, None),
    }
}

/// Bytes without meaning, the same in every run.
fn noise(count: u64, length: usize, first: Option<u8>) -> Vec<Vec<u8>> {
    let one = |number: u64| {
        let mut random = Random(number * 1_000 + u64::from(first.unwrap_or(99)));
        let length = 4 + random.below(length);
        let bytes = (0..length).map(|_| random.number() as u8);
        // Small numbers mean more than large ones.
        let mut bytes: Vec<u8> = bytes.map(|byte| if byte & 3 == 0 { byte } else { byte >> 4 }).collect();
        if let Some(first) = first {
            bytes[0] = first;
        }
        bytes
    };
    (0..count).map(one).collect()
}

/// One change of each column of the first row of each table, and nothing else: each must be noticed.
fn cells() -> Vec<Vec<u8>> {
    let tables = crate::damage::contents()[0].iter().map(|table| table.width() as u8);
    let cells = (0..).zip(tables).flat_map(|(table, width)| (0..width).map(move |column| (table, column)));
    cells.map(|(table, column)| vec![0, table, 4, 0, column, 5, 1, 6, 0, 1, 1, 1]).collect()
}

fn ciphertexts() -> Vec<Vec<u8>> {
    let mut seeds = Vec::new();
    for (number, (key_id, algorithm, id)) in (0..).zip(MESSAGES) {
        for aad in [&b""[..], b"users"] {
            let plaintext = [ciphertext::SEALED, aad].concat();
            let head = |how: u8| [&[number, how, aad.len() as u8], aad].concat();
            let current = store().encrypt(key_id, &plaintext, aad).expect("a current version");
            seeds.push([head(3), current.clone()].concat());
            seeds.push([head(3), to_text(&current).into_bytes()].concat());
            seeds
                .push([head(0), [&[plaintext.len() as u8], &plaintext[..], &[1, 6, 9, 1]].concat()].concat());
            // By the older version, which has no prefix in one of the keys.
            let known = Known { id: id + 1, algorithm, status: "ENABLED", prefix: "TINK" };
            let name = next_name();
            let older = shop(|store| {
                let clear = KeysetProtection::InsecureCleartext;
                store.import_keyset(&name, &keyset(&[known]), clear, &ImportKeyset::new()).expect("a keyset");
                store.encrypt(&name, &plaintext, aad).expect("a current version")
            });
            let prefix = if key_id == "raw" { 5 } else { 0 };
            seeds.push([head(3), older[prefix..].to_vec()].concat());
        }
    }
    seeds
}

fn streams() -> Vec<Vec<u8>> {
    let key = store().key("stream").expect("a key of this store");
    let mut seeds: Vec<Vec<u8>> = (0..8).flat_map(|kind| noise(2, 24, Some(kind << 1 | 1))).collect();
    for aad in [&b""[..], b"report"] {
        let mut sealed = Vec::new();
        let mut encryptor = key.stream_encryptor(aad).expect("a current version");
        encryptor.update(&[stream::SEALED, aad].concat(), &mut sealed).expect("a part");
        encryptor.finish(&mut sealed).expect("an end");
        seeds.push([&[0, aad.len() as u8], aad, &[0, 20], &sealed].concat());
    }
    seeds
}

fn texts() -> Vec<Vec<u8>> {
    let sealed = store().encrypt("siv", b"x", Aad::NONE).expect("a current version");
    let anchor = store().anchor().expect("an anchor").to_string();
    let texts = [
        "", "kf1.", "kf1.AQ", "kf1.AR", "kf1.AQ==", "kfa1.", "5s", "30d", "250ms", "1h 30m", "2y", "-1s",
        "1e9s",
    ];
    let texts = texts.map(|text| text.as_bytes().to_vec());
    texts.into_iter().chain([to_text(&sealed).into_bytes(), sealed, anchor.into_bytes()]).collect()
}

fn contexts() -> Vec<Vec<u8>> {
    let fields = |fields: &[(&str, &str)]| -> Vec<u8> {
        let part = |text: &str| [&[text.len() as u8], text.as_bytes()].concat();
        let parts = fields.iter().flat_map(|(name, value)| [part(name), part(value)].concat());
        std::iter::once(fields.len() as u8).chain(parts).collect()
    };
    let encoded = Context::new().with("table", "users").with("id", 42).to_aad().expect("a context");
    let mut seeds = Vec::new();
    for (one, other) in [
        (&[("table", "users"), ("id", "42")][..], &[("id", "42"), ("table", "users")][..]),
        (&[("ab", "c")], &[("a", "bc")]),
        (&[("a", "1")], &[("a", "1"), ("a", "2")]),
        (&[], &[("a", "")]),
        (&[("n", "12345678")], &[("n", "x")]),
    ] {
        seeds.push([fields(one), fields(other), encoded.clone()].concat());
    }
    seeds.push([&[0, 0][..], &encoded].concat());
    seeds
}

fn keysets(format: KeysetFormat, hows: &[u8]) -> Vec<Vec<u8>> {
    let mut seeds = Vec::new();
    let ids = MESSAGES.map(|(key_id, ..)| key_id);
    for key_id in ids.into_iter().chain(["stream", "mac", "derive"]) {
        let clear =
            store().export_keyset(key_id, format, KeysetProtection::InsecureCleartext).expect("exportable");
        let wrapped = store().export_keyset(key_id, format, KeysetProtection::Key("gcm"));
        for how in hows {
            seeds.push([&[*how][..], &clear.bytes].concat());
        }
        if key_id == "siv" {
            seeds.push([&[2][..], &wrapped.expect("exportable").bytes].concat());
        }
    }
    for prefix in ["LEGACY", "CRUNCHY"] {
        let known = Known { id: 9, algorithm: Algorithm::Aes256Gcm, status: "ENABLED", prefix };
        seeds.push([&[0][..], &keyset(&[known])].concat());
    }
    let head = |costs: [u32; 3]| costs.iter().flat_map(|cost| cost.to_be_bytes()).collect::<Vec<u8>>();
    for costs in [[0, 1, 1], [u32::MAX, 1, 1], [19 << 10, 0, 1], [19 << 10, 1, 9]] {
        seeds.push([vec![4], head(costs), vec![7; 104]].concat());
    }
    seeds
}

fn options() -> Vec<Vec<u8>> {
    let all: [(u8, &str); 16] = [
        (
            0,
            r#"{"create":true,"refresh_interval":"250ms","max_stale":"60s","busy_timeout":"5s","actor":"me"}"#,
        ),
        (0, r#"{"anchor":"kfa1.","fingerprint":"x","mode":"use","immutable":true,"production":false}"#),
        (0, r#"{"refresh_interval":5}"#),
        (1, r#"{"kind":"mac","purpose":"pii","labels":{"a":"b"},"exportable":true,"expires_in":"30d"}"#),
        (1, r#"{"algorithm":"XAES256_GCM","description":"x","on_limit":"refuse","exist_ok":true}"#),
        (2, r#"{"stage":true,"algorithm":"AES256_GCM"}"#),
        (3, r#"{"kind":"aead","state":"enabled","labels":{"a":"b"},"search":"s","after":"a","limit":2}"#),
        (
            4,
            r#"{"kind":"prefix","length":3,"bits":17,"normalize":["casefold","nfkc","digits","trim","collapse_spaces"]}"#,
        ),
        (5, r#"{"kind":"soundex"}"#),
        (6, r#"{"force":true}"#),
        (7, r#"{"as_version":false,"kind":"aead","algorithm":"AES256_GCM"}"#),
        (8, r#"{"rotate":true,"purpose":"pii"}"#),
        (9, r#"{"replace_other_store":true,"force":true}"#),
        (10, r#"{"description":"x","rotation_period":"90d","update":true}"#),
        (11, r#"{"id":"x","description":"y"}"#),
        (1, r#"[1,2]"#),
    ];
    all.iter().map(|(which, json)| [&[*which][..], json.as_bytes()].concat()).collect()
}

fn master_keys() -> Vec<Vec<u8>> {
    let texts = [
        "env:X",
        "file:/x",
        "fd:3",
        "passphrase:env:X",
        "bm90IGEgc2VjcmV0OiBldmVyeWJvZHkga25vd3MgaXQ=",
        "kfr1-000000",
    ];
    texts.iter().map(|text| [&[3][..], text.as_bytes()].concat()).collect()
}

fn imports() -> Vec<Vec<u8>> {
    let mut seeds: Vec<Vec<u8>> = (0..2).flat_map(|kind| noise(6, 60, Some(kind))).collect();
    let raw = crate::keysets::secret(1, 32);
    let hex: String = raw.iter().map(|byte| format!("{byte:02x}")).collect();
    for (encoding, kind, material) in [
        (0, 0, &raw[..]),
        (0, 1, &crate::keysets::secret(1, 64)),
        (1, 0, hex.as_bytes()),
        (2, 3, b"bm90IGEgc2VjcmV0OiBldmVyeWJvZHkga25vd3MgaXQ="),
        (0, 0, &[7; 32]),
        (0, 0, b"-----BEGIN PRIVATE KEY-----"),
    ] {
        seeds.push([&[2, encoding, kind][..], material].concat());
    }
    seeds
}
