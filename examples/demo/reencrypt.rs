//! Moves every stale field of the customers' table to the current version of the key, in one transaction.
//!
//! `reencrypt DATABASE`

use std::time::Instant;

use keyfold::{Context, Store};
use rusqlite::{Connection, params};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let path = std::env::args().nth(1).ok_or("usage: reencrypt DATABASE")?;
    let store = Store::open("app.keyfold")?;
    let key = store.key("customers")?;
    let mut database = Connection::open(path)?;
    let transaction = database.transaction()?;
    let rows: Vec<(i64, [String; 3])> = transaction
        .prepare("SELECT id, email, phone, note FROM customers")?
        .query_map([], |row| Ok((row.get(0)?, [row.get(1)?, row.get(2)?, row.get(3)?])))?
        .collect::<Result<_, _>>()?;
    let started = Instant::now();
    let mut moved = 0;
    let mut update =
        transaction.prepare("UPDATE customers SET email = ?2, phone = ?3, note = ?4 WHERE id = ?1")?;
    for (id, [mut email, mut phone, mut note]) in rows {
        for (column, value) in [("email", &mut email), ("phone", &mut phone), ("note", &mut note)] {
            if key.needs_reencrypt(value.as_bytes())? {
                let place = Context::new().with("table", "customers").with("column", column).with("id", id);
                *value = key.reencrypt_text(value, &place)?;
                moved += 1;
            }
        }
        update.execute(params![id, email, phone, note])?;
    }
    drop(update);
    transaction.commit()?;
    println!("   {moved} stale fields re-encrypted in {:.2} s", started.elapsed().as_secs_f64());
    Ok(())
}
