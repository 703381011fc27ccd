//! Deterministic encryption: equal plaintexts under equal associated data have equal ciphertexts, to join and search
//! by. `docs/deterministic.md` says what that shows to whoever reads them.

use crate::error::Result;
use crate::format::{Aad, PREFIX_LENGTH, prefix};
use crate::key::{Encryption, Key, overhead, snapshot, too_long, wrong_kind};
use crate::keyring::{Material, Prefix, Version};
use crate::limits;
use crate::primitives::{KeyKind, Siv, TAG_LENGTH};

impl Key {
    /// The ciphertexts that this plaintext may have in rows: under every version that may decrypt, newest first.
    /// Search for any of them, and rows that were not yet re-encrypted are found as well.
    ///
    /// For keys of kind `deterministic`. A version that another process made within `refresh_interval` may be
    /// missing. LimitExceeded past 64 MiB of plaintext or 1 MiB of aad.
    pub fn search_ciphertexts<'a>(&self, plaintext: &[u8], aad: impl Into<Aad<'a>>) -> Result<Vec<Vec<u8>>> {
        let aad = aad.into().to_bytes()?;
        if plaintext.len() > limits::MESSAGE_BYTES {
            return Err(too_long(self.id()));
        }
        self.check_kind(self.kind()?, "search by ciphertexts", &[KeyKind::Deterministic])?;
        self.with_snapshot(|snapshot| {
            let readable = |version: &&Version| version.state.may_decrypt();
            let seal = |version: &Version| {
                let material = snapshot.material(version)?;
                let mut out = vec![0; overhead(version.algorithm) + plaintext.len()];
                seal(version, self.siv(version, &material)?, plaintext, aad.as_ref(), &mut out)?;
                if version.prefix == Prefix::Raw {
                    out.drain(..PREFIX_LENGTH);
                }
                Ok(out)
            };
            snapshot.versions.iter().rev().filter(readable).map(seal).collect()
        })
    }

    fn siv<'a>(&self, version: &Version, material: &'a Material) -> Result<&'a Siv> {
        match material {
            Material::Deterministic(siv) => Ok(siv),
            _ => {
                let kind = version.algorithm.kind();
                Err(wrong_kind(self.id(), kind, "encrypt deterministically", &[KeyKind::Deterministic]))
            }
        }
    }
}

impl Encryption<'_> {
    /// [`Encryption::write`] of this kind; `out` has the ciphertext's length.
    pub(super) fn write_deterministic(&self, plaintext: &[u8], aad: &[u8], out: &mut [u8]) -> Result<()> {
        let (version, material) = snapshot(&self.loaded)?.encrypting()?;
        seal(version, self.key.siv(version, material)?, plaintext, aad, out)
    }
}

/// Writes prefix, IV and ciphertext.
fn seal(version: &Version, siv: &Siv, plaintext: &[u8], aad: &[u8], out: &mut [u8]) -> Result<()> {
    let (head, rest) = out.split_at_mut(PREFIX_LENGTH);
    let (iv, body) = rest.split_at_mut(TAG_LENGTH);
    head.copy_from_slice(&prefix(version.row.tag));
    iv.copy_from_slice(&siv.seal(aad, plaintext, body)?);
    Ok(())
}
