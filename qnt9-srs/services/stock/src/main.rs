//! The command line of the stock service.

use std::{process::ExitCode, sync::Arc};

use chassis::{prepare::keep_prepared, serve::serve};
use stock::{
    catalog::STATEMENTS,
    check,
    config::{Config, Engine},
    data::{self, Data},
    http::{Service, router},
};

const USAGE: &str = "\
usage: stock [serve]          serve HTTP (PORT, HOST, DATABASE_URL; see config.rs for the rest)
       stock migrate          bring the database to this release, listed companies included
       stock seed --tickers   the same, then say how many companies there are
       stock seed --fake      and add fake companies, for development only
       stock check --url URL  integration tests against a running service";

#[tokio::main]
async fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let result = match arguments[..] {
        [] | ["serve"] => run_serve().await,
        ["migrate"] => run_seed(Data::Listed).await,
        ["seed", "--tickers"] => run_seed(Data::Listed).await,
        ["seed", "--fake"] => run_seed(Data::ListedAndFake).await,
        ["check", "--url", url] => check::run(url).await,
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
            eprintln!("stock: {message}");
            ExitCode::FAILURE
        }
    }
}

fn config() -> Result<Config, String> {
    Config::read(|name| std::env::var(name).ok())
}

async fn run_serve() -> Result<(), String> {
    let config = config()?;
    let common = config.common.clone();
    let in_memory = config.engine == Engine::Memory;
    let service = Arc::new(Service::new(config));
    if in_memory {
        let catalog = Arc::clone(&service.catalog);
        tokio::spawn(async move { catalog.keep_fresh().await });
    }
    tokio::spawn(keep_prepared(common.clone(), "stock", STATEMENTS, async |prepared| {
        let counts = data::fill(prepared, Data::Listed).await?;
        Ok(format!("{} companies", counts.listed + counts.fake))
    }));
    serve(&common, router(service)).await
}

async fn run_seed(data: Data) -> Result<(), String> {
    let counts = data::load(&config()?.common, data).await.map_err(|e| e.to_string())?;
    println!("{} listed companies, {} fake ones", counts.listed, counts.fake);
    Ok(())
}
