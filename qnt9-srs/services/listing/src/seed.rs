//! Numbers that look random and are always the same: SplitMix64 (Steele, Lea and Flood 2014) over a text.

/// What a text stands for (FNV-1a, then mixed).
pub(crate) fn seed_of(text: &str) -> u64 {
    let hash = |hash: u64, byte: &u8| (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3);
    mix(text.as_bytes().iter().fold(0xcbf2_9ce4_8422_2325, hash))
}

/// The number at a place of a seed's sequence.
pub(crate) fn at(seed: u64, place: u64) -> u64 {
    mix(seed.wrapping_add(place.wrapping_mul(0x9e37_79b9_7f4a_7c15)))
}

/// The same, from 0 to just below 1.
pub(crate) fn unit_at(seed: u64, place: u64) -> f64 {
    (at(seed, place) >> 11) as f64 / (1_u64 << 53) as f64
}

fn mix(value: u64) -> u64 {
    let value = (value ^ (value >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let value = (value ^ (value >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    value ^ (value >> 31)
}
