//! What stands in front of a version's ciphertexts.

/// Google Tink's output prefix types, of those that keyfold reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Prefix {
    /// `01` and the version's tag. Everything that keyfold makes has it.
    Tink,
    /// Nothing: such a version came with an imported keyset, opens what was sealed elsewhere, and seals nothing.
    Raw,
}

impl Prefix {
    pub(crate) const ALL: [Self; 2] = [Self::Tink, Self::Raw];

    /// The name that is stored.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Tink => "tink",
            Self::Raw => "raw",
        }
    }

    /// The prefix of that exact name.
    pub(crate) fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|prefix| prefix.name() == name)
    }
}

#[cfg(test)]
mod tests {
    use super::Prefix;

    #[test]
    fn names_are_read_back() {
        assert_eq!(Prefix::ALL.map(Prefix::name), ["tink", "raw"]);
        assert_eq!(Prefix::ALL.map(|prefix| Prefix::from_name(prefix.name())), Prefix::ALL.map(Some));
        assert_eq!(Prefix::from_name("TINK"), None);
    }
}
