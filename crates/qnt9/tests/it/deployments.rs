//! A small service, deployed: up, replaced under requests, and refused with all that is known.

use std::time::{Duration, Instant};

use rustix::process::Signal;
use serde_json::Value;

use crate::platform::{Home, PATIENCE, Platform, processes_with, signal};
use crate::project::{Clone, create, newest_run};

pub(crate) const RULES: &str = r#"[project]
name = "shop"

[service.till]
command = ["bin/till"]
health = "/health"
health_timeout = "2s"
replicas = 2

[environment.staging]
"#;

/// Perl is wherever git is.
pub(crate) const TILL: &str = r#"#!/usr/bin/perl
use IO::Socket::INET;
$| = 1;
my $socket = IO::Socket::INET->new(
    LocalAddr => $ENV{HOST}, LocalPort => $ENV{PORT}, Listen => 64, ReuseAddr => 1) or die $!;
print "the till is open\n";
while (my $client = $socket->accept) {
    my ($path) = (<$client> // '') =~ /^\w+ (\S+)/;
    while (<$client>) { last if /^\r?$/ }
    my ($status, $text) = $path eq '/health' ? ('200 OK', "fine\n")
        : $path eq '/' ? ('200 OK', "$ENV{GREETING} 1\n") : ('404 Not Found', "no $path here\n");
    print "$path: $status\n";
    print $client "HTTP/1.1 $status\r\nContent-Length: " . length($text)
        . "\r\nConnection: close\r\n\r\n$text";
    close $client;
}
"#;

pub(crate) const DEPLOY: &str = r#"
on: push
jobs:
  release:
    runs-on: ubuntu-latest
    outputs:
      digest: ${{ steps.build.outputs.digest }}
    steps:
      - uses: actions/checkout@v4
      - run: chmod +x till.pl
      - id: build
        run: qnt9 release build --service till --file till.pl=bin/till
  deploy:
    needs: release
    runs-on: ubuntu-latest
    environment: staging
    steps:
      - run: echo "GREETING=hello" > till.env
      - run: qnt9 deploy --environment staging --release "${{ needs.release.outputs.digest }}" --env-file till.env
      - run: qnt9 health --environment staging
"#;

pub(crate) async fn deliver(
    platform: &Platform<'_>,
    clone: &Clone<'_>,
    files: crate::project::Files<'_>,
) -> Value {
    clone.commit("dora", "Change the till", files);
    clone.push("dora");
    platform.ended(newest_run(platform).await).await
}

async fn log_of_deploy(platform: &Platform<'_>, run: &Value) -> String {
    let lines = platform.log(run["run"]["id"].as_u64().unwrap(), "deploy").await;
    lines.into_iter().map(|(_, text)| text).collect::<Vec<_>>().join("\n")
}

/// What the environment answers, once it answers.
pub(crate) async fn greeting(platform: &Platform<'_>) -> String {
    let environments = platform.get("dora", "/environments").await;
    let url = environments[0]["services"][0]["url"].as_str().unwrap().to_owned();
    let since = Instant::now();
    loop {
        if let Ok(answer) = reqwest::get(&url).await
            && answer.status().is_success()
        {
            return answer.text().await.unwrap();
        }
        assert!(since.elapsed() < PATIENCE, "{url} does not answer");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

#[tokio::test]
async fn a_service_is_replaced_and_serves_again_after_a_stop() {
    let home = Home::new();
    create(&home, &[("qnt9.toml", RULES), (".github/workflows/deploy.yml", DEPLOY)]).await;
    let platform = home.up();
    let clone = Clone::of(&platform);
    for number in ["1", "2"] {
        let till = TILL.replace(" 1\\n", &format!(" {number}\\n"));
        let run = deliver(&platform, &clone, &[("till.pl", &till), ("number", number)]).await;
        assert_eq!(run["run"]["result"], "success", "{}", log_of_deploy(&platform, &run).await);
        assert_eq!(greeting(&platform).await, format!("hello {number}\n"));
    }
    assert_eq!(platform.interrupt().code(), Some(0));
    assert_eq!(home.processes(), [], "neither gateway nor replicas are left");
    let platform = home.up();
    assert_eq!(greeting(&platform).await, "hello 2\n");
}

/// The gateway is looked at every 100 ms: the stop comes before, while and after it is started again.
#[tokio::test]
async fn a_gateway_that_was_killed_just_before_a_stop_does_not_outlive_it() {
    let home = Home::new();
    create(&home, &[("qnt9.toml", RULES), (".github/workflows/deploy.yml", DEPLOY)]).await;
    let platform = home.up();
    let till = [("till.pl", TILL), ("number", "1")];
    let run = deliver(&platform, &Clone::of(&platform), &till).await;
    assert_eq!(run["run"]["result"], "success", "{}", log_of_deploy(&platform, &run).await);
    assert_eq!(platform.interrupt().code(), Some(0));
    let gateway = format!("gateway {}", home.data().canonicalize().unwrap().display());
    for pause in [20, 60, 100, 140] {
        let platform = home.up();
        assert_eq!(greeting(&platform).await, "hello 1\n");
        let gateways = processes_with(&gateway);
        assert_eq!(gateways.len(), 1, "{gateways:?}");
        signal(gateways[0].0, Signal::KILL);
        tokio::time::sleep(Duration::from_millis(pause)).await;
        assert_eq!(platform.interrupt().code(), Some(0));
        assert_eq!(home.processes(), [], "{pause} ms after the gateway was killed");
    }
}

#[tokio::test]
async fn a_wrong_health_path_changes_nothing_and_is_told_with_all_that_is_known() {
    let home = Home::new();
    create(&home, &[("qnt9.toml", RULES), (".github/workflows/deploy.yml", DEPLOY)]).await;
    let platform = home.up();
    let clone = Clone::of(&platform);
    let run = deliver(&platform, &clone, &[("till.pl", TILL)]).await;
    assert_eq!(run["run"]["result"], "success", "{}", log_of_deploy(&platform, &run).await);

    let second = TILL.replace(" 1\\n", " 2\\n");
    let wrong = RULES.replace("\"/health\"", "\"/helth\"");
    let run = deliver(&platform, &clone, &[("till.pl", &second), ("qnt9.toml", &wrong)]).await;
    assert_eq!(run["run"]["result"], "failure", "{run:#}");
    let log = log_of_deploy(&platform, &run).await;
    for part in [
        "did not come up in staging",
        "/helth: expected 200, got 404: no /helth here",
        "qnt9.toml:6  health = \"/helth\"",
        "last lines of its log",
        "/helth: 404 Not Found",
        "what served before still does",
    ] {
        assert!(log.contains(part), "`{part}` is not in\n{log}");
    }
    assert_eq!(greeting(&platform).await, "hello 1\n", "the old release serves on");

    // The mistake is on main now, and must not keep the old release from coming back.
    assert_eq!(platform.interrupt().code(), Some(0));
    let platform = home.up();
    assert_eq!(greeting(&platform).await, "hello 1\n", "the old release comes back");
}
