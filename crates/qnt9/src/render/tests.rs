//! What people see, from made-up shapes.

use expect_test::{Expect, expect};
use qnt9_model::fact::Outcome;
use qnt9_model::why::{Holds, Why};
use qnt9_model::{Millis, RunId};
use qnt9_server::api::shapes::{
    CommitShape, EvidenceShape, MomentShape, NotificationShape, ProblemShape, ProjectShape,
    ReleaseShape, ResolveDecision, RollbackShape, RolloutState, SecretShape, StatusShape,
    WaitingShape, WhyShape,
};
use qnt9_workflow::lint;

use super::sample::{self, NOW, ago, clock, digest};
use super::{
    Table, cut, deployments, diagnostics, difference, environments, harmless, run, runs, status,
    things, why,
};

fn check(shown: &str, expected: &Expect) {
    assert!(shown.lines().all(|line| line == line.trim_end()), "no line ends with spaces");
    expected.assert_eq(shown);
}

#[test]
fn runs_stand_in_columns() {
    let mut superseded = sample::ended(9, Outcome::Cancelled, 3);
    superseded.superseded_by = Some(sample::run(11).id);
    let runs = [
        sample::run(12),
        sample::ended(11, Outcome::Success, 24),
        sample::ended(10, Outcome::Failure, 184),
        superseded,
    ];
    check(
        &runs::list(&runs, &clock()),
        &expect![[r#"
          RUN  STATE                 WORKFLOW        TITLE          REF      COMMIT   BY     CREATED    TOOK
        ‖ 12   waits for production  Production #3   Search by WKN  main     9f03c1a  carol  4 min ago  4 min 2 s
        ✓ 11   success               Development #3  Search by WKN  develop  9f03c1a  carol  4 min ago  24.0 s
        ✗ 10   failure               Development #3  Search by WKN  develop  9f03c1a  carol  4 min ago  3 min 4 s
        – 9    superseded by 11      Development #3  Search by WKN  develop  9f03c1a  carol  4 min ago  3.0 s
    "#]],
    );
    check(
        &runs::list(&[], &clock()),
        &expect![[r#"
        no runs
    "#]],
    );
}

#[test]
fn a_run_shows_its_jobs_and_what_is_wrong_with_them() {
    check(
        &run::detail(&sample::detail(), &clock()),
        &expect![[r#"
            ‖ run 12   Production #3   waits for production
              title    Search by WKN
              from     workflow_dispatch by carol on main 9f03c1a, 4 min ago
              input    release = 4be1
              time     4 min 2 s: 1.1 s qnt9, 40.9 s your commands, 3 min 20 s declared waits

              ✓ lint        20.0 s   1 step
              ✗ test.1      20.0 s   failure, attempt 2
                  ✓ Check out   1.0 s
                  ✗ cargo test  19.0 s
                  exit code 101
              ◐ test.2      3 min 20 s
                  ◐ cargo test --doc  1 min
              ‖ deploy      waits for the gates of production
                  ✓ branch main may deploy here
                  ✓ load-test passed in staging for 4be1…77  P95 212 ms, P99 402 ms, failed 0.02 %
                  ‖ 2 of alice, bob, carol approve           1 of 2
                    ✓ bob                                    approved 2 min ago
                    ✗ carol                                  dispatched it
                  ‖ 10 min since it was asked for            4 min 2 s passed; holds at 14:10:00
              ○ seed        skipped: `github.ref == 'refs/heads/develop'` is false
              · load-test   waits for deploy

              logs: qnt9 logs 12.test.1
        "#]],
    );
}

#[test]
fn why_is_a_tree_with_what_is_known_beside_it() {
    let why = WhyShape {
        subject: "job deploy of run 12".to_owned(),
        why: sample::gates(),
        held: true,
        who: vec!["alice".to_owned()],
        earliest: Some(NOW.plus(358_000)),
        next: vec!["qnt9 approve production 9f03c1a --as alice".to_owned()],
    };
    let shown = super::why::why(&why, &clock());
    check(
        &shown,
        &expect![[r#"
            job deploy of run 12: 9f03c1a to production
            ‖ not yet; 14:10:00 at the earliest, in 5 min

              ✓ branch main may deploy here
              ✓ load-test passed in staging for 4be1…77  P95 212 ms, P99 402 ms, failed 0.02 %
              ‖ 2 of alice, bob, carol approve           1 of 2
                ✓ bob                                    approved 2 min ago
                ✗ carol                                  dispatched it
              ‖ 10 min since it was asked for            4 min 2 s passed; holds at 14:10:00

              can unblock it:  alice
              next:            qnt9 approve production 9f03c1a --as alice
        "#]],
    );
}

#[test]
fn what_is_missing_are_rules_without_their_parts() {
    check(
        &format!("missing:\n{}", why::missing(&sample::gates(), &clock())),
        &expect![[r#"
            missing:
              ‖ 2 of alice, bob, carol approve  1 of 2; can approve: alice
              ‖ 10 min since it was asked for   4 min 2 s passed; holds at 14:10:00
        "#]],
    );
}

#[test]
fn what_can_no_longer_hold_is_said() {
    let tree = Why::all(
        "run 12 of Production",
        vec![
            Why::leaf("deploy", Holds::No).because("failure after 3 s in step `Deploy`"),
            Why::leaf("verify", Holds::Yes)
                .because("skipped: its `if` is false:\n  success() is false"),
        ],
    );
    let subject = "run 12".to_owned();
    let (who, earliest, next) = (Vec::new(), None, Vec::new());
    let shape = WhyShape { subject, why: tree, held: false, who, earliest, next };
    check(
        &why::why(&shape, &clock()),
        &expect![[r#"
            run 12 of Production
            ✗ no, and it will not

              ✗ deploy  failure after 3 s in step `Deploy`
              ✓ verify  skipped: its `if` is false:
                          success() is false
        "#]],
    );
}

#[test]
fn a_lost_job_says_what_is_known_before_anybody_decides() {
    let leg = sample::lost();
    let mut shown = super::lost::known(12, &leg, &clock());
    for decision in [ResolveDecision::Resume, ResolveDecision::Rerun, ResolveDecision::Abandon] {
        shown.push_str(&format!("{}\n", super::lost::consequence(decision)));
    }
    check(
        &shown,
        &expect![[r#"
        job deploy of run 12, for production: its runner was lost 1 min ago
          the process of its job is gone
          ✓ Verify the plan  success
          ◐ Apply            was under way: it may have done all, some or nothing of its work
          · Deploy           not begun
          the end of its log:
        resume: its runner is looked for once more; if it is found, what it did and does counts
        rerun: the job begins anew, and the steps that ended are run a second time
        abandon: the job counts as failed; what its steps changed stays changed
    "#]],
    );
}

#[test]
fn two_releases_say_what_differs_and_by_whose_word() {
    check(
        &difference::text(&sample::difference(), &clock()),
        &expect![[r#"
        from  stock 4be1…00 of 2c41f9e (in production), built 10 min ago
        to    stock 77ab…00 of 9f03c1a (in staging), built 10 min ago

        1 commit comes with it
          + 9f03c1a  dana  Search by WKN

        configuration
          chart  not there -> sha256:99000000000…

        plan for production: none -> +0 ~1 -0 (39f10000…)
          only to: ~ terraform_data.database replicas

        from 4be1…00
          production 2 min ago: succeeded by carol (run 12), approved by alice

        to 77ab…00
          production 2 min ago: succeeded by carol (run 12)
    "#]],
    );
}

#[test]
fn environments_say_what_is_where() {
    check(
        &environments::list(&sample::environments(), &clock()),
        &expect![[r#"
        development
          serves  nothing yet

        production
          serves   stock 4be1…00 of 9f03c1a, 1 min ago by carol (run 12)
          at       http://127.0.0.1:41017
          rollout  deployment 31: 77ab…00 of 9f03c1a, 25 % of the traffic, 2 of 412 failed, 0 of 1236 before
          waits    run 12 for its gates
          held by  run 11
          rules    branch main
                   dispatched by a person
    "#]],
    );
}

fn the_status() -> StatusShape {
    let main = "9f03c1a0000000000000000000000000000000a3";
    let project = ProjectShape {
        name: "qnt9-srs".to_owned(),
        embedded: true,
        time_scale: 20,
        default_branch: "main".to_owned(),
        refs: [("refs/heads/main".to_owned(), main.into())].into(),
        problems: vec![ProblemShape {
            commit: main.into(),
            path: "qnt9.toml".to_owned(),
            message: "4:1: unknown key `trigr`; did you mean `trigger`?\nand more".to_owned(),
        }],
        sequence: 40,
    };
    let waiting = WaitingShape {
        run: RunId(12),
        job: "deploy".into(),
        environment: "production".into(),
        commit: main.into(),
        since: ago(242),
        missing: sample::gates().unmet(),
        why: sample::gates(),
    };
    StatusShape {
        then: None,
        project,
        environments: sample::environments(),
        runs: vec![sample::run(12), sample::ended(11, Outcome::Success, 24)],
        waiting: vec![waiting],
    }
}

#[test]
fn the_status_fits_one_screen() {
    check(
        &status::text(&the_status(), "http://127.0.0.1:9009", &clock()),
        &expect![[r#"
        qnt9-srs   main 9f03c1a   http://127.0.0.1:9009

          ENVIRONMENT  SERVES         COMMIT   SINCE      BY              ADDRESS                 NOW
          development  nothing yet
          production   stock 4be1…00  9f03c1a  1 min ago  carol (run 12)  http://127.0.0.1:41017  run 12 waits; 77ab…00: 25 % of the traffic, 2 of 412…

            RUN  STATE                 WORKFLOW        TITLE          REF      COMMIT   BY     CREATED    TOOK
          ‖ 12   waits for production  Production #3   Search by WKN  main     9f03c1a  carol  4 min ago  4 min 2 s
          ✓ 11   success               Development #3  Search by WKN  develop  9f03c1a  carol  4 min ago  24.0 s

          ‖ 12.deploy waits for production, asked for 4 min ago
              2 of alice, bob, carol approve: 1 of 2 (can: alice)
              10 min since it was asked for: 4 min 2 s passed

          ✗ qnt9.toml of 9f03c1a: 4:1: unknown key `trigr`; did you mean `trigger`?
    "#]],
    );
}

#[test]
fn an_earlier_moment_says_that_it_is_one_and_is_told_as_of_then() {
    let then = MomentShape {
        at: ago(240),
        fact: 33,
        recorded: ago(241),
        what: "run #3 of Production was created".to_owned(),
        by: "carol".to_owned(),
        previous: Some(32),
        next: Some(34),
        newest: 40,
    };
    let status = StatusShape { then: Some(then), ..the_status() };
    check(
        &status::text(&status, "http://127.0.0.1:9009", &clock()),
        &expect![[r#"
        qnt9-srs   main 9f03c1a   http://127.0.0.1:9009
        as it stood at 2026-11-24 14:00:02 UTC, after fact 33 of 40; before it: --fact 32, after: 34
          carol: run #3 of Production was created

          ENVIRONMENT  SERVES         COMMIT   SINCE     BY              ADDRESS                 NOW
          development  nothing yet
          production   stock 4be1…00  9f03c1a  in 2 min  carol (run 12)  http://127.0.0.1:41017  run 12 waits; 77ab…00: 25 % of the traffic, 2 of 412…

            RUN  STATE                 WORKFLOW        TITLE          REF      COMMIT   BY     CREATED  TOOK
          ‖ 12   waits for production  Production #3   Search by WKN  main     9f03c1a  carol  2 s ago  2.0 s
          ✓ 11   success               Development #3  Search by WKN  develop  9f03c1a  carol  2 s ago  24.0 s

          ‖ 12.deploy waits for production, asked for 2 s ago
              2 of alice, bob, carol approve: 1 of 2 (can: alice)
              10 min since it was asked for: 4 min 2 s passed

          ✗ qnt9.toml of 9f03c1a: 4:1: unknown key `trigr`; did you mean `trigger`?
    "#]],
    );
}

#[test]
fn moments_are_read_as_people_write_them() {
    let zone = jiff::tz::TimeZone::get("Europe/Berlin").unwrap();
    let clock = super::Clock { now: NOW, zone };
    let read = |text: &str| match clock.read(text) {
        Some(at) => format!("{text} = {}", clock.exact(at)),
        None => format!("{text} = nothing"),
    };
    let texts = [
        "2026-11-23T14:10:02Z",
        "2026-11-23",
        "2026-11-24",
        "2026-11-23 14:10",
        "2026-07-01T14:10",
        "09:30",
        "2h ago",
        "1 day ago",
        "90s ago",
        "in 2h",
        "2h",
        "yesterday",
        "2026-13-01",
        "",
    ];
    let read: String = texts.iter().map(|text| format!("{}\n", read(text))).collect();
    expect![[r#"
        2026-11-23T14:10:02Z = 2026-11-23 15:10:02 CET
        2026-11-23 = 2026-11-23 23:59:59 CET
        2026-11-24 = 2026-11-24 15:04:02 CET
        2026-11-23 14:10 = 2026-11-23 14:10:00 CET
        2026-07-01T14:10 = 2026-07-01 14:10:00 CEST
        09:30 = 2026-11-24 09:30:00 CET
        2h ago = 2026-11-24 13:04:02 CET
        1 day ago = 2026-11-23 15:04:02 CET
        90s ago = 2026-11-24 15:02:32 CET
        in 2h = nothing
        2h = nothing
        yesterday = nothing
        2026-13-01 = nothing
         = nothing
    "#]]
    .assert_eq(&read);
}

#[test]
fn deployments_say_why_they_went_back() {
    let mut back = sample::deployment(31, RolloutState::RolledBack);
    back.reason = Some("41 of 412 requests failed, 0 of 1236 before".to_owned());
    let mut starting = sample::deployment(32, RolloutState::Starting);
    (starting.rollback, starting.ready, starting.finished) = (true, 1, None);
    let all = [starting, back, sample::deployment(30, RolloutState::Succeeded)];
    check(
        &deployments::list(&all, &clock()),
        &expect![[r#"
          ID  ENVIRONMENT  SERVICE  RELEASE       COMMIT   STATE                               BY              ASKED      TOOK
        ◐ 32  production   stock    4be1a2b3c4d5  9f03c1a  1 of 2 replicas healthy (rollback)  carol (run 12)  2 min ago  2 min
        ✗ 31  production   stock    4be1a2b3c4d5  9f03c1a  rolled back at 25 %                 carol (run 12)  2 min ago  30.0 s
            41 of 412 requests failed, 0 of 1236 before
        ✓ 30  production   stock    4be1a2b3c4d5  9f03c1a  succeeded                           carol (run 12)  2 min ago  30.0 s"#]],
    );
    check(&deployments::list(&[], &clock()), &expect!["no deployments"]);
}

#[test]
fn releases_go_by_digits_that_a_rollback_takes() {
    let release = |digits: &str, bytes, serves: &[&str]| ReleaseShape {
        digest: digest(digits),
        service: "stock".to_owned(),
        commit: "9f03c1a0000000000000000000000000000000a3".into(),
        configuration: [].into(),
        bytes,
        built: ago(3600),
        by: "dana (run 7)".to_owned(),
        serves: serves.iter().map(|name| (*name).into()).collect(),
    };
    let releases = [
        release("4be1a2b3c4d5e6", 9_412_000, &["staging", "production"]),
        release("77ab01", 999, &[]),
    ];
    check(
        &deployments::releases(&releases, &clock()),
        &expect![[r#"
        RELEASE       SERVICE  COMMIT   SIZE    BUILT    BY            SERVES
        4be1a2b3c4d5  stock    9f03c1a  9.4 MB  1 h ago  dana (run 7)  staging, production
        77ab01000000  stock    9f03c1a  999 B   1 h ago  dana (run 7)
    "#]],
    );
}

#[test]
fn a_rollback_says_what_stops_being_live() {
    let mut shape = RollbackShape {
        deployment: None,
        service: "stock".to_owned(),
        from: Some(digest("77ab01")),
        to: digest("4be1a2"),
        commit: Some("9f03c1a0000000000000000000000000000000a3".into()),
        undone: vec![CommitShape {
            sha: "a41d77e0000000000000000000000000000000a4".into(),
            author: "dana".to_owned(),
            title: "Rank by recency".to_owned(),
        }],
        replicas: 2,
        warm: false,
        steps: vec![100],
        not_undone: Vec::new(),
        gates: "one person with the role approver".to_owned(),
    };
    check(
        &deployments::rollback("production", &shape),
        &expect![[r#"
        production would go back from 77ab…00 to 4be1…00 of 9f03c1a: 2 replicas of stock
        traffic: 100 %, as soon as they are healthy
        gates: one person with the role approver

        1 commit stops being live:
          a41d77e  dana  Rank by recency
    "#]],
    );
    shape.deployment = Some(sample::deployment(33, RolloutState::Starting).id);
    shape.undone.clear();
    check(
        &deployments::rollback("production", &shape),
        &expect![[r#"
            production goes back from 77ab…00 to 4be1…00 of 9f03c1a: 2 replicas of stock
            traffic: 100 %, as soon as they are healthy
            gates: one person with the role approver
        "#]],
    );
}

#[test]
fn secrets_are_names() {
    let secrets = [
        SecretShape { name: "DD_API_KEY".to_owned(), environment: Some("staging".into()) },
        SecretShape { name: "TOKEN".to_owned(), environment: None },
    ];
    check(
        &things::secrets(&secrets),
        &expect![[r#"
            SECRET      FOR
            DD_API_KEY  jobs of staging
            TOKEN       every job
        "#]],
    );
}

#[test]
fn notifications_say_whether_they_arrived() {
    let posted = |webhook: Option<&str>, delivered, failure: Option<&str>| NotificationShape {
        id: qnt9_model::NotificationId(9),
        title: "Deployed".to_owned(),
        text: "4be1…77\nto production".to_owned(),
        webhook: webhook.map(str::to_owned),
        posted: ago(60),
        by: "run 12".to_owned(),
        delivered,
        failures: failure.map_or(0, |_| 3),
        failure: failure.map(str::to_owned),
    };
    let hook = Some("http://127.0.0.1:9009/standin/webhook");
    let all = [
        posted(None, None, None),
        posted(hook, Some(ago(59)), None),
        posted(hook, None, Some("503 Service Unavailable")),
        posted(hook, None, None),
    ];
    check(
        &things::notifications(&all, &clock()),
        &expect![[r#"
        ✓ Deployed   1 min ago by run 12   only kept here
            4be1…77
            to production
        ✓ Deployed   1 min ago by run 12   delivered to http://127.0.0.1:9009/standin/webhook 59 s ago
            4be1…77
            to production
        ✗ Deployed   1 min ago by run 12   not delivered to http://127.0.0.1:9009/standin/webhook after 3 tries: 503 Service Unavailable
            4be1…77
            to production
        · Deployed   1 min ago by run 12   on its way to http://127.0.0.1:9009/standin/webhook
            4be1…77
            to production
    "#]],
    );
}

#[test]
fn evidence_says_at_which_time_scale_it_was_made() {
    let evidence = |kind: &str, passed, time_scale| EvidenceShape {
        kind: kind.to_owned(),
        environment: Some("staging".into()),
        commit: "9f03c1a0000000000000000000000000000000a3".into(),
        release: Some(digest("4be1a2")),
        passed,
        summary: "P95 212 ms, failed 0.02 %".to_owned(),
        time_scale,
        at: ago(3700),
        run: Some(sample::run(11).id),
    };
    let all = [evidence("load-test", true, 20), evidence("tests", false, 1)];
    check(
        &things::evidence(&all, &clock()),
        &expect![[r#"
          KIND       ENVIRONMENT  COMMIT   RELEASE  FIGURES                                       WHEN     RUN
        ✓ load-test  staging      9f03c1a  4be1…00  P95 212 ms, failed 0.02 % (at time scale 20)  1 h ago  11
        ✗ tests      staging      9f03c1a  4be1…00  P95 212 ms, failed 0.02 %                     1 h ago  11
    "#]],
    );
}

#[test]
fn a_workflow_s_fault_is_drawn_under_its_line() {
    let text =
        "on: push\njobs:\n  test:\n    runs-on: ubuntu-latest\n    step:\n      - run: true\n";
    let findings = lint::check("ci.yml", text, &lint::Surroundings::NOTHING);
    let language = findings.into_iter().filter(|finding| finding.code.id == "QX1000");
    check(
        &diagnostics::findings(text, &language.collect::<Vec<_>>()),
        &expect![[r#"
        error[QX1000]: Unexpected value 'step'
         --> ci.yml:5:5
          |
        5 |     step:
          |     ^^^^
          |
          = help: did you mean `steps`?

    "#]],
    );
}

#[test]
fn moments_are_relative_and_far_ones_are_days() {
    let clock = clock();
    let at = |seconds: i64| clock.relative(NOW.plus(seconds * 1000));
    let shown = [0, -1, -59, -60, -3599, -90_000, -604_800, 59, 3600].map(at).join("\n");
    check(
        &shown,
        &expect![[r#"
        now
        1 s ago
        59 s ago
        1 min ago
        59 min ago
        1 d ago
        2026-11-17
        in 59 s
        in 1 h"#]],
    );
    let before_calendars = Millis(i64::MIN / 2);
    assert_eq!(clock.relative(before_calendars), "-4611686018427387904 ms");
    assert_eq!(clock.time(NOW), "14:04:02");
    assert_eq!(clock.time(ago(86_400)), "2026-11-23 14:04");
    assert_eq!(clock.took(ago(61), None), "1 min 1 s");
    assert_eq!(clock.took(NOW, Some(ago(61))), "0.0 s");
}

#[test]
fn a_column_with_nothing_in_it_is_left_out() {
    let mut table = Table::new(["A", "B", "C"]);
    table.row(["1", "", "x"].map(str::to_owned));
    table.row(["222", "", "ü‖"].map(str::to_owned));
    check(
        &table.text(0, "none"),
        &expect![[r#"
             A    C
             1    x
             222  ü‖
        "#]],
    );
    assert_eq!(Table::new(["A"]).text(1, "none"), " none\n");
}

#[test]
fn what_others_wrote_cannot_steer_the_terminal() {
    assert_eq!(harmless("a\x1b[2Jb\r\nc\u{9b}1m"), "a\u{fffd}[2Jb\u{fffd}\nc\u{fffd}1m");
    assert_eq!(cut("one two\nthree", 20), "one two");
    assert_eq!(cut("one two three", 5), "one…");
}
