//! kill -9 at any moment of every act: what was acknowledged is there, what was not is whole or absent.

#[path = "../common/mod.rs"]
mod common;
mod files;
mod life;
mod model;
mod plan;
mod sight;
mod tally;
mod worker;

use common::proof::{long, seed};
use common::{Home, Random, orders};
use life::Life;
use plan::{ALONE, KINDS};
use tally::Tally;

/// Kills of one worker by itself on a store, and of each of the workers that share one.
const KILLS_ALONE: usize = 8;
const KILLS_SHARED: usize = 4;
const WORKERS: [&str; 3] = ["a.", "b.", "c."];

#[test]
#[ignore = "a child of the tests below"]
fn worker() {
    if let Some(orders) = orders() {
        worker::work(&orders);
    }
}

/// Deals out kinds so that all come equally often.
struct Deck {
    random: Random,
    left: Vec<&'static str>,
}

impl Deck {
    fn deal(&mut self, allowed: impl Fn(&str) -> bool) -> &'static str {
        loop {
            if let Some(place) = self.left.iter().rposition(|kind| allowed(kind)) {
                return self.left.remove(place);
            }
            let mut more = KINDS.to_vec();
            while !more.is_empty() {
                let place = self.random.below(more.len());
                self.left.insert(0, more.swap_remove(place));
            }
        }
    }
}

#[test]
fn killed_at_any_moment() {
    let mut deck = Deck { random: Random(seed()), left: Vec::new() };
    let (alone, shared) = if long() { (92, 24) } else { (9, 3) };
    let tally = Tally::default();
    for life in 0..alone {
        let home = if life % 4 == 0 { Home::on_disk() } else { Home::new() };
        let kinds: Vec<_> = (0..KILLS_ALONE)
            .map(|kill| if kill == 0 && life % 2 == 0 { "open" } else { deck.deal(|_| true) })
            .collect();
        let mut life = Life::new(&home, "a.", Random(deck.random.number()), &tally);
        kinds.iter().for_each(|kind| life.kill(kind));
        life.end();
    }
    for life in 0..shared {
        let home = if life % 4 == 0 { Home::on_disk() } else { Home::new() };
        let mut lives: Vec<_> = WORKERS
            .into_iter()
            .map(|space| {
                let kinds: Vec<_> =
                    (0..KILLS_SHARED).map(|_| deck.deal(|kind| !ALONE.contains(&kind))).collect();
                (Life::new(&home, space, Random(deck.random.number()), &tally), kinds)
            })
            .collect();
        std::thread::scope(|scope| {
            for (life, kinds) in &mut lives {
                life.share();
                scope.spawn(|| kinds.iter().for_each(|kind| life.kill(kind)));
            }
        });
        let counted: Vec<_> = lives.iter().map(|(life, _)| life.rekeys).collect();
        let least = 1 + counted.iter().map(|counted| counted.0).sum::<u32>();
        let most = least + counted.iter().map(|counted| counted.1).sum::<u32>();
        let kek = files::kek_version(&home.path());
        assert!((least..=most).contains(&kek), "{least} to {most} KEKs were made, and this is {kek}");
        lives.into_iter().for_each(|(life, _)| life.end());
    }
    tally.say();
    tally.assert_spread(KINDS.len());
}

/// The proof can fail: on a lost write-ahead log, on an act that was not done, on a message that is another's.
#[test]
fn what_is_missing_would_be_noticed() {
    let tally = Tally::default();
    type Break = fn(&Home, &mut Life<'_>);
    let breaks: [Break; 4] = [
        |_, _| {},
        |home, _| std::fs::remove_file(common::beside(&home.path(), "-wal")).unwrap(),
        |_, life| life.believe_in_a_rotation(),
        |_, life| life.believe_in_a_message(),
    ];
    for (number, spoil) in breaks.into_iter().enumerate() {
        let home = Home::new();
        let mut life = Life::new(&home, "a.", Random(7), &tally);
        life.work(6);
        spoil(&home, &mut life);
        let noticed = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| life.look())).is_err();
        assert_eq!(noticed, number > 0, "case {number}");
    }
}

/// The other process, killed in the middle of its acts, leaves nothing that stops this one.
#[test]
fn the_survivor_goes_on() {
    let tally = Tally::default();
    let home = Home::new();
    let store = home.open_with_key("mine");
    let mut life = Life::new(&home, "a.", Random(7), &tally);
    life.share();
    for kind in ["rotate", "rotate-master-key", "backup", "lease", "close"] {
        life.kill(kind);
        let version = store.rotate_key("mine").unwrap().version;
        assert_eq!(store.list_key_versions("mine").unwrap()[0].version, version);
        let sealed = store.encrypt("mine", b"ada", b"").unwrap();
        assert_eq!(store.inspect(&sealed).unwrap()[0].key_id, "mine");
    }
    assert!(store.check().unwrap().ok);
}
