//! The command line of the auth service.

use std::{process::ExitCode, sync::Arc};

use auth::{
    check, fake,
    http::{STATEMENTS, Service, router},
    keys,
};
use chassis::{
    config::Config,
    prepare::{PrepareError, keep_prepared, prepare},
    serve::serve,
};

const PORT_DEFAULT: u16 = 8000;
const FAKE_ROWS_DEFAULT: usize = 1_000;

const USAGE: &str = "\
usage: auth [serve]                  serve HTTP (PORT, HOST, DATABASE_URL, LOAD_TEST_KEY)
       auth migrate                  bring the database to this release, a first signing key included
       auth rotate-keys              sign with a new key from now on
       auth seed --fake [--rows N]   make N invented accounts (1000), for development only
       auth check --url URL          integration tests against a running service";

#[tokio::main]
async fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let result = match arguments[..] {
        [] | ["serve"] => run_serve().await,
        ["migrate"] => migrate().await,
        ["rotate-keys"] => rotate().await,
        ["seed", "--fake"] => seed(FAKE_ROWS_DEFAULT).await,
        ["seed", "--fake", "--rows", rows] => match rows.parse() {
            Ok(rows) => seed(rows).await,
            Err(_) => Err(format!("--rows is {rows:?}, it must be a number")),
        },
        ["check", "--url", url] => {
            check::run(url, std::env::var("LOAD_TEST_KEY").ok().as_deref()).await
        }
        ["-h" | "--help"] => {
            println!("{USAGE}");
            Ok(())
        }
        _ => {
            eprintln!("{USAGE}");
            return ExitCode::from(2);
        }
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(message) => {
            eprintln!("auth: {message}");
            ExitCode::FAILURE
        }
    }
}

fn config() -> Result<Config, String> {
    Config::read("auth", PORT_DEFAULT, |name| std::env::var(name).ok())
}

async fn run_serve() -> Result<(), String> {
    let config = config()?;
    let service = Service::new(config.clone());
    let database = service.database();
    tokio::spawn(async move { keys::keep(&database).await });
    let routes = router(Arc::new(service));
    tokio::spawn(keep_prepared(config.clone(), "auth", STATEMENTS, async |prepared| {
        keys::ensure(&prepared.client).await.map_err(PrepareError::Data)?;
        Ok("there is a key to sign with".to_owned())
    }));
    serve(&config, routes).await
}

async fn migrate() -> Result<(), String> {
    let prepared = prepare(&config()?, "auth", STATEMENTS).await.map_err(|e| e.to_string())?;
    keys::ensure(&prepared.client).await?;
    println!("{} steps taken", prepared.migrated.taken.len());
    Ok(())
}

async fn rotate() -> Result<(), String> {
    let config = config()?;
    let mut prepared = prepare(&config, "auth", STATEMENTS).await.map_err(|e| e.to_string())?;
    keys::rotate(&mut prepared.client).await?;
    println!(
        "a new key signs within a minute; tokens of the ones before stay valid until they expire"
    );
    Ok(())
}

async fn seed(rows: usize) -> Result<(), String> {
    let made = fake::seed(&config()?, rows).await?;
    println!(
        "{} users, {} refresh tokens, {} watchlist entries, {} audit entries made",
        made.users, made.refresh_tokens, made.watchlists, made.audit_log
    );
    Ok(())
}
