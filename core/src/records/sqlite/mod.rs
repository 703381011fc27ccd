//! Records in one SQLite file.

mod copy;
mod create;
mod database;
mod errors;
mod rows;
mod schema;

pub(crate) use copy::Copy;
pub(crate) use create::create;
pub(crate) use database::{Database, FileOptions};
