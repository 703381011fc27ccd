//! What the proofs about disks share: a recorder of system calls, and a script of everything that a store does.
#![allow(dead_code)]

pub mod recording;
pub mod script;
pub mod syscalls;
