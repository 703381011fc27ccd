//! The Rust side of the interoperability matrix; `run.py` describes the lines that it reads and answers.

use std::io::{BufRead, Write};

use keyfold::{Aad, Context, IndexOptions, Store};

fn main() {
    let path = std::env::args().nth(1).expect("usage: driver STORE");
    let store = Store::open(path).expect("the store");
    let mut out = std::io::stdout();
    for line in std::io::stdin().lock().lines() {
        let line = line.expect("a line");
        let answer = answer(&store, &line).unwrap_or_else(|error| format!("error {}", error.kind().code()));
        writeln!(out, "{answer}").and_then(|()| out.flush()).expect("an answer");
    }
}

fn answer(store: &Store, line: &str) -> keyfold::Result<String> {
    let [operation, key_id, binding, data] = line.split(' ').collect::<Vec<_>>()[..] else {
        panic!("four words")
    };
    let data = if data == "-" { Vec::new() } else { bytes(data) };
    if operation == "rotate" {
        return Ok(store.rotate_key(key_id)?.version.to_string());
    }
    let key = store.key(key_id)?;
    let (raw, context);
    let aad = match binding.split_once(':') {
        Some(("aad", hex)) => {
            raw = bytes(hex);
            Aad::from(&raw)
        }
        Some((_, fields)) => {
            context = fields.split(',').fold(Context::new(), with_field);
            Aad::from(&context)
        }
        None => Aad::NONE,
    };
    let text = || String::from_utf8(data.clone()).expect("UTF-8");
    Ok(match operation {
        "seal" => hex(&key.encrypt(&data, aad)?),
        "open" => hex(&key.decrypt(&data, aad)?),
        "sealtext" => hex(key.encrypt_text(&text(), aad)?.as_bytes()),
        "opentext" => hex(key.decrypt_text(&text(), aad)?.as_bytes()),
        "reencrypt" => hex(&key.reencrypt(&data, aad)?),
        "index" => hex(&key.blind_index(&data, "users.email", &IndexOptions::new())?),
        other => panic!("unknown operation {other}"),
    })
}

fn with_field(context: Context, field: &str) -> Context {
    let (name, value) = field.split_once('=').expect("name=value");
    match value.split_once(':').expect("a type") {
        ("t", hex) => context.with(name, String::from_utf8(bytes(hex)).expect("UTF-8")),
        ("b", hex) => context.with(name, bytes(hex)),
        (_, number) => context.with(name, number.parse::<i64>().expect("an integer")),
    }
}

fn bytes(hex: &str) -> Vec<u8> {
    (0..hex.len()).step_by(2).map(|at| u8::from_str_radix(&hex[at..at + 2], 16).expect("hex")).collect()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
