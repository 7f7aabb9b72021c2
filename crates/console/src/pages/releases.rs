//! Releases and what was proved about them.

use maud::{Markup, html};
use qnt9_engine::state::{Evidence, Release};
use qnt9_model::fact::DeploymentOutcome;

use crate::frame::{Section, page};
use crate::status::Shape;
use crate::view::View;
use crate::{paths, text};

/// Releases that are listed.
const RELEASES_MAX: usize = 50;
/// Evidence that is listed.
const EVIDENCE_MAX: usize = 50;

/// The page of releases.
#[must_use]
pub fn releases(view: &View<'_>) -> Markup {
    let mut releases: Vec<&Release> = view.project.releases.values().collect();
    releases.sort_by_key(|release| std::cmp::Reverse(release.built));
    let title = match releases.len() {
        0 => "No release was built yet".to_owned(),
        count => format!(
            "{}, the newest from {}",
            text::count(count, "release", "releases"),
            releases[0].commit.short()
        ),
    };
    let body = html! {
        div.head #head data-live { h1 { (title) } }
        p.meta { span { "The same digest goes from environment to environment; evidence is bound to it" } }
        section.panel #releases data-live aria-labelledby="releases-title" {
            h2 #releases-title { "Releases" }
            @if releases.is_empty() {
                p.empty { "A job builds one with " code { "qnt9 release build" } "." }
            } @else {
                div.scroll { table {
                    thead { tr { th scope="col" { "Release" } th scope="col" { "Commit" } th scope="col" { "Where" } th scope="col" { "Proved" } th.num scope="col" { "Size" } th.num scope="col" { "Built" } } }
                    tbody { @for (at, release) in releases.iter().enumerate().take(RELEASES_MAX) { (row(view, release, before(&releases[at + 1..], release))) } }
                } }
            }
        }
        section.panel #evidence data-live aria-labelledby="evidence-title" {
            h2 #evidence-title { "Evidence" }
            (evidence(view))
        }
    };
    page(view, Section::Releases, &format!("Releases · {}", view.stream), &body)
}

/// The release of the same service that was built before.
fn before<'a>(older: &[&'a Release], release: &Release) -> Option<&'a Release> {
    older.iter().find(|older| older.service == release.service).copied()
}

fn row(view: &View<'_>, release: &Release, before: Option<&Release>) -> Markup {
    let commit = view.project.commits.get(&release.commit);
    let mut places: Vec<(String, bool)> = Vec::new();
    for deployment in view.project.deployments.values().filter(|d| d.release == release.digest) {
        let serves = view.project.serving(&deployment.place).is_some_and(|d| d.id == deployment.id);
        let served = matches!(deployment.outcome, Some((DeploymentOutcome::Succeeded, _)));
        let name = deployment.place.environment.to_string();
        if served {
            places.retain(|(known, _)| *known != name);
            places.push((name, serves));
        }
    }
    let earlier: Vec<String> =
        places.iter().filter(|(_, serves)| !serves).map(|(name, _)| name.clone()).collect();
    let proved = view.project.evidence.iter().filter(|evidence| {
        evidence.release.as_ref() == Some(&release.digest)
            || (evidence.release.is_none() && evidence.commit == release.commit)
    });
    html! {
        tr id={ "r-" (release.digest.short()) } {
            td {
                span.chip title=(release.digest) { (release.digest.short()) } small { (release.service) }
                @if let Some(before) = before { small { a href=(paths::difference(view.stream, before.digest.as_str(), release.digest.as_str())) { "changes since " (before.commit.short()) } } }
            }
            td { (release.commit.short()) @if let Some(commit) = commit { small { (text::cut(commit.title.show(), 60)) ", " (commit.author) } } }
            td {
                @if places.is_empty() { span.faint { "nowhere yet" } }
                @for (name, _) in places.iter().filter(|(_, serves)| *serves) { (Shape::Ok.quiet(name)) " " }
                @if !earlier.is_empty() { small { "earlier in " (text::list(&earlier, "and")) } }
            }
            td { @for evidence in proved { (mark(evidence)) " " } }
            td.num { (text::bytes(release.bytes)) }
            td.num { (view.clock.relative(release.built)) }
        }
    }
}

fn mark(evidence: &Evidence) -> Markup {
    let shape = if evidence.passed { Shape::Ok } else { Shape::Bad };
    let place = evidence.environment.as_ref().map(|name| format!(" in {name}")).unwrap_or_default();
    shape.fitting(format!("{}{place}", evidence.kind))
}

fn evidence(view: &View<'_>) -> Markup {
    html! {
        @if view.project.evidence.is_empty() {
            p.empty { "A step records what it proved with " code { "qnt9 evidence record KIND" } "; gates ask for it by kind." }
        } @else {
            div.scroll { table {
                thead { tr { th scope="col" { "What" } th scope="col" { "Figures" } th scope="col" { "About" } th.num scope="col" { "When" } } }
                tbody {
                    @for evidence in view.project.evidence.iter().rev().take(EVIDENCE_MAX) {
                        tr {
                            td.tight { (mark(evidence)) }
                            td { (evidence.summary) @if evidence.time_scale > 1 { small { "made at time scale " (evidence.time_scale) } } }
                            td {
                                span.chip { (evidence.commit.short()) } " "
                                @if let Some(release) = &evidence.release { span.chip { (release.short()) } }
                                @if let Some(call) = &evidence.call { small { a href=(paths::run(view.stream, call.attempt.run)) { "run " (call.attempt.run) } } }
                            }
                            td.num { (view.clock.relative(evidence.at)) }
                        }
                    }
                }
            } }
        }
    }
}
