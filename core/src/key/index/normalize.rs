//! Making values that count as the same the same, before they are indexed.

use std::iter::Peekable;
use std::ops::Deref;

use unicode_normalization::UnicodeNormalization;

use super::casefold::fold;
use super::digits::digit;
use super::recipe::shown;
use crate::error::{Error, Result};
use crate::key::plaintext::wipe;

/// One step. Their order is the caller's.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Normalizer {
    Casefold,
    Nfkc,
    Digits,
    Trim,
    CollapseSpaces,
}

/// A text, wiped where it is a copy.
pub(super) enum Text<'a> {
    Given(&'a str),
    Made(String),
}

impl Normalizer {
    const ALL: [Self; 5] = [Self::Casefold, Self::Nfkc, Self::Digits, Self::Trim, Self::CollapseSpaces];

    pub(super) fn from_name(name: &str) -> Result<Self> {
        Self::ALL.into_iter().find(|normalizer| normalizer.name() == name).ok_or_else(|| {
            Error::invalid(format!(
                "normaliser {:?} is none of: {}",
                shown(name),
                Self::ALL.map(Self::name).join(", ")
            ))
        })
    }

    fn name(self) -> &'static str {
        match self {
            Self::Casefold => "casefold",
            Self::Nfkc => "nfkc",
            Self::Digits => "digits",
            Self::Trim => "trim",
            Self::CollapseSpaces => "collapse_spaces",
        }
    }

    pub(super) fn apply(self, text: Text<'_>) -> Text<'_> {
        match (self, &text) {
            (Self::Casefold, _) if text.is_ascii() => Text::Made(text.to_ascii_lowercase()),
            (Self::Casefold, _) => collected(text.chars().flat_map(fold)),
            (Self::Nfkc, _) if text.is_ascii() => text,
            (Self::Nfkc, _) => collected(text.nfkc()),
            (Self::Digits, _) => collected(text.chars().filter_map(digit)),
            (Self::Trim, Text::Given(text)) => Text::Given(text.trim()),
            (Self::Trim, Text::Made(text)) => Text::Made(text.trim().to_owned()),
            (Self::CollapseSpaces, _) => collected(Collapsed { characters: text.chars().peekable() }),
        }
    }
}

impl Deref for Text<'_> {
    type Target = str;

    fn deref(&self) -> &str {
        match self {
            Self::Given(text) => text,
            Self::Made(text) => text,
        }
    }
}

impl Drop for Text<'_> {
    fn drop(&mut self) {
        if let Self::Made(text) = self {
            wipe(&mut std::mem::take(text).into_bytes());
        }
    }
}

/// The characters in a text of the final size from the start: growing would leave copies behind.
fn collected(characters: impl Iterator<Item = char> + Clone) -> Text<'static> {
    let mut text = String::with_capacity(characters.clone().map(char::len_utf8).sum());
    text.extend(characters);
    Text::Made(text)
}

/// Each run of white space as one space.
#[derive(Clone)]
struct Collapsed<I: Iterator<Item = char>> {
    characters: Peekable<I>,
}

impl<I: Iterator<Item = char>> Iterator for Collapsed<I> {
    type Item = char;

    fn next(&mut self) -> Option<char> {
        let next = self.characters.next()?;
        if !next.is_whitespace() {
            return Some(next);
        }
        while self.characters.next_if(|other| other.is_whitespace()).is_some() {}
        Some(' ')
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn normalized(text: &str, names: &[&str]) -> String {
        let mut text = Text::Given(text);
        for name in names {
            text = Normalizer::from_name(name).unwrap().apply(text);
        }
        text.to_owned()
    }

    #[test]
    fn every_normaliser() {
        for (given, names, expected) in [
            ("Straße", &["casefold"][..], "strasse"),
            ("STRASSE", &["casefold"], "strasse"),
            ("ẞ", &["casefold"], "ss"),
            ("ΟΔΟΣ οδος", &["casefold"], "οδοσ οδοσ"),
            ("İI\u{131}i", &["casefold"], "i\u{307}i\u{131}i"),
            ("ꭰᏰᎠ", &["casefold"], "ᎠᏰᎠ"),
            ("E\u{301}", &["casefold"], "e\u{301}"),
            ("E\u{301}", &["nfkc", "casefold"], "é"),
            ("ﬁ①Ａ\u{212b}", &["nfkc"], "fi1AÅ"),
            ("\u{200b}a\u{200d}b\u{feff}", &["nfkc", "trim", "casefold"], "\u{200b}a\u{200d}b\u{feff}"),
            ("+1 (617) 555-0123", &["digits"], "16175550123"),
            ("１２٣४𝟗Ⅷ²½六", &["digits"], "12349"),
            ("²", &["nfkc", "digits"], "2"),
            ("none", &["digits"], ""),
            ("\u{3000}\t a  b \u{a0}\n", &["trim"], "a  b"),
            ("\u{3000} a \t\u{2009} b\n", &["collapse_spaces"], " a b "),
            (" A \u{a0} b ", &["trim", "collapse_spaces", "casefold"], "a b"),
            ("👩\u{200d}🚀🇩🇪", &["nfkc", "casefold", "trim", "collapse_spaces"], "👩\u{200d}🚀🇩🇪"),
            ("", &["casefold", "nfkc", "digits", "trim", "collapse_spaces"], ""),
        ] {
            assert_eq!(normalized(given, names), expected, "{given} {names:?}");
        }
    }

    #[test]
    fn a_copy_has_its_final_size_from_the_start() {
        for text in ["", "a", "ß\u{fdfa}İ", &"ﷺ ".repeat(1000)] {
            for normalizer in Normalizer::ALL {
                if let Text::Made(made) = &normalizer.apply(Text::Given(text)) {
                    assert_eq!(made.capacity(), made.len(), "{}", normalizer.name());
                }
            }
        }
    }

    #[test]
    fn python_folds_composes_and_reads_digits_alike() {
        let Some(python) = std::env::var_os("KEYFOLD_ORACLE_PYTHON") else {
            eprintln!("skipped: set KEYFOLD_ORACLE_PYTHON to a Python, or run `make test`");
            return;
        };
        let script = concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/oracles/unicode.py");
        let ended = std::process::Command::new(python).arg(script).output().expect("the oracle's Python");
        assert!(ended.status.success());
        let points = |text: &str| -> String {
            let character = |point| char::from_u32(u32::from_str_radix(point, 16).unwrap()).unwrap();
            text.split('.').filter(|point| !point.is_empty()).map(character).collect()
        };
        let mut compared = 0;
        for line in String::from_utf8(ended.stdout).unwrap().lines() {
            let [given, folded, composed, digits] = line.split(' ').collect::<Vec<_>>()[..] else {
                panic!("{line}");
            };
            let given = points(given);
            assert_eq!(normalized(&given, &["casefold"]), points(folded), "{line}");
            assert_eq!(normalized(&given, &["nfkc"]), points(composed), "{line}");
            assert_eq!(normalized(&given, &["digits"]), points(digits), "{line}");
            compared += 1;
        }
        assert!(compared > 280_000, "{compared}");
    }
}
