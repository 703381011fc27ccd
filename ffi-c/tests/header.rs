//! `include/keyfold.h` is what this crate's source makes of it. To write it anew:
//! `KEYFOLD_BLESS=1 cargo test --release -p keyfold-ffi`

use std::env;
use std::fs;
use std::path::{Path, PathBuf};

#[test]
fn the_header_is_up_to_date() {
    let made = header();
    let place = root().join("include/keyfold.h");
    if env::var_os("KEYFOLD_BLESS").is_some() {
        fs::create_dir_all(place.parent().unwrap()).unwrap();
        fs::write(&place, &made).unwrap();
    }
    let kept = fs::read_to_string(&place).unwrap_or_default();
    let differs = made.lines().zip(kept.lines()).position(|(made, kept)| made != kept);
    assert!(
        made == kept,
        "include/keyfold.h differs from the source, first in line {}; write it anew with KEYFOLD_BLESS=1",
        differs.map_or(made.lines().count().min(kept.lines().count()), |line| line) + 1
    );
}

/// Names and numbers are those of the core, which every language uses.
#[test]
fn the_header_has_the_errors_of_the_core() {
    let header = header();
    let source = fs::read_to_string(root().join("core/src/error.rs")).unwrap();
    let kinds: Vec<(&str, &str)> = source
        .lines()
        .filter_map(|line| {
            let (_, rest) = line.trim().split_once(" = ")?;
            let (number, code) = rest.strip_suffix("\";")?.split_once(", \"")?;
            Some((number, code))
        })
        .collect();
    assert!(kinds.len() >= 20, "{kinds:?}");
    for (number, code) in kinds {
        assert!(header.contains(&format!("  {code} = {number},\n")), "{code} = {number}");
    }
}

/// The manual of the library is the header, so nothing in it may be without a word.
#[test]
fn every_function_is_explained() {
    let header = header();
    let lines: Vec<&str> = header.lines().collect();
    let mut functions = 0;
    for (place, line) in lines.iter().enumerate() {
        let declares = line.contains(" keyfold_") || line.contains(" *keyfold_");
        if declares && line.contains('(') && !line.starts_with([' ', '/', '*', '#']) {
            functions += 1;
            assert_eq!(lines[place - 1], " */", "{line}");
        }
    }
    assert!(functions > 130, "{functions}");
}

fn header() -> String {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    let config = cbindgen::Config::from_file(here.join("cbindgen.toml")).unwrap();
    let mut out = Vec::new();
    cbindgen::Builder::new()
        .with_src(here.join("src/lib.rs"))
        .with_config(config)
        .generate()
        .unwrap()
        .write(&mut out);
    let body = with_chapters(&String::from_utf8(out).unwrap());
    format!("{}\n{body}", overview())
}

/// The text at the top, with the example in it.
fn overview() -> String {
    let text = fs::read_to_string(root().join("ffi-c/overview.txt")).unwrap();
    let example = fs::read_to_string(root().join("examples/c/demo.c")).unwrap();
    assert!(!example.contains("*/"), "the example stands in a comment: give it // comments");
    let example: Vec<String> = example.lines().map(|line| format!("    {line}")).collect();
    let text = text.replace("@example@", &example.join("\n"));
    let lines: Vec<String> = text.lines().map(|line| format!(" * {line}").trim_end().to_owned()).collect();
    format!("/*\n{}\n */", lines.join("\n"))
}

/// Headings between the functions, each before the first of its kind.
fn with_chapters(body: &str) -> String {
    const CHAPTERS: [(&str, &str); 22] = [
        ("keyfold_status_name", "Errors"),
        ("keyfold_buf_free", "Buffers"),
        ("keyfold_list_count", "Lists"),
        ("keyfold_version", "The library"),
        ("keyfold_generate_master_key", "Master keys"),
        ("keyfold_recovery_key_generate", "Recovery keys and shares"),
        ("keyfold_context_new", "Contexts"),
        ("keyfold_store_open", "Stores"),
        ("keyfold_store_rotate_key_with", "The life of key versions"),
        ("keyfold_store_register_purpose", "Purposes"),
        ("keyfold_store_index_salts", "Index roots and derived keys"),
        ("keyfold_store_recipients", "Recipients: ways to open a store"),
        ("keyfold_store_import_key", "Keys in and out"),
        ("keyfold_store_backup", "Backup, restore, quarantine"),
        ("keyfold_key_id", "Keys"),
        ("keyfold_key_encrypt_many", "Batches"),
        ("keyfold_key_search_ciphertexts", "Deterministic keys"),
        ("keyfold_key_mac", "Authentication codes"),
        ("keyfold_key_blind_index", "Blind indexes"),
        ("keyfold_stream_encryptor_new", "Streams in parts"),
        ("keyfold_key_encrypt_stream", "Streams by callbacks, and files"),
        ("keyfold_to_text", "Ciphertexts as bytes and as text"),
    ];
    let mut body = body.to_owned();
    for (function, heading) in CHAPTERS {
        let declared = body.find(&format!("{function}(")).unwrap_or_else(|| panic!("{function}"));
        let comment = body[..declared].rfind("/**\n").unwrap();
        let rule = "-".repeat(94usize.saturating_sub(heading.len()));
        body.insert_str(comment, &format!("/* {heading} {rule} */\n\n"));
    }
    body
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}
