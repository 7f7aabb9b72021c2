//! A small service, deployed: up, replaced under requests, and refused with all that is known.

use serde_json::Value;

use crate::platform::{Home, Platform};
use crate::project::{Clone, create, newest_run};

const RULES: &str = r#"[project]
name = "shop"

[service.till]
command = ["bin/till"]
health = "/health"
health_timeout = "2s"
replicas = 2

[environment.staging]
"#;

/// Perl is wherever git is.
const TILL: &str = r#"#!/usr/bin/perl
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

const DEPLOY: &str = r#"
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

async fn deliver(
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

#[tokio::test]
async fn a_service_is_replaced_and_a_wrong_health_path_changes_nothing_and_says_all() {
    let home = Home::new();
    create(&home, &[("qnt9.toml", RULES), (".github/workflows/deploy.yml", DEPLOY)]).await;
    let platform = home.up();
    let clone = Clone::of(&platform);
    let run = deliver(&platform, &clone, &[("till.pl", TILL)]).await;
    assert_eq!(run["run"]["result"], "success", "{}", log_of_deploy(&platform, &run).await);
    let environments = platform.get("dora", "/environments").await;
    let url = environments[0]["services"][0]["url"].as_str().unwrap().to_owned();
    let greeting = async || reqwest::get(&url).await.unwrap().text().await.unwrap();
    assert_eq!(greeting().await, "hello 1\n");

    let second = TILL.replace(" 1\\n", " 2\\n");
    let run = deliver(&platform, &clone, &[("till.pl", &second)]).await;
    assert_eq!(run["run"]["result"], "success", "{}", log_of_deploy(&platform, &run).await);
    assert_eq!(greeting().await, "hello 2\n");

    let third = TILL.replace(" 1\\n", " 3\\n");
    let wrong = RULES.replace("\"/health\"", "\"/helth\"");
    let run = deliver(&platform, &clone, &[("till.pl", &third), ("qnt9.toml", &wrong)]).await;
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
    assert_eq!(greeting().await, "hello 2\n", "the old release serves on");

    assert_eq!(platform.interrupt().code(), Some(0));
    assert_eq!(home.processes(), [], "neither gateway nor replicas are left");
    let platform = home.up();
    let served = async || {
        let answer = reqwest::get(&url).await.ok()?;
        answer.status().is_success().then_some(answer.text().await.ok()?)
    };
    let since = std::time::Instant::now();
    let again = loop {
        match served().await {
            Some(text) => break text,
            None => assert!(since.elapsed() < crate::platform::PATIENCE, "it does not serve again"),
        }
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    };
    assert_eq!(again, "hello 2\n", "a platform that starts again serves what it served");
    assert_eq!(platform.interrupt().code(), Some(0));
}
