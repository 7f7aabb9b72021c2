//! `qnt9 simulate --log FILE`: an exported log at any of its places.

use std::io::{self, BufRead as _, IsTerminal as _};
use std::path::Path;
use std::process::ExitCode;

use qnt9_model::Millis;
use qnt9_simulator::reader::{Place, Reader, View};

use crate::cli::Common;
use crate::commands::asking::{format, print};
use crate::failure::Failure;
use crate::talk;

const HELP: &str =
    "n [N]  forward     b [N]  back     g PLACE  go to a number, STREAM:NUMBER or time
s      the state   a [N]  facts around  o      outstanding orders
v      broken invariants   q  leave";

/// Shows one place of the log, or lets a person walk in it.
pub(super) fn run(common: &Common, file: &Path, at: Option<&str>) -> Result<ExitCode, Failure> {
    let shown = file.display();
    let text = std::fs::read_to_string(file)
        .map_err(|error| Failure::because(format!("cannot read {shown}"), &error))?;
    let mut reader = Reader::open(&text).map_err(|error| {
        Failure::because(format!("{shown} is no exported log"), &error)
            .hint("write one with `qnt9 audit export > FILE`")
    })?;
    if let Some(at) = at {
        go(&mut reader, at)?;
    }
    let is_walk = at.is_none() && !common.json && io::stdin().is_terminal();
    if is_walk {
        walk(&mut reader)?;
    } else {
        print(format(common), &reader.view(), board);
    }
    Ok(ExitCode::SUCCESS)
}

fn go(reader: &mut Reader, place: &str) -> Result<(), Failure> {
    let parsed = parse(place).ok_or_else(|| {
        Failure::usage(format!("`{place}` is no place in a log"))
            .hint("write a sequence number, STREAM:NUMBER, or a time such as 2026-11-23T09:00:00Z")
    })?;
    let found = reader.find(&parsed).ok_or_else(|| {
        Failure::new(format!("the log has no entry {place}; it has {} facts", reader.facts()))
    })?;
    reader.go(found);
    Ok(())
}

fn parse(text: &str) -> Option<Place> {
    if let Ok(number) = text.parse() {
        return Some(Place::Sequence(None, number));
    }
    if let Ok(time) = text.parse::<jiff::Timestamp>() {
        return Some(Place::Time(Millis(time.as_millisecond())));
    }
    let (stream, number) = text.rsplit_once(':')?;
    Some(Place::Sequence(Some(stream.into()), number.parse().ok()?))
}

/// Reads a command a line until there is none.
fn walk(reader: &mut Reader) -> Result<(), Failure> {
    talk::say(HELP);
    talk::line(&reader.around(6, 2).join("\n"));
    let unreadable = |error: io::Error| Failure::because("standard input", &error);
    let mut lines = io::stdin().lock().lines();
    loop {
        talk::say_raw(&format!("{}/{}> ", reader.at(), reader.facts()));
        let Some(line) = lines.next().transpose().map_err(unreadable)? else { return Ok(()) };
        let mut words = line.split_whitespace();
        let command = words.next().unwrap_or("n");
        let argument = words.next();
        let number = argument.and_then(|word| word.parse::<usize>().ok());
        match command {
            "n" => reader.go(reader.at() + number.unwrap_or(1)),
            "b" => reader.go(reader.at().saturating_sub(number.unwrap_or(1))),
            "g" => {
                if let Err(failure) = go(reader, argument.unwrap_or_default()) {
                    talk::say(&failure.to_string());
                    continue;
                }
            }
            "q" => return Ok(()),
            _ => {}
        }
        talk::line(&match command {
            "n" | "b" | "g" => reader.around(3, 1).join("\n"),
            "a" => reader.around(number.unwrap_or(10), number.unwrap_or(10)).join("\n"),
            "s" => board(&reader.view()),
            "o" => orders(&reader.view()),
            "v" => broken(&reader.view()),
            _ => HELP.to_owned(),
        });
    }
}

fn board(view: &View) -> String {
    let mut lines = vec![format!("after {} of {} facts, {}", view.fact, view.facts, view.time)];
    lines.extend(view.last.iter().map(|last| format!("  {last}")));
    for project in &view.projects {
        lines.push(format!("{}, {} facts", project.project, project.sequence));
        for place in &project.environments {
            let or_nothing = |text: &Option<String>| text.clone().unwrap_or_else(|| "–".to_owned());
            lines.push(format!(
                "  {}  serves {}  rolls out {}  held by {}",
                place.place,
                or_nothing(&place.serves),
                or_nothing(&place.rolls_out),
                or_nothing(&place.held_by)
            ));
        }
        for run in &project.runs {
            let jobs: Vec<String> =
                run.jobs.iter().map(|(job, stands)| format!("{job} {stands}")).collect();
            let queue = if run.started { "" } else { " (queued)" };
            lines.push(format!(
                "  run {}{queue}  {}  {}  {}",
                run.run,
                run.workflow,
                run.commit,
                jobs.join(", ")
            ));
        }
    }
    lines.push(orders(view));
    lines.extend(view.due.iter().map(|due| format!("next by time alone: {due}")));
    lines.push(broken(view));
    lines.join("\n")
}

fn orders(view: &View) -> String {
    let all = view.projects.iter();
    let lines: Vec<String> = all
        .flat_map(|project| {
            project.orders.iter().map(|order| format!("  {} {order}", project.project))
        })
        .collect();
    if lines.is_empty() {
        "no outstanding orders".to_owned()
    } else {
        format!("orders\n{}", lines.join("\n"))
    }
}

fn broken(view: &View) -> String {
    if !view.audited {
        return "invariants were not checked: that needs the platform's stream too".to_owned();
    }
    let lines: Vec<String> = view
        .broken
        .iter()
        .map(|broken| {
            format!("✗ fact {} breaks `{}`: {}", broken.fact, broken.invariant, broken.detail)
        })
        .collect();
    if lines.is_empty() { "no invariant is broken".to_owned() } else { lines.join("\n") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_a_number_a_stream_s_number_or_a_time() {
        assert_eq!(parse("17"), Some(Place::Sequence(None, 17)));
        assert_eq!(parse("shop:3"), Some(Place::Sequence(Some("shop".into()), 3)));
        let morning = Millis(1_795_424_400_000);
        assert_eq!(parse("2026-11-23T09:00:00Z"), Some(Place::Time(morning)));
        assert_eq!(parse("yesterday"), None);
        assert_eq!(parse("shop:last"), None);
    }

    #[test]
    fn a_board_without_projects_says_so_in_few_lines() {
        let reader = Reader::open("").expect("nothing can be read");
        let text = board(&reader.view());
        assert!(text.starts_with("after 0 of 0 facts"), "{text}");
        assert!(text.contains("invariants were not checked"), "{text}");
    }
}
