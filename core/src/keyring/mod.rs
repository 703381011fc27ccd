//! Unwrapped keys in locked memory: what the hot path reads, without a lock and without the database.

mod entry;
mod freshness;
mod material;
mod prefix;
mod snapshot;
mod state;

pub(crate) use entry::{Entry, Loaded};
pub(crate) use freshness::{Freshness, Need};
pub(crate) use material::Material;
pub(crate) use prefix::Prefix;
pub(crate) use snapshot::{IndexRoot, Snapshot, Version};
pub use state::VersionState;
