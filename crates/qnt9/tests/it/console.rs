//! The console in a real browser: pages render, and nothing is loaded from elsewhere.

use std::process::{Command, Output};

use crate::platform::Home;
use crate::project::{Clone, NO_GATES, create_with_workflow, start_run};

const WORKFLOW: &str = "
name: Hello
on:
  push:
    branches: [main]
jobs:
  greet:
    runs-on: ubuntu-latest
    steps:
      - run: echo '<script>document.title = \"taken over\"</script>'
";

/// The page as a browser sees it, with everything it said about it.
fn browse(home: &Home, url: &str) -> Output {
    let profile = home.path("browser");
    Command::new("chromium")
        .args(["--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"])
        .args(["--disable-background-networking", "--disable-component-update", "--disable-sync"])
        .args(["--enable-logging=stderr", "--timeout=5000", "--dump-dom"])
        .arg(format!("--user-data-dir={}", profile.display()))
        .arg(url)
        .output()
        .expect("chromium is missing: `cargo xtask test` installs it")
}

#[tokio::test]
async fn a_browser_shows_a_run_and_asks_nobody_else() {
    let home = Home::new();
    create_with_workflow(&home, NO_GATES, WORKFLOW).await;
    let platform = home.up();
    let clone = Clone::of(&platform);
    let run = start_run(&platform, &clone).await;
    let run_page = platform.ended(run).await;
    assert_eq!(run_page["run"]["result"], "success", "{run_page:#}");
    let url = format!("{}/p/shop/runs/{run}", home.url());
    let seen = browse(&home, &url);
    let page = String::from_utf8_lossy(&seen.stdout);
    assert!(page.contains("greet"), "{page}");
    assert!(!page.contains("<title>taken over"), "what a log says was carried out");
    let said = String::from_utf8_lossy(&seen.stderr);
    assert!(!said.contains("Content Security Policy"), "{said}");
    let elsewhere = page.split(['"', '\'']).find(|part| {
        (part.starts_with("http:") || part.starts_with("https:") || part.starts_with("//"))
            && !part.starts_with(&home.url())
            && !part.starts_with("http://www.w3.org/")
    });
    assert_eq!(elsewhere, None, "the page points elsewhere");
}
