//! Records in one SQLite file.

mod bulk;
mod copy;
mod create;
mod database;
mod defences;
mod errors;
mod rows;
mod schema;
mod select;
mod waiting;

pub(crate) use copy::Copy;
pub(crate) use create::create;
pub(crate) use database::{Database, FileOptions};
