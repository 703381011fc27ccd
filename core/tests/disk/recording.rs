//! What was written, in order, and the disks that a power cut could leave of it.

use std::collections::{BTreeMap, HashMap};
use std::path::{Path, PathBuf};
use std::sync::Mutex;

use super::syscalls::{Answer, Call, Effect, inode, watched};
use crate::common::Random;

/// What a disk writes whole or not at all.
const SECTOR: u64 = 512;

/// The files of one folder, by name.
pub type Disk = BTreeMap<String, Vec<u8>>;

/// Which syncs are taken away, to see what that does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Without {
    Nothing,
    /// As `PRAGMA synchronous = OFF`.
    AnySync,
    /// Of the write-ahead log only, as `NORMAL` does between two checkpoints.
    LogSyncs,
    /// Of the files of stores and outputs.
    FileSyncs,
    FolderSyncs,
}

/// Files are numbered: names come and go.
type FileId = usize;

#[derive(Debug)]
enum Event {
    Create {
        name: String,
        file: FileId,
    },
    Rename {
        from: String,
        to: String,
        file: FileId,
    },
    Link {
        to: String,
        file: FileId,
    },
    Unlink {
        name: String,
    },
    SyncFolder,
    /// The system takes what was pending for written, whatever became of it.
    FailedSyncOfFolder,
    FailedSync {
        file: FileId,
    },
    Write {
        file: FileId,
        at: u64,
        data: Vec<u8>,
    },
    Truncate {
        file: FileId,
        size: u64,
    },
    Sync {
        file: FileId,
        is_log: bool,
    },
    Mark,
}

/// What one thread did to one folder.
pub struct Recording {
    folder: PathBuf,
    base: Disk,
    log: Mutex<Log>,
}

#[derive(Default)]
struct Log {
    events: Vec<Event>,
    files: usize,
    by_inode: HashMap<u64, FileId>,
    /// How many events there were at each mark.
    marks: Vec<usize>,
}

impl Recording {
    /// Of a folder whose files are on disk.
    pub fn of(folder: &Path) -> Self {
        let base = read(folder);
        let by_inode: HashMap<_, _> =
            base.keys().enumerate().map(|(file, name)| (inode(&folder.join(name)).unwrap(), file)).collect();
        let log = Log { files: base.len(), by_inode, ..Log::default() };
        Self { folder: folder.to_owned(), base, log: Mutex::new(log) }
    }

    /// Records what `work` does. `fails` says which calls fail, and how: by a negative error number.
    pub fn record<T: Send>(
        &self,
        mut fails: impl FnMut(&Effect) -> Option<i64> + Send,
        work: impl FnOnce() -> T + Send,
    ) -> T {
        watched(
            |call| {
                let Some(effect) = call.effect().filter(|effect| self.is_mine(effect)) else {
                    return Answer::Pass;
                };
                match fails(&effect) {
                    Some(error) => {
                        self.take_failed(&effect);
                        Answer::Return(error)
                    }
                    None => Answer::Return(self.take(call, effect)),
                }
            },
            work,
        )
    }

    /// Everything until here was acknowledged.
    pub fn mark(&self) {
        let mut log = self.log.lock().unwrap();
        let length = log.events.len() + 1;
        log.events.push(Event::Mark);
        log.marks.push(length);
    }

    /// How many events there are: a cut falls before one of them, or after all.
    pub fn length(&self) -> usize {
        self.log.lock().unwrap().events.len()
    }

    /// Where the marks stand: whoever cuts there or later has heard what was acknowledged.
    pub fn marks(&self) -> Vec<usize> {
        self.log.lock().unwrap().marks.clone()
    }

    fn is_mine(&self, effect: &Effect) -> bool {
        let path = effect.path();
        path == self.folder || path.parent() == Some(&self.folder)
    }

