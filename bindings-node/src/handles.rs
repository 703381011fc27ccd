//! Stores, keys, secrets and streams by number. Each JavaScript thread has tables of its own, so a number from elsewhere, or made
//! up, finds nothing or something that this thread holds anyway.

use std::cell::RefCell;
use std::mem::ManuallyDrop;
use std::thread::LocalKey;

use keyfold::{Error, ErrorKind, Key, Result, Store};

use crate::master_key::Secret;
use crate::progress::Progress;
use crate::stream::Stream;

thread_local! {
    static STORES: Table<Store> = const { Table::new() };
    // `release_all` empties it: a table that nobody has to drop is found faster.
    static KEYS: ManuallyDrop<Table<Key>> = const { ManuallyDrop::new(Table::new()) };
    static SECRETS: Table<Secret> = const { Table::new() };
    static STREAMS: Table<Stream> = const { Table::new() };
    static PROGRESS: Table<Progress> = const { Table::new() };
}

struct Table<T>(RefCell<Vec<Option<T>>>);

impl<T> Table<T> {
    const fn new() -> Self {
        Self(RefCell::new(Vec::new()))
    }

    fn insert(&self, value: T) -> u32 {
        let mut slots = self.0.borrow_mut();
        let free = slots.iter().position(Option::is_none).unwrap_or(slots.len());
        match slots.get_mut(free) {
            Some(slot) => *slot = Some(value),
            None => slots.push(Some(value)),
        }
        free as u32
    }

    #[inline(always)]
    fn with<R>(&self, handle: u32, run: impl FnOnce(&T) -> Result<R>) -> Result<R> {
        match self.0.borrow().get(handle as usize) {
            Some(Some(value)) => run(value),
            _ => Err(Error::new(ErrorKind::Closed, "this handle was released")),
        }
    }

    fn remove(&self, handle: u32) -> Option<T> {
        self.0.borrow_mut().get_mut(handle as usize).and_then(Option::take)
    }
}

fn with<T, R>(
    table: &'static LocalKey<Table<T>>,
    handle: u32,
    run: impl FnOnce(&T) -> Result<R>,
) -> Result<R> {
    table.with(|table| table.with(handle, run))
}

pub fn insert_store(store: Store) -> u32 {
    STORES.with(|table| table.insert(store))
}

pub fn store(handle: u32) -> Result<Store> {
    with(&STORES, handle, |store| Ok(store.clone()))
}

pub fn release_store(handle: u32) {
    drop(STORES.with(|table| table.remove(handle)));
}

pub fn insert_key(key: Key) -> u32 {
    KEYS.with(|table| table.insert(key))
}

pub fn key(handle: u32) -> Result<Key> {
    with_key(handle, |key| Ok(key.clone()))
}

/// Runs with the key, which must not call back.
#[inline]
pub fn with_key<R>(handle: u32, run: impl FnOnce(&Key) -> Result<R>) -> Result<R> {
    KEYS.with(|table| table.with(handle, run))
}

pub fn release_key(handle: u32) {
    drop(KEYS.with(|table| table.remove(handle)));
}

pub fn insert_secret(secret: Secret) -> u32 {
    SECRETS.with(|table| table.insert(secret))
}

pub fn with_secret<R>(handle: u32, run: impl FnOnce(&Secret) -> Result<R>) -> Result<R> {
    with(&SECRETS, handle, run)
}

pub fn release_secret(handle: u32) {
    drop(SECRETS.with(|table| table.remove(handle)));
}

pub fn insert_stream(stream: Stream) -> u32 {
    STREAMS.with(|table| table.insert(stream))
}

/// Runs with the stream, which must not call back.
pub fn with_stream<R>(handle: u32, run: impl FnOnce(&mut Stream) -> Result<R>) -> Result<R> {
    STREAMS.with(|table| match table.0.borrow_mut().get_mut(handle as usize) {
        Some(Some(stream)) => run(stream),
        _ => Err(Error::new(ErrorKind::Closed, "the stream was ended or destroyed")),
    })
}

pub fn release_stream(handle: u32) {
    drop(STREAMS.with(|table| table.remove(handle)));
}

pub fn insert_progress(progress: Progress) -> u32 {
    PROGRESS.with(|table| table.insert(progress))
}

pub fn progress(handle: u32) -> Result<Progress> {
    with(&PROGRESS, handle, |progress| Ok(progress.clone()))
}

pub fn release_progress(handle: u32) {
    drop(PROGRESS.with(|table| table.remove(handle)));
}

/// Lets go of everything that this thread holds.
pub fn release_all() {
    drop(PROGRESS.with(|table| std::mem::take(&mut *table.0.borrow_mut())));
    drop(STREAMS.with(|table| std::mem::take(&mut *table.0.borrow_mut())));
    drop(SECRETS.with(|table| std::mem::take(&mut *table.0.borrow_mut())));
    drop(KEYS.with(|table| std::mem::take(&mut *table.0.borrow_mut())));
    drop(STORES.with(|table| std::mem::take(&mut *table.0.borrow_mut())));
}
