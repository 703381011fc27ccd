//! American Soundex, as the National Archives of the United States publish it.
//!
//! Letters of the same code count once where they stand side by side, also with H or W between them; a vowel
//! between them makes them two. Marks over letters are dropped first (Müller is MULLER); all that then is no letter
//! A to Z is left out.

use unicode_normalization::UnicodeNormalization;

use super::casefold::fold;

/// The code: a letter and three digits. `None` for a text without any letter A to Z.
pub(super) fn soundex(text: &str) -> Option<[u8; 4]> {
    let decomposed = text.nfkd().flat_map(fold).nfkd();
    let mut letters = decomposed.filter(char::is_ascii_alphabetic).map(|letter| letter as u8);
    let first = letters.next()?;
    let mut code = [first.to_ascii_uppercase(), b'0', b'0', b'0'];
    let mut last = sound(first);
    let mut place = 1;
    for letter in letters {
        let next = sound(letter);
        if let (Sound::Coded(digit), true) = (next, next != last) {
            code[place] = digit;
            place += 1;
            if place == code.len() {
                break;
            }
        }
        if next != Sound::Silent {
            last = next;
        }
    }
    Some(code)
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Sound {
    Coded(u8),
    Vowel,
    /// H and W: what stands on their two sides is side by side.
    Silent,
}

fn sound(letter: u8) -> Sound {
    match letter {
        b'b' | b'f' | b'p' | b'v' => Sound::Coded(b'1'),
        b'c' | b'g' | b'j' | b'k' | b'q' | b's' | b'x' | b'z' => Sound::Coded(b'2'),
        b'd' | b't' => Sound::Coded(b'3'),
        b'l' => Sound::Coded(b'4'),
        b'm' | b'n' => Sound::Coded(b'5'),
        b'r' => Sound::Coded(b'6'),
        b'h' | b'w' => Sound::Silent,
        _ => Sound::Vowel,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn coded(text: &str) -> String {
        soundex(text).map_or_else(String::new, |code| String::from_utf8_lossy(&code).into_owned())
    }

    #[test]
    fn published_codes() {
        let file: serde_json::Value =
            serde_json::from_str(include_str!("../../../../tests/vectors/soundex.json")).unwrap();
        for group in ["published", "jellyfish"] {
            let tests = file[group].as_object().unwrap();
            assert!(tests.len() >= 15, "{group}");
            for (name, code) in tests {
                assert_eq!(coded(name), code.as_str().unwrap(), "{name}");
                assert_eq!(coded(&name.to_uppercase()), code.as_str().unwrap(), "{name}");
            }
        }
    }

    #[test]
    fn other_letters_and_signs() {
        for (one, other) in [
            ("Müller", "Mueller"),
            ("Mu\u{308}ller", "Muller"),
            ("O'Brien", "OBrien"),
            ("Çelik", "Celik"),
            ("Weiß", "Weiss"),
            ("Ｌｅｅ", "Lee"),
            (" Lee 2 ", "Lee"),
            ("St. John", "StJohn"),
        ] {
            assert_eq!(coded(one), coded(other), "{one}");
        }
        for none in ["", " ", "Иванов", "王", "123", "\u{301}", "🦀"] {
            assert_eq!(soundex(none), None, "{none}");
        }
    }
}
