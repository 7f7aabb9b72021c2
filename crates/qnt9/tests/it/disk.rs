//! A full disk: what cannot be written is refused, what was acknowledged stays, and work goes on by
//! itself once there is room. A read-only one: nothing starts, and it says why.

use std::io::Write as _;
use std::path::PathBuf;
use std::process::Command;
use std::time::{Duration, Instant};

use serde_json::json;

use crate::platform::{Home, PATIENCE, Platform, job, said};
use crate::project::{Clone, NO_GATES, create_with_workflow, start_run};

/// A file system of its own for the data folder, which can be full without the machine noticing.
struct Disk(PathBuf);

impl Disk {
    /// Room enough for a platform to start.
    const ROOMY: &str = "size=8g";

    /// `None` where this user cannot mount.
    fn mount(folder: PathBuf) -> Option<Self> {
        std::fs::create_dir_all(&folder).unwrap();
        let mut mount = Command::new("mount");
        mount.args(["-t", "tmpfs", "-o", Self::ROOMY, "tmpfs"]).arg(&folder);
        mount.output().is_ok_and(|mounted| mounted.status.success()).then_some(Self(folder))
    }

    fn remount(&self, options: &str) {
        let options = format!("remount,{options}");
        let mounted = Command::new("mount").args(["-o", &options]).arg(&self.0).output().unwrap();
        assert!(mounted.status.success(), "{}", said(&mounted));
    }

    /// Leaves no byte free.
    fn fill(&self) {
        let used = Command::new("df").args(["--output=used", "-k"]).arg(&self.0).output().unwrap();
        let used = said(&used);
        let used: u64 = used.lines().last().unwrap().trim().parse().unwrap();
        self.remount(&format!("size={}k", used + 512));
        let mut filler = std::fs::File::create(self.0.join("filler")).unwrap();
        while filler.write_all(&[0; 1024]).is_ok() {}
    }

    fn make_room(&self) {
        self.remount(Self::ROOMY);
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        // Lazily: some process of the platform may still be at its end.
        let _ = Command::new("umount").arg("-l").arg(&self.0).status();
    }
}

const COUNTING: &str = r#"
on: push
jobs:
  count:
    runs-on: ubuntu-latest
    environment: live
    steps:
      - run: for n in $(seq 1 30); do echo "line $n"; sleep 0.1; done; echo x >> "$COUNTER"
      - run: for n in $(seq 31 40); do echo "line $n"; sleep 0.1; done; echo x >> "$COUNTER"
    env:
      COUNTER: /COUNTER/
"#;

/// Sets secrets until one gets this status; those that were acknowledged, and what was said last.
async fn set_until(platform: &Platform<'_>, wanted: u16, from: u32) -> (Vec<String>, String) {
    let (mut set, since) = (Vec::new(), Instant::now());
    for number in from.. {
        let name = format!("SECRET_{number}");
        let (status, text) = platform.set_secret(&name, "correct-horse").await;
        if (200..300).contains(&status) {
            set.push(name);
        }
        if status == wanted {
            return (set, text);
        }
        assert!(since.elapsed() < PATIENCE, "{status} {text}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    unreachable!("numbers do not end")
}

#[tokio::test]
async fn a_full_disk_refuses_clearly_loses_nothing_and_work_goes_on_by_itself() {
    let home = Home::new();
    let Some(disk) = Disk::mount(home.data()) else {
        println!("skipped: this user cannot mount a file system to fill");
        return;
    };
    let counter = home.path("counter");
    let workflow = COUNTING.replace("/COUNTER/", counter.to_str().unwrap());
    create_with_workflow(&home, &format!("{NO_GATES}\n[environment.live]\n"), &workflow).await;
    let platform = home.up();
    let id = start_run(&platform, &Clone::of(&platform)).await;
    platform.log_holds(id, "count", "line 5").await;

    disk.fill();
    let (mut set, refusal) = set_until(&platform, 503, 0).await;
    assert!(refusal.contains("no room left on the disk"), "{refusal}");
    let (status, health) = platform.healthz().await;
    assert!(status == 503 && health.contains("no room left on the disk"), "{health}");
    // Long enough for the first step to end, which nobody can write down now.
    tokio::time::sleep(Duration::from_secs(4)).await;
    assert_eq!(platform.run(id).await["run"]["result"], json!(null));

    disk.make_room();
    set.extend(set_until(&platform, 204, 1_000).await.0);
    let run = platform.ended(id).await;
    assert_eq!(run["run"]["result"], "success", "{run:#}");
    let attempts = job(&run, "count")["legs"][0]["attempts"].as_array().unwrap();
    assert_eq!(attempts.len(), 1, "nobody had to be asked: {run:#}");
    assert_eq!(std::fs::read_to_string(counter).unwrap(), "x\nx\n", "each step ran once");
    let log = platform.log(id, "count").await;
    let counted: Vec<&str> =
        log.iter().filter_map(|(_, text)| text.strip_prefix("line ")).collect();
    assert_eq!(counted, (1..=40).map(|n| n.to_string()).collect::<Vec<_>>());
    let listed = platform.get("dora", "/secrets").await.to_string();
    assert!(set.iter().all(|name| listed.contains(&format!("\"{name}\""))), "{set:?}: {listed}");
    assert_eq!(platform.healthz().await.0, 200);
    assert_eq!(platform.interrupt().code(), Some(0));
    let verified = home.run(&["audit", "verify"]);
    assert!(verified.status.success(), "{}", said(&verified));
}

#[tokio::test]
async fn a_read_only_disk_is_named_and_what_is_on_it_can_be_verified() {
    let home = Home::new();
    let Some(disk) = Disk::mount(home.data()) else {
        println!("skipped: this user cannot mount a file system to make read-only");
        return;
    };
    create_with_workflow(&home, NO_GATES, COUNTING).await;
    disk.remount("ro");
    let refused = home.run(&["up", "--empty", "--port", &home.port.to_string()]);
    assert_eq!(refused.status.code(), Some(1), "{}", said(&refused));
    let text = said(&refused);
    assert!(text.contains("Read-only file system") && text.contains("data/lock"), "{text}");
    let verified = home.run(&["audit", "verify"]);
    assert!(verified.status.success(), "{}", said(&verified));
    disk.remount("rw");
    let platform = home.up();
    assert_eq!(platform.healthz().await.0, 200);
}
