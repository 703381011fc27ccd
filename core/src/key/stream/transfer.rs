//! Streams from a reader to a writer.

use std::io::{self, Read, Write};

use crate::error::{Error, ErrorKind, Result};
use crate::format::Aad;
use crate::key::Key;
use crate::key::plaintext::wipe;
use crate::primitives::{HEADER_LENGTH, SEGMENT_LENGTH};

use super::Progress;
use super::opening::Opening;
use super::sealing::Sealing;

impl Key {
    /// Encrypts everything that the reader gives, in constant memory. Returns how many bytes were read.
    ///
    /// For keys of kind `stream`. What the reader or the writer says is the cause of a Storage or StorageFull error;
    /// what was written until then is no whole stream, and does not decrypt.
    pub fn encrypt_stream<'a>(
        &self,
        reader: impl Read,
        writer: impl Write,
        aad: impl Into<Aad<'a>>,
    ) -> Result<u64> {
        self.encrypt_stream_with(reader, writer, aad, &mut |_| Ok(()))
    }

    /// As [`Key::encrypt_stream`], and tells how far it is.
    pub fn encrypt_stream_with<'a>(
        &self,
        mut reader: impl Read,
        mut writer: impl Write,
        aad: impl Into<Aad<'a>>,
        progress: &mut Progress<'_>,
    ) -> Result<u64> {
        encrypt(self, &mut reader, &mut writer, aad.into(), progress)
    }

    /// Decrypts a stream in constant memory. Returns how many bytes were written.
    ///
    /// Only verified segments are written, but they are **provisional** until this returns: a stream that was cut
    /// is noticed at its end. Where that matters use [`Key::decrypt_file`], or write to a place that is thrown away
    /// on failure. DecryptionFailed, with nothing more to say, for everything that is wrong with the stream, the key
    /// or the aad.
    pub fn decrypt_stream<'a>(
        &self,
        reader: impl Read,
        writer: impl Write,
        aad: impl Into<Aad<'a>>,
    ) -> Result<u64> {
        self.decrypt_stream_with(reader, writer, aad, &mut |_| Ok(()))
    }

    /// As [`Key::decrypt_stream`], and tells how far it is.
    pub fn decrypt_stream_with<'a>(
        &self,
        mut reader: impl Read,
        mut writer: impl Write,
        aad: impl Into<Aad<'a>>,
        progress: &mut Progress<'_>,
    ) -> Result<u64> {
        decrypt(self, &mut reader, &mut writer, aad.into(), progress)
    }
}

pub(super) fn encrypt(
    key: &Key,
    reader: &mut dyn Read,
    writer: &mut dyn Write,
    aad: Aad<'_>,
    progress: &mut Progress<'_>,
) -> Result<u64> {
    let mut sealing = Sealing::begin(key, aad)?;
    let mut buffer = Buffer::new();
    let mut done = 0;
    let mut carried = 0;
    loop {
        let start = sealing.header_length();
        let end = start + sealing.room();
        // One byte more than the segment holds says whether it is the last.
        let filled = buffer.fill(reader, start + carried, end + 1)?;
        let last = filled <= end;
        let filled = filled.min(end);
        let bytes = buffer.bytes();
        let next = bytes[end];
        let tag = sealing.seal(&mut bytes[start..filled], last)?;
        bytes[filled..filled + tag.len()].copy_from_slice(&tag);
        if let Some(header) = sealing.take_header() {
            bytes[..start].copy_from_slice(header.as_bytes());
        }
        write_all(writer, &bytes[..filled + tag.len()])?;
        done += (filled - start) as u64;
        tell(progress, done)?;
        if last {
            break;
        }
        buffer.bytes()[0] = next;
        carried = 1;
    }
    writer.flush().map_err(unwritten)?;
    Ok(done)
}

