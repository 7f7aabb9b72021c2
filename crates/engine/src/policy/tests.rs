use expect_test::{Expect, expect};
use proptest::prelude::*;

use super::*;

const WHOLE: &str = r#"
[project]
name = "shop"

[service.stock]
command        = ["bin/stock", "serve"]
health         = "/ready"
health_timeout = "45s"
replicas       = 2

[environment.staging]
branches = ["main"]

[environment.production]
branches  = ["main"]
trigger   = "manual"
approvals = { needed = 2, from = ["alice", "bob", "carol"], exclude = "authors", expire_after = "7d" }
wait      = "10m"
evidence  = ["tests", "load-test@staging"]
rollout   = { strategy = "canary", steps = [5, 25, 50, 100], step_for = "1m", min_requests = 50 }
replicas  = 3
"#;

/// Each problem as it is said, with the part of the line it marks.
fn check(text: &str, expected: &Expect) {
    let problems = read("qnt9.toml", text).expect_err("the file has problems");
    let show = |problem: &PolicyProblem| {
        let line = text.lines().nth(problem.line as usize - 1).unwrap_or_default();
        let skip = problem.column as usize - 1;
        let marked: String = line.chars().skip(skip).take(problem.length as usize).collect();
        format!("{problem}\n    >{marked}<\n")
    };
    expected.assert_eq(&problems.iter().map(show).collect::<String>());
}

/// The same for a part of a file that is well otherwise.
fn check_part(part: &str, expected: &Expect) {
    check(&format!("project = {{ name = \"shop\" }}\n{part}"), expected);
}

