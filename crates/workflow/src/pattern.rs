//! The patterns of `branches:`, `tags:` and `paths:`, by GitHub's own rules: `*` stays within a
//! path segment, `**` does not, `?` and `+` repeat the character before them, `[]` is a set, `\`
//! takes the next character as it is, and a leading `!` takes back what earlier patterns matched.

/// Whether the last pattern that matches `name` is one without `!`.
pub(crate) fn any_matches(patterns: &[String], name: &str) -> bool {
    let matching = patterns.iter().rev().find_map(|pattern| match pattern.strip_prefix('!') {
        Some(negated) => matches(negated, name).then_some(false),
        None => matches(pattern, name).then_some(true),
    });
    matching.unwrap_or(false)
}

/// Why a pattern cannot be one, if so.
pub(crate) fn check(pattern: &str) -> Result<(), PatternError> {
    compile(pattern.strip_prefix('!').unwrap_or(pattern)).map(|_| ())
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum PatternError {
    #[error("the pattern is empty")]
    Empty,
    #[error("`{0}` repeats the character before it, and there is none")]
    NothingToRepeat(char),
    #[error("`[` is not closed by `]`")]
    UnclosedSet,
    #[error("`[]` lists no character")]
    EmptySet,
    #[error("the range {0}-{1} runs backwards")]
    BackwardRange(char, char),
    #[error("`\\` is followed by nothing")]
    NothingToEscape,
}

#[derive(Clone, Debug, PartialEq)]
enum Part {
    Character {
        set: Vec<(char, char)>,
        repeat: Repeat,
    },
    /// `*`
    WithinSegment,
    /// `**`
    Anything,
    /// `**/`: any number of directories, also none.
    Directories,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Repeat {
    Once,
    AtMostOnce,
    AtLeastOnce,
}

fn compile(pattern: &str) -> Result<Vec<Part>, PatternError> {
    let mut parts: Vec<Part> = Vec::new();
    let mut characters = pattern.chars().peekable();
    while let Some(character) = characters.next() {
        match character {
            '*' if characters.next_if_eq(&'*').is_some() => {
                let is_directories = characters.next_if_eq(&'/').is_some();
                parts.push(if is_directories { Part::Directories } else { Part::Anything });
            }
            '*' => parts.push(Part::WithinSegment),
            '?' | '+' => match parts.last_mut() {
                Some(Part::Character { repeat: repeat @ Repeat::Once, .. }) => {
                    *repeat =
                        if character == '?' { Repeat::AtMostOnce } else { Repeat::AtLeastOnce };
                }
                _ => return Err(PatternError::NothingToRepeat(character)),
            },
            '[' => parts.push(once(read_set(&mut characters)?)),
            '\\' => {
                let escaped = characters.next().ok_or(PatternError::NothingToEscape)?;
                parts.push(once(vec![(escaped, escaped)]));
            }
            _ => parts.push(once(vec![(character, character)])),
        }
    }
    if parts.is_empty() { Err(PatternError::Empty) } else { Ok(parts) }
}

fn once(set: Vec<(char, char)>) -> Part {
    Part::Character { set, repeat: Repeat::Once }
}

fn read_set(
    characters: &mut std::iter::Peekable<std::str::Chars<'_>>,
) -> Result<Vec<(char, char)>, PatternError> {
    let mut set = Vec::new();
    loop {
        let first = characters.next().ok_or(PatternError::UnclosedSet)?;
        if first == ']' {
            return if set.is_empty() { Err(PatternError::EmptySet) } else { Ok(set) };
        }
        let mut last = first;
        if characters.peek() == Some(&'-') {
            characters.next();
            match characters.peek() {
                // A hyphen at the end of the set is only a hyphen.
                Some(']') | None => set.push(('-', '-')),
                Some(_) => last = characters.next().unwrap_or(first),
            }
        }
        if last < first {
            return Err(PatternError::BackwardRange(first, last));
        }
        set.push((first, last));
    }
}

fn matches(pattern: &str, name: &str) -> bool {
    // A pattern that is none has been reported when the workflow was read; it matches nothing.
    let Ok(parts) = compile(pattern) else { return false };
    let name: Vec<char> = name.chars().collect();
    // Which prefixes of the name, by length, the parts up to now match.
    let mut reached = vec![false; name.len() + 1];
    reached[0] = true;
    for part in &parts {
        reached = advance(part, &reached, &name);
    }
    reached[name.len()]
}

/// The prefixes that are matched with one more part.
fn advance(part: &Part, before: &[bool], name: &[char]) -> Vec<bool> {
    let mut after = vec![false; before.len()];
    // Whether some prefix shorter by at least two is matched, for a directory and its slash.
    let mut is_directory_open = false;
    for length in 0..before.len() {
        let last = length.checked_sub(1).map(|at| name[at]);
        let is_after_shorter = length > 0 && after[length - 1];
        after[length] = match part {
            Part::Anything => before[length] || is_after_shorter,
            Part::WithinSegment => before[length] || (is_after_shorter && last != Some('/')),
            Part::Directories => {
                is_directory_open |= length >= 2 && before[length - 2];
                before[length] || (is_directory_open && last == Some('/'))
            }
            Part::Character { set, repeat } => {
                let is_in_set = last.is_some_and(|last| {
                    set.iter().any(|(first, end)| (*first..=*end).contains(&last))
                });
                let is_next = is_in_set && before[length - 1];
                match repeat {
                    Repeat::Once => is_next,
                    Repeat::AtMostOnce => is_next || before[length],
                    Repeat::AtLeastOnce => is_next || (is_in_set && is_after_shorter),
                }
            }
        };
    }
    after
}

#[cfg(test)]
mod tests;
