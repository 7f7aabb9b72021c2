//! The program is replaced while it works: neither a running job nor the users of a service notice.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use serde_json::Value;

use crate::deployments::{DEPLOY, RULES, TILL, deliver, greeting};
use crate::platform::{Home, Platform, QNT9, job};
use crate::project::{Clone, create, newest_run};

/// Counts for some seconds, asks the platform something in the middle, and ends with a step of its own.
const COUNTING: &str = r#"
on: workflow_dispatch
jobs:
  count:
    runs-on: ubuntu-latest
    steps:
      - run: for n in $(seq 1 50); do echo "line $n"; sleep 0.1; done; echo x >> "$COUNTER"
      - run: qnt9 url staging && echo x >> "$COUNTER"
    env:
      COUNTER: /COUNTER/
"#;

/// The program with another file, as after an installation of its own.
fn start<'a>(home: &'a Home, program: &Path, args: &[&str]) -> Platform<'a> {
    let mut command = Command::new(program);
    command.args(["up", "--empty"]).args(args).arg("--data").arg(home.data());
    home.prepare(&mut command);
    Platform::start(home, command)
}

/// Puts a new file in the place of the program's, as an installer does.
fn install(home: &Home) -> PathBuf {
    let (fresh, program) = (home.path("qnt9.new"), home.path("qnt9"));
    std::fs::copy(QNT9, &fresh).unwrap();
    std::fs::rename(fresh, &program).unwrap();
    program
}

/// Detached processes and the files they are: `(deleted)` once the file was replaced.
fn detached(home: &Home) -> Vec<(i32, String, PathBuf)> {
    let kinds = ["shim", "replica", "gateway"];
    let of_kind = |(pid, line): (i32, String)| {
        let kind = kinds.iter().find(|kind| line.starts_with(&format!("qnt9 {kind} ")))?;
        let file = std::fs::read_link(format!("/proc/{pid}/exe")).ok()?;
        Some((pid, (*kind).to_owned(), file))
    };
    let mut found: Vec<_> = home.processes().into_iter().filter_map(of_kind).collect();
    found.sort();
    found
}

struct Users {
    stop: Arc<AtomicBool>,
    met: Arc<[AtomicU64; 2]>,
    tasks: Vec<tokio::task::JoinHandle<()>>,
}

impl Users {
    /// Ask the address one after the other, each over and over again.
    fn start(url: &str) -> Self {
        let (stop, met) =
            (Arc::new(AtomicBool::new(false)), Arc::new([const { AtomicU64::new(0) }; 2]));
        let tasks = (0..2).map(|_| {
            let (stop, met, url) = (stop.clone(), met.clone(), url.to_owned());
            tokio::spawn(async move {
                let client = reqwest::Client::builder().no_proxy().build().unwrap();
                while !stop.load(Ordering::Relaxed) {
                    let answer = client.get(&url).send().await;
                    let well = answer.is_ok_and(|answer| answer.status().is_success());
                    met[usize::from(!well)].fetch_add(1, Ordering::Relaxed);
                    tokio::time::sleep(Duration::from_millis(5)).await;
                }
            })
        });
        Self { tasks: tasks.collect(), stop, met }
    }

    /// Requests that were answered well, and those that were not.
    async fn end(self) -> (u64, u64) {
        self.stop.store(true, Ordering::Relaxed);
        for task in self.tasks {
            task.await.unwrap();
        }
        let [well, badly] = &*self.met;
        (well.load(Ordering::Relaxed), badly.load(Ordering::Relaxed))
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn neither_a_job_nor_the_users_of_a_service_notice_an_upgrade() {
    let home = Home::new();
    let counter = home.path("counter");
    let counting = COUNTING.replace("/COUNTER/", counter.to_str().unwrap());
    let workflows = [
        (".github/workflows/deploy.yml", DEPLOY),
        (".github/workflows/count.yml", counting.as_str()),
    ];
    create(&home, &[("qnt9.toml", RULES), workflows[0], workflows[1]]).await;
    let port = home.port.to_string();
    let old = start(&home, &install(&home), &["--port", &port]);
    let clone = Clone::of(&old);
    let run = deliver(&old, &clone, &[("till.pl", TILL)]).await;
    assert_eq!(run["run"]["result"], "success", "{run:#}");
    greeting(&old).await;
    let environments = old.get("dora", "/environments").await;
    let users = Users::start(environments[0]["services"][0]["url"].as_str().unwrap());

    // The file is replaced first: what the old server starts from now on is still of its own version.
    let program = install(&home);
    let body = serde_json::json!({ "workflow": "count.yml", "ref": "main" });
    let (status, answer) = old.post("dora", "/dispatch", body).await;
    assert!(status < 300, "{status} {answer}");
    let id = newest_run(&old).await;
    old.log_holds(id, "count", "line 5").await;
    let before = detached(&home);
    let kinds: Vec<&str> = before.iter().map(|(_, kind, _)| kind.as_str()).collect();
    for kind in ["shim", "replica", "gateway"] {
        assert!(kinds.contains(&kind), "{before:?}");
    }
    let is_old = |file: &Path| file.to_string_lossy().ends_with("(deleted)");
    assert!(before.iter().all(|(_, _, file)| is_old(file)), "{before:?}");

    let new = start(&home, &program, &["--upgrade"]);
    assert_eq!(old.ended_by_itself().code(), Some(0));
    assert_eq!(detached(&home), before, "an upgrade starts and ends nothing");
    let run = new.ended(id).await;
    assert_eq!(run["run"]["result"], "success", "{run:#}");
    let attempts = job(&run, "count")["legs"][0]["attempts"].as_array().unwrap();
    assert_eq!(attempts.len(), 1, "{run:#}");
    assert_eq!(std::fs::read_to_string(counter).unwrap(), "x\nx\n", "each step ran once");
    let lines = new.log(id, "count").await;
    let numbers: Vec<u64> = lines.iter().map(|(number, _)| *number).collect();
    assert_eq!(numbers, (1..=lines.len() as u64).collect::<Vec<_>>());
    let counted: Vec<&str> =
        lines.iter().filter_map(|(_, text)| text.strip_prefix("line ")).collect();
    assert_eq!(counted, (1..=50).map(|n| n.to_string()).collect::<Vec<_>>());

    // What is started from now on is of the new version, beside a gateway of the old one.
    let till = TILL.replace(" 1\\n", " 2\\n");
    let run: Value = deliver(&new, &clone, &[("till.pl", &till)]).await;
    assert_eq!(run["run"]["result"], "success", "{run:#}");
    assert_eq!(greeting(&new).await, "hello 2\n");
    let after = detached(&home);
    let of = |kind: &str| after.iter().filter(|(_, k, _)| k == kind).collect::<Vec<_>>();
    assert!(of("gateway").iter().all(|(_, _, file)| is_old(file)), "{after:?}");
    assert!(!of("replica").is_empty() && of("replica").iter().all(|(_, _, file)| !is_old(file)));
    let (well, badly) = users.end().await;
    assert!(well > 100, "{well} requests");
    assert_eq!(badly, 0, "of {} requests", well + badly);
}
