//! Stands between a thread and the kernel: every call that changes files is shown to a supervisor first, who lets it
//! pass, makes it himself or makes it fail.
//!
//! It is the kernel's own mechanism (seccomp's user notification), so it sees what SQLite, Rust's library and raw
//! system calls do alike, and needs neither another process nor a library that is loaded before.
#![allow(unsafe_code)]

use std::ffi::CStr;
use std::io;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd, RawFd};
use std::os::unix::ffi::OsStrExt;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Sender, channel};

/// One call that the thread wants to make.
pub struct Call {
    number: libc::c_long,
    arguments: [u64; 6],
}

/// What a call would do.
#[derive(Clone, Debug)]
pub enum Effect {
    Open {
        path: PathBuf,
        flags: i32,
    },
    Read {
        path: PathBuf,
    },
    Write {
        path: PathBuf,
        at: u64,
        length: usize,
    },
    Truncate {
        path: PathBuf,
        size: u64,
    },
    Sync {
        path: PathBuf,
    },
    Rename {
        from: PathBuf,
        to: PathBuf,
    },
    Link {
        from: PathBuf,
        to: PathBuf,
    },
    Unlink {
        path: PathBuf,
    },
    /// Asks whether the file may be written.
    AskWritable {
        path: PathBuf,
    },
    /// Changes permissions; nothing of the content.
    Mode {
        path: PathBuf,
    },
    /// Changes files in a way that nothing here follows.
    Unknown {
        path: PathBuf,
    },
}

/// What becomes of a call.
pub enum Answer {
    /// The kernel does it.
    Pass,
    /// The thread gets this, a negative error number where it failed.
    Return(i64),
}

/// Tells the supervisor that the thread has done.
const FAREWELL: RawFd = -0x6b66;

#[rustfmt::skip]
const WATCHED: &[libc::c_long] = &[
    libc::SYS_openat, libc::SYS_openat2, libc::SYS_read, libc::SYS_pread64, libc::SYS_write, libc::SYS_pwrite64,
    libc::SYS_writev, libc::SYS_pwritev, libc::SYS_pwritev2, libc::SYS_ftruncate, libc::SYS_truncate,
    libc::SYS_fallocate, libc::SYS_fsync, libc::SYS_fdatasync, libc::SYS_sync_file_range, libc::SYS_syncfs,
    libc::SYS_renameat2, libc::SYS_linkat, libc::SYS_unlinkat, libc::SYS_mkdirat, libc::SYS_symlinkat,
    libc::SYS_copy_file_range, libc::SYS_sendfile, libc::SYS_splice, libc::SYS_faccessat, libc::SYS_faccessat2,
    libc::SYS_fchmod, libc::SYS_fchmodat, libc::SYS_renameat,
    #[cfg(target_arch = "x86_64")] libc::SYS_open,
    #[cfg(target_arch = "x86_64")] libc::SYS_creat,
    #[cfg(target_arch = "x86_64")] libc::SYS_rename,
    #[cfg(target_arch = "x86_64")] libc::SYS_link,
    #[cfg(target_arch = "x86_64")] libc::SYS_unlink,
    #[cfg(target_arch = "x86_64")] libc::SYS_mkdir,
    #[cfg(target_arch = "x86_64")] libc::SYS_symlink,
    #[cfg(target_arch = "x86_64")] libc::SYS_access,
    #[cfg(target_arch = "x86_64")] libc::SYS_chmod,
];

/// Runs `work` on a thread of its own and shows each of its calls to `watch`. What `work` returns.
pub fn watched<T: Send>(mut watch: impl FnMut(&Call) -> Answer + Send, work: impl FnOnce() -> T + Send) -> T {
    let (told, listener) = channel();
    std::thread::scope(|scope| {
        let worker = scope.spawn(move || {
            install(told);
            let outcome = catch_unwind(AssertUnwindSafe(work));
            // SAFETY: no descriptor has this number; the supervisor answers it.
            unsafe { libc::fsync(FAREWELL) };
            outcome
        });
        let listener = listener.recv().unwrap();
        let problem = supervise(&listener, &mut watch);
        let outcome = worker.join().unwrap();
        if let Some(problem) = problem {
            resume_unwind(problem);
        }
        outcome.unwrap_or_else(|panic| resume_unwind(panic))
    })
}

/// Answers until the thread says farewell. What `watch` panicked with, if it did: the thread is let go first.
fn supervise(
    listener: &OwnedFd,
    watch: &mut dyn FnMut(&Call) -> Answer,
) -> Option<Box<dyn std::any::Any + Send>> {
    let mut problem = None;
    loop {
        let notice = receive(listener);
        let call = Call { number: notice.data.nr.into(), arguments: notice.data.args };
        let is_last = call.number == libc::SYS_fsync && call.arguments[0] as RawFd == FAREWELL;
        let answer = match is_last {
            true => Answer::Return(0),
            false if problem.is_some() => Answer::Pass,
            false => catch_unwind(AssertUnwindSafe(|| watch(&call))).unwrap_or_else(|panic| {
                problem = Some(panic);
                Answer::Pass
            }),
        };
        send(listener, notice.id, answer);
        if is_last {
            return problem;
        }
    }
}

