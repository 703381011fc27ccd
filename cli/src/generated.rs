//! `keyfold completions` and `keyfold man`: what is made of the command line itself.

use std::path::Path;

use clap::CommandFactory;
use clap_complete::Shell;
use keyfold::Result;
use serde_json::json;

use crate::args::CommandLine;
use crate::files;
use crate::output::Console;

/// Prints completions for a shell.
pub fn completions(shell: Shell) -> Result<()> {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut CommandLine::command(), "keyfold", &mut script);
    files::print(&script)
}

/// Prints the main page, or writes a page for each command into a folder.
pub fn man(console: &Console, folder: Option<&Path>) -> Result<()> {
    let Some(folder) = folder else {
        let mut page = Vec::new();
        let rendered = clap_mangen::Man::new(CommandLine::command()).render(&mut page);
        rendered.map_err(|error| files::failure("the manual page cannot be made", error))?;
        return files::print(&page);
    };
    let shown = folder.display().to_string();
    clap_mangen::generate_to(CommandLine::command(), folder)
        .map_err(|error| files::failure(&format!("cannot write manual pages into {shown}"), error))?;
    console.remark(&format!("wrote the manual pages into {shown}"));
    console.result(|| json!({ "out": shown }), String::new)
}
