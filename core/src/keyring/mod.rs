//! Unwrapped keys in locked memory: what the hot path reads, without a lock and without the database.

#[cfg(test)]
mod documented;
mod entry;
mod freshness;
mod material;
mod meter;
mod prefix;
mod snapshot;
mod state;
mod transition;

pub(crate) use entry::{Entry, Loaded};
pub(crate) use freshness::{Freshness, Need};
pub(crate) use material::Material;
pub(crate) use meter::{Meter, Taken};
pub(crate) use prefix::Prefix;
pub(crate) use snapshot::{IndexRoot, Snapshot, Version};
pub use state::{Operation, VersionState};
pub(crate) use transition::{Change, Standing, Verdict};
