//! Where the master key comes from: any argument that stands for one, and the classes that make one.

use keyfold::{CallbackError, MasterKey};
use pyo3::prelude::*;
use pyo3::types::{PyList, PyString, PyTuple};

use crate::arguments::{bytes, count, refused, shown_type, text};
use crate::calls::caught;
use crate::errors::{Result, WrongAnswer, invalid};
use crate::made::new_text;

/// A passphrase as master key: text that a person remembers, made expensive to guess.
///
/// Where a recipient is made for it, guessing shall cost this much: Argon2id with `memory_kib` (19 MiB to 1 GiB;
/// 64 MiB where it is left out), `passes` (1 to 10; 3) and `lanes` (1 to 8; 1), or, for those who must,
/// PBKDF2-HMAC-SHA256 with `pbkdf2_rounds` (600,000 to 10,000,000). Opening uses what the recipient was made with.
/// Letters are compared in Unicode's form C; case and spaces count.
///
/// Raises InvalidArgument where it is empty or a cost is out of range, LimitExceeded past 4,096 bytes.
#[pyclass(module = "keyfold", frozen)]
pub struct Passphrase(keyfold::Passphrase);

#[pymethods]
impl Passphrase {
    #[new]
    #[pyo3(signature = (passphrase, *, memory_kib = None, passes = None, lanes = None, pbkdf2_rounds = None))]
    fn new(
        passphrase: &Bound<'_, PyAny>,
        memory_kib: Option<&Bound<'_, PyAny>>,
        passes: Option<&Bound<'_, PyAny>>,
        lanes: Option<&Bound<'_, PyAny>>,
        pbkdf2_rounds: Option<&Bound<'_, PyAny>>,
    ) -> Result<Self> {
        let number = |value: Option<&Bound<'_, PyAny>>, name, default: u32| match value {
            None => Ok(default),
            Some(value) => count(value, name, "an integer"),
        };
        let made = keyfold::Passphrase::new(text(passphrase, "passphrase")?)?;
        let argon2id = memory_kib.is_some() || passes.is_some() || lanes.is_some();
        Ok(Self(match pbkdf2_rounds {
            None if !argon2id => made,
            None => made.with_argon2id(
                number(memory_kib, "memory_kib", 64 << 10)?,
                number(passes, "passes", 3)?,
                number(lanes, "lanes", 1)?,
            )?,
            Some(_) if argon2id => {
                return Err(invalid(
                    "pbkdf2_rounds excludes memory_kib, passes and lanes, which are Argon2id's",
                ));
            }
            rounds => made.with_pbkdf2(number(rounds, "pbkdf2_rounds", 0)?)?,
        }))
    }

    fn __repr__(&self) -> &'static str {
        "<keyfold.Passphrase>"
    }
}

/// A recovery key: 32 random bytes to be printed and laid into a safe. Comes from `RecoveryKey.generate`.
///
/// Add a recipient for it. Whoever types the printed text in gives that text as master key.
#[pyclass(module = "keyfold", frozen)]
pub struct RecoveryKey(keyfold::RecoveryKey);

#[pymethods]
impl RecoveryKey {
    /// A new one.
    #[staticmethod]
    fn generate() -> Result<Self> {
        Ok(Self(caught(keyfold::RecoveryKey::generate)?))
    }

    /// The text to print: "kfr1-" and 11 groups of six characters. Whoever reads it can open the store.
    fn reveal<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyString>> {
        new_text(py, &self.0.reveal())
    }

    fn __repr__(&self) -> &'static str {
        "<keyfold.RecoveryKey>"
    }
}

/// A secret in the hands of several people, some of whom open the store together. Comes from `Shares.split`.
///
/// Add a recipient for it. To open with shares that were handed out, give their texts with white space between them
/// as master key.
#[pyclass(module = "keyfold", frozen)]
pub struct Shares(keyfold::Shares);

#[pymethods]
impl Shares {
    /// A new secret in `count` shares, any `threshold` of which open: 2 <= threshold <= count <= 16.
    ///
    /// Raises InvalidArgument where the numbers are others.
    #[staticmethod]
    fn split(threshold: &Bound<'_, PyAny>, count: &Bound<'_, PyAny>) -> Result<Self> {
        let threshold = self::count(threshold, "threshold", "an integer, 2 to 16")?;
        let count = self::count(count, "count", "an integer, 2 to 16")?;
        Ok(Self(caught(|| keyfold::Shares::split(threshold, count))?))
    }

    /// The texts to hand out: "kfs1-" and 13 groups of six characters each.
    fn reveal<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyList>> {
        let shares = self.0.reveal();
        PyList::new(py, shares.iter().map(|share| new_text(py, share)).collect::<PyResult<Vec<_>>>()?)
    }

    fn __repr__(&self) -> &'static str {
        "<keyfold.Shares>"
    }
}

/// The master key that an argument stands for.
pub fn read_master_key(value: &Bound<'_, PyAny>) -> Result<MasterKey> {
    if let Ok(named) = value.cast::<PyString>() {
        return Ok(MasterKey::parse(text(named, "master_key")?)?);
    }
    if let Ok(passphrase) = value.cast::<Passphrase>() {
        return Ok(MasterKey::passphrase(passphrase.get().0.clone()));
    }
    if let Ok(recovery_key) = value.cast::<RecoveryKey>() {
        return Ok(recovery_key.get().0.master_key());
    }
    if let Ok(shares) = value.cast::<Shares>() {
        return Ok(shares.get().0.master_key());
    }
    if value.is_instance_of::<PyList>() || value.is_instance_of::<PyTuple>() {
        return any_of(value);
    }
    if !value.is_callable() {
        let Ok(secret) = bytes(value, "master_key") else {
            return Err(refused(
                value,
                "master_key",
                "32 bytes, text (base64, env:NAME, file:PATH or fd:N), a Passphrase, RecoveryKey or Shares, a callable \
                 that gives 32 bytes, or a list of these",
            ));
        };
        return Ok(MasterKey::bytes(secret.as_slice())?);
    }
    let function = value.clone().unbind();
    Ok(MasterKey::callback(move || Python::attach(|py| ask(function.bind(py)))))
}

fn any_of(list: &Bound<'_, PyAny>) -> Result<MasterKey> {
    let mut all = Vec::new();
    for item in crate::arguments::items(list, "master_key", "a list", keyfold::limits::RECIPIENTS)? {
        if item.is_instance_of::<PyList>() || item.is_instance_of::<PyTuple>() {
            return Err(refused(&item, "a master key in a list", "one master key"));
        }
        all.push(read_master_key(&item)?);
    }
    Ok(MasterKey::any_of(all)?)
}

/// Asks a callable for the master key.
fn ask(function: &Bound<'_, PyAny>) -> std::result::Result<Vec<u8>, CallbackError> {
    let answer = function.call0()?;
    let Ok(secret) = bytes(&answer, "") else {
        let shown = shown_type(&answer);
        return Err(
            WrongAnswer(format!("the master key callable gave {shown}; it must give 32 bytes")).into()
        );
    };
    Ok(secret.as_slice().to_vec())
}
