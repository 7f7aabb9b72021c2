//! The command line of qnt9: the only crate that reads the environment and the command line, and the
//! only one that prints.
//!
//! [`cli`] is the whole of what can be asked. [`commands`] are what people ask, [`steps`] what the
//! steps of jobs ask; both talk to a server over HTTP. [`up`] is the platform itself. It decides
//! nothing: every rule is the engine's, behind the server's door.

#![allow(unreachable_pub, reason = "a binary exports nothing: `pub` says what a module offers")]

mod check;
mod cli;
mod client;
mod commands;
mod database;
mod failure;
mod folder;
mod places;
mod render;
mod repository;
mod serve_static;
mod steps;
mod talk;
mod up;

use std::io;
use std::path::Path;
use std::process::ExitCode;

use clap::Parser as _;
use tracing_subscriber::EnvFilter;

use crate::cli::{Cli, Command, Common};
use crate::failure::Failure;

fn main() -> ExitCode {
    let cli = Cli::parse();
    match &cli.command {
        // The detached processes come before anything else: they must leave their session first.
        Command::Shim { dir } => detached(shim(dir)),
        Command::Replica { dir } => detached(replica(dir)),
        Command::Gateway { dir } => detached(gateway(dir)),
        _ => attached(cli),
    }
}

fn shim(dir: &Path) -> Result<(), String> {
    let ran = qnt9_runner::shim::run(dir, std::env::vars_os(), io::stdin());
    ran.map_err(|error| qnt9_runner::with_causes(&error))
}

fn replica(dir: &Path) -> Result<(), String> {
    let ran = qnt9_runner::replica::run(dir, io::stdin());
    ran.map_err(|error| qnt9_runner::with_causes(&error))
}

fn gateway(dir: &Path) -> Result<(), String> {
    qnt9_runner::leave_session().map_err(|error| error.to_string())?;
    let ran = qnt9_cluster::gateway::run_blocking(dir);
    ran.map_err(|error| qnt9_runner::with_causes(&error))
}

/// What a detached process says at last goes to its own log.
fn detached(result: Result<(), String>) -> ExitCode {
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(reason) => {
            talk::say(&reason);
            ExitCode::FAILURE
        }
    }
}

fn attached(cli: Cli) -> ExitCode {
    let filter = EnvFilter::try_from_env("QNT9_LOG").unwrap_or_else(|_| EnvFilter::new("warn"));
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(io::stderr)
        .with_ansi(talk::colours())
        .with_target(false)
        .init();
    // One provider of cryptography for the whole program.
    if rustls::crypto::ring::default_provider().install_default().is_err() {
        tracing::warn!("a provider of cryptography was installed before");
    }
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    let result = match runtime {
        Ok(runtime) => runtime.block_on(run(&cli.common, cli.command)),
        Err(error) => Err(Failure::because("no runtime", &error)),
    };
    match result {
        Ok(code) => code,
        Err(failure) => {
            if cli.common.json {
                talk::json(&failure.to_json());
            } else {
                talk::say(&failure.to_string());
            }
            ExitCode::from(failure.exit as u8)
        }
    }
}

async fn run(common: &Common, command: Command) -> Result<ExitCode, Failure> {
    match command {
        Command::Up(args) => up::run(common, &args).await,
        Command::ServeStatic(args) => serve_static::run(&args).await,
        Command::State(cli::State::Env { workspace }) => steps::state_env(&workspace).await,
        Command::Plan(cli::Plan::Record(args)) => steps::record_plan(&args).await,
        Command::Plan(cli::Plan::Verify(args)) => steps::verify_plan(&args).await,
        Command::Release(cli::Release::Build(args)) => steps::build_release(&args).await,
        Command::Release(cli::Release::Find { commit }) => {
            steps::find_release(commit.as_deref()).await
        }
        Command::Deploy(args) => steps::deploy(&args).await,
        Command::Url(args) => steps::url(&args).await,
        Command::Health(args) => steps::health(&args).await,
        Command::Load(cli::Load::Run(args)) => steps::load(&args).await,
        Command::Database(args) => database::run(common, &args).await,
        Command::Check(args) => check::run(common, &args),
        Command::Wait(args) => steps::wait(&args).await,
        Command::Notify(args) => steps::notify(&args).await,
        Command::Local(cli::Local::Database(args)) => steps::database(&args).await,
        Command::Evidence(cli::Evidence { record: Some(cli::EvidenceCommand::Record(args)) }) => {
            steps::evidence(&args).await
        }
        command => commands::run(common, command).await,
    }
}
