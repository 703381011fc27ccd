//! For tests: the tables of `docs/key-life.md`, as the code has them.

/// A table in Markdown.
pub(super) fn table(corner: &str, columns: &[&str], rows: &[(&str, Vec<&str>)]) -> String {
    let mut text = format!("| {corner} | {} |\n|---|{}\n", columns.join(" | "), "---|".repeat(columns.len()));
    for (name, cells) in rows {
        text += &format!("| {name} | {} |\n", cells.join(" | "));
    }
    text
}

/// Whether the page has this table, word for word.
pub(super) fn assert_holds(table: &str) {
    let page = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/key-life.md");
    let page = std::fs::read_to_string(page).unwrap();
    assert!(page.contains(table), "docs/key-life.md has not this table; it should be:\n{table}");
}
