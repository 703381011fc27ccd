//! Secrets to print and put away: recovery keys and shares.

use std::mem::MaybeUninit;

use keyfold::{RecoveryKey, Result, Shares};

use crate::array::places;
use crate::buffer::KeyfoldBuf;
use crate::call::call;
use crate::error::KeyfoldError;
use crate::ffi::required;
use crate::status::KeyfoldStatus;

/// Makes a recovery key from the kernel's randomness: in `out` the text to print, "kfr1-" and 11 groups of six
/// characters, wiped when freed. Whoever reads it can open the store once keyfold_master_key_new_recovery_key and
/// keyfold_store_add_recipient have made it a recipient.
#[unsafe(no_mangle)]
pub extern "C" fn keyfold_recovery_key_generate(
    out: Option<&mut MaybeUninit<KeyfoldBuf>>,
    error: Option<&mut MaybeUninit<Option<Box<KeyfoldError>>>>,
) -> KeyfoldStatus {
    call(error, || {
        let out = required(out, "out")?;
        out.write(KeyfoldBuf::copied(RecoveryKey::generate()?.reveal().as_bytes())?);
        Ok(())
    })
}

/// Makes a random secret in `count` shares, any `threshold` of which give it: 2 <= threshold <= count <= 16. `out` is
/// an array of yours with room for `count` buffers; each becomes the text of one share, "kfs1-" and 13 groups of six
/// characters, to give to somebody else. Free each, which wipes it, after keyfold_master_key_new_shares and
/// keyfold_store_add_recipient have made them a recipient.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn keyfold_shares_split(
    threshold: u8,
    count: u8,
    out: *mut KeyfoldBuf,
    error: Option<&mut MaybeUninit<Option<Box<KeyfoldError>>>>,
) -> KeyfoldStatus {
    call(error, || {
        // SAFETY: the caller's array.
        let out = unsafe { places(out, count.into(), "out") }?;
        let shares = Shares::split(threshold, count)?.reveal();
        let texts = shares.iter().map(|share| KeyfoldBuf::copied(share.as_bytes()));
        let texts = texts.collect::<Result<Vec<_>>>()?;
        for (place, text) in out.iter_mut().zip(texts) {
            place.write(text);
        }
        Ok(())
    })
}
