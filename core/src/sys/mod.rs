//! What only the operating system can do: locked memory, fork detection and cheap clocks.
//!
//! The only modules of this crate that may use `unsafe`.

pub(crate) mod clock;
pub(crate) mod descriptor;
pub(crate) mod fork;
pub(crate) mod pages;
pub(crate) mod unreadable;
pub(crate) mod wiped;
