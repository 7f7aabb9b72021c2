//! This machine: tools, folders, keys and tokens.

use std::fs::{self, Permissions};
use std::net::{Ipv4Addr, SocketAddr};
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use qnt9_runner::tools::Fetch;
use qnt9_store::folder::Holder;

use super::{Check, Verdict};
use crate::cli::Common;
use crate::failure::Failure;
use crate::places;
use crate::up::preflight::{Need, Wanted, look as look_for_needs};

/// The port that `qnt9 up` takes when nobody says another.
const PORT_USUAL: u16 = 9009;
/// What `qnt9 up` fetches when it is missing.
const FETCHED: [&str; 2] = ["terraform", "PostgreSQL"];

/// Looks at everything that a delivery needs; with `fix` files of secrets that others can read are closed.
pub(super) async fn look(common: &Common, fix: bool) -> Result<Vec<Check>, Failure> {
    let data = places::data_folder(common.data.as_deref())?;
    let server = places::holder(&data);
    let listen = Some(SocketAddr::from((Ipv4Addr::LOCALHOST, PORT_USUAL)));
    let mut needs = look_for_needs(&data, listen, Fetch::Never, Wanted::ALL).await.needs;
    needs.iter_mut().for_each(say_what_up_fetches);
    if let Some(address) = server.as_ref().and_then(|holder| holder.address.as_deref()) {
        needs.iter_mut().for_each(|need| allow_for_server(need, address));
    }
    let mut checks: Vec<Check> = needs.into_iter().map(check_of_need).collect();
    checks.push(data_folder(&data));
    checks.push(private(
        "machine.key",
        &places::key_file()?,
        "The master key opens every secret, log and state of the data folder.",
        fix,
    ));
    checks.push(private(
        "machine.tokens",
        &places::config_folder()?.join("tokens.json"),
        "The tokens of people on this machine: whoever reads them acts in their names.",
        fix,
    ));
    let found = match server {
        None => "none runs on this data folder".to_owned(),
        Some(Holder { address: Some(address), .. }) => address,
        Some(holder) => format!("{holder} holds the data folder and does not serve yet"),
    };
    checks.push(Check::ok("machine.server", found, "The server that works in the data folder."));
    Ok(checks)
}

fn check_of_need(need: Need) -> Check {
    let explanation = match need.what {
        "git" => "Repositories are git's, and every delivery begins with a push.",
        "terraform" => "Jobs plan and apply with the real terraform.",
        "PostgreSQL" => "Environments get databases of the platform's own PostgreSQL.",
        "port" => "Where the console, the API and git are served unless --port says otherwise.",
        _ => "Repositories, builds, releases and databases take room.",
    };
    let check =
        Check::ok(&format!("machine.{}", need.what.to_lowercase()), need.found, explanation);
    if need.there {
        return check;
    }
    check.but(Verdict::Fail, need.how_to_get_it.unwrap_or_default())
}

fn data_folder(data: &Path) -> Check {
    let shown = data.display();
    let check = |found: String| {
        Check::ok("machine.data", found, "Where everything lies: the log, releases, repositories.")
    };
    let existing = data.ancestors().find(|path| path.exists()).unwrap_or(data);
    let is_writable = rustix::fs::access(existing, rustix::fs::Access::WRITE_OK).is_ok();
    match (data.exists(), is_writable) {
        (true, true) => check(shown.to_string()),
        (false, true) => check(format!("{shown} (made by `qnt9 up`)")),
        (_, false) => check(format!("{} cannot be written", existing.display()))
            .but(Verdict::Fail, "choose another folder: --data DIR"),
    }
}

/// A file that only its owner may read.
fn private(id: &str, path: &Path, explanation: &str, fix: bool) -> Check {
    let shown = path.display();
    let Ok(metadata) = fs::metadata(path) else {
        return Check::ok(id, format!("{shown} (made by `qnt9 up`)"), explanation);
    };
    let check = Check::ok(id, shown.to_string(), explanation);
    if metadata.permissions().mode() & 0o077 == 0 {
        return check;
    }
    let closed = fix.then(|| fs::set_permissions(path, Permissions::from_mode(0o600)));
    match closed {
        Some(Ok(())) => Check {
            fixed: true,
            found: format!("{shown}: others could read it; mode 0600 now"),
            ..check
        },
        Some(Err(error)) => Check {
            found: format!("{shown} can be read by others, and that cannot be changed: {error}"),
            ..check
        }
        .but(Verdict::Fail, format!("chmod 600 {shown}")),
        None => Check { found: format!("{shown} can be read by others"), ..check }
            .but(Verdict::Fail, format!("chmod 600 {shown}, or qnt9 doctor machine --fix")),
    }
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

#[cfg(test)]
mod tests {
    use super::*;

    fn need(what: &'static str, found: &str, how: Option<&str>) -> Need {
        let how_to_get_it = how.map(str::to_owned);
        Need { what, there: how.is_none(), found: found.to_owned(), how_to_get_it }
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

    #[test]
    fn a_key_that_others_can_read_fails_and_is_closed_when_that_is_asked_for() {
        let folder = tempfile::tempdir().unwrap();
        let key = folder.path().join("key");
        fs::write(&key, "k").unwrap();
        fs::set_permissions(&key, Permissions::from_mode(0o644)).unwrap();
        assert_eq!(private("machine.key", &key, "", false).verdict, Verdict::Fail);
        let mended = private("machine.key", &key, "", true);
        assert!(mended.fixed && mended.verdict == Verdict::Ok, "{mended:?}");
        assert_eq!(fs::metadata(&key).unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(private("machine.key", &key, "", false).verdict, Verdict::Ok);
    }
}
