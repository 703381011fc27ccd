//! What a second thread adds. Beside the bare AEAD, since two processors that share one core cannot give twice as much.

use std::hint::black_box;

use keyfold::{Aad, CreateKey, Key, Store};

use crate::bare::{self, AwsLc};
use crate::measure::{Report, Series};

const MESSAGES: usize = 200_000;
const ROUNDS: usize = 11;

pub fn measure(report: &mut Report, store: &Store) {
    store.create_key("threads", &CreateKey::new()).expect("a new key");
    let key = &store.key("threads").expect("the key");
    let aws_lc = &AwsLc::gcm_siv();
    let series = |name: &str, threads: usize| {
        Series::of_many(
            format!("{name}, {}", ["one thread", "two threads"][threads - 1]),
            MESSAGES * threads,
            {
                let ours = name == "keyfold";
                move || {
                    on(threads, || {
                        if ours {
                            encrypt(key);
                        } else {
                            let mut generator = bare::generator();
                            for _ in 0..MESSAGES {
                                black_box(bare::seal(aws_lc, &mut generator, black_box(&[7; 32])));
                            }
                        }
                    });
                }
            },
        )
    };
    report.compare_rounds(
        "threads",
        "a message of 32 B, encrypt",
        ROUNDS,
        vec![series("keyfold", 2), series("keyfold", 1), series("aws-lc-rs", 2), series("aws-lc-rs", 1)],
    );
}

fn encrypt(key: &Key) {
    for _ in 0..MESSAGES {
        black_box(key.encrypt(black_box(&[7; 32]), Aad::NONE).expect("a ciphertext"));
    }
}

fn on(threads: usize, work: impl Fn() + Sync) {
    std::thread::scope(|scope| (0..threads).for_each(|_| drop(scope.spawn(&work))));
}
