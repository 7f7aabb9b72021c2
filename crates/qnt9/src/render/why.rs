//! A proof tree, as `qnt9 why` shows it.

use qnt9_model::Why;
use qnt9_model::why::Holds;
use qnt9_server::api::shapes::WhyShape;

use super::{Clock, Table};

/// What it is about, the tree, and the commands that would change it.
pub fn why(shape: &WhyShape, clock: &Clock) -> String {
    let tree = &shape.why;
    let standing = match (tree.holds, tree.at.filter(|at| *at > clock.now)) {
        (Holds::NotYet, Some(at)) => {
            format!("not yet; at {} at the earliest", clock.time(at))
        }
        (Holds::NotYet, None) => "not yet".to_owned(),
        (Holds::Yes, _) => "holds".to_owned(),
        (Holds::No, _) => "no, and it will not".to_owned(),
    };
    let mut text = if tree.rule.starts_with(&shape.subject) {
        format!("{}\n", tree.rule)
    } else {
        format!("{}: {}\n", shape.subject, tree.rule)
    };
    let evidence = tree.evidence.clone().unwrap_or(standing);
    text.push_str(&format!("{} {evidence}\n", sign(tree.holds)));
    if !tree.of.is_empty() {
        text.push_str(&format!("\n{}", parts(tree, 2, clock)));
    }
    if !shape.next.is_empty() {
        let next = shape.next.join("\n        ");
        text.push_str(&format!("\n  next: {next}\n"));
    }
    text
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
    }
}
