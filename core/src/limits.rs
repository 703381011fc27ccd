//! Every limit of keyfold, in one place; `docs/limits.md` lists them.

use std::time::Duration;

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
/// Most versions of a key without a prefix, as an imported keyset may have: each is tried in turn.
pub const RAW_VERSIONS: usize = 16;
/// Longest keyset that is imported, in bytes: 10,000 keys fit.
pub const KEYSET_BYTES: usize = 8 << 20;
/// Longest key material that is imported, in any encoding, in bytes.
pub const KEY_MATERIAL_BYTES: usize = 1024;
/// Highest generation that is believed of a store that does not verify, when a backup is restored over it: more acts
/// than any store lives to see.
pub(crate) const UNVERIFIED_GENERATION: u64 = 1 << 48;
/// Longest reason given for setting an entity aside, in bytes.
pub const QUARANTINE_REASON_BYTES: usize = 1024;
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
/// Longest value that SQLite may read from a row, in bytes.
pub(crate) const ROW_BYTES: i32 = 4 << 20;
