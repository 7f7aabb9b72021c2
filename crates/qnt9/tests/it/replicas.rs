//! Several servers on one log in PostgreSQL: one dies, one sleeps past its lease, the database goes away;
//! nothing is lost, nothing is done twice.

use std::path::PathBuf;
use std::time::Duration;

use qnt9_runner::postgres::Postgres;
use qnt9_runner::tools::{Fetch, PostgresFinding, find_postgres};
use qnt9_server::LogPlace;
use rustix::process::Signal;
use serde_json::Value;

use crate::platform::{Home, PATIENCE, Platform, job, said, signal};
use crate::project::{Clone, NO_GATES, create_in};

/// Counts slowly to thirty in two steps, then tells the server something.
const COUNTING: &str = r#"
on: push
jobs:
  count:
    runs-on: ubuntu-latest
    steps:
      - run: for n in $(seq 1 10); do echo "line $n"; sleep 0.1; done; echo x >> "/COUNTERS/${GITHUB_REPOSITORY##*/}"
      - run: for n in $(seq 11 30); do echo "line $n"; sleep 0.1; done; echo x >> "/COUNTERS/${GITHUB_REPOSITORY##*/}"
      - run: qnt9 evidence record tests --result success
"#;

/// A database of this test's own.
struct Database {
    postgres: Postgres,
    url: String,
}

impl Database {
    async fn start(home: &Home) -> Self {
        let tools = home.path("tools");
        let path = std::env::var("PATH").unwrap();
        let found = find_postgres(None, &path, &tools, Fetch::Never).await;
        let PostgresFinding::Binaries(binaries) = found else {
            panic!("this test needs PostgreSQL (`cargo xtask tools` gets it): {found:?}");
        };
        let postgres = Postgres::ours(binaries, &home.path("database"), "a password");
        postgres.start().await.unwrap();
        let url = postgres.ensure_database("facts").await.unwrap();
        Self { postgres, url }
    }

    fn log(&self, server: &str) -> LogPlace {
        LogPlace::Database { url: self.url.clone(), server: server.to_owned() }
    }

    /// Starts a server of this name.
    fn up<'a>(&self, home: &'a Home, name: &str, port: u16) -> Platform<'a> {
        let port_text = port.to_string();
        let args = ["up", "--empty", "--replica", name, "--port", &port_text];
        let mut command = home.command(&args);
        command.env("QNT9_DATABASE_URL", &self.url);
        Platform::start_at(home, command, format!("http://127.0.0.1:{port}"))
    }
}

/// The streams that a server decides for.
async fn decides(platform: &Platform<'_>) -> Vec<String> {
    let health: Value = serde_json::from_str(&platform.healthz().await.1).unwrap();
    let streams = health["decides"].as_array().unwrap();
    streams.iter().map(|stream| stream.as_str().unwrap().to_owned()).collect()
}

