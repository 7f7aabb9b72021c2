//! Room on a full disk is worth waiting for: somebody frees some, and a job that waits loses nothing.

use std::io;
use std::thread::sleep;
use std::time::{Duration, Instant};

use crate::limits::ROOM_PATIENCE;

/// How often a full disk is looked at again.
const PULSE: Duration = Duration::from_millis(200);

/// Writes, and while that fails for want of room, writes again, for [`ROOM_PATIENCE`]. It blocks this
/// thread on purpose: what cannot be written down must not happen.
pub(crate) fn wait_for_room<T>(mut write: impl FnMut() -> io::Result<T>) -> io::Result<T> {
    let until = Instant::now() + ROOM_PATIENCE;
    loop {
        match write() {
            Err(error) if lacks_room(&error) && Instant::now() < until => sleep(PULSE),
            done => return done,
        }
    }
}

fn lacks_room(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_want_of_room_is_waited_for() {
        let mut tries = 0;
        let written = wait_for_room(|| {
            tries += 1;
            if tries < 3 { Err(io::ErrorKind::StorageFull.into()) } else { Ok(tries) }
        });
        assert_eq!(written.unwrap(), 3);
        let refused = wait_for_room(|| Err::<(), _>(io::ErrorKind::PermissionDenied.into()));
        assert_eq!(refused.unwrap_err().kind(), io::ErrorKind::PermissionDenied);
    }
}
