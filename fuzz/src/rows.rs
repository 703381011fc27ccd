//! A store whose rows somebody without the master key has rewritten.

use keyfold::ErrorKind;

use crate::damage::{change_rows, contents, hostile, tables};
use crate::input::Input;
use crate::sample::Sample;

/// Nothing false is said, and whatever differs is noticed: at opening, in use, or when all of it is checked.
pub fn run(data: &[u8]) {
    let sample = Sample::get();
    let path = sample.put("rows");
    let connection = hostile(&path).expect("a whole file");
    change_rows(&connection, &mut Input::new(data)).expect("changes");
    let changed = tables(&connection).expect("a whole file") != contents()[0];
    connection.close().map_err(|(_, error)| error).expect("closed");
    let verdict = sample.judge(&path);
    assert!(verdict.lies.is_empty(), "something false was said: {verdict:?}");
    assert_eq!(changed, verdict.noticed(), "a change went unnoticed, or nothing was noticed: {verdict:?}");
    let refused = [ErrorKind::IntegrityError, ErrorKind::WrongMasterKey];
    assert!(verdict.at_open.is_none_or(|kind| refused.contains(&kind)), "{verdict:?}");
    assert!(verdict.errors.iter().all(|(_, kind)| usable(*kind)), "{verdict:?}");
}

/// What a use of a damaged store may answer: that it is, and of a key that is gone altogether that there is none.
fn usable(kind: ErrorKind) -> bool {
    kind == ErrorKind::IntegrityError
}
