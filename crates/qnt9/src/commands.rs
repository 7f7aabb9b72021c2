//! What people ask. Each command asks the server, or reads this machine, and prints what it found.
//!
//! `audit`, `explain`, `init`, `simulate`, `workflow` and most of `doctor` need no server.

mod approve;
mod asking;
mod audit;
mod cancel;
mod conformance;
mod deployments;
mod diff;
mod dispatch;
mod doctor;
mod environments;
mod evidence;
mod explain;
mod expr;
mod init;
mod logs;
mod lost;
mod note;
mod notifications;
mod policy;
mod promote;
mod releases;
mod rerun;
mod retry;
mod rollback;
mod runs;
mod secrets;
mod simulate;
mod state;
mod status;
mod why;
mod workflow;

use std::process::ExitCode;

use qnt9_server::api::shapes::ResolveDecision;

use crate::cli::{self, Command, Common};
use crate::failure::Failure;

/// Carries out a person's command.
pub async fn run(common: &Common, command: Command) -> Result<ExitCode, Failure> {
    match command {
        Command::Status(args) => status::run(common, &args).await,
        Command::Runs(cli::Runs { retry: Some(cli::RunsCommand::Retry(args)), .. }) => {
            retry::run(common, &args).await
        }
        Command::Runs(args) => runs::run(common, &args).await,
        Command::Logs(args) => logs::run(common, &args).await,
        Command::Dispatch(args) => dispatch::run(common, &args).await,
        Command::Approve(args) => approve::run(common, &args, approve::Decision::Approve).await,
        Command::Reject(args) => approve::run(common, &args, approve::Decision::Reject).await,
        Command::Cancel(args) => cancel::run(common, &args).await,
        Command::Rerun(args) => rerun::run(common, &args).await,
        Command::Resume(args) => lost::run(common, &args, ResolveDecision::Resume).await,
        Command::Abandon(args) => lost::run(common, &args, ResolveDecision::Abandon).await,
        Command::Resolve(args) => {
            let decision = match args.decision {
                cli::Resolution::Rerun => ResolveDecision::Rerun,
                cli::Resolution::Abandon => ResolveDecision::Abandon,
            };
            lost::at_once(common, &args.job, decision).await
        }
        Command::Why(args) => why::run(common, &args).await,
        Command::Policy(cli::Policy::Test(args)) => policy::test(common, &args).await,
        Command::Environments => environments::run(common).await,
        Command::Releases(cli::Releases { diff: Some(cli::ReleasesCommand::Diff(args)) })
        | Command::Diff(args) => diff::run(common, &args).await,
        Command::Releases(_) => releases::run(common).await,
        Command::Deployments(args) => deployments::run(common, &args).await,
        Command::Promote(args) => promote::run(common, &args).await,
        Command::Note(args) => note::run(common, &args).await,
        Command::Rollback(args) => rollback::run(common, &args).await,
        Command::Secrets(args) => secrets::run(common, &args).await,
        Command::Notifications => notifications::run(common).await,
        Command::Evidence(_) => evidence::run(common).await,
        Command::Audit(args) => audit::run(common, &args),
        Command::Simulate(args) => simulate::run(common, &args),
        Command::Init(args) => init::run(common, &args).await,
        Command::Doctor(args) => doctor::run(common, &args).await,
        Command::Explain(args) => explain::run(common, &args),
        Command::State(cli::State::Unlock(args)) => state::unlock(common, &args).await,
        Command::Workflow(args) => workflow::run(common, &args).await,
        Command::Expr(args) => expr::run(common, &args),
        Command::Conformance(args) => conformance::run(common, &args).await,
        Command::Up(_)
        | Command::State(cli::State::Env { .. })
        | Command::ServeStatic(_)
        | Command::Plan(_)
        | Command::Release(_)
        | Command::Deploy(_)
        | Command::Url(_)
        | Command::Health(_)
        | Command::Load(_)
        | Command::Database(_)
        | Command::Check(_)
        | Command::Wait(_)
        | Command::Notify(_)
        | Command::Local(_)
        | Command::Shim { .. }
        | Command::Replica { .. }
        | Command::Gateway { .. } => unreachable!("`main` carries these out"),
    }
}

#[cfg(test)]
mod tests;
