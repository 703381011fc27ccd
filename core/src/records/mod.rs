//! Rows, transactions and the MAC tree over them: what is stored, and that it is what we stored.
//!
//! [`Rows`] is the seam: what a database must offer inside one transaction. `sqlite` is the one database so far.

pub(crate) mod audit;
mod census;
mod children;
pub(crate) mod entity;
mod images;
pub(crate) mod rekey;
pub(crate) mod rows;
pub(crate) mod sqlite;
pub(crate) mod tree;

pub(crate) use entity::{EntityId, EntityKind};
pub(crate) use rows::{
    AuditRow, IndexRootRow, KekWrapRow, KeyRow, PurposeRow, QuarantineRow, RecipientRow, Rows, StoreRow,
    SystemKeyRow, UsageRow, VersionRow,
};
