//! Streams: Python's file objects for the core, and the halves that are pushed.
//!
//! The core reads, seals and writes while other Python threads run; the interpreter is taken for each call of a file
//! object, and no lock is held then.

use std::hint::black_box;
use std::io::{self, Read, Write};
use std::sync::{Mutex, TryLockError};
use std::time::{Duration, Instant};

use keyfold::CallbackError;
use pyo3::prelude::*;
use pyo3::pyclass::{PyTraverseError, PyVisit};
use pyo3::sync::PyOnceLock;
use pyo3::types::{PyBytes, PyInt, PyType};

use crate::arguments::{bytes, callable, refused, shown_type};
use crate::calls::LongCalls;
use crate::errors::{Result, WrongAnswer, invalid};
use crate::made::new_bytes;

/// How often a long call looks whether it was interrupted.
const LOOK: Duration = Duration::from_millis(100);

fn wrong(message: String) -> io::Error {
    io::Error::other(WrongAnswer(message))
}

/// What Python raised, for the core. Never by its own kind: one that means "try again" could go on for ever.
fn raised(py: Python<'_>, error: PyErr) -> io::Error {
    const ENOSPC: i32 = 28;
    let number = error.value(py).getattr("errno").and_then(|number| number.extract::<i32>());
    match number {
        Ok(ENOSPC) => io::Error::new(io::ErrorKind::StorageFull, error),
        _ => io::Error::other(error),
    }
}

/// A file object to read from.
pub struct Reader(Py<PyAny>);

impl Reader {
    pub fn new(file: &Bound<'_, PyAny>) -> Result<Self> {
        method(file, "reader", "read").map(Self)
    }
}

impl Read for Reader {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        Python::attach(|py| {
            let answer = self.0.bind(py).call1((out.len(),)).map_err(|error| raised(py, error))?;
            if answer.is_none() {
                return Err(wrong("the reader had nothing to read yet; it must be in blocking mode".into()));
            }
            let part = bytes(&answer, "").map_err(|_| {
                let shown = shown_type(&answer);
                wrong(format!(
                    "the reader's read() gave {shown}; it must give bytes: open files in mode \"rb\""
                ))
            })?;
            let part = part.as_slice();
            let place = out
                .get_mut(..part.len())
                .ok_or_else(|| wrong("the reader's read() gave more bytes than it was asked for".into()))?;
            place.copy_from_slice(part);
            Ok(part.len())
        })
    }
}

/// A file object to write to.
pub struct Writer {
    write: Py<PyAny>,
    flush: Option<Py<PyAny>>,
    /// Where `None` means that nothing was written, rather than that nothing is said.
    raw: bool,
}

impl Writer {
    pub fn new(file: &Bound<'_, PyAny>) -> Result<Self> {
        static RAW: PyOnceLock<Py<PyType>> = PyOnceLock::new();
        let raw = RAW.import(file.py(), "io", "RawIOBase")?;
        let flush = file.getattr("flush").ok().filter(|flush| flush.is_callable()).map(Bound::unbind);
        Ok(Self { write: method(file, "writer", "write")?, flush, raw: file.is_instance(raw)? })
    }
}

impl Write for Writer {
    fn write(&mut self, part: &[u8]) -> io::Result<usize> {
        Python::attach(|py| {
            let copy = new_bytes(py, part).map_err(|error| raised(py, error))?;
            let answer = self.write.bind(py).call1((copy,)).map_err(|error| raised(py, error))?;
            if answer.is_none() {
                return match self.raw {
                    true => Err(wrong("the writer would have to wait; it must be in blocking mode".into())),
                    false => Ok(part.len()),
                };
            }
            let written = answer.cast::<PyInt>().ok().and_then(|count| count.extract::<usize>().ok());
            match written.filter(|count| (1..=part.len()).contains(count)) {
                Some(count) => Ok(count),
                None => Err(wrong(
                    "the writer's write() must say how many bytes it wrote, at least one, or give None"
                        .into(),
                )),
            }
        })
    }

    fn flush(&mut self) -> io::Result<()> {
        let Some(flush) = &self.flush else { return Ok(()) };
        Python::attach(|py| flush.call0(py).map(|_| ()).map_err(|error| raised(py, error)))
    }
}

fn method(file: &Bound<'_, PyAny>, name: &str, method: &str) -> Result<Py<PyAny>> {
    match file.getattr(method) {
        Ok(found) if found.is_callable() => Ok(found.unbind()),
        _ => Err(refused(file, name, &format!("a binary file object, with {method}()"))),
    }
}

/// Tells the caller's callback how far a stream is, and ends the stream on an interrupt.
pub struct Teller {
    callback: Option<Py<PyAny>>,
    looked: Instant,
}

impl Teller {
    pub fn new(callback: Option<&Bound<'_, PyAny>>) -> Result<Self> {
        Ok(Self { callback: callable(callback, "progress")?, looked: Instant::now() })
    }

    pub fn tell(&mut self, done: u64) -> std::result::Result<(), CallbackError> {
        if self.callback.is_none() && self.looked.elapsed() < LOOK {
            return Ok(());
        }
        self.looked = Instant::now();
        Python::attach(|py| {
            py.check_signals()?;
            if let Some(callback) = &self.callback {
                callback.call1(py, (done,))?;
            }
            Ok(())
        })
    }
}

