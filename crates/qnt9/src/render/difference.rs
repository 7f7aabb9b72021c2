//! What differs between two releases.

use qnt9_model::plan::{PlanAction, PlanLine};
use qnt9_server::api::shapes::{
    ChangedPlanShape, CommitShape, DeployedShape, DifferenceShape, PlanOfShape, SideShape,
};

use super::deployments::stands;
use super::{Clock, Table, count, cut};

/// Titles are cut to this.
const TITLE_CHARS_MAX: usize = 80;
/// Digits of a digest that are shown.
const DIGITS: usize = 19;

/// Both releases, then what differs, then by whose word each went where.
pub fn text(shape: &DifferenceShape, clock: &Clock) -> String {
    let DifferenceShape { from, to, .. } = shape;
    let mut text = format!("from  {}\nto    {}\n", head(from, clock), head(to, clock));
    if from.release.digest == to.release.digest {
        return text + "\nit is the same release\n";
    }
    text.push_str(&commits(["comes with it", "come with it"], '+', &shape.added));
    text.push_str(&commits(["stops being there", "stop being there"], '-', &shape.missing));
    if shape.added.is_empty() && shape.missing.is_empty() {
        text.push_str("\nboth were built from the same commit\n");
    }
    let mut table = Table::bare();
    for change in &shape.configuration {
        let digest = |digest: &Option<String>| {
            digest.as_ref().map_or_else(|| "not there".to_owned(), |digest| cut(digest, DIGITS))
        };
        table.row([
            change.name.clone(),
            format!("{} -> {}", digest(&change.from), digest(&change.to)),
        ]);
    }
    text.push_str("\nconfiguration\n");
    text.push_str(&table.text(2, "the same in both"));
    text.extend(shape.plans.iter().map(plan));
    for (word, side) in [("from", from), ("to", to)] {
        text.push_str(&self::side(word, side, clock));
    }
    text
}

fn head(side: &SideShape, clock: &Clock) -> String {
    let release = &side.release;
    let named = side.environment.as_ref().map(|name| format!(" (in {name})")).unwrap_or_default();
    format!(
        "{} {} of {}{named}, built {}",
        release.service,
        release.digest.short(),
        release.commit.short(),
        clock.relative(release.built)
    )
}

fn commits(what: [&str; 2], sign: char, commits: &[CommitShape]) -> String {
    if commits.is_empty() {
        return String::new();
    }
    let mut table = Table::bare();
    for commit in commits {
        let title = cut(&commit.title, TITLE_CHARS_MAX);
        table.row([format!("{sign} {}", commit.sha.short()), commit.author.clone(), title]);
    }
    let what = what[usize::from(commits.len() != 1)];
    format!("\n{} {what}\n{}", count(commits.len(), "commit"), table.text(2, ""))
}

fn plan(change: &ChangedPlanShape) -> String {
    let of = |plan: &Option<PlanOfShape>| match plan {
        Some(PlanOfShape { hash, summary, .. }) => {
            format!("+{} ~{} -{} ({})", summary.add, summary.change, summary.destroy, cut(hash, 9))
        }
        None => "none".to_owned(),
    };
    let mut text =
        format!("\nplan for {}: {} -> {}\n", change.environment, of(&change.from), of(&change.to));
    for (word, lines) in [("only from", &change.only_from), ("only to", &change.only_to)] {
        text.extend(lines.iter().map(|line| format!("  {word}: {}\n", self::line(line))));
    }
    text
}

fn line(line: &PlanLine) -> String {
    let sign = match line.action {
        PlanAction::Create => "+",
        PlanAction::Update => "~",
        PlanAction::Delete => "-",
        PlanAction::Replace => "-/+",
        PlanAction::Read => "<=",
    };
    format!("{sign} {} {}", line.address, line.attributes.join(", ")).trim_end().to_owned()
}

fn side(word: &str, side: &SideShape, clock: &Clock) -> String {
    let mut text = format!("\n{word} {}\n", side.release.digest.short());
    text.extend(side.deployments.iter().map(|one| deployed(one, clock)));
    if side.deployments.is_empty() {
        text.push_str("  went nowhere yet\n");
    }
    for evidence in &side.evidence {
        let sign = if evidence.passed { '✓' } else { '✗' };
        let place = evidence.environment.as_ref().map(|name| format!(" in {name}"));
        let place = place.unwrap_or_default();
        text.push_str(&format!("  {sign} {}{place}: {}\n", evidence.kind, evidence.summary));
    }
    text
}

fn deployed(of: &DeployedShape, clock: &Clock) -> String {
    let one = &of.deployment;
    let people: Vec<&str> = of.approvals.iter().map(|approval| approval.person.as_str()).collect();
    let approved = match people.as_slice() {
        [] => String::new(),
        people => format!(", approved by {}", people.join(", ")),
    };
    format!(
        "  {} {}: {} by {}{approved}\n",
        one.environment,
        clock.relative(one.requested),
        stands(one),
        one.by
    )
}
