//! When the kills came.

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::time::Duration;

/// How one kill ended.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum End {
    /// It came before the acknowledgement, and the act had no effect, or not that of all its steps.
    Undone,
    /// It came before the acknowledgement, and the act had its whole effect.
    Done,
    /// It came before the acknowledgement of an act that nothing but the audit log tells of.
    Unseen,
    /// It came after the acknowledgement.
    Acknowledged,
}

#[derive(Default)]
struct Counts {
    undone: usize,
    done: usize,
    unseen: usize,
    acknowledged: usize,
}

#[derive(Default)]
struct Inner {
    kinds: BTreeMap<&'static str, Counts>,
    /// What acts last, in µs, as their acknowledgements say; by kind, and by the act's word.
    lasts: BTreeMap<String, Vec<u64>>,
    /// By how much of its usual time an act had run when it was killed, in tenths; the last is beyond it.
    tenths: [usize; 11],
    acts: usize,
    ciphertexts: usize,
    observations: usize,
    scans: usize,
    wraps: usize,
    backups: usize,
    messages: u64,
    longest: Duration,
    by_next: usize,
    came_later: usize,
}

/// Of all lives of a run.
#[derive(Default)]
pub struct Tally(Mutex<Inner>);

impl Tally {
    /// What an act of this kind usually lasts.
    pub fn usual(&self, kind: &'static str, act: &str) -> Duration {
        let inner = self.0.lock().unwrap();
        let word = act.split(' ').next().unwrap();
        let known = inner.lasts.get(kind).or_else(|| inner.lasts.get(word));
        // Right after the first acknowledgement it is known better.
        let micros = known.map_or(8_000, |lasts| {
            let mut sorted = lasts.clone();
            sorted.sort_unstable();
            sorted[sorted.len() / 2]
        });
        Duration::from_micros(micros)
    }

    /// What an act lasted that was acknowledged.
    pub fn lasted(&self, kind: &str, micros: u64) {
        let mut inner = self.0.lock().unwrap();
        inner.acts += 1;
        inner.longest = inner.longest.max(Duration::from_micros(micros));
        inner.lasts.entry(kind.to_owned()).or_default().push(micros);
    }

    pub fn killed(&self, kind: &'static str, end: End, ran: f64) {
        let mut inner = self.0.lock().unwrap();
        let counts = inner.kinds.entry(kind).or_default();
        match end {
            End::Undone => counts.undone += 1,
            End::Done => counts.done += 1,
            End::Unseen => counts.unseen += 1,
            End::Acknowledged => counts.acknowledged += 1,
        }
        if end != End::Acknowledged {
            inner.tenths[((ran * 10.0) as usize).min(10)] += 1;
        }
    }

    pub fn observed(&self, ciphertexts: usize, messages: u64) {
        let mut inner = self.0.lock().unwrap();
        inner.observations += 1;
        inner.ciphertexts += ciphertexts;
        inner.messages += messages;
    }

    pub fn scanned(&self, wraps: usize) {
        let mut inner = self.0.lock().unwrap();
        inner.scans += 1;
        inner.wraps += wraps;
    }

    pub fn backup(&self) {
        self.0.lock().unwrap().backups += 1;
    }

    pub fn by_next(&self) {
        self.0.lock().unwrap().by_next += 1;
    }

    pub fn came_later(&self) {
        self.0.lock().unwrap().came_later += 1;
    }

    pub fn say(&self) {
        let inner = self.0.lock().unwrap();
        let sum = |part: fn(&Counts) -> usize| inner.kinds.values().map(part).sum::<usize>();
        for (kind, counts) in &inner.kinds {
            let Counts { undone, done, unseen, acknowledged, .. } = counts;
            println!(
                "proof: crash: {kind}: {} kills: {} inside ({undone} without its effect, {done} with it, {unseen} of \
                 an act that shows none), {acknowledged} after the acknowledgement",
                undone + done + unseen + acknowledged,
                undone + done + unseen
            );
        }
        let (undone, done) = (sum(|counts| counts.undone), sum(|counts| counts.done));
        let (unseen, acknowledged) = (sum(|counts| counts.unseen), sum(|counts| counts.acknowledged));
        println!(
            "proof: crash: {} kills in all: {} inside an act ({undone} without its effect, {done} with it, {unseen} of acts \
             that show none), {acknowledged} after the acknowledgement",
            undone + done + unseen + acknowledged,
            undone + done + unseen
        );
        println!(
            "proof: crash: inside by tenths of the act's usual time, the last beyond it: {:?}",
            inner.tenths
        );
        println!(
            "proof: crash: {} acts that were cut off among other processes came into effect after a first look",
            inner.came_later
        );
        println!(
            "proof: crash: {} acts acknowledged, the longest {} ms; {} looks at a store after a kill ({} by the next \
             worker, which recovered the log); {} ciphertexts opened; {} leased messages counted; {} backups whole; \
             {} searches of all files for {} superseded wraps",
            inner.acts,
            inner.longest.as_millis(),
            inner.observations,
            inner.by_next,
            inner.ciphertexts,
            inner.messages,
            inner.backups,
            inner.scans,
            inner.wraps
        );
    }

    /// Kills between acts would prove nothing.
    pub fn assert_spread(&self, kinds: usize) {
        let inner = self.0.lock().unwrap();
        let inside = |counts: &Counts| counts.undone + counts.done + counts.unseen;
        let killed: usize = inner.kinds.values().map(|counts| inside(counts) + counts.acknowledged).sum();
        let all: usize = inner.kinds.values().map(inside).sum();
        assert_eq!(inner.kinds.len(), kinds, "not every kind was killed");
        assert!(all * 2 > killed, "{all} of {killed} kills came inside an act");
        assert!(inner.kinds.values().any(|counts| counts.undone > 0), "no act was caught before its effect");
        assert!(inner.kinds.values().any(|counts| counts.done > 0), "no act was caught after its effect");
        let missed: Vec<_> = inner.kinds.iter().filter(|(_, counts)| inside(counts) == 0).collect();
        let missed: Vec<_> = missed.into_iter().map(|(kind, _)| kind).collect();
        assert!(missed.is_empty() || killed < 500, "never killed inside: {missed:?}");
    }
}
