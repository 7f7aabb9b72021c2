//! Stands between a log and its database, and cuts the connection where it is told to.

use std::io::{Read as _, Write as _};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

/// Where the next connection that gets there is cut.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Cut {
    /// Nowhere.
    Never,
    /// The beginning of a transaction reaches the database, nothing after it does.
    AfterBegin,
    /// The commit does not reach the database.
    BeforeCommit,
    /// The commit is done, and the answer does not come through.
    AfterCommit,
    /// The same, and no connection is accepted any more.
    AfterCommitForEver,
    /// No connection is accepted.
    Always,
}

pub(super) struct Proxy {
    url: String,
    cut: Arc<Mutex<Cut>>,
}

impl Proxy {
    pub(super) fn start(url: &str) -> Self {
        let (front, rest) = url.split_once('@').unwrap();
        let (server, database) = rest.split_once('/').unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("{front}@{}/{database}", listener.local_addr().unwrap());
        let cut = Arc::new(Mutex::new(Cut::Never));
        let (server, shared) = (server.to_owned(), cut.clone());
        std::thread::spawn(move || {
            for client in listener.incoming().map_while(Result::ok) {
                if *shared.lock().unwrap() == Cut::Always {
                    continue;
                }
                let server = TcpStream::connect(&server).unwrap();
                let (from, to) = (server.try_clone().unwrap(), client.try_clone().unwrap());
                std::thread::spawn(move || forward(from, to));
                let shared = shared.clone();
                std::thread::spawn(move || watch(client, server, &shared));
            }
        });
        Self { url, cut }
    }

    pub(super) fn url(&self) -> String {
        self.url.clone()
    }

    pub(super) fn cut(&self, cut: Cut) {
        *self.cut.lock().unwrap() = cut;
    }

    pub(super) fn mend(&self) {
        self.cut(Cut::Never);
    }

    pub(super) fn has_cut(&self) -> bool {
        *self.cut.lock().unwrap() == Cut::Never
    }
}

fn forward(mut from: TcpStream, mut to: TcpStream) {
    // Either end may close at any time.
    let _ = std::io::copy(&mut from, &mut to);
    let _ = to.shutdown(Shutdown::Both);
}

/// Forwards what the client says, and watches for the words at which to cut.
fn watch(mut client: TcpStream, mut server: TcpStream, shared: &Mutex<Cut>) {
    let mut said = [0; 65_536];
    while let Ok(count @ 1..) = client.read(&mut said) {
        let said = &said[..count];
        let says = |word: &[u8]| said.windows(word.len()).any(|window| window == word);
        let mut cut = shared.lock().unwrap();
        match *cut {
            Cut::BeforeCommit if says(b"COMMIT\0") => {
                *cut = Cut::Never;
                break;
            }
            Cut::AfterCommit | Cut::AfterCommitForEver if says(b"COMMIT\0") => {
                *cut = if *cut == Cut::AfterCommit { Cut::Never } else { Cut::Always };
                // Nothing goes back to the client any more, and the server ends with the commit.
                client.shutdown(Shutdown::Both).unwrap();
                server.write_all(said).unwrap();
                std::thread::sleep(std::time::Duration::from_millis(200));
                break;
            }
            Cut::AfterBegin if says(b"BEGIN\0") => {
                *cut = Cut::Never;
                server.write_all(said).unwrap();
                // The answer comes through, and then nothing more.
                drop(cut);
                let _ = client.read(&mut [0; 1]);
                break;
            }
            _ => {}
        }
        drop(cut);
        if server.write_all(said).is_err() {
            break;
        }
    }
    let _ = client.shutdown(Shutdown::Both);
    let _ = server.shutdown(Shutdown::Both);
}
