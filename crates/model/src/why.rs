//! The proof tree of a gate: the one source of both refusals and `qnt9 why`.

use serde::{Deserialize, Serialize};

use crate::ids::Millis;

/// Whether a rule holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Holds {
    /// It holds now.
    Yes,
    /// It does not hold yet: time or a person can still make it hold.
    NotYet,
    /// It does not hold and will not for this subject.
    No,
    /// It cannot be held by this one, and does not count: a person who may not approve. Whether the
    /// rule above can still hold is up to the others.
    Barred,
}

/// One rule, whether it holds, on what evidence, and who or what could change it and when.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Why {
    /// The rule in words: "two of alice, bob, carol approve".
    pub rule: String,
    /// Whether it holds.
    pub holds: Holds,
    /// What that is known from.
    pub evidence: Option<String>,
    /// The people who could change it.
    pub who: Vec<String>,
    /// The earliest moment at which it can hold, where time alone decides.
    pub at: Option<Millis>,
    /// The earliest moment at which it can hold if everybody does at once what they can; `None` when
    /// it cannot, or when nobody has worked it out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub earliest: Option<Millis>,
    /// The rules it is made of.
    pub of: Vec<Self>,
}

impl Why {
    /// A rule without parts.
    #[must_use]
    pub fn leaf(rule: impl Into<String>, holds: Holds) -> Self {
        Self {
            rule: rule.into(),
            holds,
            evidence: None,
            who: Vec::new(),
            at: None,
            earliest: None,
            of: Vec::new(),
        }
    }

    /// A rule that holds when all its parts do.
    #[must_use]
    pub fn all(rule: impl Into<String>, of: Vec<Self>) -> Self {
        let holds = if of.iter().any(|part| part.holds == Holds::No) {
            Holds::No
        } else if of.iter().all(|part| part.holds == Holds::Yes) {
            Holds::Yes
        } else {
            Holds::NotYet
        };
        let at = of.iter().filter_map(|part| part.at).max();
        Self { at, of, ..Self::leaf(rule, holds) }
    }

    /// The same rule with what it is known from.
    #[must_use]
    pub fn because(mut self, evidence: impl Into<String>) -> Self {
        self.evidence = Some(evidence.into());
        self
    }

    /// The same rule with the people who could change it.
    #[must_use]
    pub fn by(mut self, who: Vec<String>) -> Self {
        self.who = who;
        self
    }

    /// The same rule with the moment at which time makes it hold.
    #[must_use]
    pub fn at(mut self, at: Millis) -> Self {
        self.at = Some(at);
        self
    }

    /// The parts that do not hold, as one sentence each. A part with evidence of its own speaks for
    /// what it is made of: of three people of whom two must approve, nobody in particular is missing.
    #[must_use]
    pub fn unmet(&self) -> Vec<String> {
        if self.holds == Holds::Yes {
            return Vec::new();
        }
        if self.of.is_empty() || self.evidence.is_some() {
            let who = if self.who.is_empty() {
                String::new()
            } else {
                format!(" (can: {})", self.who.join(", "))
            };
            return vec![format!("{}{who}", self.sentence())];
        }
        self.of.iter().flat_map(Self::unmet).collect()
    }

    /// Why it can no longer hold: the parts that never will, deepest first, as one sentence each.
    #[must_use]
    pub fn closed(&self) -> Vec<String> {
        if self.holds != Holds::No {
            return Vec::new();
        }
        let deeper: Vec<String> = self.of.iter().flat_map(Self::closed).collect();
        if deeper.is_empty() { vec![self.sentence()] } else { deeper }
    }

    fn sentence(&self) -> String {
        let evidence = self.evidence.as_ref().map(|text| format!(": {text}"));
        format!("{}{}", self.rule, evidence.unwrap_or_default())
    }

    /// The tree as indented lines: `✓` holds, `‖` not yet, `✗` no, `–` barred.
    #[must_use]
    pub fn lines(&self) -> Vec<String> {
        let mut lines = Vec::new();
        self.write(0, &mut lines);
        lines
    }

    /// Reads what [`Why::lines`] wrote. Who and when are not in the lines, and a line without a sign
    /// is passed over.
    #[must_use]
    pub fn read(lines: &[String]) -> Vec<Self> {
        let parsed: Vec<(usize, Self)> = lines.iter().filter_map(|line| Self::line(line)).collect();
        Self::nest(&mut parsed.into_iter().peekable(), 0)
    }

    fn line(line: &str) -> Option<(usize, Self)> {
        let text = line.trim_start_matches(' ');
        let depth = (line.len() - text.len()) / 2;
        let mut letters = text.chars();
        let holds = match letters.next()? {
            '✓' => Holds::Yes,
            '‖' => Holds::NotYet,
            '✗' => Holds::No,
            '–' => Holds::Barred,
            _ => return None,
        };
        let text = letters.as_str().strip_prefix(' ')?;
        let (rule, evidence) = match text.split_once("   ") {
            Some((rule, evidence)) => (rule, Some(evidence.to_owned())),
            None => (text, None),
        };
        Some((depth, Self { evidence, ..Self::leaf(rule, holds) }))
    }

    fn nest(
        lines: &mut std::iter::Peekable<std::vec::IntoIter<(usize, Self)>>,
        depth: usize,
    ) -> Vec<Self> {
        let mut trees = Vec::new();
        while let Some((_, mut tree)) = lines.next_if(|(at, _)| *at >= depth) {
            tree.of = Self::nest(lines, depth + 1);
            trees.push(tree);
        }
        trees
    }

    fn write(&self, depth: usize, lines: &mut Vec<String>) {
        let sign = match self.holds {
            Holds::Yes => '✓',
            Holds::NotYet => '‖',
            Holds::No => '✗',
            Holds::Barred => '–',
        };
        let evidence = self.evidence.as_ref().map(|text| format!("   {text}"));
        let indent = "  ".repeat(depth);
        lines.push(format!("{indent}{sign} {}{}", self.rule, evidence.unwrap_or_default()));
        self.of.iter().for_each(|part| part.write(depth + 1, lines));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tree_that_was_written_is_read_again() {
        let people = vec![
            Why::leaf("alice", Holds::Yes).because("2 min ago"),
            Why::leaf("carol cannot", Holds::Barred).because("dispatched it"),
        ];
        let approvals =
            Why { of: people, ..Why::leaf("2 of alice, bob, carol approve", Holds::NotYet) };
        let wait = Why::leaf("10 min since it was asked for", Holds::Yes);
        let tree = Why::all("9f03c1a to production", vec![approvals, wait]);
        assert_eq!(Why::read(&tree.lines()), [tree]);
        assert_eq!(Why::read(&["no sign".to_owned(), String::new()]), []);
    }
}
