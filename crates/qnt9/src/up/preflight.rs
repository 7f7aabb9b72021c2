//! What the machine must have: found, fetched, or named with the way to get it.

use std::net::SocketAddr;
use std::path::Path;

use qnt9_runner::postgres::Postgres;
use qnt9_runner::preflight::{disk_free, port_is_free};
use qnt9_runner::tools::{
    Fetch, Finding, Origin, PostgresFinding, find_git, find_postgres, find_terraform,
};
use serde::Serialize;

use crate::failure::Failure;

/// Bytes that must be free for a delivery: repositories, builds, databases.
const DISK_BYTES_MIN: u64 = 2 * 1024 * 1024 * 1024;

/// One thing that is needed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Need {
    /// `git`, `terraform`, `PostgreSQL`, `port`, `disk`.
    pub what: &'static str,
    /// Whether it is there.
    pub there: bool,
    /// Its version or size; or why it is not there.
    pub found: String,
    /// How to get it, when it is not there.
    pub how_to_get_it: Option<String>,
}

/// What the jobs of a delivery call beside git.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Wanted {
    pub terraform: bool,
    pub postgres: bool,
}

impl Wanted {
    /// What the reference system calls.
    pub const ALL: Self = Self { terraform: true, postgres: true };
}

/// What the machine has.
pub struct Machine {
    pub needs: Vec<Need>,
    /// `None` where it is not wanted.
    terraform: Option<Finding>,
    /// `None` where it is not wanted.
    postgres: Option<PostgresFinding>,
}

impl Machine {
    /// `git 2.47 · terraform 1.11.4 · …`
    pub fn summary(&self) -> String {
        let needs = self.needs.iter().map(|need| match need.what {
            "disk" => need.found.clone(),
            what => format!("{what} {}", need.found),
        });
        needs.collect::<Vec<_>>().join(" · ")
    }

    /// The PostgreSQL that environments get databases of.
    pub fn postgres(&self, data: &Path, password: &str) -> Result<Option<Postgres>, Failure> {
        match &self.postgres {
            Some(PostgresFinding::Binaries(binaries)) => {
                Ok(Some(Postgres::ours(binaries.clone(), &data.join("postgres"), password)))
            }
            Some(PostgresFinding::Url(url)) => Postgres::elsewhere(url)
                .map(Some)
                .map_err(|error| Failure::because("DATABASE_URL", &error)),
            Some(PostgresFinding::Missing { .. }) | None => Ok(None),
        }
    }

    /// Puts a terraform that was fetched first on the path of jobs.
    pub fn link_fetched(&self, data: &Path) -> Result<(), Failure> {
        let Some(Finding::Found { path, origin: Origin::Fetched, .. }) = &self.terraform else {
            return Ok(());
        };
        let link = data.join("bin").join("terraform");
        let fresh = data.join("bin").join(".terraform.new");
        let linked = match std::fs::remove_file(&fresh) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(error),
            Ok(()) | Err(_) => std::os::unix::fs::symlink(path, &fresh)
                .and_then(|()| std::fs::rename(&fresh, &link)),
        };
        linked.map_err(|error| Failure::because(format!("cannot link {}", link.display()), &error))
    }
}

/// Looks at everything at once; an error names all that is missing. `listen` is the address that must be
/// free, if one must.
pub async fn preflight(
    data: &Path,
    listen: Option<SocketAddr>,
    wanted: Wanted,
) -> Result<Machine, Failure> {
    let machine = look(data, listen, Fetch::Allowed, wanted).await;
    let missing: Vec<&Need> = machine.needs.iter().filter(|need| !need.there).collect();
    if missing.is_empty() {
        return Ok(machine);
    }
    let names: Vec<&str> = missing.iter().map(|need| need.what).collect();
    let mut failure = Failure::lacks(format!("this machine lacks {}", names.join(", ")));
    for need in &missing {
        failure = failure.detail(format!("{}: {}", need.what, need.found));
    }
    let hints: Vec<String> = missing.iter().filter_map(|need| need.how_to_get_it.clone()).collect();
    Err(failure.hint(hints.join("; ")))
}

/// What there is and what is missing; `fetch` says whether what is missing may be fetched.
pub async fn look(
    data: &Path,
    listen: Option<SocketAddr>,
    fetch: Fetch,
    wanted: Wanted,
) -> Machine {
    let path = std::env::var("PATH").unwrap_or_default();
    let database_url = std::env::var("DATABASE_URL").ok();
    let tools = data.join("tools");
    let terraform = async {
        if wanted.terraform { Some(find_terraform(&path, &tools, fetch).await) } else { None }
    };
    let postgres = async {
        let url = database_url.as_deref();
        if wanted.postgres { Some(find_postgres(url, &path, &tools, fetch).await) } else { None }
    };
    let (git, terraform, postgres) = tokio::join!(find_git(&path), terraform, postgres);
    let mut needs = vec![tool("git", &git)];
    needs.extend(terraform.as_ref().map(|finding| tool("terraform", finding)));
    needs.extend(postgres.as_ref().map(postgres_need));
    needs.extend(listen.map(port));
    needs.push(disk(data));
    Machine { needs, terraform, postgres }
}

fn tool(what: &'static str, finding: &Finding) -> Need {
    match finding {
        Finding::Found { version, origin, .. } => {
            Need { what, there: true, found: with_origin(version, *origin), how_to_get_it: None }
        }
        Finding::Missing { why, how_to_get_it } => Need {
            what,
            there: false,
            found: why.clone(),
            how_to_get_it: Some(how_to_get_it.clone()),
        },
    }
}

fn with_origin(version: &str, origin: Origin) -> String {
    match origin {
        Origin::Machine => version.to_owned(),
        Origin::Fetched => format!("{version} (fetched)"),
    }
}

fn postgres_need(finding: &PostgresFinding) -> Need {
    let what = "PostgreSQL";
    match finding {
        PostgresFinding::Binaries(binaries) => {
            let found = with_origin(&binaries.version, binaries.origin);
            Need { what, there: true, found, how_to_get_it: None }
        }
        PostgresFinding::Url(_) => {
            let found = "of DATABASE_URL".to_owned();
            Need { what, there: true, found, how_to_get_it: None }
        }
        PostgresFinding::Missing { why, how_to_get_it } => Need {
            what,
            there: false,
            found: why.clone(),
            how_to_get_it: Some(how_to_get_it.clone()),
        },
    }
}

fn port(listen: SocketAddr) -> Need {
    let there = port_is_free(listen);
    let port = listen.port();
    Need {
        what: "port",
        there,
        found: if there { port.to_string() } else { format!("{listen} is taken") },
        how_to_get_it: (!there).then(|| format!("choose another: qnt9 up --port {}", port + 100)),
    }
}

fn disk(data: &Path) -> Need {
    let what = "disk";
    let existing = data.ancestors().find(|path| path.exists()).unwrap_or(data);
    match disk_free(existing) {
        Ok(free) => {
            let there = free >= DISK_BYTES_MIN;
            let found = format!("{} GB free", free / 1_000_000_000);
            let how = "free some, or choose a folder elsewhere: qnt9 up --data DIR".to_owned();
            Need { what, there, found, how_to_get_it: (!there).then_some(how) }
        }
        Err(error) => Need {
            what,
            there: false,
            found: format!("{} cannot be looked at: {error}", existing.display()),
            how_to_get_it: Some("choose another folder: qnt9 up --data DIR".to_owned()),
        },
    }
}
