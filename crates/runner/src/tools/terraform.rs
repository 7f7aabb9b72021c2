use std::fs::{self, File};
use std::io;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use super::fetch::{Digest, Pinned, fetch};
use super::{Fetch, Finding, Origin, ask};
use crate::which::which;

/// The official release, by the checksums that HashiCorp signs.
const VERSION: &str = "1.11.4";
const HOW_TO_GET_IT: &str = "Install terraform 1.6 or newer from \
    https://developer.hashicorp.com/terraform/install and put it on PATH.";

fn release() -> Option<Pinned> {
    match (std::env::consts::OS, std::env::consts::ARCH) {
        ("linux", "x86_64") => Some(Pinned {
            url: "https://releases.hashicorp.com/terraform/1.11.4/terraform_1.11.4_linux_amd64.zip",
            digest: Digest::Sha256(
                "1ce994251c00281d6845f0f268637ba50c0005657eb3cf096b92f753b42ef4dc",
            ),
        }),
        ("linux", "aarch64") => Some(Pinned {
            url: "https://releases.hashicorp.com/terraform/1.11.4/terraform_1.11.4_linux_arm64.zip",
            digest: Digest::Sha256(
                "a43d1d0da9b9bab214a8305a39db0e40869572594ccf50c416a7756499143633",
            ),
        }),
        _ => None,
    }
}

/// Looks for terraform on `path`, the value of `PATH`, then in `tools`, a folder of ours, where it is
/// fetched to when that is allowed.
pub async fn find_terraform(path: &str, tools: &Path, may_fetch: Fetch) -> Finding {
    let kept = tools.join(format!("terraform-{VERSION}"));
    let on_path =
        which("terraform", path, Path::new("/")).map(|program| (program, Origin::Machine));
    let in_tools = which("./terraform", "", &kept).map(|program| (program, Origin::Fetched));
    let mut why = format!("terraform is not on PATH ({path}).");
    for (program, origin) in on_path.into_iter().chain(in_tools) {
        match version_of(&program).await {
            Ok(version) => return Finding::Found { path: program, version, origin },
            Err(said) => why = said,
        }
    }
    let fetched = match (may_fetch, release()) {
        (Fetch::Allowed, Some(release)) => fetch_into(&release, tools, &kept).await,
        (Fetch::Allowed, None) => Err("There is no pinned release for this machine.".into()),
        (Fetch::Never, _) => Err("Fetching it is not allowed.".into()),
    };
    let found = match fetched {
        Ok(program) => version_of(&program).await.map(|version| (program, version)),
        Err(error) => Err(error),
    };
    match found {
        Ok((path, version)) => Finding::Found { path, version, origin: Origin::Fetched },
        Err(error) => {
            Finding::Missing { why: format!("{why} {error}"), how_to_get_it: HOW_TO_GET_IT.into() }
        }
    }
}

async fn version_of(program: &Path) -> Result<String, String> {
    let env = [("CHECKPOINT_DISABLE", "1".as_ref()), ("TF_CLI_CONFIG_FILE", "/dev/null".as_ref())];
    let said = ask(program, &["version", "-json"], &env).await?;
    let answer: Option<serde_json::Value> = serde_json::from_str(&said).ok();
    answer
        .and_then(|answer| Some(answer.get("terraform_version")?.as_str()?.to_owned()))
        .ok_or_else(|| format!("{} does not tell its version.", program.display()))
}

/// Fetches the release and unpacks its program, so that an interruption leaves no half of it.
async fn fetch_into(release: &Pinned, tools: &Path, kept: &Path) -> Result<PathBuf, String> {
    let at = |error: io::Error| format!("{} cannot be used: {error}.", tools.display());
    fs::create_dir_all(kept).map_err(at)?;
    let archive = tools.join("terraform.zip.part");
    fetch(release, &archive).await?;
    let (program, partial) = (kept.join("terraform"), kept.join("terraform.part"));
    let unpacking = {
        let (archive, partial) = (archive.clone(), partial.clone());
        tokio::task::spawn_blocking(move || unzip(&archive, "terraform", &partial))
    };
    let unpacked =
        unpacking.await.map_err(|error| format!("terraform was not unpacked: {error}."))?;
    unpacked.map_err(|error| format!("The archive of terraform is damaged: {error}."))?;
    fs::rename(&partial, &program).and_then(|()| fs::remove_file(&archive)).map_err(at)?;
    Ok(program)
}

/// Takes one program out of a zip archive.
fn unzip(archive: &Path, name: &str, target: &Path) -> io::Result<()> {
    let mut archive = zip::ZipArchive::new(File::open(archive)?).map_err(io::Error::other)?;
    let mut entry = archive.by_name(name).map_err(io::Error::other)?;
    let mut options = File::options();
    let mut file = options.write(true).create(true).truncate(true).mode(0o755).open(target)?;
    io::copy(&mut entry, &mut file)?;
    file.sync_all()
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use super::*;

    #[test]
    fn a_program_comes_out_of_a_zip_archive_and_can_run() {
        let dir = tempfile::TempDir::new().unwrap();
        let (archive, target) = (dir.path().join("a.zip"), dir.path().join("terraform"));
        let mut writer = zip::ZipWriter::new(File::create(&archive).unwrap());
        writer.start_file("terraform", zip::write::SimpleFileOptions::default()).unwrap();
        writer.write_all(b"#!/bin/sh\necho '{\"terraform_version\": \"9.9.9\"}'\n").unwrap();
        writer.finish().unwrap();
        unzip(&archive, "terraform", &target).unwrap();
        let output = std::process::Command::new(&target).output().unwrap();
        assert!(String::from_utf8_lossy(&output.stdout).contains("9.9.9"));
        let bytes = fs::read(&archive).unwrap();
        fs::write(&archive, &bytes[..bytes.len() - 9]).unwrap();
        assert!(unzip(&archive, "terraform", &target).is_err());
    }

    #[tokio::test]
    async fn one_that_is_missing_is_named_with_the_way_to_get_it() {
        let dir = tempfile::TempDir::new().unwrap();
        let missing = find_terraform("/nowhere", dir.path(), Fetch::Never).await;
        let Finding::Missing { why, how_to_get_it } = missing else { panic!("{missing:?}") };
        assert!(why.contains("/nowhere") && why.contains("not allowed"), "{why}");
        assert!(how_to_get_it.contains("developer.hashicorp.com"));
    }

    #[tokio::test]
    async fn one_that_was_fetched_earlier_is_found() {
        let dir = tempfile::TempDir::new().unwrap();
        let kept = dir.path().join(format!("terraform-{VERSION}"));
        fs::create_dir(&kept).unwrap();
        let script = "#!/bin/sh\necho '{\"terraform_version\": \"9.9.9\"}'\n";
        let mut options = File::options();
        let mut file = options
            .write(true)
            .create(true)
            .truncate(true)
            .mode(0o755)
            .open(kept.join("terraform"))
            .unwrap();
        file.write_all(script.as_bytes()).unwrap();
        drop(file);
        let found = find_terraform("/nowhere", dir.path(), Fetch::Never).await;
        assert!(matches!(
            found,
            Finding::Found { version, origin: Origin::Fetched, .. } if version == "9.9.9"
        ));
    }
}
