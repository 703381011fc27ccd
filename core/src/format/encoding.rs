//! The injective encoding behind every MAC, signature, AAD of a wrap and HKDF info of keyfold's own.
//!
//! A label names the use; each field then is one type byte (0 none, 1 integer, 2 text, 3 bytes), its length
//! as u32 big endian, and its bytes (integers: i64 big endian). Two different sequences of fields never
//! give the same bytes, and no two uses share a label.

/// Bytes that only one sequence of fields under one label can give.
pub(crate) struct Encoding(Vec<u8>);

impl Encoding {
    pub(crate) fn new(label: &str) -> Self {
        // Most keys' rows fit, with a version and an index root.
        Self(Vec::with_capacity(1024)).text(label)
    }

    pub(crate) fn none(self) -> Self {
        self.field(0, &[])
    }

    pub(crate) fn integer(self, value: i64) -> Self {
        self.field(1, &value.to_be_bytes())
    }

    pub(crate) fn text(self, value: &str) -> Self {
        self.field(2, value.as_bytes())
    }

    pub(crate) fn bytes(self, value: &[u8]) -> Self {
        self.field(3, value)
    }

    pub(crate) fn optional_text(self, value: Option<&str>) -> Self {
        match value {
            Some(value) => self.text(value),
            None => self.none(),
        }
    }

    pub(crate) fn optional_integer(self, value: Option<i64>) -> Self {
        match value {
            Some(value) => self.integer(value),
            None => self.none(),
        }
    }

    pub(crate) fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    fn field(mut self, kind: u8, bytes: &[u8]) -> Self {
        // Nothing that is encoded comes near 4 GiB: rows are bounded by limits::ROW_BYTES.
        let length = u32::try_from(bytes.len()).expect("a field under 4 GiB");
        let [a, b, c, d] = length.to_be_bytes();
        self.0.extend_from_slice(&[kind, a, b, c, d]);
        self.0.extend_from_slice(bytes);
        self
    }
}

#[cfg(test)]
mod tests {
    use super::Encoding;

    #[test]
    fn different_fields_give_different_bytes() {
        let all = [
            Encoding::new("a"),
            Encoding::new("a").none(),
            Encoding::new("a").text(""),
            Encoding::new("a").bytes(b""),
            Encoding::new("a").text("b").text("c"),
            Encoding::new("a").text("bc"),
            Encoding::new("ab").text("c"),
            Encoding::new("a").integer(0),
            Encoding::new("a").bytes(&0i64.to_be_bytes()),
        ];
        for (i, one) in all.iter().enumerate() {
            for other in &all[i + 1..] {
                assert_ne!(one.as_bytes(), other.as_bytes());
            }
        }
    }

    #[test]
    fn the_bytes_are_as_documented() {
        let encoded = Encoding::new("x").integer(1).none();
        assert_eq!(
            encoded.as_bytes(),
            [&[2, 0, 0, 0, 1, b'x'][..], &[1, 0, 0, 0, 8, 0, 0, 0, 0, 0, 0, 0, 1], &[0, 0, 0, 0, 0]].concat()
        );
    }
}
