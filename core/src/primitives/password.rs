//! Keys from passwords: Argon2id (RFC 9106), and PBKDF2-HMAC-SHA256 (RFC 8018) for those who must.
//!
//! Both backends use the same crates. What a cost may be is bounded on both sides, so that one read from a file
//! neither weakens a password nor makes this process run out of memory or time.

use argon2::{Algorithm, Argon2, Block, Params, Version};
use hmac::Hmac;
use sha2::Sha256;
use zeroize::{Zeroize, zeroize_stack};

use super::backend::Failure;
use crate::limits;

/// What one guess of a password costs under Argon2id.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Argon2Cost {
    /// Memory in KiB.
    pub(crate) memory_kib: u32,
    /// Passes over the memory.
    pub(crate) passes: u32,
    /// Lanes, which an attacker fills at once and we one after the other.
    pub(crate) lanes: u32,
}

/// RFC 9106's second recommendation (64 MiB, 3 passes) with one lane in place of its four: lanes are filled here one
/// after the other, so that more of them would help only attackers.
impl Default for Argon2Cost {
    fn default() -> Self {
        Self { memory_kib: 64 << 10, passes: 3, lanes: 1 }
    }
}

impl Argon2Cost {
    /// Whether each part lies within its limits.
    pub(crate) fn is_allowed(&self) -> bool {
        within(self.memory_kib, limits::ARGON2_MEMORY_KIB)
            && within(self.passes, limits::ARGON2_PASSES)
            && within(self.lanes, limits::ARGON2_LANES)
    }
}

/// Rounds of PBKDF2-HMAC-SHA256 where nobody asks for others: what OWASP recommends.
pub(crate) const DEFAULT_PBKDF2_ROUNDS: u32 = 600_000;

/// Fills `out` with Argon2id of the password. Fails for a cost, password or salt outside their limits, and where the
/// system has not that much memory, which is wiped afterwards.
pub(crate) fn argon2id(
    password: &[u8],
    salt: &[u8],
    cost: Argon2Cost,
    out: &mut [u8],
) -> Result<(), Failure> {
    if !cost.is_allowed() || !are_allowed(password, salt) {
        return Err(Failure);
    }
    let params =
        Params::new(cost.memory_kib, cost.passes, cost.lanes, Some(out.len())).map_err(|_| Failure)?;
    fill(&Argon2::new(Algorithm::Argon2id, Version::V0x13, params), password, salt, out)
}

/// Fills `out` with PBKDF2-HMAC-SHA256 of the password. Fails for rounds, a password or a salt outside their limits.
pub(crate) fn pbkdf2_sha256(
    password: &[u8],
    salt: &[u8],
    rounds: u32,
    out: &mut [u8],
) -> Result<(), Failure> {
    if !within(rounds, limits::PBKDF2_ROUNDS) || !are_allowed(password, salt) {
        return Err(Failure);
    }
    stretch(password, salt, rounds, out)
}

fn within(value: u32, (least, most): (u32, u32)) -> bool {
    (least..=most).contains(&value)
}

fn are_allowed(password: &[u8], salt: &[u8]) -> bool {
    let (least, most) = limits::PASSWORD_SALT_BYTES;
    (1..=limits::PASSWORD_BYTES).contains(&password.len()) && (least..=most).contains(&salt.len())
}

/// Memory of our own, since the crate does not wipe what it takes, and neither its stack.
pub(super) fn fill(argon2: &Argon2<'_>, password: &[u8], salt: &[u8], out: &mut [u8]) -> Result<(), Failure> {
    let count = argon2.params().block_count();
    let mut blocks = Vec::new();
    blocks.try_reserve_exact(count).map_err(|_| Failure)?;
    blocks.resize(count, Block::new());
    let filled = argon2.hash_password_into_with_memory(password, salt, out, &mut blocks);
    zeroize_stack::<STACK>();
    blocks.iter_mut().for_each(Zeroize::zeroize);
    filled.map_err(|_| Failure)
}

#[inline(never)]
pub(super) fn stretch(password: &[u8], salt: &[u8], rounds: u32, out: &mut [u8]) -> Result<(), Failure> {
    let stretched = pbkdf2::pbkdf2::<Hmac<Sha256>>(password, salt, rounds, out);
    zeroize_stack::<STACK>();
    stretched.map_err(|_| Failure)
}

/// What the crates may use of the stack: a dozen blocks of 1 KiB in Argon2, much less in PBKDF2.
const STACK: usize = 32 * 1024;

#[cfg(test)]
mod tests {
    use argon2::{AssociatedData, ParamsBuilder};

    use super::*;

    const LEAST: Argon2Cost = Argon2Cost { memory_kib: 19 << 10, passes: 1, lanes: 1 };
    const SALT: &[u8] = b"a salt of 16 B..";

