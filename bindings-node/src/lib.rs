//! The C interface of keyfold.
