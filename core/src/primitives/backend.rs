//! What a backend brings: one trait for each primitive.

/// Something did not verify. There is nothing more to say: why would help whoever forged it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Forged;

/// A primitive could not do its work: the kernel gave no randomness, or an input has a length that no caller
/// in this crate uses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Failure;

/// One implementation of all primitives.
pub(crate) trait Backend: 'static {
    /// AES-256-GCM-SIV of RFC 8452.
    type GcmSiv: AeadKey;
    /// AES-256-GCM with nonces of 12 bytes.
    type Gcm: AeadKey;
    /// ChaCha20-Poly1305 of RFC 8439.
    type ChaCha: AeadKey;
    /// AES-256 on single blocks.
    type Block: BlockKey;
    /// HMAC-SHA256.
    type Mac: MacKey<32>;
    /// HMAC-SHA512.
    type Mac512: MacKey<64>;
    /// Ed25519.
    type Signer: SignatureKey;

    /// SHA-256 of the parts, one after the other.
    fn sha256(parts: &[&[u8]]) -> [u8; 32];
}

/// An expanded key that encrypts and authenticates.
pub(crate) trait AeadKey: Send + Sync + Sized {
    /// Expands the key.
    fn new(key: &[u8; 32]) -> Self;

    /// Encrypts `data` where it is, and returns the tag.
    fn seal_in_place(&self, nonce: &[u8], aad: &[u8], data: &mut [u8]) -> Result<[u8; 16], Failure>;

    /// Encrypts `plaintext` into `out`, which is as long, and puts the tag in its place.
    fn seal(
        &self,
        nonce: &[u8],
        aad: &[u8],
        plaintext: &[u8],
        out: &mut [u8],
        tag: &mut [u8; 16],
    ) -> Result<(), Failure>;

    /// Decrypts `data` where it is. What does not verify is wiped.
    fn open_in_place(&self, nonce: &[u8], aad: &[u8], data: &mut [u8], tag: &[u8]) -> Result<(), Forged>;

    /// Decrypts `ciphertext` into `out`, which is as long. Where it does not verify, `out` is wiped.
    fn open(
        &self,
        nonce: &[u8],
        aad: &[u8],
        ciphertext: &[u8],
        tag: &[u8],
        out: &mut [u8],
    ) -> Result<(), Forged>;
}

/// An expanded key of a block cipher.
pub(crate) trait BlockKey: Send + Sync + Sized {
    /// Expands the key.
    fn new(key: &[u8; 32]) -> Self;

    /// Encrypts one block where it is.
    fn encrypt(&self, block: &mut [u8; 16]) -> Result<(), Failure>;
}

/// A key of HMAC with codes of so many bytes, ready for messages.
pub(crate) trait MacKey<const LENGTH: usize>: Send + Sync + Sized {
    /// Takes a key of any length.
    fn new(key: &[u8]) -> Self;

    /// The code of the parts, one after the other.
    fn mac(&self, parts: &[&[u8]]) -> [u8; LENGTH];
}

/// A private key of Ed25519.
pub(crate) trait SignatureKey: Send + Sync + Sized {
    /// Derives the key from its seed.
    fn new(seed: &[u8; 32]) -> Self;

    /// The public key.
    fn public(&self) -> [u8; 32];

    /// Signs the message.
    fn sign(&self, message: &[u8]) -> [u8; 64];

    /// Checks a signature whose public key and R the caller has found canonical and of high order.
    fn verify(public: &[u8; 32], message: &[u8], signature: &[u8; 64]) -> Result<(), Forged>;
}
