//! What is printed: results on standard output, remarks, warnings and errors on standard error.

use std::error::Error as _;
use std::io::Write;
use std::time::Duration;

use keyfold::{Error, ErrorKind, Result};
use serde_json::{Value, json};
use zeroize::Zeroizing;

use crate::files;

/// How the user wants to be spoken to.
pub struct Console {
    pub json: bool,
    pub quiet: bool,
}

impl Console {
    /// The result of a command: as JSON, or in words.
    pub fn result(&self, json: impl FnOnce() -> Value, words: impl FnOnce() -> String) -> Result<()> {
        let text = if self.json { format!("{:#}\n", json()) } else { words() };
        files::print(text.as_bytes())
    }

    /// A remark for people on what was done.
    pub fn remark(&self, text: &str) {
        if !self.json && !self.quiet {
            complain(&plain(text));
        }
    }

    /// Something that deserves attention although the command goes on.
    pub fn warning(&self, text: &str) {
        match (self.quiet, self.json) {
            (true, _) => {}
            (_, true) => complain(&json!({ "warning": text }).to_string()),
            (_, false) => complain(&format!("warning: {}", plain(text))),
        }
    }

    /// Why the command failed.
    pub fn error(&self, error: &Error) {
        let cause = error.source().map(|cause| without_keys(&cause.to_string()));
        let code = error.kind().code();
        if self.json {
            return complain(
                &json!({
                    "code": code,
                    "message": without_keys(error.message()),
                    "cause": cause,
                    "retryable": error.is_retryable(),
                    "retry_after": error.retry_after().map(|wait| format!("{}ms", wait.as_millis())),
                    "key_id": error.key_id(),
                    "version": error.version(),
                })
                .to_string(),
            );
        }
        let cause = cause.map(|cause| format!(": {cause}")).unwrap_or_default();
        complain(&plain(&format!("error: {}{cause} ({code})", error.message())));
    }
}

/// A line on standard error, as far as there is somebody to read it.
fn complain(text: &str) {
    // In one piece, so that lines of several processes do not mix.
    let _ = std::io::stderr().write_all(format!("{}\n", without_keys(text)).as_bytes());
}

/// Why the command line was not understood, in several lines.
pub fn usage(text: &str) {
    complain(&text.lines().map(plain).collect::<Vec<_>>().join("\n"));
}

/// Rows under headings, aligned.
pub fn table<const N: usize>(headings: [&str; N], rows: &[[String; N]]) -> String {
    if rows.is_empty() {
        return String::new();
    }
    let headings = headings.map(str::to_owned);
    let rows: Vec<[String; N]> = std::iter::once(headings)
        .chain(rows.iter().map(|row| row.each_ref().map(|cell| plain(cell))))
        .collect();
    let width = |column: usize| rows.iter().map(|row| row[column].chars().count()).max().unwrap_or(0);
    let widths: [usize; N] = std::array::from_fn(width);
    let mut text = String::new();
    for row in &rows {
        let mut line = String::new();
        for (cell, width) in row.iter().zip(widths) {
            line.push_str(&format!("{cell:width$}  "));
        }
        text.push_str(line.trim_end());
        text.push('\n');
    }
    text
}

/// What was shown, with a note where nobody verified it.
pub fn noted(text: String, verified: bool) -> String {
    if verified { text } else { text + "not verified: opened without a master key\n" }
}

/// Names and values, aligned.
pub fn pairs(rows: &[(&str, String)]) -> String {
    let width = rows.iter().map(|(name, _)| name.len()).max().unwrap_or(0);
    rows.iter().map(|(name, value)| format!("{name:width$}  {}\n", plain(value))).collect()
}

/// A JSON object and in it a text that is secret, in a buffer that is wiped.
pub fn secret_json(about: &Value, name: &str, text: &str) -> Result<Zeroizing<Vec<u8>>> {
    let about = format!("{about:#}");
    let head = about.strip_suffix("\n}").map_or_else(|| "{".to_owned(), |fields| format!("{fields},"));
    // Room for every byte that may be escaped: growing would leave copies behind.
    let width = |byte: u8| if byte < b' ' || b"\"\\\x7f".contains(&byte) { 6 } else { 1 };
    let room = head.len() + name.len() + text.bytes().map(width).sum::<usize>() + 16;
    let mut out = Zeroizing::new(Vec::with_capacity(room));
    out.extend_from_slice(format!("{head}\n  {}: ", json!(name)).as_bytes());
    serde_json::to_writer(&mut *out, text).map_err(|error| {
        Error::new(ErrorKind::Internal, "the result cannot be written as JSON").with_cause(error)
    })?;
    out.extend_from_slice(b"\n}\n");
    Ok(out)
}

/// A value that may be absent.
pub fn optional(value: Option<impl ToString>) -> String {
    value.map_or_else(|| "-".to_owned(), |value| value.to_string())
}

