//! Every limit of keyfold, in one place; `docs/limits.md` lists them.

use std::time::Duration;

use crate::primitives::Algorithm;

/// Longest key id, in bytes of `[A-Za-z0-9._:/-]`.
pub const KEY_ID_BYTES: usize = 255;
/// Longest associated data, raw or made from a context: 1 MiB.
pub const AAD_BYTES: usize = 1 << 20;
/// Longest single message: 64 MiB. Larger ones are for streams.
pub const MESSAGE_BYTES: usize = 64 << 20;
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
/// Most recipients of a store.
pub const RECIPIENTS: usize = 16;
/// Longest actor recorded in the audit log, in bytes.
pub const ACTOR_BYTES: usize = 255;
/// Longest field name given to a blind index, in bytes.
pub const INDEX_FIELD_BYTES: usize = 255;
/// Most bits of a blind index.
pub const INDEX_BITS: u32 = 256;
/// Largest text read from a master key file or descriptor, in bytes.
pub const MASTER_KEY_SOURCE_BYTES: u64 = 4096;
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
