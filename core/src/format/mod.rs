//! Bytes on the wire and under MACs. No input or output happens here.

mod anchor;
mod context;
mod encoding;
mod envelope;
mod secret_text;
mod text;
#[cfg(test)]
mod worked_example;

pub use anchor::Anchor;
pub(crate) use context::AadBytes;
pub use context::{Aad, Context, ContextValue};
pub(crate) use encoding::Encoding;
pub(crate) use envelope::{Envelope, PREFIX_LENGTH, prefix};
pub(crate) use secret_text::{decode_base64, decode_hex, encode_base64, encode_hex, is_hex};
pub(crate) use text::{
    Scratch, TEXT_PREFIX, decode_ciphertext, decode_ciphertext_into, room, text_length, to_text_into,
};
pub use text::{from_text, is_ciphertext, to_text};
