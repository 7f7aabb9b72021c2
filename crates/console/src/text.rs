//! Numbers and lists as people write them.

/// `1,204,331`.
#[must_use]
pub fn number(count: u64) -> String {
    let digits = count.to_string();
    let mut text = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// `1 commit`, `3 commits`.
#[must_use]
pub fn count(count: usize, one: &str, many: &str) -> String {
    format!("{} {}", number(count as u64), if count == 1 { one } else { many })
}

/// `Three`: the number at the head of a sentence.
#[must_use]
pub fn head_number(count: usize) -> String {
    const WORDS: [&str; 11] =
        ["Nothing", "One", "Two", "Three", "Four", "Five", "Six", "Seven", "Eight", "Nine", "Ten"];
    WORDS.get(count).map_or_else(|| number(count as u64), |word| (*word).to_owned())
}

/// `alice`, `alice and bob`, `alice, bob and carol`; `last` is "and" or "or".
#[must_use]
pub fn list(items: &[String], last: &str) -> String {
    match items {
        [] => "nobody".to_owned(),
        [one] => one.clone(),
        [head @ .., tail] => format!("{} {last} {tail}", head.join(", ")),
    }
}

/// `12.3 MB`.
#[must_use]
pub fn bytes(count: u64) -> String {
    const UNITS: [&str; 4] = ["kB", "MB", "GB", "TB"];
    if count < 1000 {
        return format!("{count} bytes");
    }
    let mut rest = count;
    let mut unit = 0;
    while rest >= 1_000_000 && unit + 1 < UNITS.len() {
        rest /= 1000;
        unit += 1;
    }
    format!("{}.{} {}", number(rest / 1000), rest % 1000 / 100, UNITS[unit])
}

/// The share of `part` in `whole` as `0.02 %`, to two places where it is small.
#[must_use]
pub fn percent(part: u64, whole: u64) -> String {
    let per_myriad = (part * 10_000 + whole / 2).checked_div(whole).unwrap_or(0);
    match per_myriad {
        0 if part > 0 => "below 0.01 %".to_owned(),
        0 => "0 %".to_owned(),
        _ if per_myriad.is_multiple_of(100) => format!("{} %", per_myriad / 100),
        _ => format!("{}.{:02} %", per_myriad / 100, per_myriad % 100),
    }
}

/// The text with at most `max` characters, the last one `…` where something was left out.
#[must_use]
pub fn cut(text: &str, max: usize) -> String {
    if text.chars().count() <= max {
        return text.to_owned();
    }
    let kept: String = text.chars().take(max.saturating_sub(1)).collect();
    format!("{}…", kept.trim_end())
}

/// The sentence with a capital at its head.
#[must_use]
pub fn capital(text: &str) -> String {
    let mut chars = text.chars();
    chars
        .next()
        .map_or_else(String::new, |first| first.to_uppercase().collect::<String>() + chars.as_str())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_written_as_people_write_them() {
        assert_eq!(number(0), "0");
        assert_eq!(number(999), "999");
        assert_eq!(number(1_204_331), "1,204,331");
        assert_eq!(bytes(999), "999 bytes");
        assert_eq!(bytes(12_345), "12.3 kB");
        assert_eq!(bytes(12_345_678), "12.3 MB");
        assert_eq!(percent(61, 243_180), "0.03 %");
        assert_eq!(percent(1, 243_180), "below 0.01 %");
        assert_eq!(percent(1, 5), "20 %");
        assert_eq!(percent(0, 0), "0 %");
        assert_eq!(head_number(3), "Three");
        assert_eq!(head_number(12), "12");
    }

    #[test]
    fn lists_and_cuts_read_as_sentences() {
        let names = ["alice", "bob", "carol"].map(str::to_owned);
        assert_eq!(list(&names, "or"), "alice, bob or carol");
        assert_eq!(list(&names[..1], "or"), "alice");
        assert_eq!(list(&[], "or"), "nobody");
        assert_eq!(cut("häkelkurs", 6), "häkel…");
        assert_eq!(capital("ägypten"), "Ägypten");
    }
}
