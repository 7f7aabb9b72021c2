use std::fs;
use std::path::Path;
use std::process::Stdio;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use qnt9_database::{DatabaseError, DumpTools, Manifest, Verified, back_up, verify};
use qnt9_model::Millis;
use tempfile::TempDir;

use crate::Shop;

const DAY_MS: i64 = 24 * 60 * 60 * 1000;

/// The machine's own tools.
struct Installed;

impl Installed {
    async fn run(program: &str, args: &[&str]) -> Result<(), String> {
        let mut command = tokio::process::Command::new(program);
        let output = command.args(args).stdin(Stdio::null()).output().await.unwrap();
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        if output.status.success() { Ok(()) } else { Err(said) }
    }
}

impl DumpTools for Installed {
    fn name(&self) -> String {
        "pg_dump".to_owned()
    }

    fn major(&self) -> u32 {
        u32::MAX
    }

    async fn dump(&self, url: &str, snapshot: &str, file: &Path) -> Result<(), String> {
        let (snapshot, file) = (format!("--snapshot={snapshot}"), file.to_str().unwrap());
        Self::run("pg_dump", &["--format=custom", &snapshot, "--file", file, url]).await
    }

    async fn restore(&self, url: &str, file: &Path) -> Result<(), String> {
        let file = file.to_str().unwrap();
        Self::run("pg_restore", &["--exit-on-error", "--dbname", url, file]).await
    }
}

const NONE: Option<&Installed> = None;

fn now() -> Millis {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
    Millis(i64::try_from(since.as_millis()).unwrap())
}

async fn verified(
    shop: &Shop,
    folder: &Path,
    tools: Option<&Installed>,
) -> Result<Verified, DatabaseError> {
    let url = shop.url("production");
    verify(&url, folder, tools, now(), DAY_MS, std::future::pending()).await
}

/// Backs up while somebody goes on writing, and verifies.
async fn under_writes(tools: Option<&Installed>) -> Manifest {
    let shop = Shop::with_rows(500).await;
    let folder = TempDir::new().unwrap();
    let writer = shop.connect("production").await;
    let done = Arc::new(AtomicBool::new(false));
    let writing = tokio::spawn({
        let done = Arc::clone(&done);
        async move {
            let mut written = 0;
            while !done.load(Ordering::Relaxed) {
                let sql =
                    "INSERT INTO billing.invoices SELECT 'N-' || nextval('tickets'), 1, 'a@b.c', 5;
                           UPDATE users SET balance = balance + 1 WHERE id = 3";
                writer.batch_execute(sql).await.unwrap();
                written += 1;
            }
            written
        }
    });
    tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    let made = back_up(&shop.url("production"), folder.path(), tools).await.unwrap();
    tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    let found = verified(&shop, folder.path(), tools).await.unwrap();
    done.store(true, Ordering::Relaxed);
    assert!(writing.await.unwrap() > 5);
    assert_eq!(found.manifest, made);
    assert_eq!(Manifest::read(folder.path()).unwrap(), made);
    assert!(found.age_ms >= 0 && made.rows() > 500 && made.constraints.len() > 15);
    assert_eq!(shop.databases().await, ["postgres", "production"]);
    made
}

#[tokio::test]
async fn our_own_dump_is_proved_while_others_write() {
    let made = under_writes(NONE).await;
    assert_eq!((made.by_tools, made.by.as_str()), (false, "qnt9's own copy"));
}

#[tokio::test]
async fn a_dump_of_postgresqls_own_tools_is_proved_while_others_write() {
    let made = under_writes(Some(&Installed)).await;
    assert!(made.by_tools && made.bytes > 1000);
}

#[tokio::test]
async fn what_is_old_damaged_or_different_is_no_backup() {
    let shop = Shop::with_rows(20).await;
    let folder = TempDir::new().unwrap();
    let missing = verified(&shop, folder.path(), NONE).await.unwrap_err();
    assert!(missing.to_string().contains("is not a backup: manifest.json"), "{missing}");

    back_up(&shop.url("production"), folder.path(), NONE).await.unwrap();
    let later = Millis(now().0 + 2 * DAY_MS);
    let url = shop.url("production");
    let old = verify(&url, folder.path(), NONE, later, DAY_MS, std::future::pending()).await;
    let old = old.unwrap_err().to_string();
    assert!(old.contains("48 h 0 min old, and at most 24 h 0 min"), "{old}");

    let rows = fs::read_dir(folder.path()).unwrap().flatten().map(|entry| entry.path());
    let is_users = |path: &std::path::PathBuf| {
        fs::read_to_string(path).is_ok_and(|text| text.contains("+49 170 1000037"))
            && path.extension().is_some_and(|end| end == "copy")
    };
    let users = rows.into_iter().find(is_users).unwrap();
    let before = fs::read_to_string(&users).unwrap();
    fs::write(&users, before.replace("+49 170 1000037", "+49 170 1000038")).unwrap();
    let damaged = verified(&shop, folder.path(), NONE).await.unwrap_err();
    assert!(damaged.to_string().contains("not those that were dumped"), "{damaged}");

    // A dump that was made wrongly has a right digest of its own; its tables tell.
    let manifest = folder.path().join("manifest.json");
    let text = fs::read_to_string(&manifest).unwrap();
    let forged = text.replacen("\"rows\": 20,", "\"rows\": 21,", 1);
    fs::write(&users, before).unwrap();
    fs::write(&manifest, &forged).unwrap();
    let fewer = verified(&shop, folder.path(), NONE).await.unwrap_err().to_string();
    assert!(fewer.contains("rows instead of 21"), "{fewer}");
    let sums = text.find("\"checksum\": \"").unwrap() + "\"checksum\": \"".len();
    let mut forged = text.clone();
    forged.insert(sums, '7');
    fs::write(&manifest, &forged).unwrap();
    let other = verified(&shop, folder.path(), NONE).await.unwrap_err().to_string();
    assert!(other.contains("has other values"), "{other}");
    assert_eq!(shop.databases().await, ["postgres", "production"], "nothing is left");
    fs::write(&manifest, text.replacen("\"format\": 1", "\"format\": 2", 1)).unwrap();
    let newer = verified(&shop, folder.path(), NONE).await.unwrap_err().to_string();
    assert!(newer.contains("its format is 2"), "{newer}");
}
