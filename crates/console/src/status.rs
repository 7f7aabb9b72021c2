//! Status: a shape and a word. Colour only helps.

use maud::{Markup, Render, html};
use qnt9_model::fact::Outcome;
use qnt9_model::why::Holds;

/// The five shapes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Shape {
    /// A disc with a tick.
    Ok,
    /// An octagon with a cross.
    Bad,
    /// A half-filled disc.
    Run,
    /// Two bars.
    Wait,
    /// A ring.
    Idle,
}

impl Shape {
    /// The class that the stylesheet knows it by.
    pub(crate) const fn class(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Bad => "bad",
            Self::Run => "run",
            Self::Wait => "wait",
            Self::Idle => "idle",
        }
    }

    pub(crate) const fn of(outcome: Outcome) -> Self {
        match outcome {
            Outcome::Success => Self::Ok,
            Outcome::Failure => Self::Bad,
            Outcome::Cancelled | Outcome::Skipped => Self::Idle,
        }
    }

    pub(crate) const fn of_rule(holds: Holds) -> Self {
        match holds {
            Holds::Yes => Self::Ok,
            Holds::NotYet => Self::Wait,
            Holds::No => Self::Bad,
            Holds::Barred => Self::Idle,
        }
    }

    /// Loud: shape and word in its colour.
    pub(crate) fn loud(self, word: impl Render) -> Markup {
        html! { span class={ "st " (self.class()) } { (word) } }
    }

    /// Quiet: the shape in its colour, the word plain.
    pub(crate) fn quiet(self, word: impl Render) -> Markup {
        html! { span class={ "st q " (self.class()) } { (word) } }
    }

    /// Quiet where things are well, loud where somebody may have to act.
    pub(crate) fn fitting(self, word: impl Render) -> Markup {
        match self {
            Self::Ok | Self::Idle => self.quiet(word),
            Self::Bad | Self::Run | Self::Wait => self.loud(word),
        }
    }

    /// The shape inside a picture, centred at x, y.
    pub(crate) fn drawn(self, x: i64, y: i64) -> Markup {
        html! {
            g class=(self.class()) {
                @match self {
                    Self::Ok => { circle.dot cx=(x) cy=(y) r="6" {} }
                    Self::Bad => { rect.dot x=(x - 6) y=(y - 6) width="12" height="12" rx="2" {} }
                    Self::Run => {
                        circle.dot.hole cx=(x) cy=(y) r="5" {}
                        path.dot d={ "M" (x) " " (y - 5) "a5 5 0 0 0 0 10z" } {}
                    }
                    Self::Wait => {
                        rect.dot x=(x - 5) y=(y - 6) width="4" height="12" {}
                        rect.dot x=(x + 1) y=(y - 6) width="4" height="12" {}
                    }
                    Self::Idle => { circle.dot.hole cx=(x) cy=(y) r="5" {} }
                }
            }
        }
    }
}
