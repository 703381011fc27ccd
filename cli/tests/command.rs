//! What transcripts cannot show: exact bytes, shapes of JSON, file modes, limits, pipes, and what is never printed.

use std::fs::{self, File};
use std::io::Write;
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::path::Path;
use std::process::{Command, Output, Stdio};

use serde_json::{Map, Value};
use tempfile::TempDir;

const MASTER_KEY: &str = "oTEQsdwYsPbEVjbJF6fIunsJAqgayMwP2jwxNr1XGKQ=";
const MESSAGE_BYTES: usize = 64 << 20;

/// A folder with a store that has the key `pii`.
struct Place(TempDir);

impl Place {
    fn new() -> Self {
        let place = Self(tempfile::tempdir().unwrap());
        assert!(place.run(&["init"], b"").status.success());
        assert!(place.run(&["key", "create", "pii"], b"").status.success());
        place
    }

    fn path(&self, name: &str) -> std::path::PathBuf {
        self.0.path().join(name)
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_keyfold"));
        command.args(arguments).current_dir(self.0.path()).env_clear();
        command.env("KEYFOLD_STORE", "app.keyfold").env("KEYFOLD_MASTER_KEY", MASTER_KEY);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    }

    fn run(&self, arguments: &[&str], input: &[u8]) -> Output {
        let mut child = self.command(arguments).spawn().unwrap();
        let mut stdin = child.stdin.take().unwrap();
        let input = input.to_vec();
        // It may stop reading before the end.
        let feeder = std::thread::spawn(move || drop(stdin.write_all(&input)));
        let output = child.wait_with_output().unwrap();
        feeder.join().unwrap();
        output
    }

    /// Standard output of a command that ends well.
    fn output(&self, arguments: &[&str], input: &[u8]) -> Vec<u8> {
        let output = self.run(arguments, input);
        assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
        output.stdout
    }