    /// Makes the call and notes what it changed. What lies in SQLite's shared memory is no part of a disk.
    fn take(&self, call: &Call, effect: Effect) -> i64 {
        let existed = effect.path().symlink_metadata().is_ok();
        let file = |log: &Log, path: &Path| -> FileId {
            *log.by_inode.get(&inode(path).unwrap()).unwrap_or_else(|| panic!("{effect:?}"))
        };
        let is_memory = effect.path().to_string_lossy().ends_with("-shm");
        // Before the call, which may take the file's last name.
        let data = match effect {
            Effect::Write { .. } => call.bytes().to_vec(),
            _ => Vec::new(),
        };
        let done = call.make();
        if done < 0 || is_memory {
            return done;
        }
        let mut log = self.log.lock().unwrap();
        let event = match &effect {
            Effect::Open { path, flags } if flags & libc::O_CREAT != 0 && !existed => {
                let file = log.files;
                log.files += 1;
                log.by_inode.insert(inode(path).unwrap(), file);
                Event::Create { name: name(path), file }
            }
            Effect::Open { path, flags } if flags & libc::O_TRUNC != 0 => {
                Event::Truncate { file: file(&log, path), size: 0 }
            }
            Effect::Write { path, at, .. } => {
                Event::Write { file: file(&log, path), at: *at, data: data[..done as usize].to_vec() }
            }
            Effect::Truncate { path, size } => Event::Truncate { file: file(&log, path), size: *size },
            Effect::Sync { path } if *path == self.folder => Event::SyncFolder,
            Effect::Sync { path } => {
                Event::Sync { file: file(&log, path), is_log: path.to_string_lossy().ends_with("-wal") }
            }
            Effect::Rename { from, to } => {
                Event::Rename { from: name(from), to: name(to), file: file(&log, to) }
            }
            Effect::Link { to, .. } => Event::Link { to: name(to), file: file(&log, to) },
            Effect::Unlink { path } => Event::Unlink { name: name(path) },
            Effect::Open { .. } | Effect::Read { .. } | Effect::AskWritable { .. } | Effect::Mode { .. } => {
                return done;
            }
            Effect::Unknown { .. } => panic!("a call that is not understood: {effect:?}"),
        };
        log.events.push(event);
        done
    }

    fn take_failed(&self, effect: &Effect) {
        let mut log = self.log.lock().unwrap();
        match effect {
            Effect::Sync { path } if *path == self.folder => log.events.push(Event::FailedSyncOfFolder),
            Effect::Sync { path } => {
                let file = log.by_inode[&inode(path).unwrap()];
                log.events.push(Event::FailedSync { file });
            }
            _ => {}
        }
    }

    /// A disk that a cut before event `cut` could leave.
    pub fn disk(&self, cut: usize, without: Without, random: &mut Random) -> Disk {
        let log = self.log.lock().unwrap();
        let events = &log.events[..cut];
        let mut names = Names::new(&self.base);
        let mut files: Vec<File> = self.base.values().map(|data| File::new(data.clone())).collect();
        files.resize_with(log.files, || File::new(Vec::new()));
        // Whether a file's sync brings the folder's earlier changes to disk too, as journals in order do.
        let is_ordered = random.below(2) == 0;
        for event in events {
            match event {
                Event::Create { .. } | Event::Rename { .. } | Event::Link { .. } | Event::Unlink { .. } => {
                    names.push(event)
                }
                Event::SyncFolder if matches!(without, Without::AnySync | Without::FolderSyncs) => {}
                Event::SyncFolder => names.settle(),
                Event::FailedSyncOfFolder => names.fail(random),
                Event::FailedSync { file } => files[*file] = File::new(files[*file].cut(random)),
                Event::Write { file, .. } | Event::Truncate { file, .. } => files[*file].pending.push(event),
                Event::Sync { file, is_log } => {
                    let skipped = match without {
                        Without::AnySync => true,
                        Without::LogSyncs => *is_log,
                        Without::FileSyncs => !is_log,
                        Without::Nothing | Without::FolderSyncs => false,
                    };
                    if skipped {
                        continue;
                    }
                    files[*file].settle();
                    if is_ordered && without == Without::Nothing {
                        names.settle();
                    }
                }
                Event::Mark => {}
            }
        }
        let names = names.cut(random);
        names.into_iter().map(|(name, file)| (name, files[file].cut(random))).collect()
    }
}

