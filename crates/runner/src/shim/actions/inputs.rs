use std::collections::BTreeMap;

/// One input of an action.
#[derive(Clone, Copy, Debug)]
pub(super) struct Known {
    pub(super) name: &'static str,
    pub(super) default: &'static str,
    pub(super) support: Support,
}

/// What becomes of an input here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Support {
    /// It does what it does in the original.
    Full,
    /// It would change nothing here.
    Meaningless,
    /// Any value but the default fails the step.
    Missing,
}

pub(super) const fn full(name: &'static str, default: &'static str) -> Known {
    Known { name, default, support: Support::Full }
}

pub(super) const fn meaningless(name: &'static str) -> Known {
    Known { name, default: "", support: Support::Meaningless }
}

pub(super) const fn missing(name: &'static str, default: &'static str) -> Known {
    Known { name, default, support: Support::Missing }
}

/// The inputs given to an action, defaults filled in.
#[derive(Debug)]
pub(super) struct Inputs {
    values: BTreeMap<&'static str, String>,
}

impl Inputs {
    /// Also returns GitHub's warning when some are not inputs of the action.
    pub(super) fn new(
        known: &[Known],
        given: Vec<(String, String)>,
    ) -> Result<(Self, Option<String>), String> {
        let mut values: BTreeMap<&'static str, String> =
            known.iter().map(|input| (input.name, input.default.to_owned())).collect();
        let mut unexpected = Vec::new();
        for (name, value) in given {
            let Some(input) = known.iter().find(|input| input.name.eq_ignore_ascii_case(&name))
            else {
                unexpected.push(format!("'{name}'"));
                continue;
            };
            if input.support == Support::Missing && value.trim() != input.default {
                return Err(format!(
                    "The input `{}` is `{value}`, which the built-in action cannot do yet.",
                    input.name
                ));
            }
            values.insert(input.name, value);
        }
        let warning = (!unexpected.is_empty()).then(|| {
            let valid: Vec<_> = known.iter().map(|input| format!("'{}'", input.name)).collect();
            format!(
                "Unexpected input(s) {}, valid inputs are [{}]",
                unexpected.join(", "),
                valid.join(", ")
            )
        });
        Ok((Self { values }, warning))
    }

    /// The text of an input, trimmed as the toolkit does. Only names in the action's list.
    pub(super) fn text(&self, name: &str) -> &str {
        self.values.get(name).map_or("", |value| value.trim())
    }

    /// An input that is true or false, in the spellings of YAML 1.2's core schema.
    pub(super) fn truth(&self, name: &str) -> Result<bool, String> {
        match self.text(name) {
            "true" | "True" | "TRUE" => Ok(true),
            "false" | "False" | "FALSE" => Ok(false),
            other => Err(format!("The input `{name}` is `{other}`; it must be true or false.")),
        }
    }

    /// An input that is a whole number.
    pub(super) fn number(&self, name: &str) -> Result<u32, String> {
        let text = self.text(name);
        text.parse().map_err(|_| format!("The input `{name}` is `{text}`; it must be a number."))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const KNOWN: &[Known] = &[full("path", "."), missing("lfs", "false"), meaningless("token")];

    #[test]
    fn unknown_inputs_are_warned_of_as_github_does() {
        let given = vec![("Path".into(), " x ".into()), ("deep".into(), "1".into())];
        let (inputs, warning) = Inputs::new(KNOWN, given).unwrap();
        assert_eq!(inputs.text("path"), "x");
        assert_eq!(
            warning.unwrap(),
            "Unexpected input(s) 'deep', valid inputs are ['path', 'lfs', 'token']"
        );
    }

    #[test]
    fn what_cannot_be_done_is_refused_by_name() {
        let error = Inputs::new(KNOWN, vec![("lfs".into(), "true".into())]).unwrap_err();
        assert_eq!(error, "The input `lfs` is `true`, which the built-in action cannot do yet.");
        assert!(Inputs::new(KNOWN, vec![("lfs".into(), "false".into())]).is_ok());
    }
}