/// Waits until the server decides for streams like that.
async fn until_it_decides(platform: &Platform<'_>, is: impl Fn(&[String]) -> bool) {
    let since = std::time::Instant::now();
    loop {
        let now = decides(platform).await;
        if is(&now) {
            return;
        }
        assert!(since.elapsed() < PATIENCE, "{} decides for {now:?}", platform.url);
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

fn has(project: &str) -> impl Fn(&[String]) -> bool {
    move |streams| streams.iter().any(|stream| stream == project)
}

/// Pushes something to the server's project; the run that it starts, once this server knows it.
async fn started(platform: &Platform<'_>) -> u64 {
    let clone = Clone::of(platform);
    clone.commit("dora", "Say something", &[("README.md", "Something.\n")]);
    let seen = clone.push("dora");
    let said = seen.split("qnt9: run ").nth(1).and_then(|rest| rest.split(',').next());
    let run = said.and_then(|run| run.parse().ok()).unwrap_or_else(|| panic!("no run: {seen}"));
    let path = format!("/api/v1/projects/{}/runs/{run}", platform.project);
    let since = std::time::Instant::now();
    while platform.get_text("dora", &path).await.0 != 200 {
        assert!(since.elapsed() < PATIENCE, "run {run} is not known at {}", platform.url);
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    run
}

fn counters(home: &Home) -> PathBuf {
    home.path("counters")
}

async fn create(home: &Home, database: &Database) {
    std::fs::create_dir(counters(home)).unwrap();
    let workflow = COUNTING.replace("/COUNTERS", counters(home).to_str().unwrap());
    let files = [("qnt9.toml", NO_GATES), (".github/workflows/ci.yml", &workflow)];
    create_in(home, database.log("setup"), &["shop", "till"], &files).await;
}

/// The run went as if nothing had happened.
async fn is_whole(platform: &Platform<'_>, run: u64) {
    let ended = platform.ended(run).await;
    assert_eq!(ended["run"]["result"], "success", "{ended:#}");
    let attempts = job(&ended, "count")["legs"][0]["attempts"].as_array().unwrap();
    assert_eq!(attempts.len(), 1, "{ended:#}");
    assert_eq!(attempts[0]["steps"].as_array().unwrap().len(), 3, "{ended:#}");
    let counted = std::fs::read_to_string(counters(platform.home).join(platform.project)).unwrap();
    assert_eq!(counted, "x\nx\n", "each step ran once");
    let log = platform.log(run, "count").await;
    let numbers: Vec<u64> = log.iter().map(|(number, _)| *number).collect();
    assert_eq!(numbers, (1..=log.len() as u64).collect::<Vec<_>>());
    let lines: Vec<&str> = log.iter().filter_map(|(_, text)| text.strip_prefix("line ")).collect();
    assert_eq!(lines, (1..=30).map(|n| n.to_string()).collect::<Vec<_>>());
    let evidence = platform.get("dora", "/evidence").await;
    assert_eq!(evidence.as_array().unwrap().len(), 1, "told once: {evidence:#}");
}

async fn secrets(platform: &Platform<'_>) -> String {
    platform.get("dora", "/secrets").await.to_string()
}

/// Two servers that share the projects, and the project that each decides for. The first one has the
/// platform's stream too.
async fn two<'a>(
    home: &'a Home,
    database: &Database,
) -> ((Platform<'a>, &'static str), (Platform<'a>, &'static str)) {
    let first = database.up(home, "a", home.port);
    let second = database.up(home, "b", home.port + 1);
    // The first one had all; the second one gets its share.
    until_it_decides(&second, |streams| !streams.is_empty()).await;
    until_it_decides(&first, has("platform")).await;
    match decides(&second).await[0].as_str() {
        "shop" => ((first, "till"), (second, "shop")),
        _ => ((first, "shop"), (second, "till")),
    }
}

async fn verify(home: &Home, database: &Database) {
    let verify = ["audit", "verify", "--database-url", &database.url];
    let verified = home.command(&verify).output().unwrap();
    assert_eq!(verified.status.code(), Some(0), "{}", said(&verified));
    assert!(said(&verified).contains("till"), "{}", said(&verified));
}

#[tokio::test]
async fn a_server_dies_while_it_works_and_another_goes_on() {
    let home = Home::new();
    let database = Database::start(&home).await;
    create(&home, &database).await;
    let ((first, project), (mut second, own)) = two(&home, &database).await;

    // Whatever one wants to do, one can do it at any server.
    second.project = project;
    let run = started(&second).await;
    let (status, answer) = second.set_secret("ACKNOWLEDGED", "one").await;
    assert!((200..300).contains(&status), "{answer}");
    second.log_holds(run, "count", "line 5").await;
    first.kill();
    is_whole(&second, run).await;
    assert!(secrets(&second).await.contains("ACKNOWLEDGED"));
    until_it_decides(&second, |streams| streams.len() == 3).await;

    // It comes back to its address, and gets a share again.
    let mut first = database.up(&home, "a", home.port);
    until_it_decides(&first, |streams| !streams.is_empty()).await;
    first.project = own;
    let run = started(&first).await;
    is_whole(&first, run).await;
    assert_eq!(second.interrupt().code(), Some(0));
    assert_eq!(first.interrupt().code(), Some(0));
    verify(&home, &database).await;
    database.postgres.stop().await.unwrap();
}

#[tokio::test]
async fn a_server_that_sleeps_past_its_lease_becomes_a_follower() {
    let home = Home::new();
    let database = Database::start(&home).await;
    create(&home, &database).await;
    let ((mut awake, _), (mut asleep, project)) = two(&home, &database).await;
    (awake.project, asleep.project) = (project, project);
    let run = started(&awake).await;
    awake.log_holds(run, "count", "line 3").await;
    signal(asleep.pid(), Signal::STOP);
    until_it_decides(&awake, has(project)).await;
    let (status, answer) = awake.set_secret("WHILE_ASLEEP", "one").await;
    assert!((200..300).contains(&status), "{answer}");
    signal(asleep.pid(), Signal::CONT);
    until_it_decides(&asleep, |streams| !has(project)(streams)).await;
    is_whole(&awake, run).await;
    let (status, answer) = asleep.set_secret("AFTERWARDS", "two").await;
    assert!((200..300).contains(&status), "it is forwarded: {answer}");
    for name in ["WHILE_ASLEEP", "AFTERWARDS"] {
        assert!(secrets(&awake).await.contains(name));
        let since = std::time::Instant::now();
        while !secrets(&asleep).await.contains(name) {
            assert!(since.elapsed() < PATIENCE, "it does not follow");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }
    assert_eq!(asleep.interrupt().code(), Some(0));
    assert_eq!(awake.interrupt().code(), Some(0));
    verify(&home, &database).await;
    database.postgres.stop().await.unwrap();
}

#[tokio::test]
async fn a_database_that_goes_away_is_named_and_work_goes_on_when_it_is_back() {
    let home = Home::new();
    let database = Database::start(&home).await;
    create(&home, &database).await;
    let platform = database.up(&home, "a", home.port);
    let run = started(&platform).await;
    let (status, answer) = platform.set_secret("BEFORE", "one").await;
    assert!((200..300).contains(&status), "{answer}");
    platform.log_holds(run, "count", "line 2").await;
    database.postgres.stop().await.unwrap();
    let (status, answer) = platform.set_secret("DURING", "two").await;
    assert_eq!(status, 503, "{answer}");
    assert!(answer.contains("127.0.0.1") && answer.contains("does not answer"), "{answer}");
    assert_eq!(platform.healthz().await.0, 503);
    database.postgres.start().await.unwrap();
    is_whole(&platform, run).await;
    let (status, answer) = platform.set_secret("AFTER", "three").await;
    assert!((200..300).contains(&status), "{answer}");
    let kept = secrets(&platform).await;
    assert!(
        kept.contains("BEFORE") && kept.contains("AFTER") && !kept.contains("DURING"),
        "{kept}"
    );
    assert_eq!(platform.healthz().await.0, 200);
    assert_eq!(platform.interrupt().code(), Some(0));
    database.postgres.stop().await.unwrap();
}
