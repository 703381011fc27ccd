//! `keyfold index` and `keyfold index-report`.

use keyfold::{IndexOptions, IndexReport, Result, index_report, limits};
use serde_json::json;
use zeroize::Zeroizing;

use crate::args::{Global, IndexArgs, IndexOptionArgs, IndexReportArgs};
use crate::encoding::Encoding;
use crate::files;
use crate::message::announce_terminal;
use crate::opening;
use crate::output::{Console, optional, pairs};

/// Most that is read of values, one a line: 256 MiB.
const COLUMN_BYTES: usize = 256 << 20;

/// Prints the index of a value, or of each line's.
pub fn index(console: &Console, global: &Global, args: &IndexArgs) -> Result<()> {
    let file = args.file.as_deref();
    let encoding = Encoding::parse_text(&args.encoding)?;
    let options = options(&args.options);
    opening::keep_input_apart(global, file)?;
    let key = opening::open(console, global)?.key(&args.key.key_id)?;
    announce_terminal(console, file);
    let mut indexes: Vec<String> = Vec::new();
    let mut add = |index: &[u8]| -> Result<()> {
        indexes.push(encoding.text(index)?.to_string());
        Ok(())
    };
    if args.lines {
        let column = read_column(file)?;
        for values in lines(&column, false).chunks(limits::INDEX_BATCH) {
            key.blind_index_many(values, &args.field, &options)?.iter().flatten().try_for_each(&mut add)?;
        }
    } else {
        // One byte past the limit is enough for the core to refuse it.
        let value = files::read_input(file, limits::INDEX_VALUE_BYTES)?;
        match args.all {
            true => {
                key.blind_indexes(&value, &args.field, &options)?.iter().try_for_each(|index| add(index))?
            }
            false => add(&key.blind_index(&value, &args.field, &options)?)?,
        }
    }
    console.result(
        || match indexes.as_slice() {
            [only] if !args.all && !args.lines => json!({ "key_id": key.id(), "index": only }),
            all => json!({ "key_id": key.id(), "indexes": all }),
        },
        || indexes.iter().map(|index| format!("{index}\n")).collect(),
    )
}

/// Tells what an index of a column would give away. Opens no store.
pub fn report(console: &Console, args: &IndexReportArgs) -> Result<()> {
    let file = args.file.as_deref();
    announce_terminal(console, file);
    let column = read_column(file)?;
    let report = index_report(&lines(&column, args.empty_is_null), &options(&args.options))?;
    console.result(|| json!(report), || report_table(&report))
}

/// Values go to the core as they are, so that it judges them as for every language.
fn options(args: &IndexOptionArgs) -> IndexOptions {
    let mut options = IndexOptions::new().normalize(args.normalize.iter().cloned());
    options.length = args.length;
    if let Some(kind) = &args.kind {
        options = options.kind(kind);
    }
    match args.bits {
        Some(bits) => options.bits(bits),
        None => options,
    }
}

fn read_column(file: Option<&std::path::Path>) -> Result<Zeroizing<Vec<u8>>> {
    let column = files::read_input(file, COLUMN_BYTES)?;
    if column.len() > COLUMN_BYTES {
        let message =
            format!("at most {COLUMN_BYTES} bytes (256 MiB) of values are read; give them in parts");
        return Err(keyfold::Error::new(keyfold::ErrorKind::LimitExceeded, message));
    }
    Ok(column)
}

/// The lines; that of a last newline is none.
fn lines(column: &[u8], empty_is_null: bool) -> Vec<Option<&[u8]>> {
    let text = column.strip_suffix(b"\n").unwrap_or(column);
    if column.is_empty() {
        return Vec::new();
    }
    text.split(|byte| *byte == b'\n')
        .map(|line| (!line.is_empty() || !empty_is_null).then_some(line))
        .collect()
}

fn report_table(report: &IndexReport) -> String {
    let bits = |bits: f64| format!("{bits:.3} bits");
    let share = |share: f64| format!("{:.3} %", 100.0 * share);
    pairs(&[
        ("rows", report.rows.to_string()),
        ("nulls", report.nulls.to_string()),
        ("distinct values", report.distinct_values.to_string()),
        ("most common value", share(report.most_common_share)),
        ("entropy of a value", bits(report.value_entropy)),
        ("min-entropy of a value", bits(report.value_min_entropy)),
        ("width of the index", format!("{} bits", report.bits)),
        ("distinct indexes", report.distinct_indexes.to_string()),
        ("leaked of a value", bits(report.leaked_bits)),
        ("remaining of a value", bits(report.remaining_bits)),
        ("guessed at once", share(report.guess_chance)),
        ("min-entropy leaked", bits(report.min_entropy_leaked)),
        ("rows found by a search", format!("{:.1}", report.found)),
        ("of them others", format!("{:.1}", report.false_positives)),
        ("recommended width", optional(report.recommended_bits.map(|bits| format!("at most {bits} bits")))),
        ("narrowest useful width", format!("{} bits", report.narrowest_bits)),
    ])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_last_newline_begins_no_value() {
        let shown = |column: &[u8], null| {
            lines(column, null).iter().map(|line| line.map(<[u8]>::len)).collect::<Vec<_>>()
        };
        assert_eq!(shown(b"", false), []);
        assert_eq!(shown(b"\n", false), [Some(0)]);
        assert_eq!(shown(b"a\n\nbc", false), [Some(1), Some(0), Some(2)]);
        assert_eq!(shown(b"a\n\nbc\n", true), [Some(1), None, Some(2)]);
    }
}