    fn json(&self, arguments: &[&str], input: &[u8]) -> Value {
        let output = self.run(&[arguments, &["--json"]].concat(), input);
        assert!(output.stderr.is_empty(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
        serde_json::from_slice(&output.stdout).unwrap()
    }

    /// The error of a command that fails, and its exit status.
    fn error(&self, arguments: &[&str], input: &[u8]) -> (i32, Value) {
        let output = self.run(&[arguments, &["--json"]].concat(), input);
        assert!(output.stdout.is_empty(), "{arguments:?}");
        let error = serde_json::from_slice(&output.stderr).unwrap();
        (output.status.code().unwrap(), error)
    }

    fn names(&self) -> Vec<String> {
        let mut names: Vec<String> = fs::read_dir(self.0.path())
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        names
    }
}

fn names(object: &Map<String, Value>) -> Vec<&str> {
    object.keys().map(String::as_str).collect()
}

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().mode() & 0o7777
}

#[test]
fn every_byte_comes_back() {
    let place = Place::new();
    let all: Vec<u8> = (0..=255).cycle().take(100_000).collect();
    for message in [&b""[..], b"\0", b"\n", b"a\r\n\n", b"kf1.", "\u{feff}ключ".as_bytes(), &all] {
        for flags in [&["encrypt", "pii"][..], &["encrypt", "pii", "--text"]] {
            let sealed = place.output(flags, message);
            assert_eq!(place.output(&["decrypt", "pii"], &sealed), message);
            assert_eq!(sealed.ends_with(b"\n") && sealed.starts_with(b"kf1."), flags.len() == 3);
        }
    }
}

#[test]
fn errors_end_in_their_number() {
    let place = Place::new();
    fs::write(place.path("truncated"), &fs::read(place.path("app.keyfold")).unwrap()[..9000]).unwrap();
    fs::write(place.path("text"), "no store\n".repeat(100)).unwrap();
    let other = place.output(&["master-key", "generate", "--reveal"], b"");
    fs::write(place.path("other.key"), &other).unwrap();
    fs::set_permissions(place.path("other.key"), PermissionsExt::from_mode(0o600)).unwrap();
    for (arguments, status, code) in [
        (&["inspect", "text"][..], 17, "KEYFOLD_INVALID_ARGUMENT"),
        (&["key", "show", "nope"], 18, "KEYFOLD_NOT_FOUND"),
        (&["key", "create", "pii"], 19, "KEYFOLD_ALREADY_EXISTS"),
        (&["decrypt", "pii", "text"], 22, "KEYFOLD_DECRYPTION_FAILED"),
        (&["check", "--master-key", "file:other.key"], 24, "KEYFOLD_WRONG_MASTER_KEY"),
        (&["check", "--store", "truncated"], 25, "KEYFOLD_INTEGRITY_ERROR"),
        (&["key", "create", &"k".repeat(256)], 28, "KEYFOLD_LIMIT_EXCEEDED"),
        (&["check", "--store", "text"], 29, "KEYFOLD_UNSUPPORTED"),
    ] {
        let (actual, error) = place.error(arguments, b"");
        assert_eq!((actual, error["code"].as_str()), (status, Some(code)), "{arguments:?}: {error}");
        let fields = ["cause", "code", "key_id", "message", "retry_after", "retryable", "version"];
        assert_eq!(names(error.as_object().unwrap()), fields);
        assert_eq!(error["retryable"], Value::Bool(false));
    }
    let full = File::options().write(true).open("/dev/full").unwrap();
    assert_eq!(place.command(&["fingerprint"]).stdout(full).status().unwrap().code(), Some(33));
}

#[test]
fn a_failed_check_ends_in_one() {
    let place = Place::new();
    assert_eq!(place.run(&["check"], b"").status.code(), Some(0));
    let description = "an unusual description";
    place.output(&["key", "create", "noted", "--description", description], b"");
    // A bit of the key's row, wherever the file keeps it.
    let mut bytes = fs::read(place.path("app.keyfold")).unwrap();
    let found = bytes.windows(description.len()).position(|window| window == description.as_bytes()).unwrap();
    bytes[found] ^= 1;
    fs::write(place.path("app.keyfold"), bytes).unwrap();
    let output = place.run(&["check", "--json"], b"");
    assert_eq!(output.status.code(), Some(1));
    let report: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(report["ok"], Value::Bool(false));
    assert_eq!(names(report["findings"][0].as_object().unwrap()), ["advice", "problem", "subject"]);
    let words = place.run(&["check"], b"");
    assert!(String::from_utf8_lossy(&words.stdout).contains("key noted"));
    assert_eq!(place.run(&["key", "show", "noted"], b"").status.code(), Some(25));
}

#[test]
fn json_has_the_names_of_the_core() {
    let place = Place::new();
    let key = [
        "algorithm",
        "archived",
        "created_at",
        "current_version",
        "description",
        "expires_at",
        "expires_in",
        "exportable",
        "key_id",
        "kind",
        "labels",
        "on_limit",
        "purpose",
        "rotation_due_at",
        "verified",
    ];
    let version = [
        "algorithm",
        "created_at",
        "destroy_at",
        "expires_at",
        "is_current",
        "key_id",
        "state",
        "state_reason",
        "tag",
        "verified",
        "version",
    ];
    let fields = |value: &Value| value.as_object().unwrap().keys().cloned().collect::<Vec<_>>();
    let created = place.json(&["key", "create", "k", "--label", "a=b", "--purpose", "pii"], b"");
    assert_eq!(fields(&created), key);
    assert_eq!(created["labels"]["a"], "b");
    assert_eq!(fields(&place.json(&["key", "list"], b"")[0]), key);
    assert_eq!(fields(&place.json(&["key", "rotate", "k"], b"")), version);
    let shown = place.json(&["key", "show", "k"], b"");
    let mut all = [&key[..], &["usage", "versions"]].concat();
    all.sort_unstable();
    assert_eq!(fields(&shown), all);
    assert_eq!(fields(&shown["versions"][0]), version);
    assert_eq!((&shown["versions"][0]["version"], &shown["versions"][1]["version"]), (&2.into(), &1.into()));
    assert!(shown["versions"][0]["tag"].as_u64().unwrap() <= u64::from(u32::MAX));

    let sealed = place.json(&["encrypt", "k"], b"a\"\\\n\x01\x7f\xc3\xa9");
    assert_eq!(fields(&sealed), ["ciphertext", "key_id"]);
    let text = sealed["ciphertext"].as_str().unwrap();
    let opened = place.json(&["decrypt", "k"], text.as_bytes());
    assert_eq!(fields(&opened), ["key_id", "plaintext"]);
    assert_eq!(opened["plaintext"], "a\"\\\n\x01\x7fé");
    let moved = place.json(&["reencrypt", "k"], text.as_bytes());
    assert_eq!(fields(&moved), ["ciphertext", "key_id", "reencrypted"]);
    assert_eq!((&moved["reencrypted"], &moved["ciphertext"]), (&false.into(), &sealed["ciphertext"]));
    let known = place.json(&["inspect"], text.as_bytes());
    let about = [
        "algorithm",
        "created_at",
        "expired",
        "expires_at",
        "is_current",
        "key_id",
        "state",
        "tag",
        "verified",
        "version",
    ];
    assert_eq!(fields(&known[0]), about);
    assert_eq!(fields(&place.json(&["encrypt", "k", "--out", "sealed"], b"ada")), ["bytes", "key_id", "out"]);
    assert_eq!(
        fields(&place.json(&["decrypt", "k", "sealed", "--out", "opened"], b"")),
        ["bytes", "key_id", "out"]
    );
    assert_eq!(
        fields(&place.json(&["reencrypt", "k", "sealed", "--out", "moved"], b"")),
        ["bytes", "key_id", "out", "reencrypted"]
    );
    let bytes = place.output(&["encrypt", "k"], b"\xff");
    assert_eq!(place.error(&["decrypt", "k"], &bytes).0, 17);

    assert_eq!(fields(&place.json(&["anchor"], b"")), ["anchor", "generation", "sequence"]);
    assert_eq!(fields(&place.json(&["fingerprint"], b"")), ["fingerprint"]);
    assert_eq!(fields(&place.json(&["init", "--exist-ok"], b"")), ["created", "fingerprint", "store"]);
    assert_eq!(fields(&place.json(&["master-key", "generate", "--out", "key"], b"")), ["out"]);
    assert_eq!(fields(&place.json(&["master-key", "generate", "--reveal"], b"")), ["master_key"]);
    let report = [
        "audit_records",
        "findings",
        "generation",
        "keys",
        "locked_bytes",
        "ok",
        "purge_pending",
        "quarantined",
        "recipients",
        "unlocked_bytes",
        "versions",
        "warnings",
    ];
    assert_eq!(fields(&place.json(&["check"], b"")), report);
}

#[test]
fn files_are_private_whatever_the_umask() {
    let place = Place::new();
    let binary = env!("CARGO_BIN_EXE_keyfold");
    place.output(&["key", "create", "root", "--kind", "derive"], b"");
    for (mask, suffix) in [("000", "open"), ("777", "closed")] {
        let script = format!(
            "umask {mask}; {binary} master-key generate --out key-{suffix} && {binary} init --store store-{suffix} \
             && {binary} encrypt pii --out sealed-{suffix} && {binary} decrypt pii sealed-{suffix} --out opened-{suffix} \
             && {binary} recovery-key generate --out recovery-{suffix} \
             && {binary} shares split -k 2 -n 2 --out share-{suffix} && mv share-{suffix}.1 share.1-{suffix} \
             && mv share-{suffix}.2 share.2-{suffix} && {binary} derive root p --length 8 --out derived-{suffix} \
             && {binary} index-salt show --key pii --out salt-{suffix} && {binary} backup copy-{suffix}"
        );
        let mut shell = Command::new("sh");
        shell
            .arg("-c")
            .arg(script)
            .current_dir(place.0.path())
            .stdin(Stdio::null())
            .stderr(Stdio::null())
            .stdout(Stdio::null());
        shell.env("KEYFOLD_STORE", "app.keyfold").env("KEYFOLD_MASTER_KEY", MASTER_KEY);
        assert!(shell.status().unwrap().success());
        for kind in
            ["key", "store", "sealed", "opened", "recovery", "share.1", "share.2", "derived", "salt", "copy"]
        {
            assert_eq!(mode(&place.path(&format!("{kind}-{suffix}"))), 0o600, "{kind}-{suffix}");
        }
    }
    // Replacing a file that others could read does not leave them the new one.
    fs::write(place.path("shared"), "old").unwrap();
    fs::set_permissions(place.path("shared"), PermissionsExt::from_mode(0o666)).unwrap();
    place.output(&["encrypt", "pii", "--out", "shared", "--force"], b"ada");
    assert_eq!(mode(&place.path("shared")), 0o600);
}

#[test]
fn nothing_is_overwritten_or_left_behind() {
    let place = Place::new();
    fs::write(place.path("there"), "precious").unwrap();
    symlink("there", place.path("link")).unwrap();
    symlink("nowhere", place.path("dangling")).unwrap();
    fs::create_dir(place.path("folder")).unwrap();
    let before = place.names();
    for out in ["there", "link", "dangling", "folder"] {
        assert_eq!(place.error(&["encrypt", "pii", "--out", out], b"ada").0, 19, "{out}");
        for secret in [&["master-key", "generate"][..], &["recovery-key", "generate"]] {
            assert_eq!(place.error(&[secret, &["--out", out]].concat(), b"").0, 19, "{out}");
        }
        assert_eq!(place.error(&["index-salt", "show", "--key", "pii", "--out", out], b"").0, 19, "{out}");
    }
    for out in ["link", "dangling", "folder", "/dev/null", "app.keyfold", "./app.keyfold"] {
        assert_eq!(place.error(&["encrypt", "pii", "--out", out, "--force"], b"ada").0, 17, "{out}");
    }
    for force in [&["decrypt", "pii", "--out", "there", "--force"][..], &["decrypt", "pii", "--out", "new"]] {
        assert_eq!(place.error(force, b"kf1.AQ").0, 22);
    }
    assert_eq!(place.names(), before);
    assert_eq!(fs::read(place.path("there")).unwrap(), b"precious");
}

#[test]
fn messages_have_a_limit() {
    let place = Place::new();
    let most = vec![b'a'; MESSAGE_BYTES];
    let sealed = place.output(&["encrypt", "pii", "--text"], &most);
    assert!(place.output(&["decrypt", "pii"], &sealed) == most);
    drop(sealed);
    for arguments in [&["encrypt", "pii"][..], &["decrypt", "pii"], &["reencrypt", "pii"], &["inspect"]] {
        // Endless: what is past the limit is not read.
        let zeros = File::open("/dev/zero").unwrap();
        let output = place.command(arguments).arg("--json").stdin(zeros).output().unwrap();
        let error: Value = serde_json::from_slice(&output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(28), "{arguments:?}");
        assert!(error["message"].as_str().unwrap().contains("streams"));
    }
    let (status, error) = place.error(&["encrypt", "pii", "--aad-file", "/dev/zero"], b"ada");
    assert_eq!((status, error["code"].as_str()), (28, Some("KEYFOLD_LIMIT_EXCEEDED")));
}

#[test]
fn a_reader_may_leave_early() {
    let place = Place::new();
    fs::write(place.path("large"), place.output(&["encrypt", "pii"], &vec![b'a'; 1 << 20])).unwrap();
    for arguments in
        [&["decrypt", "pii", "large"][..], &["key", "list"], &["key", "list", "--json"], &["check"]]
    {
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        let output = place.command(arguments).stdout(writer).output().unwrap();
        assert_eq!(output.status.code(), Some(0), "{arguments:?}");
        assert!(!String::from_utf8_lossy(&output.stderr).contains("error"), "{arguments:?}");
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        let nope = [arguments, &["--store", "nope"]].concat();
        assert_eq!(place.command(&nope).stderr(writer).status().unwrap().code(), Some(18), "{arguments:?}");
    }
}

#[test]
fn failures_print_no_secret() {
    let place = Place::new();
    let secret = "the quick brown fox";
    let sealed = place.output(&["encrypt", "pii", "--text", "--context", "a=b"], secret.as_bytes());
    let text = String::from_utf8(sealed.clone()).unwrap();
    fs::write(place.path("plain"), secret).unwrap();
    let hex = "a13110b1dc18b0f6c45636c917a7c8ba7b0902a81ac8cc0fda3c3136bd5718a4";
    let flag = format!("--master-key={MASTER_KEY}");
    let recovery = place.output(&["recovery-key", "generate", "--reveal"], b"");
    let recovery = String::from_utf8(recovery).unwrap().trim().to_owned();
    for arguments in [
        &["decrypt", "pii"][..],
        &["decrypt", "pii", "--context", "a=c"],
        &["decrypt", "nope", "--context", "a=b"],
        &["decrypt", "pii", "--context", "a=b", "--out", "plain"],
        &["reencrypt", "pii"],
        &["encrypt", "nope", "plain"],
        &["encrypt", "pii", "plain", "--out", "no/where"],
        &["inspect", "plain"],
        &["check", &flag],
        &["check", "--master-key", MASTER_KEY],
        &["check", "--master-key", hex],
        &["check", MASTER_KEY],
        &["check", hex],
        &["inspect", MASTER_KEY],
        &["encrypt", MASTER_KEY],
        &["key", "list", "--limit", MASTER_KEY],
        &["key", "create", "k", "--purpose", MASTER_KEY],
        &["key", "create", "k", "--algorithm", hex],
        &["check", "--anchor", MASTER_KEY],
        &["check", "--actor", &format!("{MASTER_KEY}\n")],
        &[MASTER_KEY],
        &["recipient", "add", secret],
        &["recipient", "add", &format!("passphrase:{secret}")],
        &["recipient", "test", &recovery],
        &["check", &recovery],
        &["key", "import", MASTER_KEY, "--encoding", "base64"],
        &["keyset", "import", "k", "--passphrase", secret],
        &["keyset", "export", "pii", "--passphrase", secret],
        &["master-key", "rotate", "--new", &recovery],
    ] {
        for json in [&[][..], &["--json"]] {
            let output = place.run(&[arguments, json].concat(), &sealed);
            assert_ne!(output.status.code(), Some(0), "{arguments:?}");
            let said = String::from_utf8_lossy(&output.stdout) + String::from_utf8_lossy(&output.stderr);
            for word in [MASTER_KEY, MASTER_KEY.trim_end_matches('='), hex, "quick", text.trim(), &recovery] {
                assert!(!said.contains(word), "{arguments:?}: {said}");
            }
        }
    }
}

#[test]
fn a_rotation_elsewhere_is_seen_by_one_who_waits_for_input() {
    let place = Place::new();
    let mut waiting =
        place.command(&["encrypt", "pii", "--text", "--refresh-interval", "10ms"]).spawn().unwrap();
    std::thread::sleep(std::time::Duration::from_millis(300));
    place.output(&["key", "rotate", "pii"], b"");
    waiting.stdin.take().unwrap().write_all(b"ada").unwrap();
    let sealed = waiting.wait_with_output().unwrap().stdout;
    assert_eq!(place.json(&["inspect"], &sealed)[0]["version"], 2);
}

#[test]
fn of_many_who_create_a_file_one_succeeds() {
    let place = Place::new();
    let children: Vec<_> =
        (0..8).map(|_| place.command(&["master-key", "generate", "--out", "key"]).spawn().unwrap()).collect();
    let won = children
        .into_iter()
        .filter_map(|mut child| child.wait().unwrap().code())
        .filter(|code| *code == 0)
        .count();
    assert_eq!(won, 1);
    assert_eq!(fs::read(place.path("key")).unwrap().len(), 45);
    assert_eq!(place.names(), ["app.keyfold", "key"]);
}

/// Every command, as it is called.
const COMMANDS: [&str; 47] = [
    "init",
    "master-key generate",
    "master-key rotate",
    "recipient list",
    "recipient add",
    "recipient remove",
    "recipient test",
    "recipient public-key",
    "recipient drill",
    "recovery-key generate",
    "shares split",
    "key create",
    "key list",
    "key show",
    "key usage",
    "key rotate",
    "key promote",
    "key state",
    "key archive",
    "key destroy",
    "key cancel-destruction",
    "key import",
    "key export",
    "purpose list",
    "purpose register",
    "index-salt list",
    "index-salt rotate",
    "index-salt retire",
    "index-salt show",
    "keyset export",
    "keyset import",
    "run-due",
    "encrypt",
    "decrypt",
    "reencrypt",
    "inspect",
    "mac make",
    "mac verify",
    "derive",
    "index",
    "index-report",
    "check",
    "doctor",
    "backup",
    "restore",
    "quarantine add",
    "quarantine list",
];
const OTHERS: [&str; 4] = ["anchor", "fingerprint", "completions", "man"];

#[test]
fn every_command_is_explained() {
    let place = Place::new();
    fs::create_dir(place.path("man")).unwrap();
    place.output(&["man", "man"], b"");
    let all = COMMANDS.iter().chain(&OTHERS);
    let mut nouns: Vec<&str> = all.clone().filter_map(|name| Some(name.split_once(' ')?.0)).collect();
    nouns.dedup();
    assert_eq!(
        fs::read_dir(place.path("man")).unwrap().count(),
        COMMANDS.len() + OTHERS.len() + nouns.len() + 1
    );
    let main = String::from_utf8(place.output(&["man"], b"")).unwrap();
    let shells = ["bash", "zsh", "fish", "elvish", "powershell"];
    let scripts = shells.map(|shell| String::from_utf8(place.output(&["completions", shell], b"")).unwrap());
    let readme = include_str!("../README.md");
    for name in all {
        let words: Vec<&str> = name.split(' ').collect();
        let page = fs::read_to_string(place.path(&format!("man/keyfold-{}.1", words.join("-")))).unwrap();
        let help = place.output(&[&words[..], &["--help"]].concat(), b"");
        for text in [page, String::from_utf8(help).unwrap()] {
            assert!(text.contains("Examples:"), "{name}");
        }
        assert!(main.contains(&format!("keyfold\\-{}", words[0].replace('-', "\\-"))), "{name}");
        assert!(scripts.iter().all(|script| words.iter().all(|word| script.contains(word))), "{name}");
        assert!(readme.contains(&format!("`{name}`")), "{name} is not in the README");
    }
}

#[test]
fn json_of_the_other_commands_too() {
    let place = Place::new();
    let fields = |value: &Value| value.as_object().unwrap().keys().cloned().collect::<Vec<_>>();
    assert_eq!(place.json(&["key", "create", "a", "b"], b"").as_array().unwrap().len(), 2);
    place.output(&["key", "create", "root", "--kind", "derive"], b"");
    place.output(&["key", "create", "out", "--exportable"], b"");
    place.output(&["key", "rotate", "a"], b"");
    let recovery = place.output(&["recovery-key", "generate", "--reveal"], b"");
    fs::write(place.path("recovery"), recovery).unwrap();
    fs::set_permissions(place.path("recovery"), PermissionsExt::from_mode(0o600)).unwrap();
    let recipient =
        ["created_at", "description", "is_mine", "kind", "parameters", "recipient_id", "verified"];
    let rotation = ["kek_version", "purge_pending", "recipients", "rewrapped"];
    let version_of_salt = ["created_at", "is_current", "verified", "version"];
    for (arguments, expected) in [
        (&["recipient", "add", "file:recovery", "--id", "safe"][..], &recipient[..]),
        (&["recipient", "test", "file:recovery"], &recipient),
        (&["recipient", "drill", "file:recovery"], &["check", "recipient"]),
        (&["recipient", "remove", "safe"], &rotation),
        (&["master-key", "rotate"], &rotation),
        (&["recovery-key", "generate", "--reveal"], &["recovery_key"]),
        (&["recovery-key", "generate", "--out", "again"], &["out"]),
        (&["shares", "split", "-k", "2", "-n", "2", "--reveal"], &["shares"]),
        (&["shares", "split", "-k", "2", "-n", "2", "--out", "s"], &["out", "threshold"]),
        (&["run-due"], &["at", "destroyed", "failures", "purge_pending"]),
        (
            &["purpose", "register", "hr"],
            &["built_in", "created_at", "description", "purpose", "rotation_period", "verified"],
        ),
        (&["index-salt", "rotate", "--key", "pii"], &version_of_salt),
        (&["index-salt", "retire", "1", "--key", "pii"], &["retired", "version"]),
        (
            &["index-salt", "show", "--key", "pii", "--reveal"],
            &["encoding", "key_id", "purpose", "salt", "version"],
        ),
        (
            &["derive", "root", "p", "--length", "8", "--reveal"],
            &["bytes", "encoding", "key_id", "purpose", "version"],
        ),
        (&["key", "export", "out", "--reveal"], &["bytes", "encoding", "key_id", "version"]),
        (&["index", "pii", "name"], &["index", "key_id"]),
        (&["index", "pii", "name", "--all"], &["indexes", "key_id"]),
        (&["doctor"], &["check", "findings", "ok"]),
        (&["backup", "copy"], &["anchor", "check", "out"]),
        (&["restore", "copy"], &["anchor", "fingerprint", "replaced", "rotated"]),
    ] {
        let output = place.run(&[arguments, &["--json"]].concat(), b"");
        let value = serde_json::from_slice(&output.stdout).unwrap();
        let mut actual = fields(&value);
        actual.sort();
        assert_eq!(actual, expected, "{arguments:?}");
    }
    for (arguments, expected) in [
        (&["recipient", "list"][..], &recipient[..]),
        (&["key", "usage", "a"], &["limit", "messages", "verified", "version"]),
        (
            &["purpose", "list"],
            &["built_in", "created_at", "description", "purpose", "rotation_period", "verified"],
        ),
        (&["index-salt", "list", "--key", "pii"], &version_of_salt),
    ] {
        assert_eq!(fields(&place.json(arguments, b"")[0]), expected, "{arguments:?}");
    }
}

#[test]
fn streams_take_little_memory() {
    let place = Place::new();
    place.output(&["key", "create", "s", "--kind", "stream"], b"");
    let script = "head -c 268435456 /dev/zero | keyfold encrypt s > sealed && keyfold encrypt s sealed --out twice -q \
                  && keyfold decrypt s twice -q | keyfold decrypt s | cmp -n 268435456 - /dev/zero";
    for (kibibytes, ends_well) in [(100 << 10, true), (6 << 10, false)] {
        let mut shell = Command::new("sh");
        let binary = Path::new(env!("CARGO_BIN_EXE_keyfold")).parent().unwrap();
        let search = format!("{}:{}", binary.display(), std::env::var("PATH").unwrap());
        shell.arg("-c").arg(format!("ulimit -v {kibibytes}; {script}")).current_dir(place.0.path());
        shell.env("PATH", search).env("KEYFOLD_STORE", "app.keyfold").env("KEYFOLD_MASTER_KEY", MASTER_KEY);
        let output = shell.stderr(Stdio::null()).output().unwrap();
        assert_eq!(output.status.success(), ends_well, "with {kibibytes} KiB");
        fs::remove_file(place.path("twice")).ok();
    }
}

#[test]
fn what_was_damaged_is_set_aside() {
    let place = Place::new();
    let description = "an unusual description";
    place.output(&["key", "create", "noted", "--description", description], b"");
    let mut bytes = fs::read(place.path("app.keyfold")).unwrap();
    let found = bytes.windows(description.len()).position(|window| window == description.as_bytes()).unwrap();
    bytes[found] ^= 1;
    fs::write(place.path("app.keyfold"), bytes).unwrap();
    assert_eq!(place.run(&["master-key", "rotate"], b"").status.code(), Some(25));
    assert_eq!(place.run(&["doctor"], b"").status.code(), Some(1));
    assert_eq!(place.run(&["backup", "damaged"], b"").status.code(), Some(1));
    let aside = place.json(&["quarantine", "add", "key", "noted", "--reason", "the disk"], b"");
    assert_eq!(names(aside.as_object().unwrap()), ["created_at", "id", "kind", "reason"]);
    assert_eq!(place.json(&["quarantine", "list"], b"")[0], aside);
    assert_eq!(place.error(&["encrypt", "noted"], b"ada").0, 21);
    assert_eq!(place.error(&["key", "create", "noted"], b"").0, 21);
    assert_eq!(place.error(&["quarantine", "add", "key", "noted", "--reason", "x"], b"").0, 19);
    let keys = place.json(&["key", "list"], b"");
    assert!(keys.as_array().unwrap().iter().all(|key| key["key_id"] != "noted"));
    assert_eq!(place.json(&["check", "-q"], b"")["quarantined"], 1);
    place.output(&["master-key", "rotate"], b"");
    // Without the key it is not said that anything was verified.
    for noun in ["key", "purpose"] {
        let shown = place.json(&[noun, "list", "--mode", "metadata", "-q"], b"");
        assert!(shown.as_array().unwrap().iter().all(|one| one["verified"] == false), "{shown}");
    }
}

#[test]
fn a_keyset_goes_to_another_store() {
    let place = Place::new();
    place.output(&["key", "create", "out", "--exportable"], b"");
    let sealed = place.output(&["encrypt", "out"], b"ada");
    place.output(&["init", "--store", "other"], b"");
    let address = place.output(&["recipient", "public-key", "--store", "other"], b"");
    fs::write(place.path("other.pub"), &address).unwrap();
    let address = String::from_utf8(address).unwrap();
    let named = place.json(&["recipient", "public-key", "master-key-1", "--store", "other"], b"");
    assert_eq!(named["public_key"], address.trim_end());
    let text = place.output(&["keyset", "export", "out", "--to", "@other.pub", "-q"], b"");
    assert!(text.starts_with(b"kfkr1.") && text.ends_with(b"\n"));
    let json =
        place.json(&["keyset", "export", "out", "--to", address.trim_end(), "--format", "binary", "-q"], b"");
    for (id, keyset) in [("a", &text[..]), ("b", json["keyset"].as_str().unwrap().as_bytes())] {
        place.output(&["keyset", "import", id, "--own-recipient", "--store", "other"], keyset);
        assert_eq!(place.output(&["decrypt", id, "--store", "other"], &sealed), b"ada");
    }
    assert_eq!(place.error(&["keyset", "import", "back", "--own-recipient"], &text).0, 22);
    assert_eq!(place.error(&["keyset", "export", "out", "--to", "kfpk1.AAAA"], b"").0, 17);
    assert_eq!(place.error(&["recipient", "public-key", "nobody"], b"").0, 18);
    for wrong in [
        &["keyset", "export", "out"][..],
        &["keyset", "export", "out", "--to", "@other.pub", "--insecure-cleartext"],
        &["keyset", "export", "out", "--own-recipient"],
        &["keyset", "import", "x", "--own-recipient", "--under", "pii"],
        &["keyset", "import", "x", "--to", "@other.pub"],
    ] {
        assert_eq!(place.run(wrong, b"").status.code(), Some(2), "{wrong:?}");
    }
}

#[test]
fn keys_without_a_prefix_come_in() {
    let place = Place::new();
    place.output(&["key", "create", "own", "--exportable"], b"");
    let sealed = place.output(&["encrypt", "own"], b"ada");
    let keyset = place.output(&["keyset", "export", "own", "--insecure-cleartext", "--reveal", "-q"], b"");
    let keyset = String::from_utf8(keyset).unwrap().replace("TINK", "RAW");
    let import = ["keyset", "import", "raw", "--insecure-cleartext"];
    assert_eq!(place.error(&import, keyset.as_bytes()).0, 17);
    place.output(&[&import[..], &["--rotate"]].concat(), keyset.as_bytes());
    assert_eq!(place.output(&["decrypt", "raw"], &sealed[5..]), b"ada");
    assert_eq!(place.error(&["decrypt", "own"], &sealed[5..]).0, 22);
}

#[test]
fn four_at_once_while_the_key_rotates() {
    let place = Place::new();
    place.output(&["key", "create", "files", "--kind", "stream"], b"");
    let plain = vec![7; 2 << 20];
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                for _ in 0..3 {
                    let sealed = place.output(&["encrypt", "files", "--busy-timeout", "60s"], &plain);
                    let opened = place.output(&["decrypt", "files", "--busy-timeout", "60s"], &sealed);
                    assert!(opened == plain);
                }
            });
        }
        for _ in 0..5 {
            place.output(&["key", "rotate", "files", "--busy-timeout", "60s"], b"");
        }
    });
    assert_eq!(place.json(&["check"], b"")["ok"], true);
}

