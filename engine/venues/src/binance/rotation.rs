//! When a connection is replaced before the venue ends it.

use enigma_types::Nanos;

/// When a connection made now is to be replaced: an hour before the venue ends it, give or take
/// half an hour by the seed, so that not all go at once.
pub(in crate::binance) fn rotation_at(connected: Nanos, seed: u64) -> Nanos {
    const EARLIEST_S: u64 = 22 * 3_600 + 1_800;
    connected.plus(Nanos::from_secs(EARLIEST_S + spread(seed) % 3_600))
}

/// The venue closes at 24 hours: a rotation that wasn't done is asked for again.
pub(in crate::binance) const ROTATION_REMINDER: Nanos = Nanos::from_secs(300);

/// SplitMix64's mixing of one number.
fn spread(seed: u64) -> u64 {
    let mut mixed = seed.wrapping_add(0x9E37_79B9_7F4A_7C15);
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    mixed ^ (mixed >> 31)
}
