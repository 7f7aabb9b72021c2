//! `qnt9 workflow plan`

use std::path::Path;
use std::process::ExitCode;

use qnt9_workflow::forecast::{Fate, Forecast, Happening, JobForecast, Start, forecast};
use qnt9_workflow::{Object, Value};

use super::{FOLDER, all, file_of, read, repository_of};
use crate::cli::{Common, WorkflowPlan};
use crate::commands::asking::{format, print};
use crate::failure::Failure;

/// Says which workflows, jobs and legs an event would start, and for each that it would not, why.
pub(super) fn run(common: &Common, args: &WorkflowPlan) -> Result<ExitCode, Failure> {
    let files = if args.files.is_empty() { all(Path::new(FOLDER))? } else { args.files.clone() };
    let happening = happening(args)?;
    let mut forecasts = Vec::new();
    for file in &files {
        let repository = repository_of(file);
        let called = |reference: &str| {
            let path = reference.strip_prefix("./").ok_or("it lies in another repository")?;
            file_of(&repository, path).ok_or_else(|| "there is no such file".to_owned())
        };
        let text = read(file)?;
        forecasts.push(forecast(&file.display().to_string(), &text, &happening, &called));
    }
    print(format(common), &forecasts, |forecasts| {
        forecasts.iter().map(drawn).collect::<Vec<_>>().join("\n")
    });
    Ok(ExitCode::SUCCESS)
}

fn happening(args: &WorkflowPlan) -> Result<Happening, Failure> {
    let payload = match &args.payload {
        None => Object::new(),
        Some(file) => match Value::from_json_text(&read(file)?) {
            Ok(Value::Object(object)) => object,
            Ok(_) => {
                return Err(Failure::usage(format!("{} is no JSON object", file.display())));
            }
            Err(error) => {
                return Err(Failure::because(format!("{} is no JSON", file.display()), &error));
            }
        },
    };
    let mut inputs = Vec::new();
    for input in &args.input {
        let (name, value) = input.split_once('=').ok_or_else(|| {
            Failure::usage(format!("the input `{input}` has no value"))
                .hint("write it as --input NAME=VALUE")
        })?;
        inputs.push((name.to_owned(), value.to_owned()));
    }
    Ok(Happening {
        event: args.event.clone(),
        reference: args.reference.clone(),
        payload,
        inputs,
        changed_paths: Some(args.changed.clone()).filter(|paths| !paths.is_empty()),
    })
}

fn drawn(forecast: &Forecast) -> String {
    let mut lines = Vec::new();
    let title = match forecast.name == forecast.file {
        true => forecast.file.clone(),
        false => format!("{} ({})", forecast.file, forecast.name),
    };
    match &forecast.start {
        Start::Started => lines.push(format!("{title} starts")),
        Start::NotStarted { reason } => lines.push(format!("{title} does not start: {reason}")),
        Start::Refused { errors } => {
            lines.push(format!("{title} is refused"));
            lines.extend(errors.iter().map(|error| format!("  {error}")));
        }
    }
    draw(&forecast.jobs, "", &mut lines);
    if !forecast.unsupported.is_empty() {
        lines.push("  qnt9 cannot carry out all of it yet:".to_owned());
        lines.extend(forecast.unsupported.iter().map(|what| format!("    {what}")));
    }
    lines.join("\n")
}

/// A tree of the jobs.
fn draw(jobs: &[JobForecast], indent: &str, lines: &mut Vec<String>) {
    for (at, job) in jobs.iter().enumerate() {
        let is_last = at + 1 == jobs.len();
        let (branch, below) = if is_last { ("└─", "   ") } else { ("├─", "│  ") };
        let calls = job.calls.as_ref().map(|file| format!(" calls {file};")).unwrap_or_default();
        lines.push(format!("{indent}{branch} {}:{calls} {}", job.id, fate(&job.fate)));
        let inner = format!("{indent}{below}");
        match &job.fate {
            Fate::Runs { legs, .. } if !legs.is_empty() => {
                lines.extend(legs.iter().map(|leg| format!("{inner}· {leg}")));
            }
            Fate::Skipped { trace: Some(trace), .. } => {
                let trace = trace.to_string();
                lines.extend(trace.lines().map(|line| format!("{inner}{line}")));
            }
            _ => {}
        }
        draw(&job.called, &inner, lines);
    }
}

fn fate(fate: &Fate) -> String {
    match fate {
        Fate::Runs { legs, environment } => {
            let times = match legs.len() {
                0 | 1 => "runs".to_owned(),
                number => format!("runs {number} times"),
            };
            match environment {
                Some(name) => format!("{times}, in the environment {name} once its gates open"),
                None => times,
            }
        }
        Fate::RunsWithUnknownLegs { depends_on } => {
            format!("runs; how many times depends on {}", depends_on.join(", "))
        }
        Fate::Skipped { reason, .. } => format!("is skipped: {reason}"),
        Fate::Open { depends_on } => format!("depends on {}", depends_on.join(", ")),
        Fate::Fails { reason } => format!("fails: {reason}"),
    }
}