impl Call {
    /// What it would do to files; `None` where it does nothing that matters.
    pub fn effect(&self) -> Option<Effect> {
        let [a, b, c, d, ..] = self.arguments;
        let effect = match self.number {
            libc::SYS_openat => Effect::Open { path: text(b)?, flags: c as i32 },
            libc::SYS_read => Effect::Read { path: place(a)? },
            libc::SYS_pread64 => Effect::Read { path: place(a)? },
            libc::SYS_write => {
                let path = place(a)?;
                // SAFETY: tells where the descriptor stands.
                let at = unsafe { libc::lseek(a as RawFd, 0, libc::SEEK_CUR) };
                Effect::Write { path, at: at.try_into().ok()?, length: c as usize }
            }
            libc::SYS_pwrite64 => Effect::Write { path: place(a)?, at: d, length: c as usize },
            libc::SYS_ftruncate => Effect::Truncate { path: place(a)?, size: b },
            libc::SYS_fsync | libc::SYS_fdatasync => Effect::Sync { path: place(a)? },
            libc::SYS_renameat | libc::SYS_renameat2 => Effect::Rename { from: text(b)?, to: text(d)? },
            libc::SYS_linkat => Effect::Link { from: text(b)?, to: text(d)? },
            libc::SYS_unlinkat => Effect::Unlink { path: text(b)? },
            libc::SYS_faccessat | libc::SYS_faccessat2 if c as i32 & libc::W_OK != 0 => {
                Effect::AskWritable { path: text(b)? }
            }
            libc::SYS_faccessat | libc::SYS_faccessat2 => return None,
            libc::SYS_fchmod => Effect::Mode { path: place(a)? },
            libc::SYS_fchmodat => Effect::Mode { path: text(b)? },
            #[cfg(target_arch = "x86_64")]
            libc::SYS_open => Effect::Open { path: text(a)?, flags: b as i32 },
            #[cfg(target_arch = "x86_64")]
            libc::SYS_rename => Effect::Rename { from: text(a)?, to: text(b)? },
            #[cfg(target_arch = "x86_64")]
            libc::SYS_link => Effect::Link { from: text(a)?, to: text(b)? },
            #[cfg(target_arch = "x86_64")]
            libc::SYS_unlink => Effect::Unlink { path: text(a)? },
            #[cfg(target_arch = "x86_64")]
            libc::SYS_access if b as i32 & libc::W_OK == 0 => return None,
            #[cfg(target_arch = "x86_64")]
            libc::SYS_access => Effect::AskWritable { path: text(a)? },
            #[cfg(target_arch = "x86_64")]
            libc::SYS_chmod => Effect::Mode { path: text(a)? },
            #[cfg(target_arch = "x86_64")]
            libc::SYS_creat | libc::SYS_mkdir => Effect::Unknown { path: text(a)? },
            #[cfg(target_arch = "x86_64")]
            libc::SYS_symlink => Effect::Unknown { path: text(b)? },
            libc::SYS_symlinkat => Effect::Unknown { path: text(c)? },
            libc::SYS_truncate => Effect::Unknown { path: text(a)? },
            libc::SYS_openat2 | libc::SYS_mkdirat => Effect::Unknown { path: text(b)? },
            libc::SYS_copy_file_range | libc::SYS_splice => Effect::Unknown { path: place(c)? },
            _ => Effect::Unknown { path: place(a)? },
        };
        Some(effect)
    }

    /// The bytes that a write would write.
    pub fn bytes(&self) -> &[u8] {
        assert!(self.number == libc::SYS_write || self.number == libc::SYS_pwrite64);
        let [_, start, length, ..] = self.arguments;
        // SAFETY: the thread waits for our answer, and its buffer with it.
        unsafe { std::slice::from_raw_parts(start as *const u8, length as usize) }
    }

    /// Makes the call here: this thread has the same memory and descriptors. What it returned, or a negative error.
    pub fn make(&self) -> i64 {
        self.make_with(self.arguments)
    }

    /// As [`Call::make`], for a write of so many bytes only.
    pub fn make_short(&self, length: usize) -> i64 {
        let mut arguments = self.arguments;
        arguments[2] = length as u64;
        self.make_with(arguments)
    }

    fn make_with(&self, [a, b, c, d, e, f]: [u64; 6]) -> i64 {
        // SAFETY: these are the arguments of a thread of this process that waits for the outcome.
        match unsafe { libc::syscall(self.number, a, b, c, d, e, f) } {
            -1 => -i64::from(io::Error::last_os_error().raw_os_error().unwrap_or(libc::EIO)),
            done => done,
        }
    }
}