    /// RFC 9106, section 5.3. Its cost is below our limits, so it goes past them.
    #[test]
    fn rfc_9106_argon2id() {
        let mut builder = ParamsBuilder::new();
        builder.m_cost(32).t_cost(3).p_cost(4).output_len(32).data(AssociatedData::new(&[4; 12]).unwrap());
        let params = builder.build().unwrap();
        let argon2 = Argon2::new_with_secret(&[3; 8], Algorithm::Argon2id, Version::V0x13, params).unwrap();
        let mut tag = [0; 32];
        fill(&argon2, &[1; 32], &[2; 16], &mut tag).unwrap();
        let expected = "0d640df58d78766c08c037a34a8b53c9d01ef0452d75b65eb52520e96b01e659";
        assert_eq!(hex(&tag), expected);
    }

    /// RFC 7914, section 11: of one round, below our limits, and of 80,000.
    #[test]
    fn rfc_7914_pbkdf2() {
        let mut key = [0; 64];
        stretch(b"passwd", b"salt", 1, &mut key).unwrap();
        let expected = "55ac046e56e3089fec1691c22544b605f94185216dde0465e68b9d57c20dacbc\
                        49ca9cccf179b645991664b39d77ef317c71b845b1e30bd509112041d3a19783";
        assert_eq!(hex(&key), expected);
        stretch(b"Password", b"NaCl", 80_000, &mut key).unwrap();
        let expected = "4ddcd8f60b98be21830cee5ef22701f9641a4418d04c0414aeff08876b34ab56\
                        a1d425a1225833549adb841b51c9b3176a272bdebba1d078478f62b397f33c8d";
        assert_eq!(hex(&key), expected);
    }

    #[test]
    fn the_defaults_are_allowed() {
        let cost = Argon2Cost::default();
        assert_eq!((cost.memory_kib, cost.passes, cost.lanes), (65_536, 3, 1));
        assert!(cost.is_allowed() && LEAST.is_allowed());
        let mut out = [0; 32];
        assert_eq!(pbkdf2_sha256(b"p", SALT, DEFAULT_PBKDF2_ROUNDS, &mut out), Ok(()));
        assert_ne!(out, [0; 32]);
    }

    #[test]
    fn limits_hold() {
        let most = Argon2Cost { memory_kib: 1 << 20, passes: 10, lanes: 8 };
        assert!(most.is_allowed());
        let mut out = [0; 32];
        for bad in [
            Argon2Cost { memory_kib: LEAST.memory_kib - 1, ..LEAST },
            Argon2Cost { memory_kib: most.memory_kib + 1, ..LEAST },
            Argon2Cost { passes: 0, ..LEAST },
            Argon2Cost { passes: 11, ..LEAST },
            Argon2Cost { lanes: 0, ..LEAST },
            Argon2Cost { lanes: 9, ..LEAST },
        ] {
            assert!(!bad.is_allowed());
            assert_eq!(argon2id(b"password", SALT, bad, &mut out), Err(Failure), "{bad:?}");
        }
        for rounds in [0, 1, 599_999, 10_000_001, u32::MAX] {
            assert_eq!(pbkdf2_sha256(b"password", SALT, rounds, &mut out), Err(Failure), "{rounds}");
        }
        let long = vec![7; limits::PASSWORD_BYTES + 1];
        for (password, salt) in [(&b""[..], SALT), (&long, SALT), (b"p", &SALT[1..]), (b"p", &long[..65])] {
            assert_eq!(argon2id(password, salt, LEAST, &mut out), Err(Failure));
            assert_eq!(pbkdf2_sha256(password, salt, 600_000, &mut out), Err(Failure));
        }
        assert_eq!(out, [0; 32]);
        assert_eq!(argon2id(&long[1..], &long[..64], LEAST, &mut out), Ok(()));
    }

    #[test]
    fn everything_given_counts() {
        let of = |password: &[u8], salt: &[u8], cost: Argon2Cost| {
            let mut out = [0; 32];
            argon2id(password, salt, cost, &mut out).unwrap();
            out
        };
        let all = [
            of(b"password", SALT, LEAST),
            of(b"Password", SALT, LEAST),
            of(b"password", b"another salt, 16", LEAST),
            of(b"password", SALT, Argon2Cost { passes: 2, ..LEAST }),
            of(b"password", SALT, Argon2Cost { lanes: 2, ..LEAST }),
            of(b"password", SALT, Argon2Cost { memory_kib: 20 << 10, ..LEAST }),
        ];
        assert_eq!(of(b"password", SALT, LEAST), all[0]);
        for (place, one) in all.iter().enumerate() {
            assert!(!all[place + 1..].contains(one));
        }
    }

    fn hex(bytes: &[u8]) -> String {
        bytes.iter().map(|byte| format!("{byte:02x}")).collect()
    }
}
