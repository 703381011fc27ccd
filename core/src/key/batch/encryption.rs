//! Encrypting many values.

use crate::error::Result;
use crate::format::{Scratch, room, text_length, to_text_into};
use crate::key::{Encryption, Key};
use crate::limits;

use super::counted::Counted;
use super::nonces::Nonces;
use super::{Aads, Packed, PackedText, Prepared, Room, too_long};

/// The encryption of a batch, value by value, into buffers of the caller's: all under the version that was current
/// when it began. While it is kept, it keeps its key.
///
/// ```
/// # fn main() -> keyfold::Result<()> {
/// # let folder = tempfile::tempdir().unwrap();
/// # let master_key = keyfold::MasterKey::parse(&keyfold::generate_master_key()?)?;
/// # let options = keyfold::OpenOptions::new().create(true);
/// # let store = keyfold::Store::open_with(folder.path().join("s"), &master_key, &options)?;
/// # store.create_key("pii", &keyfold::CreateKey::new())?;
/// # let pii = store.key("pii")?;
/// use keyfold::{Aad, OnError};
///
/// let values = [Some(&b"ada"[..]), None, Some(b"grace")];
/// let sealed = pii.encrypt_many(&values, Aad::NONE)?;
/// let sealed: Vec<Option<&[u8]>> = sealed.iter().collect();
/// let opened = pii.decrypt_many(&sealed, Aad::NONE, OnError::Raise)?;
/// assert_eq!(opened.get(1).unwrap(), None);
/// assert_eq!(opened.get(2).unwrap(), Some(&b"grace"[..]));
/// # Ok(())
/// # }
/// ```
pub struct BatchEncryption<'a> {
    values: Values<'a>,
    /// A ciphertext that is about to become text.
    scratch: Scratch,
}

struct Values<'a> {
    encryption: Encryption<'a>,
    shape: Shape,
    aads: Prepared<'a>,
    counted: Counted,
    nonces: Nonces,
    room: Room,
}

/// What the current version's algorithm adds to a plaintext, in all and for the nonce.
struct Shape {
    overhead: usize,
    nonce: usize,
}

impl Shape {
    fn of(encryption: &Encryption<'_>) -> Result<Self> {
        Ok(Self { overhead: encryption.length(0)?, nonce: encryption.nonce_length()? })
    }
}

impl Key {
    /// Encrypts many values under the current version. What is `None` stays `None`.
    ///
    /// LimitExceeded past 100,000 values or 256 MiB of ciphertexts; an error that one value causes names its place.
    pub fn encrypt_many<'a>(&self, values: &[Option<&[u8]>], aads: impl Into<Aads<'a>>) -> Result<Packed> {
        let aads: Aads<'_> = aads.into();
        let mut batch = self.batch_encryption(aads, values.len())?;
        let total = batch.total(values)?;
        let mut packed = Packed::new(vec![0; total], values.len());
        let mut start = 0;
        for (index, value) in values.iter().enumerate() {
            let Some(value) = value else {
                packed.push(None);
                continue;
            };
            let end = start + batch.length(value.len())?;
            if let Some(out) = packed.push(Some(start..end)) {
                batch.write(index, value, out)?;
            }
            start = end;
        }
        Ok(packed)
    }

    /// Encrypts many texts to their text forms; otherwise as [`Key::encrypt_many`].
    pub fn encrypt_many_text<'a>(
        &self,
        values: &[Option<&str>],
        aads: impl Into<Aads<'a>>,
    ) -> Result<PackedText> {
        let aads: Aads<'_> = aads.into();
        let mut batch = self.batch_encryption(aads, values.len())?;
        let total = batch.total_of(values, text_length)?;
        let mut packed = PackedText::new(String::with_capacity(total), values.len());
        for (index, value) in values.iter().enumerate() {
            let Some(value) = value else {
                packed.push(None);
                continue;
            };
            let start = packed.text().len();
            batch.append_text(index, value.as_bytes(), packed.text_mut())?;
            let end = packed.text().len();
            packed.push(Some(start..end));
        }
        Ok(packed)
    }

    /// The encryption of `count` values, for callers with buffers of their own.
    pub fn batch_encryption<'a>(
        &'a self,
        aads: impl Into<Aads<'a>>,
        count: usize,
    ) -> Result<BatchEncryption<'a>> {
        let aads = Prepared::new(aads.into(), count)?;
        let encryption = self.encryption()?;
        // Refuses keys of other kinds, even where there is no value.
        let shape = Shape::of(&encryption)?;
        let (counted, nonces, room) = (Counted::default(), Nonces::new(), Room::new(count));
        let values = Values { encryption, shape, aads, counted, nonces, room };
        Ok(BatchEncryption { values, scratch: Scratch::new() })
    }
}

