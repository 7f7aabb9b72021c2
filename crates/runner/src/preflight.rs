//! What a machine must have free before the platform starts.

use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener};
use std::path::Path;

/// The bytes that this user may still write where `path` lies, or will lie once it is created.
pub fn disk_free(path: &Path) -> io::Result<u64> {
    let existing = path.ancestors().find(|part| part.exists()).unwrap_or(Path::new("/"));
    let disk = rustix::fs::statvfs(existing)?;
    Ok(disk.f_bavail.saturating_mul(disk.f_frsize))
}

/// Whether a server could listen at the address now. Somebody else may still be faster.
#[must_use]
pub fn port_is_free(address: SocketAddr) -> bool {
    TcpListener::bind(address).is_ok()
}

/// A port of the loopback interface that nobody uses now.
pub fn free_port() -> io::Result<u16> {
    let any = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 0);
    Ok(TcpListener::bind(any)?.local_addr()?.port())
}

/// The first free port from `first` on, of the loopback interface; `None` when a hundred are taken.
#[must_use]
pub fn free_port_from(first: u16) -> Option<u16> {
    const TRIES: u16 = 100;
    (first..first.saturating_add(TRIES))
        .find(|&port| port_is_free(SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), port)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_taken_port_is_passed_over() {
        let taken = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let address = taken.local_addr().unwrap();
        assert!(!port_is_free(address));
        assert_ne!(free_port_from(address.port()), Some(address.port()));
        assert_ne!(free_port().unwrap(), address.port());
    }

    #[test]
    fn space_is_told_for_folders_that_are_not_there_yet() {
        let dir = tempfile::TempDir::new().unwrap();
        let free = disk_free(&dir.path().join("a/b/c")).unwrap();
        assert!(free > 0 && free < 1 << 60, "{free}");
    }
}