/// Encrypts a stream that is pushed part by part. Comes from `Key.stream_encryptor`.
///
/// It refuses to go on in a forked child, and once the store is closed.
#[pyclass(module = "keyfold", frozen)]
pub struct StreamEncryptor {
    core: Mutex<keyfold::StreamEncryptor>,
    calls: LongCalls,
    owner: Py<PyAny>,
}

/// Decrypts a stream that is pushed part by part. Comes from `Key.stream_decryptor`.
///
/// What it gives is provisional until `finish` returns: only then is it known that nothing is missing at the end.
#[pyclass(module = "keyfold", frozen)]
pub struct StreamDecryptor {
    core: Mutex<keyfold::StreamDecryptor>,
    calls: LongCalls,
    owner: Py<PyAny>,
}

impl StreamEncryptor {
    pub fn new(core: keyfold::StreamEncryptor, calls: LongCalls, owner: Py<PyAny>) -> Self {
        Self { core: Mutex::new(core), calls, owner }
    }
}

impl StreamDecryptor {
    pub fn new(core: keyfold::StreamDecryptor, calls: LongCalls, owner: Py<PyAny>) -> Self {
        Self { core: Mutex::new(core), calls, owner }
    }
}

#[pymethods]
impl StreamEncryptor {
    /// Takes the next part of the plaintext, of any size; gives the part of the ciphertext that is ready.
    ///
    /// Raises InvalidArgument where the stream has ended or failed, or the part is not bytes; Closed.
    fn update<'py>(&self, py: Python<'py>, part: &Bound<'py, PyAny>) -> Result<Bound<'py, PyBytes>> {
        let part = bytes(part, "part")?;
        push(py, &self.core, &self.calls, part.as_slice().len(), |core, out| {
            core.update(part.as_slice(), out)
        })
    }

    /// Gives the rest of the ciphertext. The stream is over then.
    fn finish<'py>(&self, py: Python<'py>) -> Result<Bound<'py, PyBytes>> {
        push(py, &self.core, &self.calls, usize::MAX, |core, out| core.finish(out))
    }

    fn __repr__(&self) -> &'static str {
        "<keyfold.StreamEncryptor>"
    }

    fn __traverse__(&self, visit: PyVisit<'_>) -> std::result::Result<(), PyTraverseError> {
        visit.call(&self.owner)
    }
}

#[pymethods]
impl StreamDecryptor {
    /// Takes the next part of the ciphertext, of any size; gives the part of the plaintext that is verified.
    ///
    /// Raises DecryptionFailed where anything is wrong; throw away then what came before.
    fn update<'py>(&self, py: Python<'py>, part: &Bound<'py, PyAny>) -> Result<Bound<'py, PyBytes>> {
        let part = bytes(part, "part")?;
        push(py, &self.core, &self.calls, part.as_slice().len(), |core, out| {
            core.update(part.as_slice(), out)
        })
    }

    /// Gives the rest of the plaintext. Raises DecryptionFailed where the stream was cut.
    fn finish<'py>(&self, py: Python<'py>) -> Result<Bound<'py, PyBytes>> {
        push(py, &self.core, &self.calls, usize::MAX, |core, out| core.finish(out))
    }

    /// The number of the version that sealed the stream, once its first segment is open.
    #[getter]
    fn version(&self) -> Result<Option<u32>> {
        Ok(hold(&self.core)?.version())
    }

    /// Whether another version than the current one sealed the stream, once its first segment is open.
    #[getter]
    fn needs_reencrypt(&self) -> Result<Option<bool>> {
        Ok(hold(&self.core)?.needs_reencrypt())
    }

    fn __repr__(&self) -> &'static str {
        "<keyfold.StreamDecryptor>"
    }

    fn __traverse__(&self, visit: PyVisit<'_>) -> std::result::Result<(), PyTraverseError> {
        visit.call(&self.owner)
    }
}

/// Never waits: whoever waited here for another thread could hold the interpreter that the other one needs.
fn hold<T>(stream: &Mutex<T>) -> Result<std::sync::MutexGuard<'_, T>> {
    match stream.try_lock() {
        Ok(held) => Ok(held),
        Err(TryLockError::Poisoned(held)) => Ok(held.into_inner()),
        Err(TryLockError::WouldBlock) => {
            Err(invalid("the stream is at work in another thread; its parts come one after the other"))
        }
    }
}

fn push<'py, T: Send>(
    py: Python<'py>,
    stream: &Mutex<T>,
    calls: &LongCalls,
    size: usize,
    run: impl FnOnce(&mut T, &mut Vec<u8>) -> keyfold::Result<()> + Send,
) -> Result<Bound<'py, PyBytes>> {
    let mut held = hold(stream)?;
    let core = &mut *held;
    let mut out = calls.sized(py, size, move || {
        let mut out = Vec::new();
        run(core, &mut out)?;
        Ok(out)
    })?;
    let copy = new_bytes(py, &out);
    out.fill(0);
    black_box(&mut out);
    Ok(copy?)
}
