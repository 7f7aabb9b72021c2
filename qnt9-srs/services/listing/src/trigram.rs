//! How similar two names are, by the runs of three characters that they share, as PostgreSQL's pg_trgm counts
//! them: each word by itself, with two blanks before and one after it.

/// Names less similar than this are not alike; pg_trgm's own default.
pub const SIMILARITY_MIN: f64 = 0.3;

/// Three characters in one number, 21 bits each.
pub type Trigram = u64;

/// The trigrams of a name, each once, in order. Case does not matter.
pub fn trigrams(name: &str) -> Vec<Trigram> {
    let mut all = Vec::with_capacity(name.len() + 8);
    for word in name.split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty()) {
        let lower = word.chars().flat_map(char::to_lowercase);
        let mut window = pack(0, ' ');
        window = pack(window, ' ');
        for c in lower.chain([' ']) {
            window = pack(window, c);
            all.push(window);
        }
    }
    all.sort_unstable();
    all.dedup();
    all
}

/// The trigrams that stand inside a text wherever the text stands inside a name: those without blanks.
pub fn inner_trigrams(text: &str) -> Vec<Trigram> {
    let mut all = Vec::new();
    for word in text.split(|c: char| !c.is_alphanumeric()) {
        let chars: Vec<char> = word.chars().flat_map(char::to_lowercase).collect();
        all.extend(
            chars.windows(3).map(|three| three.iter().fold(0, |packed, c| pack(packed, *c))),
        );
    }
    all
}

/// Of `shared` trigrams of two names that have `one` and `other` of them: from 0 to 1.
pub fn similarity(shared: usize, one: usize, other: usize) -> f64 {
    let all = one + other - shared;
    if all == 0 { 0.0 } else { shared as f64 / all as f64 }
}

/// The window moved on by one character: the oldest of three falls out.
fn pack(window: Trigram, c: char) -> Trigram {
    ((window << 21) | u64::from(u32::from(c))) & ((1 << 63) - 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn similar(one: &str, other: &str) -> f64 {
        let (one, other) = (trigrams(one), trigrams(other));
        let shared = one.iter().filter(|t| other.binary_search(t).is_ok()).count();
        similarity(shared, one.len(), other.len())
    }

    /// The figures are those of PostgreSQL 15: `SELECT similarity('deutche bank', 'Deutsche Bank')`.
    #[test]
    fn it_counts_as_postgresql_does() {
        for (one, other, expected) in [
            ("deutche bank", "Deutsche Bank", 0.6875),
            ("mircosoft", "Microsoft", 0.42857143),
            ("word", "two words", 0.36363637),
            ("1&1", "1&1", 1.0),
            ("abc", "xyz", 0.0),
            ("Industrivärden", "industrivarden", 0.6666667),
        ] {
            let got = similar(one, other);
            assert!((got - expected).abs() < 1e-6, "{one} and {other}: {got}, not {expected}");
        }
    }

    #[test]
    fn inner_trigrams_are_among_those_of_every_name_around_them() {
        let name = trigrams("Bayerische Motoren Werke");
        for text in ["yer", "motor", "sche moto", "WERKE"] {
            let inner = inner_trigrams(text);
            assert!(!inner.is_empty());
            assert!(inner.iter().all(|t| name.binary_search(t).is_ok()), "{text}");
        }
        assert!(inner_trigrams("a b").is_empty());
    }
}
