use std::path::{Component, Path, PathBuf};

/// The path of `name` within `root`, which it must not leave. The error is for people.
pub(crate) fn inside(root: &Path, name: &str) -> Result<PathBuf, String> {
    let mut path = root.to_path_buf();
    let mut depth = 0usize;
    let relative = Path::new(name).strip_prefix(root).unwrap_or(Path::new(name));
    for part in relative.components() {
        match part {
            Component::CurDir => {}
            Component::Normal(part) => {
                depth += 1;
                path.push(part);
            }
            Component::ParentDir if depth > 0 => {
                depth -= 1;
                path.pop();
            }
            Component::ParentDir | Component::RootDir | Component::Prefix(_) => {
                return Err(format!("`{name}` lies outside of {}.", root.display()));
            }
        }
    }
    Ok(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_leads_out() {
        let root = Path::new("/build/space");
        assert_eq!(inside(root, "a/./b/../c").unwrap(), Path::new("/build/space/a/c"));
        assert_eq!(inside(root, ".").unwrap(), root);
        assert_eq!(inside(root, "/build/space/x").unwrap(), Path::new("/build/space/x"));
        for name in ["..", "a/../../b", "/etc/passwd", "/build/spaced"] {
            assert!(inside(root, name).is_err(), "{name}");
        }
    }
}
