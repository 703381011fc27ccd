//! Measuring several ways to do one thing in turns, round by round, and keeping what each round took.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

/// What a round of one series takes at least; enough calls are made for that.
const ROUND: Duration = Duration::from_millis(8);

/// One way to do the thing: who, and how long so many calls take.
pub struct Series<'a> {
    name: String,
    run: Box<dyn FnMut(u64) -> Duration + 'a>,
    /// How many messages or bytes one call handles.
    per_call: f64,
}

impl<'a> Series<'a> {
    pub fn new<T>(name: impl Into<String>, call: impl FnMut() -> T + 'a) -> Self {
        Self::of_many(name, 1, call)
    }

    /// One call handles `per_call` of what the time is given for.
    pub fn of_many<T>(name: impl Into<String>, per_call: usize, mut call: impl FnMut() -> T + 'a) -> Self {
        let run = move |calls| {
            let begun = Instant::now();
            for _ in 0..calls {
                std::hint::black_box(call());
            }
            begun.elapsed()
        };
        Self { name: name.into(), run: Box::new(run), per_call: per_call as f64 }
    }

    /// It measures itself, as where each call needs something made ready that does not count.
    pub fn timed(name: impl Into<String>, mut call: impl FnMut() -> Duration + 'a) -> Self {
        let run = move |calls| (0..calls).map(|_| call()).sum();
        Self { name: name.into(), run: Box::new(run), per_call: 1.0 }
    }

    /// Each call is given something that is used up, and was made before the clock started.
    pub fn given<G, T>(
        name: impl Into<String>,
        mut make: impl FnMut() -> G + 'a,
        mut call: impl FnMut(G) -> T + 'a,
    ) -> Self {
        let run = move |calls| {
            let all: Vec<G> = (0..calls).map(|_| make()).collect();
            let begun = Instant::now();
            for one in all {
                std::hint::black_box(call(one));
            }
            begun.elapsed()
        };
        Self { name: name.into(), run: Box::new(run), per_call: 1.0 }
    }

    fn calls(&mut self) -> u64 {
        (self.run)(1);
        let mut calls = 1;
        loop {
            let took = (self.run)(calls);
            if took >= ROUND || calls >= 1 << 24 {
                return calls;
            }
            // To the wanted length at once, but for calls too short to trust.
            let wanted = ROUND.as_secs_f64() / took.as_secs_f64().max(1e-9) * calls as f64 * 1.05;
            calls = (wanted as u64).clamp(calls + 1, calls * 100);
        }
    }
}

/// Everything that was measured.
pub struct Report {
    pub rounds: usize,
    groups: Vec<Value>,
}

impl Report {
    pub fn new(rounds: usize) -> Self {
        Self { rounds, groups: Vec::new() }
    }

    /// Measures the series in turns and keeps nanoseconds a call (or what `of_many` said) of each round.
    pub fn compare(&mut self, id: &str, what: &str, series: Vec<Series<'_>>) {
        self.compare_rounds(id, what, self.rounds, series);
    }

    /// As [`Self::compare`], for what is too slow for so many rounds.
    pub fn compare_rounds(&mut self, id: &str, what: &str, rounds: usize, mut series: Vec<Series<'_>>) {
        eprintln!("  {what}");
        let calls: Vec<u64> = series.iter_mut().map(Series::calls).collect();
        let mut times = vec![Vec::with_capacity(rounds); series.len()];
        for round in 0..rounds {
            // Another begins each round: what the one before left behind strikes all alike.
            for turn in 0..series.len() {
                let place = (round + turn) % series.len();
                let took = (series[place].run)(calls[place]).as_nanos() as f64;
                times[place].push(took / calls[place] as f64 / series[place].per_call);
            }
        }
        let series: Vec<Value> = (series.iter().zip(times))
            .map(|(series, times)| json!({"name": series.name, "rounds": times}))
            .collect();
        self.groups.push(json!({"id": id, "what": what, "unit": "ns", "series": series}));
    }

    /// Writes all of it, with the versions of who took part.
    pub fn write(self, path: &std::path::Path, language: &str, versions: Value) {
        let all = json!({
            "language": language, "versions": versions, "groups": self.groups, "missing": [],
        });
        let text = serde_json::to_string_pretty(&all).expect("JSON");
        std::fs::write(path, text).expect("a place for the results");
    }
}
