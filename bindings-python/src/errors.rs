//! The core's errors as exceptions. Their classes are written in Python, in `keyfold/exceptions.py`.

use std::fmt;

use keyfold::ErrorKind;
use pyo3::exceptions::{PyException, PyOSError};
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::{PyDict, PyModule};

/// The result of a call from Python.
pub type Result<T> = std::result::Result<T, Failure>;

/// Why a call from Python fails.
pub enum Failure {
    /// keyfold says so.
    Keyfold(keyfold::Error),
    /// Python does: out of memory, an interrupt, an exception in the caller's own classes.
    Python(PyErr),
}

/// Something of the caller's that was asked gave what it must not give; this says what.
#[derive(Debug)]
pub struct WrongAnswer(pub String);

impl fmt::Display for WrongAnswer {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(&self.0)
    }
}

impl std::error::Error for WrongAnswer {}

/// A call that the caller can fix.
pub fn invalid(message: impl Into<String>) -> Failure {
    Failure::Keyfold(keyfold::Error::new(ErrorKind::InvalidArgument, message))
}

impl From<keyfold::Error> for Failure {
    fn from(error: keyfold::Error) -> Self {
        Failure::Keyfold(error)
    }
}

impl From<PyErr> for Failure {
    fn from(error: PyErr) -> Self {
        Failure::Python(error)
    }
}

impl From<Failure> for PyErr {
    #[cold]
    fn from(failure: Failure) -> Self {
        match failure {
            Failure::Python(error) => error,
            Failure::Keyfold(error) => {
                Python::attach(|py| exception(py, &error).unwrap_or_else(|failed| failed))
            }
        }
    }
}

impl Failure {
    /// Names the place in a batch.
    #[cold]
    pub fn at(self, index: usize) -> Self {
        match self {
            Failure::Keyfold(error) => Failure::Keyfold(error.with_index(index)),
            Failure::Python(error) => Failure::Python(error),
        }
    }
}

/// The exception for an error, with all that the error knows.
pub fn exception(py: Python<'_>, error: &keyfold::Error) -> PyResult<PyErr> {
    let source = std::error::Error::source(error).map(innermost);
    if let Some(wrong) = source.and_then(|source| source.downcast_ref::<WrongAnswer>()) {
        let replaced = keyfold::Error::new(ErrorKind::InvalidArgument, wrong.to_string());
        return exception(py, &replaced);
    }
    let raised = source.and_then(|source| source.downcast_ref::<PyErr>());
    // An interrupt or an exit within a callback is none of our errors.
    if let Some(raised) = raised.filter(|raised| !raised.is_instance_of::<PyException>(py)) {
        return Ok(raised.clone_ref(py));
    }

    static EXCEPTIONS: PyOnceLock<Py<PyModule>> = PyOnceLock::new();
    let classes =
        EXCEPTIONS.get_or_try_init(py, || py.import("keyfold.exceptions").map(Bound::unbind))?.bind(py);
    let class = classes.getattr(error.kind().name())?;
    let details = PyDict::new(py);
    details.set_item("key_id", error.key_id())?;
    details.set_item("version", error.version())?;
    details.set_item("index", error.index())?;
    details.set_item("retry_after", error.retry_after())?;
    let exception = PyErr::from_value(class.call((error.message(),), Some(&details))?);
    exception.set_cause(py, source.map(|source| cause(py, source)));
    Ok(exception)
}

/// What a reader or writer of the caller's said, out of the error that the core takes it in.
fn innermost<'a>(source: &'a (dyn std::error::Error + 'static)) -> &'a (dyn std::error::Error + 'static) {
    match source.downcast_ref::<std::io::Error>().and_then(std::io::Error::get_ref) {
        Some(inner) => inner,
        None => source,
    }
}

/// What a callback or the system said, as an exception.
fn cause(py: Python<'_>, source: &(dyn std::error::Error + 'static)) -> PyErr {
    if let Some(raised) = source.downcast_ref::<PyErr>() {
        return raised.clone_ref(py);
    }
    let system = source.downcast_ref::<std::io::Error>().and_then(std::io::Error::raw_os_error);
    match system {
        Some(number) => std::io::Error::from_raw_os_error(number).into(),
        None => PyOSError::new_err(source.to_string()),
    }
}