impl BatchEncryption<'_> {
    /// The length of the ciphertext of so long a plaintext. LimitExceeded past 64 MiB.
    #[inline]
    pub fn length(&self, plaintext: usize) -> Result<usize> {
        if plaintext > limits::MESSAGE_BYTES {
            return self.values.encryption.length(plaintext);
        }
        Ok(self.values.shape.overhead + plaintext)
    }

    /// Encrypts the value at this place into `out`, which has [`BatchEncryption::length`] bytes.
    #[inline]
    pub fn write(&mut self, index: usize, plaintext: &[u8], out: &mut [u8]) -> Result<()> {
        // That the whole batch is too long is not this value's fault.
        let expected = self.values.room.take(out.len())?;
        self.values.seal(index, expected, plaintext, out).map_err(|error| error.with_index(index))
    }

    /// Encrypts the value at this place and appends its text form.
    pub fn append_text(&mut self, index: usize, plaintext: &[u8], out: &mut String) -> Result<()> {
        let length = self.length(plaintext.len()).map_err(|error| error.with_index(index))?;
        let sealed = room(&mut self.scratch, length);
        let expected = self.values.room.take(length)?;
        self.values.seal(index, expected, plaintext, sealed).map_err(|error| error.with_index(index))?;
        // Not exactly: one caller's text takes many values.
        out.reserve(text_length(length));
        to_text_into(sealed, out);
        Ok(())
    }

    /// The length of the ciphertexts of all these together. LimitExceeded past 256 MiB.
    pub fn total<T: AsRef<[u8]>>(&self, values: &[Option<T>]) -> Result<usize> {
        self.total_of(values, |length| length)
    }

    /// The length of all outputs together.
    fn total_of<T: AsRef<[u8]>>(&self, values: &[Option<T>], of: impl Fn(usize) -> usize) -> Result<usize> {
        let mut total = 0;
        for (index, value) in values.iter().enumerate() {
            let Some(value) = value else { continue };
            let length = self.length(value.as_ref().len()).map_err(|error| error.with_index(index))?;
            total += of(length);
            if total > limits::BATCH_BYTES {
                return Err(too_long());
            }
        }
        Ok(total)
    }
}

impl Values<'_> {
    /// Seals the value at this place; so many are expected, this one included.
    #[inline]
    fn seal(&mut self, index: usize, expected: usize, plaintext: &[u8], out: &mut [u8]) -> Result<()> {
        let messages = limits::counted_messages(plaintext.len());
        if !self.counted.take(messages) {
            self.count(plaintext.len(), expected)?;
        }
        let nonce = self.nonces.next(self.shape.nonce, expected)?;
        self.encryption.seal(nonce, plaintext, self.aads.of(index)?, out)
    }

    /// Counts a block of messages in one step, of which this value takes its own. Near the version's limit each
    /// value is counted by itself, and may go on to the next version.
    fn count(&mut self, plaintext: usize, expected: usize) -> Result<()> {
        self.give_back();
        let messages = limits::counted_messages(plaintext);
        let block = Counted::block(messages, expected);
        if self.encryption.meter()?.take(block.left()) {
            self.counted = block;
            // Not where a signal handler forked in between: then this is the child.
            if self.counted.take(messages) {
                return Ok(());
            }
        }
        if self.encryption.charge(plaintext)? {
            self.shape = Shape::of(&self.encryption)?;
        }
        Ok(())
    }

    fn give_back(&mut self) {
        let left = std::mem::take(&mut self.counted).left();
        if left > 0
            && let Ok(meter) = self.encryption.meter()
        {
            meter.give_back(left);
        }
    }
}

impl Drop for Values<'_> {
    /// What no value took was not sealed.
    fn drop(&mut self) {
        self.give_back();
    }
}