/// A folder's content on disk, and its changes that are not.
struct Names<'a> {
    durable: BTreeMap<String, FileId>,
    /// As the system has it. What a failed sync lost comes to disk with the next change, and not by a sync alone.
    memory: BTreeMap<String, FileId>,
    pending: Vec<&'a Event>,
}

impl<'a> Names<'a> {
    fn new(base: &Disk) -> Self {
        let durable: BTreeMap<_, _> =
            base.keys().enumerate().map(|(file, name)| (name.clone(), file)).collect();
        Self { memory: durable.clone(), durable, pending: Vec::new() }
    }

    fn push(&mut self, event: &'a Event) {
        rename(&mut self.memory, event);
        self.pending.push(event);
    }

    fn settle(&mut self) {
        if !std::mem::take(&mut self.pending).is_empty() {
            self.durable = self.memory.clone();
        }
    }

    /// The system takes what was pending for written.
    fn fail(&mut self, random: &mut Random) {
        self.durable = self.cut(random);
        self.pending.clear();
    }

    fn cut(&self, random: &mut Random) -> BTreeMap<String, FileId> {
        let mut names = self.durable.clone();
        let keep = Keep::any(self.pending.len(), random);
        for (place, event) in self.pending.iter().enumerate() {
            if keep.whole(place, random) {
                rename(&mut names, event);
            }
        }
        names
    }
}

/// Applies a change of names.
fn rename(names: &mut BTreeMap<String, FileId>, event: &Event) {
    match event {
        Event::Create { name, file } => {
            names.insert(name.clone(), *file);
        }
        Event::Rename { from, to, file } => {
            names.remove(from);
            names.insert(to.clone(), *file);
        }
        Event::Link { to, file } => {
            names.insert(to.clone(), *file);
        }
        Event::Unlink { name } => {
            names.remove(name);
        }
        _ => {}
    }
}

/// A file's content on disk, and what was written and is not.
#[derive(Clone)]
struct File<'a> {
    durable: Vec<u8>,
    pending: Vec<&'a Event>,
}

impl<'a> File<'a> {
    fn new(durable: Vec<u8>) -> Self {
        Self { durable, pending: Vec::new() }
    }

    fn settle(&mut self) {
        for event in std::mem::take(&mut self.pending) {
            apply(&mut self.durable, event, &mut |_| true, &mut |_, _| {});
        }
    }

    fn cut(&self, random: &mut Random) -> Vec<u8> {
        let mut data = self.durable.clone();
        let keep = Keep::any(self.pending.len(), random);
        // Where the file grew and its sectors did not arrive: zeros, or what the disk had there before.
        let has_garbage = random.below(4) == 0;
        let old = data.len() as u64;
        for (place, event) in self.pending.iter().enumerate() {
            let mut kept: Vec<bool> = Vec::new();
            if let Event::Write { at, data, .. } = event {
                let sectors = (at + data.len() as u64).div_ceil(SECTOR) - at / SECTOR;
                kept = keep.sectors(place, sectors as usize, random);
            }
            let whole = keep.whole(place, random);
            let first = match event {
                Event::Write { at, .. } => at / SECTOR,
                _ => 0,
            };
            let garbage = random.number();
            apply(
                &mut data,
                event,
                &mut |sector| match sector {
                    None => whole,
                    Some(sector) => kept[(sector - first) as usize],
                },
                &mut |at, hole| {
                    if has_garbage && at >= old {
                        let mut noise = Random(garbage ^ at);
                        hole.fill_with(|| noise.number() as u8);
                    }
                },
            );
        }
        data
    }
}

