//! Unicode's full case folding, without locale: what `str.casefold()` is in Python.

use smallvec::SmallVec;

/// The character without its case. ß becomes ss, ς becomes σ, İ an i with a dot above it.
///
/// Lower, upper, lower again is the standard's folding of all characters but two kinds: dotless ı stays as it is,
/// and Cherokee folds to its capitals, which Unicode had first.
pub(super) fn fold(character: char) -> smallvec::IntoIter<[char; 4]> {
    let folded: SmallVec<[char; 4]> = match character {
        '\0'..='\x7f' => std::iter::once(character.to_ascii_lowercase()).collect(),
        '\u{131}' => std::iter::once(character).collect(),
        '\u{13a0}'..='\u{13ff}' | '\u{ab70}'..='\u{abbf}' => character.to_uppercase().collect(),
        _ => character.to_lowercase().flat_map(char::to_uppercase).flat_map(char::to_lowercase).collect(),
    };
    folded.into_iter()
}
