//! Secrets that are typed at the terminal, and not shown there.

use keyfold::{MasterKey, Result, limits};
use zeroize::Zeroizing;

use crate::files;

/// Asks for a secret.
pub fn secret(question: &str) -> Result<Zeroizing<String>> {
    rpassword::prompt_password(question).map(Zeroizing::new).map_err(|_| {
        files::invalid(format!(
            "there is no terminal to ask at ({}); name env:NAME, file:PATH or fd:N in place of prompt",
            question.trim_end_matches([':', ' '])
        ))
    })
}

/// Asks for a new secret, and again: what is mistyped would open nothing.
pub fn secret_twice(question: &str) -> Result<Zeroizing<String>> {
    let first = secret(question)?;
    if first.is_empty() {
        return Err(files::invalid("a passphrase must not be empty"));
    }
    if *first != *secret("The same again: ")? {
        return Err(files::invalid("these are two passphrases; nothing was done"));
    }
    Ok(first)
}

/// Asks for shares until they are enough, or an empty line.
pub fn shares() -> Result<Vec<Zeroizing<String>>> {
    let mut texts = Vec::new();
    while texts.len() < usize::from(limits::SHARES) {
        let text = secret(&format!("Share {} (an empty line ends): ", texts.len() + 1))?;
        if text.trim().is_empty() {
            break;
        }
        texts.push(text);
        if MasterKey::shares(&texts).is_ok() {
            break;
        }
    }
    Ok(texts)
}