/// Applies a change of content. `keeps` is asked for each sector of a write, and with `None` for a change of size; what
/// is lost behind the end of the file that is left goes to `lost`.
fn apply(
    data: &mut Vec<u8>,
    event: &Event,
    keeps: &mut dyn FnMut(Option<u64>) -> bool,
    lost: &mut dyn FnMut(u64, &mut [u8]),
) {
    match event {
        Event::Truncate { size, .. } if keeps(None) => data.resize(*size as usize, 0),
        Event::Write { at, data: written, .. } => {
            let end = at + written.len() as u64;
            let mut from = *at;
            // The parts that were lost, as far as a later one makes the file longer.
            let mut holes = Vec::new();
            while from < end {
                let sector = from / SECTOR;
                let to = ((sector + 1) * SECTOR).min(end);
                if keeps(Some(sector)) {
                    if data.len() < to as usize {
                        data.resize(to as usize, 0);
                    }
                    data[from as usize..to as usize]
                        .copy_from_slice(&written[(from - at) as usize..(to - at) as usize]);
                } else {
                    holes.push((from, to));
                }
                from = to;
            }
            for (from, to) in holes {
                if data.len() >= to as usize {
                    lost(from, &mut data[from as usize..to as usize]);
                }
            }
        }
        _ => {}
    }
}

/// Which of the changes that were on their way have arrived.
enum Keep {
    All,
    None,
    /// The first so many, the next one torn.
    First(usize),
    /// All from this one on: the disk took them in another order.
    From(usize),
    AllBut(usize),
    Only(usize),
    /// Each with this chance in eight, and whole.
    Some(usize),
    /// Each sector with this chance in eight.
    Sectors(usize),
}

impl Keep {
    fn any(changes: usize, random: &mut Random) -> Self {
        let one = random.below(changes.max(1));
        match random.below(10) {
            0 => Self::All,
            1 | 2 => Self::None,
            3 | 4 => Self::First(one),
            5 => Self::From(one),
            6 => Self::AllBut(one),
            7 => Self::Only(one),
            8 => Self::Some(1 + random.below(7)),
            _ => Self::Sectors(1 + random.below(7)),
        }
    }

    fn whole(&self, place: usize, random: &mut Random) -> bool {
        match *self {
            Self::All => true,
            Self::None => false,
            Self::First(count) => place < count,
            Self::From(first) => place >= first,
            Self::AllBut(one) => place != one,
            Self::Only(one) => place == one,
            Self::Some(chance) | Self::Sectors(chance) => random.below(8) < chance,
        }
    }

    fn sectors(&self, place: usize, count: usize, random: &mut Random) -> Vec<bool> {
        match *self {
            Self::First(one) if place == one => {
                let torn = random.below(count + 1);
                (0..count).map(|sector| sector < torn).collect()
            }
            Self::AllBut(one) | Self::Only(one) if place == one => {
                (0..count).map(|_| random.below(2) == 0).collect()
            }
            Self::Sectors(chance) => (0..count).map(|_| random.below(8) < chance).collect(),
            _ => vec![self.whole(place, random); count],
        }
    }
}

fn name(path: &Path) -> String {
    path.file_name().unwrap().to_str().unwrap().to_owned()
}

/// The files of a folder; not SQLite's shared memory.
pub fn read(folder: &Path) -> Disk {
    std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| !path.to_string_lossy().ends_with("-shm"))
        .map(|path| (name(&path), std::fs::read(&path).unwrap()))
        .collect()
}

/// Lays the files out in a folder that is empty.
pub fn write(disk: &Disk, folder: &Path) {
    use std::os::unix::fs::PermissionsExt;
    for (name, data) in disk {
        let path = folder.join(name);
        std::fs::write(&path, data).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).unwrap();
    }
}
