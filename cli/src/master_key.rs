//! `keyfold master-key`.

use keyfold::Result;
use serde_json::json;
use zeroize::Zeroizing;

use crate::args::GenerateArgs;
use crate::files;
use crate::output::Console;

/// Makes a master key, which is shown only where the user said so.
pub fn generate(console: &Console, args: &GenerateArgs) -> Result<()> {
    let file = args.out.as_deref().filter(|path| !files::is_standard(Some(path)));
    if file.is_none() && !args.reveal {
        return Err(files::invalid(
            "name a file with --out FILE, or say --reveal to have the master key printed",
        ));
    }
    let key = keyfold::generate_master_key()?;
    // Of its final size at once: growing would leave copies behind.
    let mut text = Zeroizing::new(String::with_capacity(128));
    let Some(path) = file else {
        let (before, after) = if console.json { ("{\n  \"master_key\": \"", "\"\n}\n") } else { ("", "\n") };
        [before, &key, after].into_iter().for_each(|part| text.push_str(part));
        return files::print(text.as_bytes());
    };
    [key.as_str(), "\n"].into_iter().for_each(|part| text.push_str(part));
    files::write_new(path, text.as_bytes())?;
    let shown = path.display();
    console.remark(&format!("wrote a new master key to {shown}; keep a copy of it apart from the store"));
    console.result(|| json!({ "out": shown.to_string() }), String::new)
}