pub(super) fn decrypt(
    key: &Key,
    reader: &mut dyn Read,
    writer: &mut dyn Write,
    aad: Aad<'_>,
    progress: &mut Progress<'_>,
) -> Result<u64> {
    key.require_stream_kind("decrypt streams")?;
    let aad = aad.to_bytes()?;
    let mut opening: Option<Opening> = None;
    let mut buffer = Buffer::new();
    let mut read = 0;
    let mut written = 0;
    let mut carried = 0;
    loop {
        let filled = buffer.fill(reader, carried, SEGMENT_LENGTH + 1)?;
        let last = filled <= SEGMENT_LENGTH;
        let filled = filled.min(SEGMENT_LENGTH);
        let bytes = buffer.bytes();
        let next = bytes[SEGMENT_LENGTH];
        let segment = &mut bytes[..filled];
        let (start, length) = match &mut opening {
            Some(opening) => (0, opening.open(segment, last)?),
            None => {
                let (found, length) = Opening::find(key, aad.as_ref(), segment, last)?;
                opening = Some(found);
                (HEADER_LENGTH, length)
            }
        };
        write_all(writer, &segment[start..start + length])?;
        read += filled as u64;
        written += length as u64;
        tell(progress, read)?;
        if last {
            break;
        }
        buffer.bytes()[0] = next;
        carried = 1;
    }
    writer.flush().map_err(unwritten)?;
    Ok(written)
}

/// What memory and a file's pages in the cache are multiples of.
const PAGE: usize = 4096;

/// One segment and the byte after it, from the beginning of a page on; wiped when dropped, whoever panics.
///
/// Where a copy's target lies a few bytes behind its source within their pages, the processor takes each read for
/// one of what it has just written, and waits: a stream, whose segments begin where pages do, was read at half the
/// speed into memory as it comes from the allocator, 16 bytes into a page.
struct Buffer {
    memory: Vec<u8>,
    start: usize,
    /// How far anything was ever read: the pages behind are not even there, and need no wiping.
    used: usize,
}

impl Buffer {
    fn new() -> Self {
        let memory = vec![0; SEGMENT_LENGTH + 1 + PAGE];
        let start = memory.as_ptr().align_offset(PAGE).min(PAGE);
        Self { memory, start, used: 0 }
    }

    fn bytes(&mut self) -> &mut [u8] {
        &mut self.memory[self.start..][..=SEGMENT_LENGTH]
    }

    /// Reads from `at` on until `end` is reached or the reader has no more; returns where it stopped.
    fn fill(&mut self, reader: &mut dyn Read, mut at: usize, end: usize) -> Result<usize> {
        while at < end {
            match reader.read(&mut self.bytes()[at..end]) {
                Ok(0) => break,
                Ok(count) if count <= end - at => {
                    at += count;
                    self.used = self.used.max(at);
                }
                Ok(_) => {
                    return Err(Error::storage(
                        "the reader says that it read more than it was given room for",
                    ));
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => {
                    return Err(Error::storage("the stream's input cannot be read").with_cause(error));
                }
            }
        }
        Ok(at)
    }
}

impl Drop for Buffer {
    fn drop(&mut self) {
        let used = self.used;
        wipe(&mut self.bytes()[..used]);
    }
}

/// As the writer's own, which panics where a writer says that it took more than it was given.
fn write_all(writer: &mut dyn Write, mut bytes: &[u8]) -> Result<()> {
    while !bytes.is_empty() {
        match writer.write(bytes) {
            Ok(0) => return Err(unwritten(io::ErrorKind::WriteZero.into())),
            Ok(count) => {
                bytes = bytes
                    .get(count..)
                    .ok_or_else(|| Error::storage("the writer says that it wrote more than it was given"))?;
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(unwritten(error)),
        }
    }
    Ok(())
}

fn tell(progress: &mut Progress<'_>, done: u64) -> Result<()> {
    progress(done)
        .map_err(|cause| Error::storage("the progress callback stopped the stream").with_cause(cause))
}

fn unwritten(error: io::Error) -> Error {
    let kind = match error.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => ErrorKind::StorageFull,
        _ => ErrorKind::Storage,
    };
    Error::new(kind, "the stream's output cannot be written").with_cause(error)
}
