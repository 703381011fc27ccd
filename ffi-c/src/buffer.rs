//! Memory that we allocate and the caller frees.

use std::mem::take;
use std::ptr;

use keyfold::Result;
use zeroize::{Zeroize, Zeroizing};

use crate::call::answer;

/// Bytes or text that keyfold allocated. Start with {0} (in C++ with {}); free it with keyfold_buf_free, which
/// wipes it. A call that succeeds overwrites what is in it, so free it before using it again. Behind the last
/// byte there is always a zero byte that len does not count: text in it is a C string.
#[repr(C)]
pub struct KeyfoldBuf {
    /// The bytes. Never NULL after a success, even where there are none. Change them as you like.
    pub data: *mut u8,
    /// How many there are.
    pub len: usize,
    /// How much was allocated: leave it alone.
    pub cap: usize,
}

impl KeyfoldBuf {
    /// Allocates once and has `fill` write; where that fails, what was written is wiped.
    pub(crate) fn filled(length: usize, fill: impl FnOnce(&mut [u8]) -> Result<()>) -> Result<Self> {
        let mut bytes = Zeroizing::new(vec![0; length + 1]);
        fill(&mut bytes[..length])?;
        let bytes = Box::into_raw(take(&mut *bytes).into_boxed_slice());
        Ok(Self { data: bytes.cast(), len: length, cap: length + 1 })
    }

    pub(crate) fn copied(bytes: &[u8]) -> Result<Self> {
        Self::filled(bytes.len(), |out| {
            out.copy_from_slice(bytes);
            Ok(())
        })
    }

    fn release(&mut self) {
        let data = std::mem::replace(&mut self.data, ptr::null_mut());
        let capacity = take(&mut self.cap);
        self.len = 0;
        if data.is_null() || capacity == 0 {
            return;
        }
        // SAFETY: `data` and `cap` are as `filled` made them, from a boxed slice of that length; the caller was
        // told to leave them alone and to free no copy of the struct. They are forgotten above: once only.
        let mut bytes = unsafe { Box::from_raw(ptr::slice_from_raw_parts_mut(data, capacity)) };
        bytes.zeroize();
    }
}

/// Wipes and frees what a buffer holds, and makes it empty. NULL, an empty buffer, and freeing twice are fine.
/// A copy of the struct is the same memory: free only one of them.
#[unsafe(no_mangle)]
pub extern "C" fn keyfold_buf_free(buf: Option<&mut KeyfoldBuf>) {
    answer((), || {
        if let Some(buf) = buf {
            buf.release();
        }
    });
}