#[test]
fn a_whole_file_becomes_a_policy() {
    let policy = read("qnt9.toml", WHOLE).unwrap();
    expect![[r#"
        Policy {
            project: "shop",
            services: [
                Service {
                    name: "stock",
                    command: [
                        "bin/stock",
                        "serve",
                    ],
                    health: "/ready",
                    health_timeout_ms: 45000,
                    replicas: 2,
                    health_line: 7,
                    smoke: [],
                },
            ],
            environments: [
                EnvironmentPolicy {
                    name: EnvironmentName(
                        "staging",
                    ),
                    branches: [
                        "main",
                    ],
                    trigger: Any,
                    approvals: None,
                    wait_ms: 0,
                    evidence: [],
                    rollout: RolloutRule {
                        steps: [
                            100,
                        ],
                        step_for_ms: 0,
                        min_requests: 0,
                        strategy: ByShare,
                    },
                    replicas: None,
                    windows: [],
                    checks: [],
                    expire_after_ms: None,
                    watch: None,
                    notify: None,
                },
                EnvironmentPolicy {
                    name: EnvironmentName(
                        "production",
                    ),
                    branches: [
                        "main",
                    ],
                    trigger: Manual,
                    approvals: Some(
                        ApprovalRule {
                            needed: 2,
                            from: [
                                "alice",
                                "bob",
                                "carol",
                            ],
                            exclude: Authors,
                            expire_after_ms: 604800000,
                        },
                    ),
                    wait_ms: 600000,
                    evidence: [
                        EvidenceRule {
                            kind: "tests",
                            environment: None,
                            max_age_ms: None,
                        },
                        EvidenceRule {
                            kind: "load-test",
                            environment: Some(
                                EnvironmentName(
                                    "staging",
                                ),
                            ),
                            max_age_ms: None,
                        },
                    ],
                    rollout: RolloutRule {
                        steps: [
                            5,
                            25,
                            50,
                            100,
                        ],
                        step_for_ms: 60000,
                        min_requests: 50,
                        strategy: ByShare,
                    },
                    replicas: Some(
                        3,
                    ),
                    windows: [],
                    checks: [],
                    expire_after_ms: None,
                    watch: None,
                    notify: None,
                },
            ],
            freezes: [],
            on_call: [],
        }
    "#]]
    .assert_debug_eq(&policy);
}

#[test]
fn the_reference_system_has_a_policy() {
    let text = include_str!("../../../../qnt9-srs/qnt9.toml");
    let policy = read("qnt9.toml", text).unwrap();
    let names: Vec<_> = policy.environments.iter().map(|one| one.name.as_str()).collect();
    assert_eq!(names, ["development", "staging", "production"]);
}

#[test]
fn what_is_left_out_has_a_default() {
    let text = "
        [project]
        name = \"shop\"
        [service.web]
        command = [\"web\"]
        [environment.production]
        approvals = { needed = 1, from = [\"alice\"] }
        rollout = { strategy = \"canary\" }
    ";
    let policy = read("qnt9.toml", text).unwrap();
    let service = policy.service("web").unwrap();
    assert_eq!((service.health.as_str(), service.health_timeout_ms), ("/health", 30_000));
    assert_eq!((service.replicas, service.health_line), (1, 4));
    let production = policy.environment(&"production".into()).unwrap();
    assert_eq!(production.rollout.steps, [5, 25, 50, 100]);
    assert_eq!((production.rollout.step_for_ms, production.rollout.min_requests), (60_000, 50));
    let approvals = production.approvals.as_ref().unwrap();
    assert_eq!((approvals.needed, approvals.exclude), (1, Exclude::Dispatcher));
    assert_eq!(approvals.expire_after_ms, 30 * 86_400_000);
}

#[test]
fn both_ways_of_writing_a_table_mean_the_same() {
    let header =
        "[project]\nname = \"shop\"\n[environment.p.rollout]\nstrategy = \"all-at-once\"\n";
    let dotted = "project.name = \"shop\"\nenvironment.p.rollout.strategy = \"all-at-once\"\n";
    assert_eq!(read("qnt9.toml", header), read("qnt9.toml", dotted));
}

#[test]
fn an_empty_file_lacks_its_project() {
    check(
        "",
        &expect![[r#"
            qnt9.toml:1:1: the section `[project]` is missing
                ><
        "#]],
    );
}

#[test]
fn a_file_that_is_not_toml_says_where() {
    check(
        "[project]\nname = \"shop\n",
        &expect![[r#"
        qnt9.toml:2:13: this is not TOML: invalid basic string, expected `"`
            ><
    "#]],
    );
    check(
        "[project]\nname = \"a\"\nname = \"b\"\n",
        &expect![[r#"
        qnt9.toml:3:1: this is not TOML: duplicate key
            >name<
    "#]],
    );
}

#[test]
fn unknown_keys_are_named_with_the_nearest_known_one() {
    check(
        "[project]\nname = \"shop\"\n[services.web]\ncommand = [\"web\"]\n",
        &expect![[r#"
        qnt9.toml:3:2: unknown key `services`; did you mean `service`?
            >services<
    "#]],
    );
    check_part(
        "[service.web]\ncommand = [\"web\"]\nhealth_timout = \"3s\"\ncolour = 1\n",
        &expect![[r#"
            qnt9.toml:4:1: unknown key `health_timout` in [service.web]; did you mean `health_timeout`?
                >health_timout<
            qnt9.toml:5:1: unknown key `colour` in [service.web]; known here: command, health, health_timeout, replicas, smoke
                >colour<
        "#]],
    );
    check_part(
        "[environment.p]\napproval = { needed = 1 }\nrollout = { strategy = \"canary\", setps = [100] }\n",
        &expect![[r#"
            qnt9.toml:3:1: unknown key `approval` in [environment.p]; did you mean `approvals`?
                >approval<
            qnt9.toml:4:34: unknown key `setps` in [environment.p.rollout]; did you mean `steps`?
                >setps<
        "#]],
    );
}

#[test]
fn windows_checks_and_freezes() {
    let text = r#"
project = { name = "shop" }

[environment.production]
windows      = ["Mon-Thu 09:00-16:00 Europe/Berlin", "fri,SUN 22:00-02:00 UTC", "Sat-Mon 00:00-24:00 Asia/Tokyo"]
checks       = [{ name = "change-ticket", url = "https://tickets.example.com/ask", timeout = "30m", secret = "TICKETS" }]
expire_after = "14d"

[[freeze]]
from     = 2026-12-20
until    = 2027-01-03
reason   = "holidays"
timezone = "Europe/Berlin"

[[freeze]]
from         = 2026-12-20T18:00:00
until        = 2026-12-21 06:00:00+01:00
reason       = "the move of the data centre"
environments = ["production"]
"#;
    let policy = read("qnt9.toml", text).unwrap();
    let production = &policy.environments[0];
    let windows: Vec<String> = production.windows.iter().map(ToString::to_string).collect();
    expect![[r#"
        Mon-Thu 09:00-16:00 Europe/Berlin
        Fri,Sun 22:00-02:00 UTC
        Mon,Sat-Sun 00:00-24:00 Asia/Tokyo"#]]
    .assert_eq(&windows.join("\n"));
    expect![[r#"
        [CheckRule { name: "change-ticket", url: "https://tickets.example.com/ask", timeout_ms: 1800000, secret: Some("TICKETS") }]"#]]
    .assert_eq(&format!("{:?}", production.checks));
    assert_eq!(production.expire_ms(), 14 * 24 * 60 * 60 * 1000);
    let freezes = policy.freezes.iter().map(|freeze| {
        let [from, until] =
            [freeze.from, freeze.until].map(|at| crate::calendar::moment(at, "UTC"));
        format!("{from} to {until}: {} in {:?}\n", freeze.reason, freeze.environments)
    });
    expect![[r#"
        Sat 19 Dec 2026 23:00 UTC to Sun 3 Jan 2027 23:00 UTC: holidays in []
        Sun 20 Dec 2026 18:00 UTC to Mon 21 Dec 2026 05:00 UTC: the move of the data centre in [EnvironmentName("production")]
    "#]]
    .assert_eq(&freezes.collect::<String>());
}

#[test]
fn windows_that_are_none() {
    let part = "[environment.p]\nwindows = [\n  \"09:00-16:00 UTC\",\n  \"Mno 09:00-16:00 UTC\",\n  \"weekdays 09:00-16:00 UTC\",\n  \"Mon 9:00-16:00 UTC\",\n  \"Mon 24:00-01:00 UTC\",\n  \"Mon 09:00-16:00 Europe/Berln\",\n  3,\n]\n";
    check_part(
        part,
        &expect![[r#"
            qnt9.toml:4:3: `09:00-16:00 UTC` is no window; write days, hours and a time zone: "Mon-Thu 09:00-16:00 Europe/Berlin"
                >"09:00-16:00 UTC"<
            qnt9.toml:5:3: `Mno` is no day of the week; did you mean `Mon`?
                >"Mno 09:00-16:00 UTC"<
            qnt9.toml:6:3: `weekdays` is no day of the week; the days are Mon, Tue, Wed, Thu, Fri, Sat, Sun
                >"weekdays 09:00-16:00 UTC"<
            qnt9.toml:7:3: `9:00-16:00` is no stretch of a day; write from when until when: "09:00-16:00"; until 24:00 is until midnight
                >"Mon 9:00-16:00 UTC"<
            qnt9.toml:8:3: `24:00-01:00` is no stretch of a day; write from when until when: "09:00-16:00"; until 24:00 is until midnight
                >"Mon 24:00-01:00 UTC"<
            qnt9.toml:9:3: `Europe/Berln` is no time zone; write a name of the IANA database, such as Europe/Berlin
                >"Mon 09:00-16:00 Europe/Berln"<
            qnt9.toml:10:3: `windows` takes strings, and this is an integer
                >3<
        "#]],
    );
}

#[test]
fn freezes_and_checks_that_are_none() {
    let part = "[environment.production]\nexpire_after = \"0s\"\nchecks = [{ name = \"a b\", url = \"tickets\" }, { name = \"t\", url = \"http://x\", timeout = \"0s\", retries = 3 }, { name = \"t\", url = \"http://x\" }, \"u\"]\n[[freeze]]\nfrom = \"2026-12-20\"\nuntil = 18:00:00\nenvironments = [\"prodution\"]\n[[freeze]]\nfrom = 2026-12-20\nuntil = 2026-12-19\nreason = \"r\"\ntimezone = \"CET+1\"\n[[freeze]]\nfrom = 2026-12-20\nuntil = 2026-12-19\nreason = \"r\"\n";
    check_part(
        part,
        &expect![[r#"
        qnt9.toml:3:1: nothing can be deployed: jobs fail as soon as they wait
            >expire_after<
        qnt9.toml:4:20: `a b` cannot be the name of a check; use letters, digits, `-` and `_`, beginning with a letter or digit, at most 64
            >"a b"<
        qnt9.toml:4:33: `tickets` is no http address; write the whole address, such as https://tickets.example.com/qnt9
            >"tickets"<
        qnt9.toml:4:78: the check fails before it can answer
            >timeout<
        qnt9.toml:4:94: unknown key `retries` in [environment.production.checks]; known here: name, url, timeout, secret
            >retries<
        qnt9.toml:4:111: there is another check `t`
            >name<
        qnt9.toml:4:143: `checks` takes tables, and this is a string
            >"u"<
        qnt9.toml:5:1: `reason` is missing in [freeze]
            >[[freeze]]<
        qnt9.toml:6:8: `from` is a date, and this is a string; write it without quotes: 2026-12-20, 2026-12-20T18:00:00 or 2026-12-20T18:00:00+01:00
            >"2026-12-20"<
        qnt9.toml:7:9: `until` is a date, and this is a datetime; write it without quotes: 2026-12-20, 2026-12-20T18:00:00 or 2026-12-20T18:00:00+01:00
            >18:00:00<
        qnt9.toml:8:17: there is no environment `prodution` in this file; did you mean `production`?
            >"prodution"<
        qnt9.toml:13:12: `CET+1` is no time zone; write a name of the IANA database, such as Europe/Berlin
            >"CET+1"<
        qnt9.toml:16:9: the freeze ends before it begins
            >2026-12-19<
    "#]],
    );
    check_part(
        "freeze = 3\n",
        &expect![[r#"
        qnt9.toml:2:10: `freeze` is a list of tables, not an integer
            >3<
    "#]],
    );
}

#[test]
fn wrong_types_are_named_with_their_place() {
    check(
        "project = \"shop\"\nservice = 3\n[environment]\nstaging = true\n",
        &expect![[r#"
        qnt9.toml:1:11: `project` is a table, not a string
            >"shop"<
        qnt9.toml:2:11: `service` is a table, not an integer
            >3<
        qnt9.toml:4:11: `staging` in [environment] is a table, not a boolean
            >true<
    "#]],
    );
    check_part(
        "[service.web]\ncommand = \"web\"\nhealth = 3\nhealth_timeout = 30\nreplicas = \"two\"\n",
        &expect![[r#"
            qnt9.toml:3:11: `command` in [service.web] is a list of strings, not a string
                >"web"<
            qnt9.toml:4:10: `health` takes strings, and this is an integer
                >3<
            qnt9.toml:5:18: `health_timeout` is a duration such as "30s", not an integer; write a whole number and its unit, s, m, h or d: "90s", "10m", "7d"
                >30<
            qnt9.toml:6:12: `replicas` takes whole numbers, and this is a string
                >"two"<
        "#]],
    );
    check_part(
        "[environment.p]\nbranches = [\"main\", 7, \"\"]\nwait = { m = 10 }\nevidence = \"tests\"\nreplicas = 0\n",
        &expect![[r#"
            qnt9.toml:3:21: `branches` takes strings, and this is an integer
                >7<
            qnt9.toml:3:24: `branches` holds an empty string
                >""<
            qnt9.toml:4:8: `wait` is a duration such as "30s", not an inline table; write a whole number and its unit, s, m, h or d: "90s", "10m", "7d"
                >{ m = 10 }<
            qnt9.toml:5:12: `evidence` in [environment.p] is a list of strings and tables, not a string
                >"tests"<
            qnt9.toml:6:12: `replicas` cannot be 0; it goes from 1 to 100
                >0<
        "#]],
    );
}

#[test]
fn a_service_needs_a_program_inside_the_release() {
    check_part(
        "[service.a]\n[service.b]\ncommand = []\n[service.c]\ncommand = [\"/bin/sh\"]\n[service.d]\ncommand = [\"../x\"]\nhealth = \"health\"\n",
        &expect![[r#"
            qnt9.toml:2:1: `command` is missing in [service.a]
                >[service.a]<
            qnt9.toml:4:1: `command` is empty; write the program and its arguments: `command = ["bin/stock", "serve"]`
                >command<
            qnt9.toml:6:12: the program `/bin/sh` is not a path inside the release; give its path from the top of the release, such as `bin/stock`
                >"/bin/sh"<
            qnt9.toml:8:12: the program `../x` is not a path inside the release; give its path from the top of the release, such as `bin/stock`
                >"../x"<
            qnt9.toml:9:10: `health` is a path, which begins with `/`; write `/health`
                >"health"<
        "#]],
    );
}

#[test]
fn bad_durations_are_refused() {
    check_part(
        "[environment.a]\nwait = \"10\"\n[environment.b]\nwait = \"1.5h\"\n[environment.c]\nwait = \"-3m\"\n[environment.d]\nwait = \"99999999999999999999d\"\n[environment.\"é\"]\nwait = \"3µ\"\n",
        &expect![[r#"
            qnt9.toml:3:8: `10` is not a duration; write a whole number and its unit, s, m, h or d: "90s", "10m", "7d"
                >"10"<
            qnt9.toml:5:8: `1.5h` is not a duration; write a whole number and its unit, s, m, h or d: "90s", "10m", "7d"
                >"1.5h"<
            qnt9.toml:7:8: `-3m` is not a duration; write a whole number and its unit, s, m, h or d: "90s", "10m", "7d"
                >"-3m"<
            qnt9.toml:9:8: `99999999999999999999d` is not a duration; write a whole number and its unit, s, m, h or d: "90s", "10m", "7d"
                >"99999999999999999999d"<
            qnt9.toml:10:14: `é` cannot be the name of an environment; use letters, digits, `-` and `_`, beginning with a letter or digit, at most 64
                >"é"<
            qnt9.toml:11:8: `3µ` is not a duration; write a whole number and its unit, s, m, h or d: "90s", "10m", "7d"
                >"3µ"<
        "#]],
    );
}

#[test]
fn approvals_that_nobody_can_give_are_said_at_once() {
    check_part(
        "[environment.p]\napprovals = { needed = 3, from = [\"alice\", \"bob\", \"alice\"], exclude = \"author\", expire_after = \"0s\" }\n",
        &expect![[r#"
            qnt9.toml:3:15: nobody can satisfy this: 3 must approve, and `from` lists 2; lower `needed`, or add people to `from`
                >needed<
            qnt9.toml:3:51: alice is listed twice and still counts once
                >"alice"<
            qnt9.toml:3:71: `author` is not a value of `exclude`; did you mean `authors`?
                >"author"<
            qnt9.toml:3:81: nobody can approve: approvals expire at once
                >expire_after<
        "#]],
    );
    check_part(
        "[environment.p]\napprovals = { needed = 1, from = [] }\n",
        &expect![[r#"
            qnt9.toml:3:15: nobody can satisfy this: 1 must approve, and `from` lists 0; lower `needed`, or add people to `from`
                >needed<
        "#]],
    );
    check_part(
        "[environment.p]\napprovals = {}\n",
        &expect![[r#"
        qnt9.toml:3:13: `needed` is missing in [environment.p.approvals]
            >{}<
        qnt9.toml:3:13: `from` is missing in [environment.p.approvals]
            >{}<
    "#]],
    );
}

#[test]
fn evidence_comes_from_a_known_environment_and_not_from_itself() {
    check_part(
        "[environment.staging]\n[environment.p]\nevidence = [\"load-test@stagin\", \"@staging\", \"x@moon\"]\n",
        &expect![[r#"
            qnt9.toml:4:13: `load-test@stagin` names the environment `stagin`, which is not in this file; did you mean `load-test@staging`?
                >"load-test@stagin"<
            qnt9.toml:4:33: `@staging` is not a kind of evidence; write a kind such as `tests`, or kind and environment such as `load-test@staging`
                >"@staging"<
            qnt9.toml:4:45: `x@moon` names the environment `moon`, which is not in this file; there is: staging, p
                >"x@moon"<
        "#]],
    );
    check_part(
        "[environment.a]\nevidence = [\"smoke@b\"]\n[environment.b]\nevidence = [\"tests\", \"smoke@a\"]\n[environment.c]\nevidence = [\"smoke@a\"]\n",
        &expect![[r#"
            qnt9.toml:3:1: nothing can ever reach a: its evidence comes from itself, directly or through another environment
                >evidence<
            qnt9.toml:5:1: nothing can ever reach b: its evidence comes from itself, directly or through another environment
                >evidence<
        "#]],
    );
}

#[test]
fn rollout_steps_rise_to_all_traffic() {
    check_part(
        "[environment.p]\nrollout = { strategy = \"canary\", steps = [5, 5, 120, 50], min_requests = 0 }\n",
        &expect![[r#"
            qnt9.toml:3:46: the step 5 does not rise above 5; each step is a larger percentage of the traffic than the one before it
                >5<
            qnt9.toml:3:49: `steps` cannot be 120; it goes from 1 to 100
                >120<
            qnt9.toml:3:54: the last step is not 100; end with 100, so that the new release gets all traffic
                >50<
            qnt9.toml:3:74: `min_requests` cannot be 0; the least is 1
                >0<
        "#]],
    );
    check_part(
        "[environment.p]\nrollout = { strategy = \"canary\", steps = [] }\n[environment.q]\nrollout = { steps = [100] }\n[environment.r]\nrollout = { strategy = \"blue\" }\n",
        &expect![[r#"
            qnt9.toml:3:34: the last step is not 100; end with 100, so that the new release gets all traffic
                >steps<
            qnt9.toml:5:11: `strategy` is missing in [environment.q.rollout]
                >{ steps = [100] }<
            qnt9.toml:7:24: `blue` is not a value of `strategy`; write one of: canary, all-at-once, blue-green, rolling
                >"blue"<
        "#]],
    );
    check_part(
        "[environment.p.rollout]\nstrategy = \"all-at-once\"\nstep_for = \"1m\"\n",
        &expect![[r#"
            qnt9.toml:4:1: `step_for` has no meaning for the strategy all-at-once; remove `step_for`, or write `strategy = "canary"`
                >step_for<
        "#]],
    );
}

#[test]
fn names_are_safe_in_addresses_and_files() {
    check(
        "[project]\nname = \"platform\"\n[service.\"../x\"]\ncommand = [\"x\"]\n[environment.\"\"]\n",
        &expect![[r#"
            qnt9.toml:2:8: a project cannot be called `platform`; that name belongs to qnt9 itself
                >"platform"<
            qnt9.toml:3:10: `../x` cannot be the name of a service; use letters, digits, `-` and `_`, beginning with a letter or digit, at most 64
                >"../x"<
            qnt9.toml:5:14: `` cannot be the name of an environment; use letters, digits, `-` and `_`, beginning with a letter or digit, at most 64
                >""<
        "#]],
    );
}

#[test]
fn durations_are_whole_numbers_of_their_unit() {
    let wait = |text: &str| {
        let file = format!("[project]\nname = \"shop\"\n[environment.p]\nwait = \"{text}\"\n");
        let policy = read("qnt9.toml", &file).ok()?;
        Some(policy.environment(&"p".into())?.wait_ms)
    };
    for (text, seconds) in [
        ("0s", 0),
        ("90s", 90),
        ("10m", 600),
        ("2h", 7_200),
        ("7d", 604_800),
        ("366d", 31_622_400),
        ("8784h", 31_622_400),
    ] {
        assert_eq!(wait(text), Some(seconds * 1_000), "{text}");
    }
    for text in
        ["", "7", "d", "1.5h", "-1h", "10 m", "1w", "367d", "8785h", "99999999999999999999d"]
    {
        assert_eq!(wait(text), None, "{text}");
    }
}

#[test]
fn hours_of_a_window_are_times_of_a_day() {
    let hours = |text: &str| {
        let window = format!("windows = [\"Mon {text} UTC\"]");
        let file = format!("[project]\nname = \"shop\"\n[environment.p]\n{window}\n");
        let policy = read("qnt9.toml", &file).ok()?;
        let window = policy.environment(&"p".into())?.windows.first()?.clone();
        Some((window.opens, window.closes))
    };
    for (text, opens, closes) in [
        ("09:30-16:45", 570, 1_005),
        ("00:00-24:00", 0, 1_440),
        ("22:00-02:00", 1_320, 120),
        ("23:59-00:01", 1_439, 1),
    ] {
        assert_eq!(hours(text), Some((opens, closes)), "{text}");
    }
    for text in ["09:60-16:00", "09:00-24:01", "24:00-02:00", "9:00-16:00", "0900-1600", "09:00"] {
        assert_eq!(hours(text), None, "{text}");
    }
}

#[test]
fn shares_of_requests_are_percents() {
    let rate = |text: &str| {
        let watch = format!("watch = {{ for = \"15m\", max_error_rate = \"{text}\" }}");
        let file = format!("[project]\nname = \"shop\"\n[environment.p]\n{watch}\n");
        let policy = read("qnt9.toml", &file).ok()?;
        policy.environment(&"p".into())?.watch.as_ref().map(|watch| watch.bad_per_mille)
    };
    for (text, per_mille) in [
        ("1%", 10),
        ("0.5%", 5),
        ("2.5%", 25),
        ("12 %", 120),
        ("0%", 0),
        ("100%", 1_000),
        ("100.0%", 1_000),
    ] {
        assert_eq!(rate(text), Some(per_mille), "{text}");
    }
    for text in ["1", "%", ".5%", "1.%", "1.25%", "x%", "1.x%", "x.1%", "100.1%", "1000%", "-1%"] {
        assert_eq!(rate(text), None, "{text}");
    }
}

#[test]
fn smoke_tests_are_paths_and_commands() {
    use qnt9_model::policy::SmokeTest;
    let part =
        "command = [\"bin/stock\"]\nsmoke = [\"/ready\", { command = [\"bin/smoke\", \"-v\"] }]";
    let file = format!("[project]\nname = \"shop\"\n[service.stock]\n{part}\n");
    let policy = read("qnt9.toml", &file).unwrap();
    let command = vec!["bin/smoke".to_owned(), "-v".to_owned()];
    let expected = [SmokeTest::Path("/ready".to_owned()), SmokeTest::Command(command)];
    assert_eq!(policy.services[0].smoke, expected);
}

#[test]
fn slow_answers_are_told_in_milliseconds_or_longer() {
    let p99 = |text: &str| {
        let watch = format!("watch = {{ for = \"15m\", p99 = \"{text}\" }}");
        let file = format!("[project]\nname = \"shop\"\n[environment.p]\n{watch}\n");
        read("qnt9.toml", &file).ok()?.environment(&"p".into())?.watch.as_ref()?.p99_ms
    };
    assert_eq!(p99("500ms"), Some(500));
    assert_eq!(p99("2s"), Some(2_000));
    assert_eq!(p99("ms"), None);
    assert_eq!(p99("-5ms"), None);
}

proptest! {
    /// Whatever is cut from or put into a good file, reading it neither panics nor gives a problem
    /// whose place is outside the file.
    #[test]
    fn any_damage_gives_a_policy_or_problems_within_the_file(
        from in 0..WHOLE.len(),
        cut in 0_usize..20,
        put in "[a-z0-9\\[\\]{}\"=,.é\n -]{0,6}",
    ) {
        let to = (from + cut).min(WHOLE.len());
        let damaged = format!("{}{put}{}", &WHOLE[..from], &WHOLE[to..]);
        if let Err(problems) = read("qnt9.toml", &damaged) {
            prop_assert!(!problems.is_empty());
            let lines: Vec<&str> = damaged.split('\n').collect();
            for problem in problems {
                let line = lines.get(problem.line as usize - 1);
                prop_assert!(line.is_some(), "{problem}");
                let columns = line.map_or(0, |line| line.chars().count()) + 1;
                prop_assert!(problem.column >= 1 && problem.column as usize <= columns, "{problem}");
                prop_assert!(problem.length >= 1);
            }
        }
    }
}
