//! Every limit of keyfold, in one place; `docs/limits.md` lists them.

use std::time::Duration;

use crate::primitives::Algorithm;

/// Longest key id, in bytes of `[A-Za-z0-9._:/-]`.
pub const KEY_ID_BYTES: usize = 255;
/// Longest associated data, raw or made from a context: 1 MiB.
pub const AAD_BYTES: usize = 1 << 20;
/// Longest single message: 64 MiB. Larger ones are for streams.
pub const MESSAGE_BYTES: usize = 64 << 20;
/// Most segments of a stream, of 1 MiB each: 4 PiB.
pub const STREAM_SEGMENTS: u64 = 1 << 32;
/// Most values of one batch.
pub const BATCH: usize = 100_000;
/// Longest output of one batch, all its values together: 256 MiB.
pub const BATCH_BYTES: usize = 256 << 20;
/// Most fields of a context.
pub const CONTEXT_FIELDS: usize = 64;
/// Most labels of a key.
pub const LABELS: usize = 64;
/// Longest name or value of a label, in bytes.
pub const LABEL_BYTES: usize = 255;
/// Longest description of a key, in bytes.
pub const DESCRIPTION_BYTES: usize = 4096;
/// Most versions of a key.
pub const VERSIONS: u32 = 10_000;
/// Most keys that one call of `create_keys` makes.
pub const CREATE_KEYS: usize = 10_000;
/// How many keys `iter_keys` reads at a time.
pub const PAGE_KEYS: usize = 1_000;
/// Longest name of a purpose, in bytes of `[A-Za-z0-9._:-]`.
pub const PURPOSE_BYTES: usize = 64;
/// Most purposes of a store, with the built-in ones that are in use.
pub const PURPOSES: usize = 1_000;
/// Longest reason for a version's state, in bytes.
pub const REASON_BYTES: usize = 1_024;
/// Messages of AES256_GCM under one version: NIST SP 800-38D, 8.3, for random nonces of 96 bits.
pub const MESSAGES_AES256_GCM: u64 = 1 << 32;
/// Messages of AES256_GCM_SIV under one version: RFC 8452, section 9; `docs/message-limits.md` works it out.
pub const MESSAGES_AES256_GCM_SIV: u64 = 1 << 45;
/// Messages of AES256_SIV under one version: that of the CMAC in it, NIST SP 800-38B, appendix B.
pub const MESSAGES_AES256_SIV: u64 = 1 << 48;
/// Messages under one version where no other limit stands: the largest count that is stored.
pub const MESSAGES: u64 = (1 << 63) - 1;
/// A message counts once for each part of this size that it begins: 1 MiB.
pub const COUNTED_BYTES: u64 = 1 << 20;
/// The first lease of a version's messages that a process takes, and the largest; each is twice the one before.
/// Where nothing is leased, the count is written down after the largest.
pub const FIRST_LEASE: u64 = 256;
/// See [`FIRST_LEASE`].
pub const LARGEST_LEASE: u64 = 1 << 20;
/// Most versions of a key without a prefix, as an imported keyset may have: each is tried in turn.
pub const RAW_VERSIONS: usize = 16;
/// Longest keyset that is imported, in bytes: 10,000 keys fit.
pub const KEYSET_BYTES: usize = 8 << 20;
/// Longest key material that is imported, in any encoding, in bytes.
pub const KEY_MATERIAL_BYTES: usize = 1024;
/// Highest generation that is believed of a store that does not verify, when a backup is restored over it: more acts
/// than any store lives to see.
pub(crate) const UNVERIFIED_GENERATION: u64 = 1 << 48;
/// Highest version of a KEK that is believed of such a store.
pub(crate) const UNVERIFIED_KEK_VERSION: u32 = 1 << 24;
/// Longest reason given for setting an entity aside, in bytes.
pub const QUARANTINE_REASON_BYTES: usize = 1024;
/// Most recipients of a store.
pub const RECIPIENTS: usize = 16;
/// Longest id of a recipient, in bytes of `[A-Za-z0-9._:/-]`.
pub const RECIPIENT_ID_BYTES: usize = 255;
/// Longest text of a recipient's public key, in bytes.
pub const RECIPIENT_KEY_BYTES: usize = 2048;
/// Most shares of one secret.
pub const SHARES: u8 = 16;
/// Longest actor recorded in the audit log, in bytes.
pub const ACTOR_BYTES: usize = 255;
/// Longest field name given to a blind index, in bytes.
pub const INDEX_FIELD_BYTES: usize = 255;
/// Most bits of a blind index.
pub const INDEX_BITS: u32 = 256;
/// Longest value of a blind index, in bytes: 1 MiB.
pub const INDEX_VALUE_BYTES: usize = 1 << 20;
/// Longest value of a blind index that is read as text: normalised, cut or by its sound. Normalising makes up to 18
/// characters of one.
pub const INDEX_TEXT_BYTES: usize = 64 << 10;
/// Most characters that a prefix or suffix index takes.
pub const INDEX_LENGTH: u32 = 255;
/// Most normalisers of a blind index.
pub const INDEX_NORMALIZERS: usize = 8;
/// Most fields of a compound index.
pub const INDEX_FIELDS: usize = 16;
/// Most values of one call for blind indexes.
pub const INDEX_BATCH: usize = 100_000;
/// Most values of an index report.
pub const INDEX_REPORT_VALUES: usize = 1_000_000;
/// Most versions of an index root at a time.
pub const INDEX_SALTS: usize = 64;
/// Largest text read from a master key file or descriptor, in bytes.
pub const MASTER_KEY_SOURCE_BYTES: u64 = 4096;
/// Longest purpose of a derived key, in bytes. None is empty.
pub const DERIVE_PURPOSE_BYTES: usize = 255;
/// Most bytes derived at once: 255 blocks of HKDF-SHA256.
pub const DERIVED_BYTES: usize = 255 * 32;
/// Least and most memory of Argon2id, in KiB: 19 MiB to 1 GiB.
pub const ARGON2_MEMORY_KIB: (u32, u32) = (19 << 10, 1 << 20);
/// Fewest and most passes of Argon2id.
pub const ARGON2_PASSES: (u32, u32) = (1, 10);
/// Fewest and most lanes of Argon2id.
pub const ARGON2_LANES: (u32, u32) = (1, 8);
/// Fewest and most rounds of PBKDF2-HMAC-SHA256.
pub const PBKDF2_ROUNDS: (u32, u32) = (600_000, 10_000_000);
/// Longest password or passphrase, in bytes. None is empty.
pub const PASSWORD_BYTES: usize = 4096;
/// Shortest and longest salt of a password, in bytes.
pub const PASSWORD_SALT_BYTES: (usize, usize) = (16, 64);
/// Longest options text in JSON, in bytes.
pub const OPTIONS_BYTES: usize = 64 << 10;
/// Longest period of a key or purpose: `expires_in`, a rotation period, a delay. A thousand years.
pub const PERIOD: Duration = Duration::from_secs(365_250 * 86_400);
/// Shortest and longest `refresh_interval`.
pub const REFRESH_INTERVAL: (Duration, Duration) = (Duration::from_millis(10), Duration::from_secs(3600));
/// Longest `max_stale`.
pub const MAX_STALE: Duration = Duration::from_secs(24 * 3600);
/// Longest `busy_timeout`.
pub const BUSY_TIMEOUT: Duration = Duration::from_secs(3600);
/// How long closing waits for calls in flight. After a fork the counts of the parent's other threads stay in the
/// child for ever, so the wait must end.
pub const CLOSE_WAIT: Duration = Duration::from_secs(1);
/// Shortest time between two looks for a version newer than those known: 100 looks a second.
pub const LOOK_SPACING: Duration = Duration::from_millis(10);
/// How long a purge waits for other readers and writers; until then writers wait with it.
pub const PURGE_WAIT: Duration = Duration::from_millis(250);
/// Shortest and longest pause between two records of denials by one open store; each is twice the one before, and after
/// the longest without a denial the next one is recorded at once.
pub const DENIAL_PAUSE: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(60));
/// How many kinds of denials, by action, key and reason, one pause tells apart; further ones are counted together.
pub const DENIAL_KINDS: usize = 16;
/// How long recording a denial waits for other processes.
pub const DENIAL_WAIT: Duration = Duration::from_millis(50);
/// Longest value that SQLite may read from a row, in bytes.
pub(crate) const ROW_BYTES: i32 = 4 << 20;

