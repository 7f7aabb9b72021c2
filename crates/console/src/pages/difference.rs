//! What differs between two releases, side by side.

use maud::{Markup, html};
use qnt9_engine::compare::{self, Deployed, Difference, Side};
use qnt9_engine::state::{Plan, Release};
use qnt9_model::fact::Commit;

use super::deployment::standing;
use super::run::action;
use crate::frame::{Section, page};
use crate::status::Shape;
use crate::view::View;
use crate::{paths, text};

/// Commits that are listed.
const COMMITS_MAX: usize = 100;
/// Releases that are offered.
const RELEASES_MAX: usize = 50;

/// What is compared: as asked for, and the releases that are meant by it.
pub struct Compared<'a> {
    /// How the one was named.
    pub from: &'a str,
    /// How the other was named.
    pub to: &'a str,
    /// The releases; or why they cannot be compared.
    pub releases: Result<(&'a Release, &'a Release), String>,
}

/// The page of a difference.
#[must_use]
pub fn difference(view: &View<'_>, compared: &Compared<'_>) -> Markup {
    let (from, to) = match &compared.releases {
        Ok((from, to)) => (name(compared.from, from), name(compared.to, to)),
        Err(_) => (compared.from.to_owned(), compared.to.to_owned()),
    };
    let title = format!("From {from} to {to}");
    let body = html! {
        div #head data-live {
            div.crumbs { a href=(paths::section(view.stream, "releases")) { "Releases" } " / Difference" }
            div.head { h1 { (title) } }
            @match &compared.releases {
                Ok((from, to)) => p { (sentence(view, from, to)) },
                Err(reason) => p { (Shape::Bad.loud(view.sentence(reason))) },
            }
        }
        (form(view, compared))
        @if let Ok((from, to)) = &compared.releases {
            (found(view, &compare::compare(view.project, from, to)))
        }
        (crate::form::command(&format!("qnt9 releases diff {} {}", compared.from, compared.to)))
    };
    page(view, Section::Releases, &format!("{title} · {}", view.stream), &body)
}

/// How a release was named; its digest in short, with its commit, when it was named by it.
fn name(asked: &str, release: &Release) -> String {
    if asked == release.digest.as_str() {
        return format!("{} of {}", release.digest.short(), release.commit.short());
    }
    asked.to_owned()
}

fn sentence(view: &View<'_>, from: &Release, to: &Release) -> String {
    if from.digest == to.digest {
        return format!("It is the same release, {}.", from.digest.short());
    }
    let difference = compare::compare(view.project, from, to);
    let commits = |count| text::count(count, "commit", "commits");
    match (difference.added.len(), difference.missing.len()) {
        (0, 0) => "The same commit, built twice.".to_owned(),
        (added, 0) => format!("{} come with it.", text::capital(&commits(added))),
        (0, missing) => format!("{} stop being there.", text::capital(&commits(missing))),
        (added, missing) => {
            format!("{} come with it, {} stop being there.", commits(added), commits(missing))
        }
    }
}

fn form(view: &View<'_>, compared: &Compared<'_>) -> Markup {
    let mut releases: Vec<&Release> = view.project.releases.values().collect();
    releases.sort_by_key(|release| std::cmp::Reverse(release.built));
    let environments = crate::board::environments(view);
    let fields = [("from", "From", compared.from), ("to", "To", compared.to)];
    html! {
        form.filters method="get" action=(paths::section(view.stream, "diff")) aria-label="What is compared" {
            @for (name, word, chosen) in fields {
                div {
                    label for={ "diff-" (name) } { (word) }
                    select id={ "diff-" (name) } name=(name) {
                        @let offered = environments.iter().map(|name| (name.to_string(), format!("what {name} serves")));
                        @let built = releases.iter().take(RELEASES_MAX).map(|release| (release.digest.to_string(), format!("{} of {}", release.digest.short(), release.commit.short())));
                        @let all: Vec<(String, String)> = offered.chain(built).collect();
                        @if !all.iter().any(|(value, _)| value == chosen) { option value=(chosen) selected { (chosen) } }
                        @for (value, words) in &all { option value=(value) selected[value == chosen] { (words) } }
                    }
                }
            }
            button.btn { "Compare" }
        }
    }
}