/// A length of time in its largest unit: `30d`.
pub fn duration_shown(duration: Duration) -> String {
    let milliseconds = duration.as_millis();
    let units = [("d", 86_400_000), ("h", 3_600_000), ("m", 60_000), ("s", 1000), ("ms", 1)];
    let fitting = units.into_iter().find(|(_, length)| milliseconds.is_multiple_of(*length));
    fitting.map_or_else(String::new, |(unit, length)| format!("{}{unit}", milliseconds / length))
}

pub fn yes_or_no(value: bool) -> String {
    if value { "yes" } else { "no" }.to_owned()
}

/// The text without anything that a terminal would act on.
fn plain(text: &str) -> String {
    let escape =
        |letter: char| if letter.is_control() { letter.escape_default().to_string() } else { letter.into() };
    text.chars().map(escape).collect()
}

/// The text without what looks like a master key (32 bytes in base64 or hex), a recovery key or a share, wherever they
/// were given by mistake.
fn without_keys(text: &str) -> String {
    const MASK: &str = "[not shown: looks like a key]";
    let mut shown = String::new();
    let mut rest = text;
    while let Some((start, end)) = find_key(rest) {
        shown.push_str(&rest[..start]);
        shown.push_str(MASK);
        rest = &rest[end..];
    }
    shown + rest
}

/// Where the first one begins and ends.
fn find_key(text: &str) -> Option<(usize, usize)> {
    let base64 = |byte: &u8| byte.is_ascii_alphanumeric() || b"+/-_".contains(byte);
    let printed = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-';
    let mut run = 0;
    let mut hex = 0;
    for (place, byte) in text.bytes().enumerate() {
        let rest = &text.as_bytes()[place..];
        if rest
            .get(..5)
            .is_some_and(|head| head.eq_ignore_ascii_case(b"kfr1-") || head.eq_ignore_ascii_case(b"kfs1-"))
        {
            return Some((place, place + rest.iter().take_while(|byte| printed(**byte)).count()));
        }
        if byte == b'=' && run >= 43 {
            return Some((place - 43, place + 1));
        }
        run = if base64(&byte) { run + 1 } else { 0 };
        hex = if byte.is_ascii_hexdigit() { hex + 1 } else { 0 };
        if hex == 64 {
            return Some((place - 63, place + 1));
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tables_are_aligned_and_harmless() {
        let rows = [["a".to_owned(), "b".to_owned()], ["long".to_owned(), "\u{1b}[2J\n".to_owned()]];
        assert_eq!(table(["KEY", "NOTE"], &rows), "KEY   NOTE\na     b\nlong  \\u{1b}[2J\\n\n");
        assert_eq!(table(["KEY"], &[]), "");
        assert_eq!(noted("KEY\n".to_owned(), true), "KEY\n");
        assert_eq!(noted("KEY\n".to_owned(), false), "KEY\nnot verified: opened without a master key\n");
        assert_eq!(pairs(&[("a", "1".into()), ("long", "2".into())]), "a     1\nlong  2\n");
    }

    #[test]
    fn lengths_of_time_have_their_largest_unit() {
        for (milliseconds, shown) in [(1, "1ms"), (90_000, "90s"), (60_000, "1m"), (86_400_000 * 365, "365d")]
        {
            assert_eq!(duration_shown(Duration::from_millis(milliseconds)), shown);
        }
    }

    #[test]
    fn secrets_fit_into_json() {
        let text = "a\"\\\n\u{1}é";
        for about in [json!({}), json!({ "key_id": "k", "n": 1 })] {
            let bytes = secret_json(&about, "plaintext", text).unwrap();
            let parsed: Value = serde_json::from_slice(&bytes).unwrap();
            assert_eq!(parsed["plaintext"], text);
            assert_eq!(parsed.as_object().unwrap().len(), about.as_object().unwrap().len() + 1);
        }
    }

    #[test]
    fn keys_are_not_repeated() {
        let key = "oTEQsdwYsPbEVjbJF6fIunsJAqgayMwP2jwxNr1XGKQ=";
        let shown = without_keys(&format!("é '{key}' and /tmp/{key}, --x={key} {}", "0f".repeat(32)));
        assert!(!shown.contains("AwQF") && !shown.contains("0f0f"), "{shown}");
        assert!(shown.starts_with("é '[not") && shown.contains("' and /tmp"), "{shown}");
        for printed in ["kfr1-7K3QX9-ABCDEF", "KFS1-7k3qx9"] {
            assert_eq!(without_keys(&format!("é '{printed}'")), "é '[not shown: looks like a key]'");
        }
        for other in ["", "pii", "a=b", &"a".repeat(44), &"x".repeat(64), &"f".repeat(63)] {
            assert_eq!(without_keys(other), other);
        }
    }
}
