//! What the public tag of a ciphertext tells.

use crate::error::{Error, ErrorKind, Result};
use crate::format::{Envelope, decode_ciphertext};
use crate::records::tree::Tree;
use crate::store::listing::verified_versions;
use crate::store::{CiphertextInfo, Store, VersionInfo};

impl Store {
    /// Which key and version made this ciphertext, given in bytes or as text, without decrypting it.
    ///
    /// Every match: two keys may share a tag, though hardly ever. Well-formed but unknown is an empty list, which is
    /// said only once every key was verified; IntegrityError where one does not verify. InvalidArgument where it is no ciphertext at all, and for streams: they carry no tag.
    pub fn inspect(&self, ciphertext: impl AsRef<[u8]>) -> Result<Vec<CiphertextInfo>> {
        let not_one = || {
            Error::invalid(
                "not a keyfold ciphertext: neither its bytes nor its text form; a stream names no key or version, \
                 and is not recognised",
            )
        };
        let bytes = decode_ciphertext(ciphertext.as_ref()).ok_or_else(not_one)?;
        let tag = Envelope::parse(&bytes).ok_or_else(not_one)?.tag;
        // A clock of the caller's runs before any lock is taken.
        let now = self.shared.now();
        let (found, aside) =
            self.shared.read_listing(|tree| matches(tree, tree.rows().keys_with_tag(tag)?, tag, now))?;
        if !found.is_empty() {
            return Ok(found);
        }
        // Whoever writes the file can take a version out of where it is looked up.
        loop {
            let searched = self.shared.read_indexed(|tree, index| match index.learn(tree)? {
                true => Ok(None),
                false => matches(tree, index.with_tag(tag), tag, now).map(Some),
            })?;
            let Some((found, _)) = searched else {
                std::thread::yield_now();
                continue;
            };
            return match aside {
                Some(error) if found.is_empty() => Err(error),
                _ => Ok(found),
            };
        }
    }
}

/// The versions of these keys that have the tag, verified; and the error of a key that was set aside.
fn matches(
    tree: &Tree<'_>,
    key_ids: Vec<String>,
    tag: u32,
    now: i64,
) -> Result<(Vec<CiphertextInfo>, Option<Error>)> {
    let (mut matches, mut aside) = (Vec::new(), None);
    for key_id in key_ids {
        let versions = match verified_versions(tree, &key_id) {
            Err(error) if error.kind() == ErrorKind::KeyUnavailable => {
                aside = Some(error);
                continue;
            }
            versions => versions?,
        };
        for row in versions.iter().filter(|row| row.tag == tag) {
            matches.push(CiphertextInfo::new(VersionInfo::from_row(row, tree.is_verified())?, now));
        }
    }
    Ok((matches, aside))
}
