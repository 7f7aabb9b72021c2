//! What waits for people: jobs whose environment wants approvals, with the facts needed to decide.

use maud::{Markup, html};
use qnt9_engine::gates::{Gate, excluded};
use qnt9_engine::state::{Evidence, LegPhase, LegState, Plan, Run};
use qnt9_model::fact::Subjects;
use qnt9_model::policy::ApprovalRule;
use qnt9_model::why::Holds;
use qnt9_model::{EnvironmentName, Millis, Role, Why};

use crate::status::Shape;
use crate::view::View;
use crate::{form, paths, text, time, why};

/// One environment of one run that waits for approvals.
pub struct Waiting<'a> {
    /// The run.
    pub run: &'a Run,
    /// Its first waiting leg of that environment.
    pub leg: &'a LegState,
    /// The environment.
    pub environment: &'a EnvironmentName,
    /// Who must approve.
    pub rule: &'a ApprovalRule,
    /// The proof tree.
    pub why: Why,
    /// What an approval given now would be for.
    pub subjects: Subjects,
}

/// Everything that waits for approvals, the longest waiting first.
#[must_use]
pub fn waiting<'a>(view: &View<'a>) -> Vec<Waiting<'a>> {
    let mut found: Vec<Waiting<'a>> = Vec::new();
    let live = view.project.live.iter().filter_map(|id| view.project.runs.get(id));
    for run in live.filter(|run| run.superseded.is_none()) {
        for leg in run.legs.values().filter(|leg| leg.phase == LegPhase::Gated) {
            let Some(gate) = Gate::of(view.platform(), view.project, run, leg) else { continue };
            let Some(rule) = gate.approval_rule() else { continue };
            let known =
                found.iter().any(|w| w.run.id == run.id && w.environment == gate.environment);
            if !known {
                let (why, subjects) = (gate.why(view.now()), gate.subjects());
                let environment = gate.environment;
                found.push(Waiting { run, leg, environment, rule, why, subjects });
            }
        }
    }
    found.sort_by_key(|waiting| waiting.leg.queued);
    found
}

impl<'a> Waiting<'a> {
    /// The rule about approvals within the tree.
    fn approvals(&self) -> Option<&Why> {
        self.why.of.iter().find(|part| !part.of.is_empty())
    }

    /// The people who can still approve.
    #[must_use]
    pub fn who(&self) -> &[String] {
        self.approvals().map_or(&[], |part| &part.who)
    }

    /// Whether approvals are still missing; otherwise only time or another rule holds it.
    #[must_use]
    pub fn wants_people(&self) -> bool {
        self.approvals().is_some_and(|part| part.holds == Holds::NotYet)
    }

    /// When the approvals expire.
    #[must_use]
    pub fn expires(&self) -> Millis {
        self.leg.queued.plus(self.rule.expire_after_ms)
    }

    /// `waits for one approval`.
    #[must_use]
    pub fn sentence(&self) -> String {
        let given = self.leg.approvals.iter().filter(|a| a.approved && a.subjects == self.subjects);
        let missing = (self.rule.needed as usize).saturating_sub(given.count());
        match missing {
            0 => "waits".to_owned(),
            1 => "waits for one approval".to_owned(),
            _ => format!("waits for {} approvals", text::head_number(missing).to_lowercase()),
        }
    }

