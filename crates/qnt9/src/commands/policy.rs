//! `qnt9 policy test`: rules before they bite.
//!
//! It exits with 3 when the answer is no, so that a script or a job can ask.

use std::process::ExitCode;

use qnt9_model::Millis;
use qnt9_server::api::shapes::{PolicyBlocked, PolicyCould, PolicyTest, PolicyTrial};

use super::asking::Asking;
use crate::cli::{Common, PolicyTest as Args};
use crate::failure::{Exit, Failure};
use crate::render::policy;

/// Asks whether somebody could deploy, or what a changed file would have blocked.
pub async fn test(common: &Common, args: &Args) -> Result<ExitCode, Failure> {
    let ask = Asking::of(common).await?;
    let body = match (&args.file, &args.wisher, &args.environment) {
        (Some(path), ..) => {
            let name = path.display().to_string();
            let file = std::fs::read_to_string(path)
                .map_err(|error| Failure::because(format!("{name} cannot be read"), &error))?;
            PolicyTest::Blocked(PolicyBlocked { name, file, last: Some(args.last) })
        }
        (None, Some(person), Some(environment)) => PolicyTest::Could(PolicyCould {
            person: person.clone(),
            environment: environment.as_str().into(),
            commit: args.commit.clone(),
            release: args.release.clone(),
            at: moment(&ask, args)?,
        }),
        _ => return Err(Failure::usage("say --person and --environment, or --file")),
    };
    let trial: PolicyTrial = ask.post("/policy/test", &body).await?;
    let holds = match &trial {
        PolicyTrial::Could(could) => could.could,
        PolicyTrial::Blocked(all) => all.iter().all(|one| !one.blocked),
    };
    ask.print(&trial, |trial, clock| match trial {
        PolicyTrial::Could(could) => policy::could(could, clock),
        PolicyTrial::Blocked(all) => policy::blocked(all, clock),
    });
    Ok(if holds { ExitCode::SUCCESS } else { ExitCode::from(Exit::Held as u8) })
}

/// The moment that is meant: earlier ones are asked of how things stood, later ones of today's.
fn moment(ask: &Asking, args: &Args) -> Result<Option<Millis>, Failure> {
    let Some(text) = &args.at else { return Ok(None) };
    let moment = ask.clock.read(text).ok_or_else(|| {
        Failure::usage(format!("`{text}` is no moment"))
            .hint("write `2026-11-24 14:10`, `14:10` or `2026-11-24T14:10:02Z`")
    })?;
    Ok(Some(moment))
}
