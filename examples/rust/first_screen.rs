//! The README's Rust sample: encrypts and decrypts under the key `pii` of `app.keyfold`.

use keyfold::{Context, Store};

fn main() -> keyfold::Result<()> {
    let store = Store::open("app.keyfold")?;
    let pii = store.key("pii")?;
    let at = Context::new().with("table", "users").with("id", 42);
    let sealed = pii.encrypt_text("ada", &at)?;
    assert_eq!(&*pii.decrypt_text(&sealed, &at)?, "ada");
    Ok(())
}
