//! A proof tree, as `qnt9 why` shows it.

use qnt9_model::Why;
use qnt9_model::why::Holds;
use qnt9_server::api::shapes::WhyShape;

use super::{Clock, Table};

/// What it is about, the tree, who can unblock it and when, and the commands that would.
pub fn why(shape: &WhyShape, clock: &Clock) -> String {
    let tree = &shape.why;
    let mut text = if tree.rule.starts_with(&shape.subject) {
        format!("{}\n", tree.rule)
    } else {
        format!("{}: {}\n", shape.subject, tree.rule)
    };
    text.push_str(&format!("{} {}\n", sign(tree.holds), standing(shape, clock)));
    if !tree.of.is_empty() {
        text.push_str(&format!("\n{}", parts(tree, 2, clock)));
    }
    let mut below = Table::bare();
    if !shape.who.is_empty() {
        below.row(["can unblock it:".to_owned(), shape.who.join(", ")]);
    }
    for (at, command) in shape.next.iter().enumerate() {
        below.row([if at == 0 { "next:" } else { "" }.to_owned(), command.clone()]);
    }
    for (at, line) in below.lines().iter().enumerate() {
        let gap = if at == 0 { "\n" } else { "" };
        text.push_str(&format!("{gap}  {line}\n"));
    }
    text
}

/// Where it stands in one line, with the moment from which it can go on.
fn standing(shape: &WhyShape, clock: &Clock) -> String {
    let tree = &shape.why;
    let known = match (tree.evidence.as_deref(), tree.holds) {
        (Some(evidence), _) => evidence.to_owned(),
        (None, Holds::NotYet) => "not yet".to_owned(),
        (None, Holds::Yes) => "holds".to_owned(),
        (None, Holds::No | Holds::Barred) => "no, and it will not".to_owned(),
    };
    match shape.earliest.filter(|at| *at > clock.now) {
        Some(at) => format!("{known}; {} at the earliest, {}", clock.time(at), clock.relative(at)),
        None => known,
    }
}

/// The rules that a tree is made of, with what is known of them in a column of its own.
pub fn parts(tree: &Why, indent: usize, clock: &Clock) -> String {
    let mut table = Table::bare();
    for part in &tree.of {
        add(part, 0, &mut table, clock);
    }
    let indent = " ".repeat(indent);
    table.lines().iter().map(|line| format!("{indent}{line}\n")).collect()
}

/// The rules, not their parts, that do not hold yet.
pub fn missing(tree: &Why, clock: &Clock) -> String {
    let of = tree.of.iter().filter(|part| part.holds != Holds::Yes);
    let of = of.map(|part| Why { of: Vec::new(), ..part.clone() }).collect();
    parts(&Why { of, ..tree.clone() }, 2, clock)
}

fn add(tree: &Why, depth: usize, table: &mut Table, clock: &Clock) {
    let mut known: Vec<String> = tree.evidence.iter().cloned().collect();
    if tree.holds == Holds::NotYet {
        known.extend(tree.at.map(|at| format!("holds at {}", clock.time(at))));
        // Parts say of each person where they stand.
        if !tree.who.is_empty() && tree.of.is_empty() {
            known.push(format!("can approve: {}", tree.who.join(", ")));
        }
    }
    let indent = "  ".repeat(depth);
    let known = known.join("; ");
    // What goes over several lines, as a condition's trace does, goes on in its own column.
    let mut lines = known.lines().map(str::to_owned);
    let rule = format!("{indent}{} {}", sign(tree.holds), tree.rule);
    table.row([rule, lines.next().unwrap_or_default()]);
    for line in lines {
        table.row([String::new(), line]);
    }
    for part in &tree.of {
        add(part, depth + 1, table, clock);
    }
}

const fn sign(holds: Holds) -> char {
    match holds {
        Holds::Yes => '✓',
        Holds::NotYet => '‖',
        Holds::No => '✗',
        Holds::Barred => '–',
    }
}
