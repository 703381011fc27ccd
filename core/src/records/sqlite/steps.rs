//! The formats of the file so far, and the steps from each to the next.
//!
//! A step's statements change the schema; what it changes in rows, `store::upgrade` does. To add one: append it to
//! [`STEPS`], let [`FORMAT`] be one more, write what changes in rows, and commit a fixture of the format that ends
//! (`core/tests/fixtures.rs`).

use super::schema::{OBJECTS, Object};

/// The format that this build makes and writes. `user_version` holds it, and the root's MAC covers it.
const FORMAT: u32 = 1;

/// From one format to the next.
pub(super) struct Step {
    /// What changes the schema.
    pub(super) statements: &'static [&'static str],
    /// The whole schema as it then is: exactly what a new file of that format has.
    pub(super) objects: fn() -> Vec<Object>,
}

/// The first leads from format 1 to 2. There is none yet: format 1 is the only one that was released.
const STEPS: [Step; FORMAT as usize - 1] = [];

#[cfg(not(test))]
pub(super) fn format() -> u32 {
    FORMAT
}

/// Tests have a format more where their process is told so.
#[cfg(test)]
pub(super) fn format() -> u32 {
    if testing::has_next() { FORMAT + 1 } else { FORMAT }
}

#[cfg(not(test))]
fn steps() -> impl Iterator<Item = &'static Step> {
    STEPS.iter()
}

#[cfg(test)]
fn steps() -> impl Iterator<Item = &'static Step> {
    STEPS.iter().chain(testing::has_next().then_some(&testing::STEP))
}

/// What a file of this format, which is a known one, is made of.
pub(super) fn objects(format: u32) -> Vec<Object> {
    match format {
        1 => OBJECTS.to_vec(),
        later => steps().nth(later as usize - 2).map_or_else(Vec::new, |step| (step.objects)()),
    }
}

/// What changes the schema of a file of this format into this build's.
pub(super) fn statements_after(format: u32) -> impl Iterator<Item = &'static str> {
    steps().skip(format as usize - 1).flat_map(|step| step.statements).copied()
}

/// Set in the environment of a test's process that shall have a format more.
#[cfg(test)]
pub(crate) const NEXT_FORMAT: &str = "KEYFOLD_TEST_NEXT_FORMAT";

/// One format more, so that upgrading can be tested while there is only one.
#[cfg(test)]
mod testing {
    use super::{STEPS, Step};

    const TABLE: &str = "CREATE TABLE later (\n    id INTEGER NOT NULL PRIMARY KEY\n) STRICT, WITHOUT ROWID";

    pub(super) const STEP: Step = Step {
        statements: &[TABLE],
        objects: || {
            let before = STEPS.last().map_or_else(|| super::OBJECTS.to_vec(), |step| (step.objects)());
            [before, vec![("table", "later", TABLE)]].concat()
        },
    };

    pub(super) fn has_next() -> bool {
        static TOLD: std::sync::OnceLock<bool> = std::sync::OnceLock::new();
        *TOLD.get_or_init(|| std::env::var_os(super::NEXT_FORMAT).is_some())
    }
}
