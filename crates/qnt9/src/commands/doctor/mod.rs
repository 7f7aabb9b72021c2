//! `qnt9 doctor`: it looks, and neither fetches nor changes anything.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::process::ExitCode;

use qnt9_runner::tools::Fetch;
use qnt9_store::folder::Holder;
use serde::Serialize;

use super::asking::{format, print};
use crate::cli::Common;
use crate::failure::{Exit, Failure};
use crate::places;
use crate::render::Table;
use crate::up::preflight::{Need, Wanted, look};

/// The port that `qnt9 up` takes when nobody says another.
const PORT_USUAL: u16 = 9009;
/// What `qnt9 up` fetches when it is missing.
const FETCHED: [&str; 2] = ["terraform", "PostgreSQL"];

/// What this machine has and lacks: what `--json` prints.
#[derive(Serialize)]
struct Examination {
    /// The data folder.
    data: PathBuf,
    /// The master key's file, and whether it is there.
    key: PathBuf,
    key_there: bool,
    /// The server that holds the data folder.
    server: Option<Holder>,
    /// What a delivery needs.
    needs: Vec<Need>,
}

/// Looks at everything; exit code 4 when something is missing.
pub async fn run(common: &Common, _args: &crate::cli::Doctor) -> Result<ExitCode, Failure> {
    let data = places::data_folder(common.data.as_deref())?;
    let key = places::key_file()?;
    let server = places::holder(&data);
    let mut needs =
        look(&data, Some(SocketAddr::from((Ipv4Addr::LOCALHOST, PORT_USUAL))), Fetch::Never, Wanted::ALL)
            .await
            .needs;
    needs.iter_mut().for_each(say_what_up_fetches);
    if let Some(address) = server.as_ref().and_then(|holder| holder.address.as_deref()) {
        needs.iter_mut().for_each(|need| allow_for_server(need, address));
    }
    let missing = needs.iter().any(|need| !need.there);
    let examination = Examination { data, key_there: key.exists(), key, server, needs };
    print(format(common), &examination, text);
    Ok(if missing { ExitCode::from(Exit::Lacks as u8) } else { ExitCode::SUCCESS })
}

/// A delivery fetches these two by itself, pinned and checked, where the network lets it.
fn say_what_up_fetches(need: &mut Need) {
    if !need.there && FETCHED.contains(&need.what) {
        need.found = "not on this machine".to_owned();
        let or = need.how_to_get_it.take().map(|how| format!(", or {how}")).unwrap_or_default();
        need.how_to_get_it = Some(format!("`qnt9 up` fetches it{or}"));
    }
}

/// A port that the data folder's own server holds is not missing.
fn allow_for_server(need: &mut Need, address: &str) {
    let ours = address.trim_end_matches('/').ends_with(&format!(":{PORT_USUAL}"));
    if need.what == "port" && !need.there && ours {
        need.there = true;
        need.found = format!("{PORT_USUAL}, held by this data folder's server");
        need.how_to_get_it = None;
    }
}

fn text(examination: &Examination) -> String {
    let mut table = Table::bare();
    for need in &examination.needs {
        let sign = if need.there { '✓' } else { '✗' };
        table.row([format!("{sign} {}", need.what), need.found.clone()]);
        if let Some(how) = &need.how_to_get_it {
            table.row([String::new(), how.clone()]);
        }
    }
    let Examination { data, key, key_there, server, .. } = examination;
    let data_state = if data.exists() { "" } else { " (made by `qnt9 up`)" };
    let key_state = if *key_there { "" } else { " (made by `qnt9 up`)" };
    let server = match server {
        None => "none runs on this data folder".to_owned(),
        Some(Holder { address: Some(address), .. }) => address.clone(),
        Some(holder) => format!("{holder} holds the data folder and does not serve yet"),
    };
    let mut facts = Table::bare();
    facts.row(["data".to_owned(), format!("{}{data_state}", data.display())]);
    facts.row(["key".to_owned(), format!("{}{key_state}", key.display())]);
    facts.row(["server".to_owned(), server]);
    format!("{}\n{}", table.text(0, ""), facts.text(2, ""))
}

#[cfg(test)]
mod tests {
    use expect_test::expect;

    use super::*;

    fn need(what: &'static str, found: &str, how: Option<&str>) -> Need {
        let how_to_get_it = how.map(str::to_owned);
        Need { what, there: how.is_none(), found: found.to_owned(), how_to_get_it }
    }

    #[test]
    fn what_is_missing_comes_with_the_way_to_get_it() {
        let examination = Examination {
            data: "/nowhere/qnt9".into(),
            key: "/nowhere/key".into(),
            key_there: false,
            server: None,
            needs: vec![
                need("git", "2.47.2", None),
                need("terraform", "not on the PATH", Some("install it from your distribution")),
            ],
        };
        expect![[r#"
            ✓ git        2.47.2
            ✗ terraform  not on the PATH
                         install it from your distribution

              data    /nowhere/qnt9 (made by `qnt9 up`)
              key     /nowhere/key (made by `qnt9 up`)
              server  none runs on this data folder
        "#]]
        .assert_eq(&text(&examination));
    }

    #[test]
    fn what_a_delivery_fetches_is_said_and_not_fetched() {
        let mut missing = need("terraform", "Fetching it is not allowed.", Some("install it"));
        say_what_up_fetches(&mut missing);
        assert_eq!(missing.how_to_get_it.as_deref(), Some("`qnt9 up` fetches it, or install it"));
        let mut git = need("git", "not on the PATH", Some("install it"));
        say_what_up_fetches(&mut git);
        assert_eq!(git.how_to_get_it.as_deref(), Some("install it"));
    }

    #[test]
    fn the_server_s_own_port_is_not_missing() {
        let mut held = need("port", "127.0.0.1:9009 is taken", Some("choose another"));
        allow_for_server(&mut held, "http://127.0.0.1:9109");
        assert!(!held.there);
        allow_for_server(&mut held, "http://127.0.0.1:9009");
        assert!(held.there && held.how_to_get_it.is_none());
    }
}
