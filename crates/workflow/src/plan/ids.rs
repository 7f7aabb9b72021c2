//! The ids of jobs and steps: which are allowed, and those that GitHub makes up.

use crate::value::equals_ignoring_case;

/// An id is shorter than this.
const ID_CHARS_MAX: usize = 100;

/// The ids of one scope, in which each may occur once.
#[derive(Debug, Default)]
pub(crate) struct Ids {
    known: Vec<String>,
}

impl Ids {
    /// Takes an id that somebody has chosen, or says in GitHub's words why not.
    pub(crate) fn claim(&mut self, id: &str) -> Result<(), String> {
        if !is_valid(id) || id.encode_utf16().count() >= ID_CHARS_MAX {
            return Err(format!(
                "The identifier '{id}' is invalid. IDs may only contain alphanumeric characters, \
                 '_', and '-'. IDs must start with a letter or '_' and and must be less than \
                 {ID_CHARS_MAX} characters."
            ));
        }
        if id.starts_with("__") {
            return Err(format!(
                "The identifier '{id}' is invalid. IDs starting with '__' are reserved."
            ));
        }
        if self.is_known(id) {
            return Err(format!(
                "The identifier '{id}' may not be used more than once within the same scope."
            ));
        }
        self.known.push(id.to_owned());
        Ok(())
    }

    pub(crate) fn is_known(&self, id: &str) -> bool {
        self.known.iter().any(|known| equals_ignoring_case(known, id))
    }

    /// An id for a step that has none, made of what it does; a number tells it from others.
    pub(crate) fn make(&mut self, what: &str) -> String {
        let is_plain = |each: char| each.is_ascii_alphanumeric() || "_-".contains(each);
        let plain: String =
            what.chars().map(|each| if is_plain(each) { each } else { '_' }).collect();
        let whole = format!("__{plain}");
        let mut attempt = 1;
        loop {
            let suffix = if attempt == 1 { String::new() } else { format!("_{attempt}") };
            let kept = whole.len().min(ID_CHARS_MAX - suffix.len());
            let candidate = format!("{}{suffix}", &whole[..kept]);
            if !self.is_known(&candidate) {
                self.known.push(candidate.clone());
                return candidate;
            }
            attempt += 1;
        }
    }
}

fn is_valid(id: &str) -> bool {
    id.starts_with(|first: char| first.is_ascii_alphabetic() || first == '_')
        && id.chars().all(|each| each.is_ascii_alphanumeric() || "_-".contains(each))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn made_ids_are_cut_and_told_apart() {
        let mut ids = Ids::default();
        assert_eq!(ids.make("run"), "__run");
        assert_eq!(ids.make("Run"), "__Run_2");
        let long = "x".repeat(200);
        assert_eq!(ids.make(&long).len(), ID_CHARS_MAX);
        assert!(ids.make(&long).ends_with("xx_2"));
        assert_eq!(ids.make("a/b@é"), "__a_b__");
    }
}
