//! What the public tag of a ciphertext tells.

use crate::error::{Error, Result};
use crate::format::{Envelope, decode_ciphertext};
use crate::store::listing::verified_versions;
use crate::store::{CiphertextInfo, Store, VersionInfo};

impl Store {
    /// Which key and version made this ciphertext, given in bytes or as text, without decrypting it.
    ///
    /// Every match: two keys may share a tag, though hardly ever. Well-formed but unknown is an empty list;
    /// InvalidArgument where it is no ciphertext at all, and for streams: they carry no tag.
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
        self.shared.read_listing(|tree| {
            let mut matches = Vec::new();
            for key_id in tree.rows().keys_with_tag(tag)? {
                let versions = verified_versions(tree, &key_id)?;
                for row in versions.iter().filter(|row| row.tag == tag) {
                    matches.push(CiphertextInfo::new(VersionInfo::from_row(row, tree.is_verified())?, now));
                }
            }
            Ok(matches)
        })
    }
}
