//! Actions of the repository: what a composite action's own file says, and actions that use each other.

use super::actions::local;
use super::contexts;
use super::types::Type;
use super::{Role, Walk, codes};
use crate::language::Token;

/// How deep GitHub follows actions that use actions.
const DEPTH_MAX: usize = 10;

impl Walk<'_> {
    /// Everything in an `action.yml` that is made of steps.
    pub(super) fn composite(&mut self, action: &Token) {
        let inputs = action.get("inputs").map_or(&[][..], Token::entries);
        let inputs = inputs.iter().map(|(name, _)| (name.text(), Type::Text));
        let contexts = contexts::of_workflow(None).with("inputs", Type::strict(inputs));
        let Some(runs) = action.get("runs") else { return };
        self.steps_in_turn(runs, &contexts);
        let afterwards = contexts.with("steps", Type::Object(self.steps_of(runs)));
        let is_composite = runs.get("using").and_then(Token::as_str) == Some("composite");
        for (name, output) in action.get("outputs").map_or(&[][..], Token::entries) {
            match output.get("value") {
                Some(value) => self.scalar(value, &afterwards, Role::Text),
                None if is_composite => {
                    let message = format!("the output `{}` has no value", name.text());
                    let hint = Some("say `value:`, such as `${{ steps.ID.outputs.NAME }}`".into());
                    self.report(&codes::INPUT, name, message, hint);
                }
                None => {}
            }
        }
    }

    /// Actions of the repository that end up in themselves.
    pub(super) fn circular(&mut self, uses: &Token) {
        let mut way = vec![plain(&uses.text()).to_owned()];
        if self.leads_back(&mut way) {
            let way: Vec<String> = way.iter().map(|step| format!("./{step}")).collect();
            let message = format!("this action uses itself: {}", way.join(", then "));
            self.report(&codes::ACTION_REFERENCE, uses, message, None);
        }
    }

    /// Follows the last action of the way; on its return the way is that of the circle, if there is one.
    fn leads_back(&self, way: &mut Vec<String>) -> bool {
        let Some(last) = way.last().filter(|_| way.len() <= DEPTH_MAX) else { return false };
        let Some(action) = local(&format!("./{last}"), self.surroundings.files) else {
            return false;
        };
        let steps = action.get("runs").and_then(|runs| runs.get("steps"));
        for step in steps.map_or(&[][..], Token::items) {
            let Some(uses) = step.get("uses").map(Token::text) else { continue };
            if !uses.starts_with("./") {
                continue;
            }
            let next = plain(&uses).to_owned();
            let is_known = way.contains(&next);
            way.push(next);
            if is_known || self.leads_back(way) {
                return true;
            }
            way.pop();
        }
        false
    }
}

/// The folder of an action without what may be written around it.
fn plain(reference: &str) -> &str {
    reference.trim_start_matches("./").trim_end_matches('/')
}

#[cfg(test)]
mod tests {
    use crate::lint::{Surroundings, check};

    const ACTION: &str = "name: Greet
description: Greets
inputs: { who: { description: x, required: true } }
outputs: { text: { description: x, value: '${{ steps.make.outputs.text }}' } }
runs:
  using: composite
  steps:
    - id: make
      run: echo ${{ inputs.who }}
      shell: bash
    - uses: ./other
      with: { level: '1' }
";

    fn found(text: &str) -> Vec<String> {
        let other = "name: x\ndescription: x\ninputs: { level: { required: true } }\nruns: { using: node20, main: x.js }\n";
        let files = |path: &str| (path == "other/action.yml").then(|| other.to_owned());
        let surroundings = Surroundings { files: &files, ..Surroundings::NOTHING };
        let found = check("greet/action.yml", text, &surroundings);
        let shown = |finding: &crate::lint::Finding| {
            let diagnostic = &finding.diagnostic;
            format!("{} {}:{}", finding.code.id, diagnostic.line, diagnostic.column)
        };
        found.iter().map(shown).collect()
    }

    #[test]
    fn an_action_without_mistakes_has_no_findings() {
        assert_eq!(found(ACTION), [""; 0]);
    }

    #[test]
    fn mistakes_in_an_action_are_found() {
        for (from, to, expected) in [
            ("inputs.who", "inputs.woh", "QX1003 9:21"),
            ("steps.make", "steps.mkae", "QX1002 4:48"),
            (", value: '${{ steps.make.outputs.text }}'", "", "QX1033 4:12"),
            ("shell: bash", "shell: zsh", "QX1043 10:14"),
            ("level: '1'", "levle: '1'", "QX1053 12:15"),
            ("using: composite", "using: componist", "QX1000 6:10"),
        ] {
            let text = ACTION.replacen(from, to, 1);
            let found = found(&text);
            assert!(found.iter().any(|one| one == expected), "{to}: {found:?}");
        }
    }

    #[test]
    fn an_action_that_ends_up_in_itself_is_found() {
        let action = |uses: &str| {
            format!(
                "name: x\ndescription: x\nruns: {{ using: composite, steps: [{{ uses: {uses} }}] }}\n"
            )
        };
        let files = |path: &str| match path {
            "a/action.yml" => Some(action("./b/")),
            "b/action.yaml" => Some(action("./a")),
            "c/action.yml" => Some(action("./d")),
            "d/action.yml" => Some(action("actions/checkout@v4")),
            _ => None,
        };
        let surroundings = Surroundings { files: &files, ..Surroundings::NOTHING };
        let found = |uses: &str| {
            let text = format!(
                "on: push\njobs:\n  a:\n    runs-on: ubuntu-latest\n    steps: [{{ uses: {uses} }}]\n"
            );
            let found = check("w.yml", &text, &surroundings);
            found.into_iter().map(|finding| finding.diagnostic.message).collect::<Vec<_>>()
        };
        assert_eq!(found("./a"), ["this action uses itself: ./a, then ./b, then ./a"]);
        assert_eq!(found("./c"), [""; 0]);
    }
}
