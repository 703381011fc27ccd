//! Records in one SQLite file.

mod anew;
mod bulk;
mod copy;
mod create;
mod database;
mod defences;
mod draft;
mod errors;
mod files;
mod opening;
mod rows;
mod schema;
mod select;
mod steps;
mod structure;
mod transaction;
mod waiting;

pub(crate) use copy::Copy;
pub(crate) use create::{create, sync_names_anew};
pub(crate) use database::{Database, FileOptions, Moment};
#[cfg(test)]
pub(crate) use steps::NEXT_FORMAT;