/// How many messages one version of a key of this algorithm may seal.
pub fn messages(algorithm: Algorithm) -> u64 {
    match algorithm {
        Algorithm::Aes256Gcm => MESSAGES_AES256_GCM,
        Algorithm::Aes256GcmSiv => MESSAGES_AES256_GCM_SIV,
        Algorithm::Aes256Siv => MESSAGES_AES256_SIV,
        _ => MESSAGES,
    }
}

/// As how many messages one of so many bytes counts.
#[inline]
pub fn counted_messages(bytes: usize) -> u64 {
    (bytes as u64).div_ceil(COUNTED_BYTES).max(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_counts_for_each_mebibyte_begun() {
        let sizes = [0, 1, 1 << 20, (1 << 20) + 1, 2 << 20, MESSAGE_BYTES];
        assert_eq!(sizes.map(counted_messages), [1, 1, 1, 2, 2, 64]);
    }

    /// Section 9 of RFC 8452 allows 2^48 messages of 32 MiB, and the square of the length counts: see the docs.
    #[test]
    fn the_limit_of_gcm_siv_follows_from_its_rfc() {
        let allowed = |bytes: u128| (1u128 << 48) * (1 << 50) / (bytes * bytes);
        let longest = (MESSAGE_BYTES + AAD_BYTES) as u128;
        assert!(u128::from(MESSAGES_AES256_GCM_SIV) <= allowed(longest));
        assert!(u128::from(MESSAGES_AES256_GCM_SIV) * 2 > allowed(longest));
        // 2^16 blocks are one count, so that 2^48 blocks of AES256_GCM are reached no sooner than its limit.
        assert_eq!(u128::from(MESSAGES_AES256_GCM) * u128::from(COUNTED_BYTES) / 16, 1 << 48);
    }
}