fn found(view: &View<'_>, difference: &Difference<'_>) -> Markup {
    html! {
        (commits(view, "added", "Commits that come with it", &difference.added))
        @if !difference.missing.is_empty() { (commits(view, "missing", "Commits that stop being there", &difference.missing)) }
        section.panel aria-labelledby="digests-title" {
            h2 #digests-title { "Digests" }
            div.scroll { table.slim {
                thead { tr { th scope="col" { "What" } th scope="col" { "From" } th scope="col" { "To" } } }
                tbody {
                    tr { th scope="row" { "release" } td { span.chip { (difference.from.release.digest.short()) } } td { span.chip { (difference.to.release.digest.short()) } } }
                    tr { th scope="row" { "service" } td { (difference.from.release.service) } td { (difference.to.release.service) } }
                    @for change in &difference.configuration {
                        tr {
                            th scope="row" { (change.name) }
                            td { (digest(change.from.as_deref())) }
                            td { (digest(change.to.as_deref())) }
                        }
                    }
                }
            } }
            @if difference.configuration.is_empty() { p.soft { "The configuration is the same." } }
        }
        (plans(difference))
        div.pair {
            (side(view, "from", "From", &difference.from))
            (side(view, "to", "To", &difference.to))
        }
    }
}

fn digest(of: Option<&str>) -> Markup {
    html! { @match of { Some(digest) => span.chip title=(digest) { (text::cut(digest, 20)) }, None => span.faint { "not there" } } }
}

fn commits(view: &View<'_>, id: &str, title: &str, commits: &[&Commit]) -> Markup {
    html! {
        section.panel aria-labelledby={ (id) "-title" } {
            h2 id={ (id) "-title" } { (title) ", " (text::number(commits.len() as u64)) }
            @if commits.is_empty() { p.empty { "None." } }
            ul.plain {
                @for commit in commits.iter().take(COMMITS_MAX) {
                    li { span.chip { (commit.sha.short()) } " " (text::cut(commit.title.show(), 100)) span.soft { ", by " (commit.author) } }
                }
            }
            @if commits.len() > COMMITS_MAX { p.soft { "The first " (COMMITS_MAX) " are shown; " code { "qnt9 releases diff" } " shows all of " (view.stream) "'s." } }
        }
    }
}

fn plans(difference: &Difference<'_>) -> Markup {
    html! {
        section.panel aria-labelledby="plans-title" {
            h2 #plans-title { "Infrastructure plans" }
            @if difference.plans.is_empty() { p.empty { "Neither went anywhere with a recorded plan." } }
            @for change in &difference.plans {
                p { strong { (change.environment) } ": " (counts(change.from)) " → " (counts(change.to)) }
                @if change.only_from.is_empty() && change.only_to.is_empty() { p.soft { "Both plans change the same resources in the same way." } }
                @else { ul.plan {
                    @for (word, lines) in [("only from", &change.only_from), ("only to", &change.only_to)] {
                        @for line in lines {
                            @let (sign, act, shape) = action(line.action);
                            li class=(shape.class()) {
                                b title=(act) { (sign) span.hidden { " " (act) " " } } (line.address)
                                span.soft { " " (word) @if !line.attributes.is_empty() { ": " (line.attributes.join(", ")) } }
                            }
                        }
                    }
                } }
            }
        }
    }
}

fn counts(plan: Option<&Plan>) -> Markup {
    html! {
        @match plan {
            Some(plan) => { span.num { "+" (plan.summary.add) " ~" (plan.summary.change) " -" (plan.summary.destroy) } span.faint.mono { " " (text::cut(&plan.hash, 9)) } }
            None => span.faint { "no plan" }
        }
    }
}

fn side(view: &View<'_>, id: &str, word: &str, side: &Side<'_>) -> Markup {
    let release = side.release;
    html! {
        section.panel aria-labelledby={ (id) "-title" } {
            h2 id={ (id) "-title" } { (word) ": " (release.digest.short()) " of " (release.commit.short()) }
            p.soft { "Built " (view.clock.relative(release.built)) " by " (release.by) ", " (text::bytes(release.bytes)) }
            h3 { "Where it went" }
            @if side.deployments.is_empty() { p.empty { "Nowhere yet." } }
            @for one in &side.deployments { (deployed(view, one)) }
            h3 { "What was proved" }
            @if side.evidence.is_empty() { p.empty { "Nothing." } }
            ul.plain {
                @for evidence in &side.evidence {
                    @let shape = if evidence.passed { Shape::Ok } else { Shape::Bad };
                    li {
                        (shape.fitting(&evidence.kind))
                        span.soft { @if let Some(place) = &evidence.environment { " in " (place) } ": " (evidence.summary) }
                    }
                }
            }
        }
    }
}

fn deployed(view: &View<'_>, one: &Deployed<'_>) -> Markup {
    let deployment = one.deployment;
    let (shape, words) = standing(deployment);
    html! {
        p {
            a href=(paths::deployment(view.stream, deployment.id)) { (deployment.place) } " " (shape.fitting(words)) " "
            small { (view.clock.relative(deployment.requested)) ", by " (crate::board::people(view.project, deployment)) }
        }
        @if !one.approvals.is_empty() {
            ul.plain {
                @for approval in &one.approvals {
                    li { (Shape::Ok.quiet(&approval.person)) span.soft { " approved " (view.clock.relative(approval.at)) } }
                }
            }
        }
    }
}
