//! The Python interface of keyfold: converts arguments, results and errors, and nothing else.
//!
//! The package `keyfold` in `python/` is what users import; this module is its private half, with all that is
//! called often.

#![deny(unsafe_code)]

mod arguments;
mod batch;
mod calls;
mod clock;
mod errors;
mod index;
mod infos;
mod key;
mod made;
mod master_key;
mod parts;
mod store;
mod stream;
mod transfer;

use pyo3::prelude::*;

#[pymodule]
mod _native {
    use pyo3::prelude::*;
    use pyo3::types::{PyBytes, PyString};

    use crate::arguments::{Argument, Given, bytes, text};
    use crate::calls::sized;
    use crate::errors::Result;
    use crate::index;
    use crate::made::{new_bytes, new_text};

    #[pymodule_export]
    use crate::key::Key;
    #[pymodule_export]
    use crate::master_key::{Passphrase, RecoveryKey, Shares};
    #[pymodule_export]
    use crate::store::{Store, open};
    #[pymodule_export]
    use crate::stream::{StreamDecryptor, StreamEncryptor};
    #[pymodule_export]
    use crate::transfer::restore;

    /// The version of keyfold.
    #[pymodule_export]
    #[allow(non_upper_case_globals)]
    const __version__: &str = env!("CARGO_PKG_VERSION");

    /// A new master key: 32 random bytes as base64 text.
    #[pyfunction]
    fn generate_master_key(py: Python<'_>) -> Result<Bound<'_, PyString>> {
        Ok(new_text(py, &keyfold::generate_master_key()?)?)
    }

    /// Whether the value has the shape of a ciphertext, as bytes or as text. A hint, not a proof.
    ///
    /// Raises InvalidArgument where it is neither bytes nor text.
    #[pyfunction]
    fn is_ciphertext(value: &Bound<'_, PyAny>) -> Result<bool> {
        let argument = Argument::ciphertext(value, "value")?;
        let bytes = argument.as_slice();
        Ok(sized(value.py(), bytes.len(), || Ok(keyfold::is_ciphertext(bytes)))?)
    }

    /// The text form of a ciphertext in bytes: "kf1." and base64url without padding.
    ///
    /// Raises InvalidArgument where the value is not bytes.
    #[pyfunction]
    fn to_text<'py>(py: Python<'py>, value: &Bound<'py, PyAny>) -> Result<Bound<'py, PyString>> {
        let argument = bytes(value, "value")?;
        let bytes = argument.as_slice();
        Ok(new_text(py, &sized(py, bytes.len(), || Ok(keyfold::to_text(bytes)))?)?)
    }

    /// The bytes of a text form.
    ///
    /// Raises InvalidArgument where it is none.
    #[pyfunction]
    fn from_text<'py>(py: Python<'py>, value: &Bound<'py, PyAny>) -> Result<Bound<'py, PyBytes>> {
        let text = text(value, "value")?;
        Ok(new_bytes(py, &sized(py, text.len(), || keyfold::from_text(text))?)?)
    }

    /// What a blind index of these values, text or bytes, would tell whoever reads its column. Opens no store.
    ///
    /// The options are those of `Key.blind_index`.
    ///
    /// Raises as that does, with the place as `index`; LimitExceeded past 1,000,000 values.
    #[pyfunction]
    #[pyo3(
        signature = (values, *, kind = Given::NOT, length = None, bits = Given::NOT, normalize = Given::NOT),
        text_signature = "(values, *, kind='exact', length=None, bits=128, normalize=())"
    )]
    fn index_report<'py>(
        py: Python<'py>,
        values: &Bound<'py, PyAny>,
        kind: Given<'py>,
        length: Option<&Bound<'py, PyAny>>,
        bits: Given<'py>,
        normalize: Given<'py>,
    ) -> Result<Bound<'py, PyAny>> {
        index::report(py, values, &index::options(&kind, length, &bits, &normalize)?)
    }

    /// The purposes that every store has.
    #[pyfunction]
    fn purposes() -> [&'static str; keyfold::PURPOSES.len()] {
        keyfold::PURPOSES
    }

    /// Name, code and retryability of every kind of error, for the test that compares them with the classes.
    #[pyfunction]
    fn error_kinds() -> Vec<(&'static str, &'static str, bool)> {
        let retryable = |kind| keyfold::Error::new(kind, "").is_retryable();
        keyfold::ErrorKind::ALL.iter().map(|kind| (kind.name(), kind.code(), retryable(*kind))).collect()
    }
}
