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
    /// The rules it is made of.
    pub of: Vec<Self>,
}

impl Why {
    /// A rule without parts.
    #[must_use]
    pub fn leaf(rule: impl Into<String>, holds: Holds) -> Self {
        Self { rule: rule.into(), holds, evidence: None, who: Vec::new(), at: None, of: Vec::new() }
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
        Self { rule: rule.into(), holds, evidence: None, who: Vec::new(), at, of }
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

    /// The tree as indented lines: `✓` holds, `‖` not yet, `✗` no.
    #[must_use]
    pub fn lines(&self) -> Vec<String> {
        let mut lines = Vec::new();
        self.write(0, &mut lines);
        lines
    }

    fn write(&self, depth: usize, lines: &mut Vec<String>) {
        let sign = match self.holds {
            Holds::Yes => '✓',
            Holds::NotYet => '‖',
            Holds::No => '✗',
        };
        let evidence = self.evidence.as_ref().map(|text| format!("   {text}"));
        let indent = "  ".repeat(depth);
        lines.push(format!("{indent}{sign} {}{}", self.rule, evidence.unwrap_or_default()));
        self.of.iter().for_each(|part| part.write(depth + 1, lines));
    }
}
