//! Records in one SQLite file.

mod bulk;
mod create;
mod database;
mod errors;
mod rows;
mod schema;
mod waiting;

pub(crate) use create::create;
pub(crate) use database::{Database, FileOptions};
