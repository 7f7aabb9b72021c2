//! Where this user's things lie: the data folder, the master key, and people's tokens.

use std::collections::BTreeMap;
use std::env;
use std::fs::{self, DirBuilder, OpenOptions};
use std::io::Write as _;
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use qnt9_store::folder::{Holder, Server};
use serde::{Deserialize, Serialize};

use crate::failure::Failure;

/// The tokens of one data folder's server.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tokens {
    /// Whose data folder it is.
    pub owner: String,
    /// Tokens by person.
    pub tokens: BTreeMap<String, String>,
}

/// The data folder: as asked for, else `$XDG_DATA_HOME/qnt9`, else `~/.local/share/qnt9`.
pub fn data_folder(asked: Option<&Path>) -> Result<PathBuf, Failure> {
    let folder = match asked {
        Some(folder) => folder.to_owned(),
        None => home_folder("XDG_DATA_HOME", ".local/share")?,
    };
    // A folder that does not exist yet is named by its absolute path all the same.
    std::path::absolute(&folder)
        .map(|path| path.canonicalize().unwrap_or(path))
        .map_err(|error| Failure::because(folder.display().to_string(), &error))
}

/// The folder of keys and tokens: `$XDG_CONFIG_HOME/qnt9`, else `~/.config/qnt9`.
pub fn config_folder() -> Result<PathBuf, Failure> {
    home_folder("XDG_CONFIG_HOME", ".config")
}

/// The master key's file: `QNT9_KEY_FILE`, else `key` in the configuration folder.
pub fn key_file() -> Result<PathBuf, Failure> {
    match env::var_os("QNT9_KEY_FILE").filter(|path| !path.is_empty()) {
        Some(path) => Ok(PathBuf::from(path)),
        None => Ok(config_folder()?.join("key")),
    }
}

fn home_folder(variable: &str, below_home: &str) -> Result<PathBuf, Failure> {
    let absolute = |name: &str| env::var_os(name).map(PathBuf::from).filter(|p| p.is_absolute());
    let folder = absolute(variable).or_else(|| Some(absolute("HOME")?.join(below_home)));
    let folder = folder.ok_or_else(|| {
        Failure::lacks(format!("neither {variable} nor HOME says where your things lie"))
            .hint("set HOME")
    })?;
    Ok(folder.join("qnt9"))
}

/// Makes the configuration folder, readable by its owner only.
pub fn make_config_folder() -> Result<PathBuf, Failure> {
    let folder = config_folder()?;
    let made = DirBuilder::new().recursive(true).mode(0o700).create(&folder);
    made.map_err(|error| Failure::because(format!("cannot make {}", folder.display()), &error))?;
    Ok(folder)
}

/// The name of the data folder's owner: as it was first started, else this machine's user.
pub fn owner(data: &Path) -> Result<String, Failure> {
    let known = tokens(data)?.owner;
    let user = || env::var("USER").ok().filter(|user| !user.is_empty());
    Ok(if known.is_empty() { user().unwrap_or_else(|| "owner".to_owned()) } else { known })
}

type AllTokens = BTreeMap<PathBuf, Tokens>;

/// The tokens that this machine keeps for a data folder.
pub fn tokens(data: &Path) -> Result<Tokens, Failure> {
    let mut all = read_tokens(&config_folder()?.join("tokens.json"))?;
    Ok(all.remove(data).unwrap_or_default())
}

/// Keeps the tokens of a data folder, mode 0600, beside those of others.
pub fn keep_tokens(data: &Path, tokens: Tokens) -> Result<(), Failure> {
    let folder = make_config_folder()?;
    let path = folder.join("tokens.json");
    let mut all = read_tokens(&path)?;
    all.insert(data.to_owned(), tokens);
    let text = serde_json::to_string_pretty(&all).expect("tokens are plain data");
    let failed = |error| Failure::because(format!("cannot write {}", path.display()), &error);
    // Written aside and moved over, so that a crash leaves the old file or the new one.
    let fresh = folder.join(format!(".tokens.json.{}", std::process::id()));
    let mut options = OpenOptions::new();
    let options = options.write(true).create(true).truncate(true).mode(0o600);
    let mut file = options.open(&fresh).map_err(failed)?;
    file.write_all(text.as_bytes()).and_then(|()| file.sync_all()).map_err(failed)?;
    fs::rename(&fresh, &path).map_err(failed)
}

