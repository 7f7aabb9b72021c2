//! Steady users of production, who count every failure themselves: refused and reset connections,
//! late, broken and bad answers. They share no code with what they judge.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use anyhow::{Result, bail};

use super::http::Connection;

/// Every second one keeps its connection, the others connect for each request.
const USERS: u32 = 16;
const PATHS: [&str; 3] = ["/", "/?query=AAPL", "/health"];

/// What users have met.
#[derive(Clone, Debug, Default)]
pub(crate) struct Met {
    pub(crate) requests: u64,
    /// Failures by what was wrong.
    pub(crate) failures: BTreeMap<String, u64>,
}

impl Met {
    pub(crate) fn failed(&self) -> u64 {
        self.failures.values().sum()
    }
}

/// Users at work until they are sent home.
pub(crate) struct Users {
    met: Arc<Mutex<Met>>,
    stop: Arc<AtomicBool>,
    users: Vec<JoinHandle<()>>,
}

impl Users {
    /// So many requests a second to `address`, `HOST:PORT`.
    pub(crate) fn start(address: &str, rate: u32) -> Self {
        let (met, stop) = (Arc::default(), Arc::default());
        let pause = Duration::from_secs(1) * USERS / rate;
        let begin = Instant::now();
        let user = |number: u32| {
            let user = User {
                address: address.to_owned(),
                keeps: number.is_multiple_of(2),
                connection: None,
                met: Arc::clone(&met),
            };
            let (stop, first) = (Arc::clone(&stop), begin + pause * number / USERS);
            std::thread::spawn(move || user.visit(first, pause, &stop))
        };
        let users = (0..USERS).map(user).collect();
        Self { met, stop, users }
    }

    /// Sends them home, each after the answer it waits for.
    pub(crate) fn stop(self) -> Result<Met> {
        self.stop.store(true, Ordering::Relaxed);
        for user in self.users {
            if user.join().is_err() {
                bail!("a user fell over");
            }
        }
        Ok(lock(&self.met).clone())
    }
}

fn lock(met: &Mutex<Met>) -> std::sync::MutexGuard<'_, Met> {
    met.lock().unwrap_or_else(PoisonError::into_inner)
}

struct User {
    address: String,
    keeps: bool,
    connection: Option<Connection>,
    met: Arc<Mutex<Met>>,
}

impl User {
    fn visit(mut self, first: Instant, pause: Duration, stop: &AtomicBool) {
        let mut due = first;
        let mut number = 0;
        while !stop.load(Ordering::Relaxed) {
            std::thread::sleep(due.saturating_duration_since(Instant::now()));
            due += pause;
            let failure = self.request(PATHS[number % PATHS.len()]).err();
            number += 1;
            let mut met = lock(&self.met);
            met.requests += 1;
            if let Some(failure) = failure {
                *met.failures.entry(format!("{failure:#}")).or_default() += 1;
            }
        }
    }

    fn request(&mut self, path: &str) -> Result<()> {
        let mut connection = match self.connection.take() {
            Some(connection) => connection,
            None => Connection::open(&self.address)?,
        };
        let headers = if self.keeps { "" } else { "Connection: close\r\n" };
        let (status, body) = connection.ask("GET", path, headers, "")?;
        if status != 200 || body.is_empty() {
            bail!("{path}: {status} with {} bytes", body.len());
        }
        if self.keeps {
            self.connection = Some(connection);
        }
        Ok(())
    }
}
