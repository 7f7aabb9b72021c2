use std::collections::BTreeMap;
use std::io;

use super::environment::Environment;
use super::job::Job;
use crate::journal::{Record, ValuePart};
use crate::limits::HANDED_ON_BYTES_MAX;
use crate::spec::JobSecrets;

/// What steps have handed on to later ones, as it was last written into the journal.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct HandedOn {
    env: BTreeMap<String, String>,
    paths: Vec<String>,
    masked: bool,
}

impl HandedOn {
    pub(super) fn of(environment: &Environment) -> Self {
        let (env, paths) = (environment.job_env().clone(), environment.paths().to_vec());
        Self { env, paths, masked: false }
    }
}

impl Job<'_> {
    /// Writes down what later steps get, if the step has changed it.
    pub(super) fn note_handed_on(&mut self, step: u32, masked: bool) -> io::Result<()> {
        let masked = masked || self.handed_on.masked;
        let now = HandedOn { masked, ..HandedOn::of(&self.environment) };
        if now == self.handed_on {
            return Ok(());
        }
        let bytes: usize = now.env.iter().map(|(name, text)| name.len() + text.len()).sum();
        let value = |text: &String| match bytes {
            0..=HANDED_ON_BYTES_MAX => {
                split(text, self.secrets, |text| self.log.contains_secret(text))
            }
            _ => None,
        };
        let env = now.env.iter().map(|(name, text)| (name.clone(), value(text))).collect();
        let paths = now.paths.iter().map(|path| self.log.mask(path)).collect();
        self.log.record(&Record::HandedOn { step, env, paths, masked })?;
        self.handed_on = now;
        Ok(())
    }
}

/// The value with the job's secrets named instead of shown. `None` when something in it is hidden for
/// another reason.
fn split(
    value: &str,
    secrets: &JobSecrets,
    is_hidden: impl Fn(&str) -> bool,
) -> Option<Vec<ValuePart>> {
    let mut parts = Vec::new();
    let mut rest = value;
    while is_hidden(rest) {
        let found = secrets
            .by_name()
            .filter(|(_, secret)| !secret.trim().is_empty())
            .filter_map(|(name, secret)| Some((rest.find(secret)?, secret, name)))
            // Of two that begin at the same place the longer one is meant.
            .min_by_key(|(at, secret, _)| (*at, std::cmp::Reverse(secret.len())));
        let (at, secret, name) = found?;
        parts.push(ValuePart::Text(rest[..at].to_owned()));
        parts.push(ValuePart::Secret(name.to_owned()));
        rest = &rest[at + secret.len()..];
    }
    parts.push(ValuePart::Text(rest.to_owned()));
    parts.retain(|part| !matches!(part, ValuePart::Text(text) if text.is_empty()));
    let shows = |part: &ValuePart| matches!(part, ValuePart::Text(text) if is_hidden(text));
    (!parts.iter().any(shows)).then_some(parts)
}

/// The value that was split; an error names the secret that there is no more.
pub(super) fn join(parts: &[ValuePart], secrets: &JobSecrets) -> Result<String, String> {
    let text = |part: &ValuePart| match part {
        ValuePart::Text(text) => Ok(text.clone()),
        ValuePart::Secret(name) => secrets
            .by_name()
            .find(|(known, _)| known == name)
            .map(|(_, value)| value.to_owned())
            .ok_or_else(|| name.clone()),
    };
    parts.iter().map(text).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::mask::Masker;

    fn secrets() -> JobSecrets {
        JobSecrets {
            token: "token-1234".to_owned(),
            secrets: BTreeMap::from([
                ("KEY".to_owned(), "s3same".to_owned()),
                ("LONG_KEY".to_owned(), "s3same-open".to_owned()),
            ]),
            masks: vec!["hidden-otherwise".to_owned()],
        }
    }

    fn masker() -> Masker {
        Masker::new(["token-1234", "s3same", "s3same-open", "hidden-otherwise"])
    }

    #[test]
    fn secrets_are_named_and_the_rest_stands_as_it_is() {
        let parts =
            split("u:s3same-open@h/token-1234", &secrets(), |text| masker().contains_secret(text));
        let text = |text: &str| ValuePart::Text(text.to_owned());
        let secret = |name: &str| ValuePart::Secret(name.to_owned());
        let expected = [text("u:"), secret("LONG_KEY"), text("@h/"), secret("GITHUB_TOKEN")];
        assert_eq!(parts.unwrap(), expected);
    }

    #[test]
    fn what_is_hidden_for_another_reason_is_kept_nowhere() {
        let masker = masker();
        // `czNzYW1l` is the base64 of `s3same`.
        for value in ["a hidden-otherwise b", "basic czNzYW1l", "s3same and hidden-otherwise"] {
            assert_eq!(
                split(value, &secrets(), |text| masker.contains_secret(text)),
                None,
                "{value}"
            );
        }
    }

    #[test]
    fn a_secret_that_is_gone_is_named() {
        let parts = [ValuePart::Secret("OLD".to_owned())];
        assert_eq!(join(&parts, &secrets()), Err("OLD".to_owned()));
    }

    proptest! {
        #[test]
        fn what_is_split_is_joined_again_and_shows_no_secret(
            words in prop::collection::vec("[a-z ]{0,6}|s3same|s3same-open|token-1234", 0..8)
        ) {
            let (value, masker) = (words.concat(), masker());
            let parts = split(&value, &secrets(), |text| masker.contains_secret(text));
            let parts = parts.expect("nothing else is hidden here");
            prop_assert_eq!(join(&parts, &secrets()).unwrap(), value);
            for part in parts {
                let is_open = matches!(&part, ValuePart::Text(text) if masker.contains_secret(text));
                prop_assert!(!is_open, "{part:?}");
            }
        }
    }
}
