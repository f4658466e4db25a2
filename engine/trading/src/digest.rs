//! A fingerprint of state that is the same whatever order its parts are visited in.
//!
//! It compares a replay with what it replays; it keeps nobody from forging one.

/// The sum of the fingerprints of parts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Digest {
    sum: u128,
}

impl Digest {
    /// Adds one part: a tag that says what it is, and its numbers.
    pub fn add(&mut self, tag: u8, numbers: &[u64]) {
        let mut part = OFFSET ^ u128::from(tag);
        part = part.wrapping_mul(PRIME);
        for &number in numbers {
            for byte in number.to_le_bytes() {
                part = (part ^ u128::from(byte)).wrapping_mul(PRIME);
            }
        }
        self.sum = self.sum.wrapping_add(part);
    }

    /// Adds a text under a number of its own.
    pub fn add_text(&mut self, tag: u8, number: u64, text: &str) {
        let mut part = (OFFSET ^ u128::from(tag)).wrapping_mul(PRIME) ^ u128::from(number);
        for byte in text.bytes() {
            part = (part ^ u128::from(byte)).wrapping_mul(PRIME);
        }
        self.sum = self.sum.wrapping_add(part.wrapping_mul(PRIME));
    }

    pub const fn value(self) -> u128 {
        self.sum
    }
}

/// The two halves of a wide number.
pub(crate) const fn halves(number: i128) -> [u64; 2] {
    [number as u64, (number >> 64) as u64]
}

/// FNV-1a of 128 bits: http://www.isthe.com/chongo/tech/comp/fnv/ (read 2026-11-24).
const OFFSET: u128 = 0x6c62_272e_07bb_0142_62b8_2175_6295_c58d;
const PRIME: u128 = (1 << 88) + 0x13b;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_order_of_parts_doesnt_matter_and_their_content_does() {
        let of = |parts: &[(u8, &[u64])]| {
            let mut digest = Digest::default();
            for (tag, numbers) in parts {
                digest.add(*tag, numbers);
            }
            digest.value()
        };
        assert_eq!(of(&[(1, &[5, 6]), (2, &[7])]), of(&[(2, &[7]), (1, &[5, 6])]));
        assert_ne!(of(&[(1, &[5, 6])]), of(&[(1, &[6, 5])]));
        assert_ne!(of(&[(1, &[5])]), of(&[(2, &[5])]));
        assert_ne!(of(&[(1, &[5])]), of(&[(1, &[5]), (1, &[5])]));
    }
}
