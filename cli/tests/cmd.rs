//! Runs the transcripts in `cmd/`, each in a folder of its own.
//!
//! A line `$ …` is a command for the shell, and lines `> …` after it continue it. What follows is its standard
//! output; lines `! …` are its standard error, and `? N` its exit status where that is not 0. `[..]` stands for
//! anything within a line. Lines that begin with `#` are remarks, and empty ones count on neither side. Commands of one file share a shell, a store
//! with the key `pii`, and the environment of `SETTING`.

use std::fmt::Write as _;
use std::fs;
use std::path::Path;
use std::process::Command;

const SETTING: [(&str, &str); 2] = [
    ("KEYFOLD_STORE", "app.keyfold"),
    ("KEYFOLD_MASTER_KEY", "oTEQsdwYsPbEVjbJF6fIunsJAqgayMwP2jwxNr1XGKQ="),
];

#[derive(Default)]
struct Step {
    line: usize,
    command: String,
    output: Vec<String>,
    errors: Vec<String>,
    status: i32,
}

#[test]
fn transcripts() {
    let mut failures = String::new();
    let mut count = 0;
    for entry in fs::read_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/cmd")).unwrap() {
        let path = entry.unwrap().path();
        let steps = parse(&fs::read_to_string(&path).unwrap());
        count += steps.len();
        for (step, actual) in steps.iter().zip(run(&steps)) {
            if !step.agrees(&actual) {
                let file = path.file_name().unwrap().to_string_lossy();
                writeln!(
                    failures,
                    "{file}:{}: expected\n{}but there came\n{}",
                    step.line,
                    step.shown(),
                    actual.shown()
                )
                .unwrap();
            }
        }
    }
    assert!(count > 80, "only {count} commands were found");
    assert!(failures.is_empty(), "\n{failures}");
}

fn parse(text: &str) -> Vec<Step> {
    let mut steps: Vec<Step> = Vec::new();
    for (number, line) in text.lines().enumerate() {
        if let Some(command) = line.strip_prefix("$ ") {
            steps.push(Step { line: number + 1, command: command.to_owned(), ..Step::default() });
        } else if !line.starts_with('#') && !line.is_empty() {
            let step = steps.last_mut().expect("output before any command");
            match line.split_at_checked(2) {
                Some(("> ", more)) => write!(step.command, "\n{more}").unwrap(),
                Some(("! ", error)) => step.errors.push(error.to_owned()),
                Some(("? ", status)) => step.status = status.parse().unwrap(),
                _ => step.output.push(line.to_owned()),
            }
        }
    }
    steps
}

fn run(steps: &[Step]) -> Vec<Step> {
    let folder = tempfile::tempdir().unwrap();
    let mut script = String::from("keyfold init -q && keyfold key create pii -q\n");
    for step in steps {
        let command = &step.command;
        writeln!(script, "{{ {command}\n}} 2>.errors; status=$?").unwrap();
        writeln!(script, "printf '\\n\\001\\n'; cat .errors; printf '\\n\\001%s\\n' $status").unwrap();
    }
    let binary = Path::new(env!("CARGO_BIN_EXE_keyfold")).parent().unwrap();
    let search = format!("{}:{}", binary.display(), std::env::var("PATH").unwrap());
    let mut shell = Command::new("sh");
    shell.arg("-c").arg(&script).current_dir(folder.path()).env_clear().env("PATH", search).envs(SETTING);
    let output = shell.output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(said.is_empty(), "the shell said {said}");
    let text = String::from_utf8(output.stdout).unwrap();
    // Output, mark, errors, mark and status, again and again.
    let mut parts = text.split("\n\u{1}");
    let lines = |part: Option<&str>| -> Vec<String> {
        part.expect("the shell ended early")
            .lines()
            .filter(|line| !line.is_empty())
            .map(str::to_owned)
            .collect()
    };
    let mut output = lines(parts.next());
    let mut actual = Vec::new();
    while let Some(errors) = parts.next() {
        let errors = lines(Some(errors));
        let (status, next) =
            parts.next().and_then(|part| part.split_once('\n')).expect("the shell ended early");
        let status = status.parse().unwrap();
        actual.push(Step { output, errors, status, ..Step::default() });
        output = lines(Some(next));
    }
    assert_eq!(actual.len(), steps.len());
    actual
}

impl Step {
    fn agrees(&self, actual: &Self) -> bool {
        let same = |expected: &[String], lines: &[String]| {
            expected.len() == lines.len()
                && expected.iter().zip(lines).all(|(pattern, line)| matches(pattern, line))
        };
        self.status == actual.status
            && same(&self.output, &actual.output)
            && same(&self.errors, &actual.errors)
    }

    fn shown(&self) -> String {
        let errors = self.errors.iter().map(|line| format!("! {line}"));
        let lines = self.output.iter().cloned().chain(errors).chain([format!("? {}", self.status)]);
        lines.map(|line| format!("    {line}\n")).collect()
    }
}

/// Whether the line is the pattern, in which `[..]` stands for anything.
fn matches(pattern: &str, line: &str) -> bool {
    let mut parts = pattern.split("[..]");
    let Some(mut rest) = line.strip_prefix(parts.next().unwrap_or_default()) else { return false };
    let parts: Vec<&str> = parts.collect();
    let Some((last, middle)) = parts.split_last() else { return rest.is_empty() };
    for part in middle {
        let Some(place) = rest.find(part) else { return false };
        rest = &rest[place + part.len()..];
    }
    rest.ends_with(last)
}

#[test]
fn patterns() {
    for (pattern, line, outcome) in [
        ("a", "a", true),
        ("a", "ab", false),
        ("a[..]", "ab", true),
        ("[..]b", "ab", true),
        ("a[..]c[..]e", "abcde", true),
        ("a[..]x[..]e", "abcde", false),
        ("ab[..]bc", "abc", false),
    ] {
        assert_eq!(matches(pattern, line), outcome, "{pattern} {line}");
    }
}
