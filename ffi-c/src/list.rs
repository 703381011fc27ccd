//! Several byte strings as one result.

use std::mem::MaybeUninit;
use std::ptr;

use keyfold::Result;

use crate::call::answer;

/// Several byte strings. Yours; free it with keyfold_list_free.
pub struct KeyfoldList(Vec<Vec<u8>>);

impl KeyfoldList {
    pub(crate) fn hand_over(
        items: Vec<Vec<u8>>,
        out: &mut MaybeUninit<Option<Box<KeyfoldList>>>,
    ) -> Result<()> {
        out.write(Some(Box::new(Self(items))));
        Ok(())
    }
}

/// How many there are; 0 for NULL.
#[unsafe(no_mangle)]
pub extern "C" fn keyfold_list_count(list: Option<&KeyfoldList>) -> usize {
    list.map_or(0, |list| list.0.len())
}

/// The bytes of one, counted from 0. The list's, valid until it is freed; NULL where there is no such one.
#[unsafe(no_mangle)]
pub extern "C" fn keyfold_list_data(list: Option<&KeyfoldList>, index: usize) -> *const u8 {
    list.and_then(|list| list.0.get(index)).map_or(ptr::null(), |item| item.as_ptr())
}

/// How many bytes one has; 0 where there is no such one.
#[unsafe(no_mangle)]
pub extern "C" fn keyfold_list_length(list: Option<&KeyfoldList>, index: usize) -> usize {
    list.and_then(|list| list.0.get(index)).map_or(0, Vec::len)
}

/// Frees a list. NULL is fine.
#[unsafe(no_mangle)]
pub extern "C" fn keyfold_list_free(list: Option<Box<KeyfoldList>>) {
    answer((), || drop(list));
}
