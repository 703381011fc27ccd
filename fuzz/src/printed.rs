//! Secrets as people type them in: recovery keys, shares, master keys in text.

use std::sync::OnceLock;

use keyfold::{AddRecipient, ErrorKind, MasterKey, Passphrase, RecoveryKey, Shares, Store};

use crate::edits::edited;
use crate::home::{create, expect};
use crate::input::Input;

const MISTYPED: &[ErrorKind] = &[ErrorKind::InvalidArgument, ErrorKind::LimitExceeded];

/// A store that a recovery key and two of three shares open.
struct Held {
    store: Store,
    recovery: String,
    shares: Vec<String>,
}

fn held() -> &'static Held {
    static HELD: OnceLock<Held> = OnceLock::new();
    HELD.get_or_init(|| {
        let store = create("printed");
        let recovery = RecoveryKey::generate().expect("random bytes");
        let shares = Shares::split(2, 3).expect("two of three");
        for (master_key, id) in [(recovery.master_key(), "paper"), (shares.master_key(), "people")] {
            store.add_recipient(&master_key, &AddRecipient::new().id(id)).expect("a recipient");
        }
        let texts = shares.reveal().iter().map(|text| text.to_string()).collect();
        Held { store, recovery: recovery.reveal().to_string(), shares: texts }
    })
}

/// Byte 0 says which text it is, and whether it is anybody's or a good one that was mistyped.
pub fn run(data: &[u8]) {
    let mut input = Input::new(data);
    let held = held();
    match input.byte() % 5 {
        0 => {
            let text = String::from_utf8_lossy(&edited(held.recovery.as_bytes(), &mut input)).into_owned();
            let same = meant(&text) == meant(&held.recovery);
            judge(&held.store, MasterKey::recovery_key(&text), same, "paper");
        }
        1 => shares(held, &mut input),
        2 => {
            let text = input.text();
            expect(MasterKey::recovery_key(&text), MISTYPED);
            let texts: Vec<String> = (0..input.below(20)).map(|_| input.text()).collect();
            expect(MasterKey::shares(&texts), MISTYPED);
        }
        3 => {
            // Only parsed: where it says that the key lies elsewhere, nobody looks.
            let Ok(text) = str::from_utf8(input.rest()) else { return };
            expect(MasterKey::parse(text), MISTYPED);
        }
        _ => {
            let (memory, passes, lanes) = (u32::from(input.short()) << 6, input.byte(), input.byte());
            let text = input.text();
            if let Some(passphrase) = expect(Passphrase::new(&text), MISTYPED) {
                let cost = passphrase.with_argon2id(memory, passes.into(), lanes.into());
                expect(cost, MISTYPED);
            }
        }
    }
}

/// Some of the shares, some of them mistyped.
fn shares(held: &Held, input: &mut Input) {
    let mut good = Vec::new();
    let mut texts = Vec::new();
    for _ in 0..input.below(5) {
        let which = input.below(held.shares.len());
        let text = String::from_utf8_lossy(&edited(held.shares[which].as_bytes(), input)).into_owned();
        if meant(&text) == meant(&held.shares[which]) && !good.contains(&which) {
            good.push(which);
        }
        texts.push(text);
    }
    let all_good = good.len() == texts.len() && good.len() >= 2;
    judge(&held.store, MasterKey::shares(&texts), all_good, "people");
}

/// A text that says the same opens the store, and no other does.
fn judge(store: &Store, parsed: keyfold::Result<MasterKey>, same: bool, id: &str) {
    match expect(parsed, MISTYPED) {
        Some(master_key) => {
            let found = expect(store.test_recipient(&master_key), &[ErrorKind::WrongMasterKey]);
            assert_eq!(
                found.map(|info| info.recipient_id),
                same.then(|| id.to_owned()),
                "a mistyped secret was taken"
            );
        }
        None => assert!(!same, "a good secret was refused"),
    }
}

/// What a typed text says: `None` where it does not even begin as one.
fn meant(text: &str) -> Option<String> {
    let text = text.trim();
    let (start, body) = text.split_at_checked(5)?;
    let letters = body.chars().filter(|letter| !letter.is_ascii_whitespace() && *letter != '-');
    let letters = letters.map(|letter| match letter.to_ascii_uppercase() {
        'O' => '0',
        'I' | 'L' => '1',
        other => other,
    });
    Some(start.to_ascii_lowercase().chars().chain(letters).collect())
}