fn read_tokens(path: &Path) -> Result<AllTokens, Failure> {
    let shown = path.display();
    let text = match fs::read_to_string(path) {
        Ok(text) => text,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(AllTokens::new()),
        Err(error) => return Err(Failure::because(format!("cannot read {shown}"), &error)),
    };
    let mode = fs::metadata(path).map_or(0, |metadata| metadata.permissions().mode() & 0o077);
    if mode != 0 {
        return Err(Failure::new(format!("{shown} can be read by others"))
            .hint(format!("chmod 600 {shown}")));
    }
    serde_json::from_str(&text).map_err(|error| {
        Failure::because(format!("{shown} cannot be understood"), &error)
            .hint("remove it and run `qnt9 up` again: new tokens are issued")
    })
}

/// Who works in a data folder now, as they said themselves; the first of those that share it. `None` when
/// nobody does.
pub fn holder(data: &Path) -> Option<Holder> {
    let sharing = Server::all(data).unwrap_or_default();
    let alive = sharing.into_iter().find(|server| server.is_alive);
    holder_alone(data).or_else(|| Some(alive?.holder))
}

/// Who is in the way of a server that shares the data folder under this name: one that has the folder for
/// itself, or the name.
pub fn holder_of_name(data: &Path, name: &str) -> Option<Holder> {
    let sharing = Server::all(data).unwrap_or_default();
    let namesake = sharing.into_iter().find(|server| server.is_alive && server.name == name);
    holder_alone(data).or_else(|| Some(namesake?.holder))
}

/// Who has a data folder for themselves.
fn holder_alone(data: &Path) -> Option<Holder> {
    let path = data.join("lock");
    let file = fs::File::open(&path).ok()?;
    if file.try_lock_shared().is_ok() {
        return None;
    }
    let text = fs::read_to_string(&path).ok()?;
    serde_json::from_str(text.trim()).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_that_nobody_holds_has_no_holder() {
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(holder(folder.path()), None);
        let held = qnt9_store::DataFolder::open(&folder.path().join("data")).unwrap();
        held.announce("http://127.0.0.1:9009").unwrap();
        let found = holder(held.root()).unwrap();
        assert_eq!(found.pid, Some(std::process::id()));
        assert_eq!(found.address.as_deref(), Some("http://127.0.0.1:9009"));
        let root = held.root().to_owned();
        drop(held);
        assert_eq!(holder(&root), None);
    }

    #[test]
    fn a_shared_folder_is_held_by_whoever_is_alive_and_a_name_by_its_namesake() {
        let folder = tempfile::tempdir().unwrap();
        let held = qnt9_store::DataFolder::open_shared(&folder.path().join("data"), "a").unwrap();
        held.announce("http://127.0.0.1:9009").unwrap();
        let address = |holder: Option<Holder>| holder.and_then(|holder| holder.address);
        let root = held.root().to_owned();
        assert_eq!(address(holder(&root)).as_deref(), Some("http://127.0.0.1:9009"));
        assert_eq!(address(holder_of_name(&root, "a")).as_deref(), Some("http://127.0.0.1:9009"));
        assert_eq!(holder_of_name(&root, "b"), None);
        drop(held);
        assert_eq!((holder(&root), holder_of_name(&root, "a")), (None, None));
    }

    #[test]
    fn tokens_that_others_can_read_are_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("tokens.json");
        fs::write(&path, "{}").unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
        let refused = read_tokens(&path).unwrap_err();
        assert!(refused.message.contains("can be read by others"), "{refused}");
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
        assert_eq!(read_tokens(&path).unwrap(), AllTokens::new());
    }
}