    /// The recorded plan of this run for this environment.
    #[must_use]
    pub fn plan(&self, view: &View<'a>) -> Option<&'a Plan> {
        view.project.plans.get(&(self.run.id, self.environment.clone()))
    }

    /// The commits that would be new in the environment, and who wrote them.
    #[must_use]
    pub fn commits(&self, view: &View<'a>) -> (usize, Vec<String>) {
        let base = view.project.serving_environment(self.environment);
        let base = base.and_then(|serving| view.project.releases.get(&serving.release));
        let commits =
            view.project.commits_between(base.map(|release| &release.commit), &self.run.commit);
        let mut authors: Vec<String> = commits.iter().map(|commit| commit.author.clone()).collect();
        authors.sort();
        authors.dedup();
        (commits.len(), authors)
    }

    /// The newest evidence about this very release.
    #[must_use]
    pub fn evidence(&self, view: &View<'a>) -> Option<&'a Evidence> {
        let about = |evidence: &&Evidence| {
            evidence.release.is_some() && evidence.release == self.subjects.release
        };
        view.project.evidence.iter().rev().find(about)
    }

    /// The facts in one line, for lists.
    #[must_use]
    pub fn facts(&self, view: &View<'a>) -> Markup {
        let (commits, authors) = self.commits(view);
        let who = self.who();
        html! {
            (text::count(commits, "commit", "commits")) " by " (text::list(&authors, "and"))
            @match self.plan(view) {
                Some(plan) => {
                    " · plan +" (plan.summary.add) " ~" (plan.summary.change) " -" (plan.summary.destroy)
                    @if plan.summary.destroy == 0 { ", nothing destroyed" }
                }
                None => " · no plan recorded"
            }
            @if let Some(evidence) = self.evidence(view) { " · " (evidence.kind) ": " (evidence.summary) }
            @if let Some(part) = self.approvals().and_then(|part| part.evidence.as_ref()) {
                " · " (part) " approvals"
            }
            @if !who.is_empty() { " · can approve: " (text::list(who, "or")) }
            " · expires " (view.clock.relative(self.expires()))
        }
    }

    /// The panel with the proof tree and the forms.
    #[must_use]
    pub fn panel(&self, view: &View<'a>) -> Markup {
        let id = format!("approve-{}-{}", self.run.id, self.environment);
        html! {
            section.panel data-live id=(id) aria-labelledby={ (id) "-h" } {
                h2 id={ (id) "-h" } { "Why " (self.environment) " waits" }
                (why::tree(&self.why, view.clock))
                @if self.wants_people() { (self.forms(view)) }
                @else if self.why.holds == Holds::No {
                    p { "It cannot open any more; the job fails and says why." }
                } @else {
                    p.soft { "Nobody has to do anything: it goes on by itself when the rest holds." }
                }
            }
        }
    }

    fn forms(&self, view: &View<'a>) -> Markup {
        let approve = paths::run_act(view.stream, self.run.id, "approve");
        let reject = paths::run_act(view.stream, self.run.id, "reject");
        html! {
            @match self.barrier(view) {
                Some(barrier) => p.soft { (barrier) },
                None => {
                    p.soft { (self.binding()) }
                    (form::post(view.visitor, &approve, &self.fields("Approve", "go")))
                    details.more id={ "reject-" (self.run.id) "-" (self.environment) } {
                        summary { "Reject it instead" }
                        (form::post(view.visitor, &reject, &self.fields("Reject", "no")))
                    }
                }
            }
            (form::command(&format!("qnt9 approve {} {}", self.environment, self.run.commit.short())))
            (form::command(&format!("qnt9 why {}", self.environment)))
        }
    }

    fn fields(&self, word: &str, class: &str) -> Markup {
        let id = format!("{word}-{}-{}", self.run.id, self.environment);
        let plan = self.subjects.plan.as_deref().unwrap_or_default();
        let release = self.subjects.release.as_ref().map_or("", |release| release.as_str());
        html! {
            input type="hidden" name="environment" value=(self.environment);
            input type="hidden" name="release" value=(release);
            input type="hidden" name="plan" value=(plan);
            label for=(id) { "A word for the record (optional)" }
            div.row {
                input id=(id) type="text" name="comment" maxlength="2000" autocomplete="off";
                button class={ "btn " (class) } { (word) }
            }
        }
    }

    /// What an approval would be bound to.
    fn binding(&self) -> String {
        let release =
            self.subjects.release.as_ref().map(|release| format!("release {}", release.short()));
        let plan = self.subjects.plan.as_ref().map(|plan| format!("plan {}", text::cut(plan, 9)));
        let subjects: Vec<String> = [release, plan].into_iter().flatten().collect();
        match subjects.as_slice() {
            [] => "Neither release nor plan exist yet; when one comes, this approval lapses."
                .to_owned(),
            [one] => format!("You approve {one}; if that changes, this lapses."),
            both => format!("You approve {}; if either changes, this lapses.", both.join(" and ")),
        }
    }

    /// Why this visitor cannot approve.
    fn barrier(&self, view: &View<'a>) -> Option<Markup> {
        if let Some(barrier) = form::barrier(view, "approve or reject", Role::Approver) {
            return Some(barrier);
        }
        let name = view.visitor.name()?;
        let others = text::list(self.who(), "or");
        if !self.rule.from.iter().any(|person| person == name) {
            return Some(
                html! { (name) " is not among the approvers of " (self.environment) "; " (others) " can approve." },
            );
        }
        let excluded =
            excluded(view.platform(), view.project, self.run, self.environment, self.rule);
        if let Some(because) = excluded.get(name) {
            return Some(html! { (name) " cannot approve this: " (because) ". " (others) " can." });
        }
        let given = |a: &qnt9_engine::state::Approval| {
            a.person == name && a.approved && a.subjects == self.subjects
        };
        self.leg.approvals.iter().any(given).then(|| {
            html! { "You have approved this; it still needs " (others) "." }
        })
    }
}

/// The approvals that were given or refused, as a list.
pub(crate) fn decisions(view: &View<'_>, leg: &LegState) -> Markup {
    html! {
        ul.plain {
            @for decision in &leg.approvals {
                li {
                    @let shape = if decision.approved { Shape::Ok } else { Shape::Bad };
                    (shape.quiet(&decision.person))
                    span.soft {
                        @if decision.approved { " approved " } @else { " rejected it " }
                        (view.clock.relative(decision.at))
                        @if decision.demo { " (demo)" }
                        @if let Some(release) = &decision.subjects.release { ", release " (release.short()) }
                        @if let Some(plan) = &decision.subjects.plan { ", plan " (text::cut(plan, 9)) }
                        @if let Some(comment) = &decision.comment { ": “" (comment.show()) "”" }
                    }
                }
            }
            @if let Some((at, _, _)) = &leg.opened {
                @let waited = at.since(leg.queued);
                li { (Shape::Ok.quiet("opened")) " " span.soft {
                    (view.clock.relative(*at))
                    @if waited >= 1000 { ", after " (time::duration(waited)) } @else { ", at once" }
                } }
            }
        }
    }
}