impl Effect {
    /// The file, after the effect.
    pub fn path(&self) -> &Path {
        match self {
            Self::Open { path, .. }
            | Self::Read { path }
            | Self::Write { path, .. }
            | Self::Truncate { path, .. }
            | Self::Sync { path }
            | Self::Unlink { path }
            | Self::AskWritable { path }
            | Self::Mode { path }
            | Self::Unknown { path } => path,
            Self::Rename { to, .. } | Self::Link { to, .. } => to,
        }
    }
}

/// The number of the file at a path.
pub fn inode(path: &Path) -> Option<u64> {
    use std::os::unix::fs::MetadataExt;
    path.symlink_metadata().ok().map(|metadata| metadata.ino())
}

fn text(pointer: u64) -> Option<PathBuf> {
    if pointer == 0 {
        return None;
    }
    // SAFETY: the path of a call that the thread waits for.
    let text = unsafe { CStr::from_ptr(pointer as *const libc::c_char) };
    Some(PathBuf::from(std::ffi::OsStr::from_bytes(text.to_bytes())))
}

/// The path that a descriptor was opened by, as long as it has it.
fn place(descriptor: u64) -> Option<PathBuf> {
    std::fs::read_link(format!("/proc/self/fd/{}", descriptor as RawFd)).ok()
}

#[repr(C)]
#[derive(Default)]
struct Data {
    nr: i32,
    arch: u32,
    instruction: u64,
    args: [u64; 6],
}

#[repr(C)]
#[derive(Default)]
struct Notice {
    id: u64,
    pid: u32,
    flags: u32,
    data: Data,
}

#[repr(C)]
struct Reply {
    id: u64,
    value: i64,
    error: i32,
    flags: u32,
}

/// `_IOWR('!', number, T)`.
const fn request<T>(number: u64) -> libc::c_ulong {
    (3 << 30) | ((size_of::<T>() as u64) << 16) | ((b'!' as u64) << 8) | number
}

/// Has the kernel ask about this thread's calls from now on; the end to listen at goes to `told`.
fn install(told: Sender<OwnedFd>) {
    const LOAD: u16 = (libc::BPF_LD | libc::BPF_W | libc::BPF_ABS) as u16;
    const JUMP: u16 = (libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_K) as u16;
    const END: u16 = (libc::BPF_RET | libc::BPF_K) as u16;
    let step = |code, jt, k| libc::sock_filter { code, jt, jf: 0, k };
    let mut program = vec![step(LOAD, 0, 0)];
    for (place, number) in WATCHED.iter().enumerate() {
        // Past the others and past "allow".
        program.push(step(JUMP, (WATCHED.len() - place) as u8, *number as u32));
    }
    program.push(step(END, 0, libc::SECCOMP_RET_ALLOW));
    program.push(step(END, 0, libc::SECCOMP_RET_USER_NOTIF));
    let program = libc::sock_fprog { len: program.len() as u16, filter: program.as_mut_ptr() };
    // SAFETY: the kernel copies the program; the descriptor that it returns is ours alone.
    let listener = unsafe {
        assert_eq!(libc::prctl(libc::PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), 0);
        let listener = libc::syscall(
            libc::SYS_seccomp,
            libc::SECCOMP_SET_MODE_FILTER,
            libc::SECCOMP_FILTER_FLAG_NEW_LISTENER,
            &program,
        );
        assert!(listener >= 0, "seccomp cannot be used here: {}", io::Error::last_os_error());
        OwnedFd::from_raw_fd(listener as RawFd)
    };
    told.send(listener).unwrap();
}

fn receive(listener: &OwnedFd) -> Notice {
    loop {
        let mut notice = Notice::default();
        // SAFETY: the kernel fills a structure of the size that the request names.
        if unsafe { libc::ioctl(listener.as_raw_fd(), request::<Notice>(0), &mut notice) } == 0 {
            return notice;
        }
        let error = io::Error::last_os_error();
        assert_eq!(error.kind(), io::ErrorKind::Interrupted, "{error}");
    }
}

fn send(listener: &OwnedFd, id: u64, answer: Answer) {
    let mut reply = Reply { id, value: 0, error: 0, flags: 0 };
    match answer {
        Answer::Pass => reply.flags = libc::SECCOMP_USER_NOTIF_FLAG_CONTINUE as u32,
        Answer::Return(value) if value < 0 => reply.error = value as i32,
        Answer::Return(value) => reply.value = value,
    }
    // SAFETY: the kernel reads a structure of the size that the request names.
    let sent = unsafe { libc::ioctl(listener.as_raw_fd(), request::<Reply>(1), &mut reply) };
    assert_eq!(sent, 0, "{}", io::Error::last_os_error());
}