#[test]
fn the_doctor_finds_what_deserves_attention() {
    let place = Place::new();
    place.output(&["key", "create", "short", "--expires-in", "1ms"], b"");
    place.output(&["recovery-key", "generate", "--out", "recovery"], b"");
    place.output(&["recipient", "add", "file:recovery"], b"");
    fs::set_permissions(place.path("app.keyfold"), PermissionsExt::from_mode(0o644)).unwrap();
    fs::set_permissions(place.0.path(), PermissionsExt::from_mode(0o777)).unwrap();
    let output = place.run(&["doctor", "--json"], b"");
    assert_eq!(output.status.code(), Some(1));
    let report: Value = serde_json::from_slice(&output.stdout).unwrap();
    let subjects: Vec<&str> = report["findings"]
        .as_array()
        .unwrap()
        .iter()
        .map(|found| found["subject"].as_str().unwrap())
        .collect();
    assert_eq!(subjects, ["key short", "file", "file", "file", "folder"], "{report}");
    let words = place.run(&["check"], b"");
    assert!(String::from_utf8_lossy(&words.stderr).contains("warning: key short"), "{words:?}");
    fs::set_permissions(place.path("app.keyfold"), PermissionsExt::from_mode(0o600)).unwrap();
    fs::set_permissions(place.0.path(), PermissionsExt::from_mode(0o700)).unwrap();
    place.output(&["key", "archive", "short"], b"");
    place.output(&["doctor"], b"");
}
