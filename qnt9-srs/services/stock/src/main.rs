//! The command line of the stock service.

use std::process::ExitCode;

use stock::{check, config::Config, schema, serve};

const USAGE: &str = "\
usage: stock [serve]          serve HTTP (PORT, HOST, DATABASE_URL; see config.rs for the rest)
       stock migrate          bring the database to this version, listed companies included
       stock seed --tickers   the same, then say how many companies there are
       stock seed --fake      and add fake companies, for development only
       stock check --url URL  integration tests against a running service";

#[tokio::main]
async fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let result = match arguments[..] {
        [] | ["serve"] => run_serve().await,
        ["migrate"] => run_seed(schema::Data::Listed).await,
        ["seed", "--tickers"] => run_seed(schema::Data::Listed).await,
        ["seed", "--fake"] => run_seed(schema::Data::ListedAndFake).await,
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
    serve::serve(config()?).await
}

async fn run_seed(data: schema::Data) -> Result<(), String> {
    let counts = schema::prepare(&config()?.database, data).await.map_err(|e| e.to_string())?;
    println!("{} listed companies, {} fake ones", counts.listed, counts.fake);
    Ok(())
}
