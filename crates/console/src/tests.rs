//! What the important pages say; `every_page` has what all of them must hold to.

mod every_page;
mod html;

use expect_test::{Expect, expect};
use qnt9_model::{Fact, Millis, Refusal, Role, UserText};

use crate::log::LogLine;
use crate::pages::{self, AuditFilter, AuditPage, Chosen, JobLog, RunExtras, RunsFilter, SignIn};
use crate::past::Then;
use crate::sample::{Sample, sha};
use crate::time::Clock;
use crate::{Markup, SignedIn, View, Visitor};
use html::text_between;

const HOSTILE: &str = "<img src=x onerror=alert(1)>\"'><script>alert(2)</script>&amp;";

fn signed_in(name: &str, role: Role) -> Visitor {
    let csrf = Box::new(|path: &str| format!("proof-for-{path}"));
    let person = SignedIn { name: name.to_owned(), role, demo: true, csrf };
    Visitor { person: Some(person), here: "/p/qnt9-srs".to_owned() }
}

fn with_view<T>(sample: &Sample, visitor: &Visitor, look: impl FnOnce(&View<'_>) -> T) -> T {
    let clock = Clock::utc(sample.now);
    look(&View::of(&sample.state, &sample.stream, &clock, visitor, None).expect("it has a project"))
}

/// Every page of a state, as HTML.
fn every_page(sample: &Sample, visitor: &Visitor) -> Vec<(String, String)> {
    with_view(sample, visitor, |view| {
        let mut all: Vec<(String, Markup)> = vec![
            ("home".to_owned(), pages::home(view)),
            ("runs".to_owned(), pages::runs(view, &RunsFilter::default())),
            ("environments".to_owned(), pages::environments(view)),
            ("approvals".to_owned(), pages::approvals(view)),
            ("releases".to_owned(), pages::releases(view)),
            ("past".to_owned(), pages::past(&view.then(&then(sample)))),
            ("notifications".to_owned(), pages::notifications(view)),
            ("find".to_owned(), pages::find(view)),
            (
                "audit".to_owned(),
                pages::audit(view, &AuditFilter::default(), &AuditPage::default()),
            ),
            ("sign in".to_owned(), pages::sign_in(visitor, &sign_in_page())),
            ("not found".to_owned(), pages::not_found(visitor, "such thing")),
            ("refused".to_owned(), pages::refused(view, &held(), "/")),
        ];
        let compared = |from, to, releases| pages::Compared { from, to, releases };
        let unknown = compared(HOSTILE, HOSTILE, Err(HOSTILE.to_owned()));
        all.push(("no difference".to_owned(), pages::difference(view, &unknown)));
        let mut releases = view.project.releases.values();
        if let (Some(from), Some(to)) = (releases.next(), releases.next_back()) {
            let page = compared(from.digest.as_str(), "staging", Ok((from, to)));
            all.push(("difference".to_owned(), pages::difference(view, &page)));
        }
        for run in view.project.runs.values() {
            let chosen = pages::chosen(run, "", None).map(|(attempt, open)| Chosen {
                attempt,
                open: open.or(Some(0)),
                lines: vec![line(1, HOSTILE), line(2, "##[error]no")],
                live: None,
                trouble: None,
                asked: false,
            });
            if let Some(chosen) = &chosen {
                let log = JobLog {
                    attempt: chosen.attempt.clone(),
                    lines: vec![line(1, HOSTILE)],
                    from: 1,
                    total: 3_000,
                    search: Some(pages::Search {
                        text: HOSTILE.to_owned(),
                        hits: vec![line(1, HOSTILE)],
                        has_more: true,
                    }),
                    trouble: Some(HOSTILE.to_owned()),
                };
                all.push((format!("log of {}", run.id), pages::job_log(view, run, &log)));
            }
            let extras = RunExtras {
                chosen,
                summaries: vec![pages::Summary {
                    job: "job".to_owned(),
                    markdown: format!(
                        "# {HOSTILE}\n[{HOSTILE}](javascript:alert(1))\n| {HOSTILE} |\n|---|\n| x |"
                    ),
                }],
            };
            all.push((format!("run {}", run.id), pages::run(view, run, &extras)));
        }
        for deployment in view.project.deployments.values() {
            let page = pages::deployment(view, deployment);
            all.push((format!("deployment {}", deployment.id), page));
        }
        all.into_iter().map(|(name, page)| (name, page.into_string())).collect()
    })
}

/// The last moment of a sample, looked at an hour later; its fact says what a user wrote.
fn then(sample: &Sample) -> Then {
    let title = UserText::from(HOSTILE);
    Then {
        number: 2,
        fact: Fact::NotificationPosted { call: None, text: title.clone(), title, webhook: None },
        by: qnt9_model::Actor::Person { name: "carol".to_owned(), demo: true },
        recorded: sample.now,
        newest: 1_204,
        now: sample.now.plus(3_600_000),
    }
}

fn sign_in_page() -> SignIn<'static> {
    let demo = vec![("alice".to_owned(), "admin".to_owned())];
    SignIn { next: HOSTILE, demo, failure: Some(HOSTILE) }
}

fn held() -> Refusal {
    let why = qnt9_model::Why::leaf(HOSTILE, qnt9_model::why::Holds::No).because(HOSTILE);
    Refusal::Held { subject: HOSTILE.to_owned(), why: Box::new(why) }
}

fn line(number: u64, text: &str) -> LogLine {
    LogLine { number, step: Some(0), at: Millis(0), text: text.to_owned() }
}

/// A story in which every text a user can write is hostile.
fn hostile() -> Sample {
    let mut sample = Sample::story();
    let machine = qnt9_model::Actor::Platform;
    let run = *sample.state.projects[&sample.stream].runs.keys().next_back().expect("it has runs");
    sample.approve(run, "alice", Some(HOSTILE));
    let text = || UserText::from(HOSTILE);
    let commit = sha("a41d77e");
    let call =
        sample.state.projects[&sample.stream].plans.values().next().expect("a plan").call.clone();
    for fact in [
        Fact::PolicyRefused { commit: commit.clone(), message: text() },
        Fact::WorkflowRefused { commit, path: HOSTILE.to_owned(), message: text() },
        Fact::NotificationPosted { call: None, title: text(), text: text(), webhook: Some(text()) },
        Fact::JobSkipped { run, key: "verify".to_owned(), reason: text() },
        Fact::JobImpossible { run, key: "notify".to_owned(), reason: text() },
        Fact::RunCancelRequested { run, reason: HOSTILE.to_owned() },
        Fact::StateLocked { workspace: HOSTILE.to_owned(), lock: HOSTILE.to_owned(), info: text() },
        Fact::EvidenceRecorded {
            call: Some(call.clone()),
            kind: HOSTILE.to_owned(),
            environment: None,
            commit: sha("9f03c1a"),
            release: None,
            passed: false,
            summary: HOSTILE.to_owned(),
            time_scale: 20,
        },
        Fact::ArtifactKept {
            attempt: call.attempt,
            name: HOSTILE.to_owned(),
            blob: String::new(),
            bytes: 1,
            expires: Millis(0),
        },
    ] {
        sample.fact(&machine, fact);
    }
    sample
}

fn check(sample: &Sample, visitor: &Visitor, page: &str, from: &str, to: &str, expected: &Expect) {
    let pages = every_page(sample, visitor);
    let (_, html) = pages.iter().find(|(name, _)| name == page).expect("there is such a page");
    expected.assert_eq(&text_between(html, from, to));
}

fn visitors() -> [Visitor; 3] {
    [Visitor::default(), signed_in("alice", Role::Admin), signed_in("dana", Role::Developer)]
}

fn samples() -> [Sample; 4] {
    [Sample::new(), Sample::story(), hostile(), lost().0]
}

fn for_every_page(look: impl Fn(&str, &str)) {
    for sample in samples() {
        for visitor in visitors() {
            for (name, page) in every_page(&sample, &visitor) {
                look(&name, &page);
            }
        }
    }
}

#[test]
fn home_says_what_needs_whom() {
    let sample = Sample::story();
    let alice = signed_in("alice", Role::Admin);
    check(
        &sample,
        &alice,
        "home",
        "id=\"needs\"",
        "id=\"board\"",
        &expect![[r#"
            One thing needs you
            Production serves 2c41f9e, 3 commits behind main.
            Approve 9f03c1a for production Review 9f03c1a for production
            2 commits by carol and dana · plan +1 ~1 -0, nothing destroyed · load-test: P95 212 ms, P99 402 ms, failed 0.02 %, availability 99.98 % · 1 of 2 approvals · can approve: alice · expires in 6 d
        "#]],
    );
    let dana = signed_in("dana", Role::Developer);
    check(
        &sample,
        &dana,
        "home",
        "<h1>",
        "</h1>",
        &expect![[r#"
            Nothing needs you; one thing waits for others
        "#]],
    );
    check(
        &Sample::new(),
        &alice,
        "home",
        "id=\"needs\"",
        "id=\"latest\"",
        &expect![[r#"
            Nothing needs you
            Production serves nothing yet.
            Environments
            Service | development | staging | production |
            stock | nothing yet | nothing yet | nothing yet |
            infrastructure | no plan yet | no plan yet | no plan yet |
            Back in time
            As it stood at (UTC) Show One fact back
            qnt9 status --at 2026-11-24T05:00:00Z
        "#]],
    );
}

#[test]
fn the_past_says_that_it_is_one_and_offers_no_act() {
    let sample = Sample::story();
    let alice = signed_in("alice", Role::Admin);
    check(
        &sample,
        &alice,
        "past",
        "<main",
        "</main>",
        &expect![[r#"
        You look at the past: Thu 03 Dec 2026 05:48:52 UTC. This is how things stood then; nothing can be done here. Other pages tell of today.
        The last fact by then is 2 of 1,204, Thu 03 Dec 2026 05:48:52 UTC: notification “<img src=x onerror=alert(1)>&quot;'><script>alert(2)</script>&amp;amp;” was posted, by carol (demo).
        One fact back One fact on The deployment before Back to now
        One thing waited for people then
        Production serves 2c41f9e, 3 commits behind main.
        9f03c1a for production
        2 commits by carol and dana · plan +1 ~1 -0, nothing destroyed · load-test: P95 212 ms, P99 402 ms, failed 0.02 %, availability 99.98 % · 1 of 2 approvals · can approve: alice · expires in 6 d
        Environments
        Service | development | staging | production |
        stock | nothing yet | 9f03c1a
        5 min ago · dana · 1 behind main | 2c41f9e → 9f03c1a waits
        waits for one approval · 16 s |
        infrastructure | no plan yet | +3 ~1 -0
        planned 6 min ago by run 227 | +1 ~1 -0
        planned 19 s ago by run 304, which goes on |
        Back in time
        As it stood at (UTC) Show
        qnt9 status --at 2026-12-03T05:48:52Z
        Runs
        Status | Workflow | Commit | When | Took |
        waits | Terraform Apply - Multi-Environment #7 production
        Merge develop: search by WKN · dispatched by carol
        2 of alice, bob, carol approve (1 of 2); 30 s since it was asked for (16 s passed) | main 9f03c1a | 19 s ago | 19 s |
        success | Staging #129 staging
        Merge develop: search by WKN · pushed by dana | main 9f03c1a | 6 min ago | 53 s |
        failure | Staging #128 staging
        rank by recency <script>alert(1)</script> · pushed by dana | main a41d77e | 47 min ago | 52 s |
        success | Terraform Apply - Multi-Environment #6 production
        Search by symbol · dispatched by carol | main 2c41f9e | 9 d ago | 53 s |
        success | Staging #126 staging
        Search by symbol · pushed by dana | main 2c41f9e | 9 d ago | 53 s |
    "#]],
    );
    let pages = every_page(&sample, &alice);
    let (_, past) = pages.iter().find(|(name, _)| name == "past").expect("it is there");
    let main = past.split("<main").nth(1).and_then(|main| main.split("</main>").next()).unwrap();
    assert!(!main.contains("method=\"post\""), "the past cannot be changed");
    assert!(main.contains("method=\"get\"") && main.contains("type=\"datetime-local\""));
}

#[test]
fn two_releases_stand_side_by_side() {
    let sample = Sample::story();
    check(
        &sample,
        &Visitor::default(),
        "difference",
        "<main",
        "</main>",
        &expect![[r#"
        Releases / Difference
        From 1a00…00 of 2c41f9e to staging
        3 commits come with it.
        From what development serves what staging serves what production serves 3a00…00 of 9f03c1a 4a00…00 of a41d77e 1a00…00 of 2c41f9e To what development serves what staging serves what production serves 3a00…00 of 9f03c1a 4a00…00 of a41d77e 1a00…00 of 2c41f9e Compare
        Commits that come with it, 3
        a41d77e rank by recency <script>alert(1)</script> , by dana
        9f03c1a Merge develop: search by WKN , by dana
        7d10aa2 Index names for search , by carol
        Digests
        What | From | To |
        release | 1a00…00 | 4a00…00 |
        service | stock | stock |
        The configuration is the same.
        Infrastructure plans
        production : +1 ~1 -0 39f1c07b… → no plan
        + create terraform_data.index only from
        ~ change terraform_data.settings only from: input
        staging : +3 ~1 -0 39f1c07b… → +3 ~1 -0 39f1c07b…
        Both plans change the same resources in the same way.
        From: 1a00…00 of 2c41f9e
        Built 9 d ago by job 5.release.1, 6.8 MB Where it went
        production/stock served all traffic
        9 d ago , by carol, approved by alice and bob
        alice approved 9 d ago
        bob approved 9 d ago
        staging/stock served all traffic
        9 d ago , by dana What was proved
        tests : format, lint, unit and http tests, terraform
        load-test in staging: P95 212 ms, P99 402 ms, failed 0.02 %, availability 99.98 %
        To: 4a00…00 of a41d77e
        Built 46 min ago by job 150.release.1, 6.8 MB Where it went
        staging/stock served all traffic
        46 min ago , by dana What was proved
        tests : format, lint, unit and http tests, terraform
        load-test in staging: P99 1,340 ms over 1,000 ms; P95 231 ms, failed 0.02 %
        qnt9 releases diff sha256:1a0000000000000000000000000000000e9f14c22c41f9e1a000000000000000 staging
    "#]],
    );
}

/// The story, with the runner of the staging deploy of its last run lost in its second step.
fn lost() -> (Sample, String) {
    let mut sample = Sample::story();
    let run = *sample.state.projects[&sample.stream].runs.keys().next_back().expect("it has runs");
    sample.approve(run, "alice", None);
    let attempt = sample.lose_production(run);
    (sample, format!("run {}", attempt.run))
}

#[test]
fn a_lost_job_says_what_is_known_and_offers_three_decisions() {
    let (sample, page) = lost();
    let dana = signed_in("dana", Role::Developer);
    check(
        &sample,
        &dana,
        &page,
        "id=\"lost-deploy\"",
        "</section>",
        &expect![[r#"
        The runner of deploy was lost: a person decides
        The process of its job is gone. It may have changed production already, so it is not run again by itself.
        Verify that this is the approved plan success
        Apply was under way: it may have done all, some or nothing of its work
        Deploy step by step not begun
        Look at production and at the end of its log, then decide.
        Look for it once more If its runner is found, what it did and does counts; if not, the question comes back.
        Run the job again The job begins anew, and the steps that ended are run a second time.
        Give it up The job counts as failed; what its steps changed stays changed.
        qnt9 resume 304.deploy
        qnt9 rerun 304.deploy
        qnt9 abandon 304.deploy
    "#]],
    );
    check(
        &sample,
        &dana,
        &page,
        "id=\"why\"",
        "</section>",
        &expect![[r#"
        Why run 304 stands where it stands
        Not yet
        deploy: the process of its job is gone; a person must decide
        verify: waits for deploy
        notify: waits for deploy, verify
        summary: waits for deploy, verify, notify The proof
        plan success after 3 s
        deploy the process of its job is gone; a person must decide
        step `Verify that this is the approved plan` ended success
        step `Apply` was under way it may have done all, some or nothing of its work
        verify waits for deploy
        notify waits for deploy, verify
        summary waits for deploy, verify, notify
        qnt9 resume 304.deploy
        qnt9 rerun 304.deploy
        qnt9 abandon 304.deploy
    "#]],
    );
    check(
        &sample,
        &dana,
        "home",
        "id=\"needs\"",
        "id=\"board\"",
        &expect![[r#"
        One thing needs you
        Production serves 2c41f9e, 3 commits behind main.
        Decide what becomes of deploy in run 304 runner lost
        The process of its job is gone. The step “Apply” was under way. It may have changed production already, so it is not run again by itself.
    "#]],
    );
    let nobody = Visitor::default();
    check(
        &sample,
        &nobody,
        &page,
        "id=\"lost-deploy\"",
        "</section>",
        &expect![[r#"
        The runner of deploy was lost: a person decides
        The process of its job is gone. It may have changed production already, so it is not run again by itself.
        Verify that this is the approved plan success
        Apply was under way: it may have done all, some or nothing of its work
        Deploy step by step not begun
        Look at production and at the end of its log, then decide.
        Sign in to decide this.
        qnt9 resume 304.deploy
        qnt9 rerun 304.deploy
        qnt9 abandon 304.deploy
    "#]],
    );
}

#[test]
fn a_waiting_run_says_why_and_who() {
    let sample = Sample::story();
    let alice = signed_in("alice", Role::Admin);
    let run = "run 304";
    check(
        &sample,
        &alice,
        run,
        "<h1>",
        "id=\"graph\"",
        &expect![[r#"
            Merge develop: search by WKN waits production
            Production waits for one approval.
            #7 of Terraform Apply - Multi-Environment on main 9f03c1a dispatched by carol (demo), 19 s ago 19 s in all
        "#]],
    );
    check(
        &sample,
        &alice,
        run,
        "id=\"approve-304-production\"",
        "</section>",
        &expect![[r#"
            Why production waits
            branch main may deploy here
            a person dispatched it carol
            tests passed for 9f03c1a format, lint, unit and http tests, terraform (made at time scale 20)
            load-test passed in staging for 3a00…00 P95 212 ms, P99 402 ms, failed 0.02 %, availability 99.98 % (made at time scale 20)
            2 of alice, bob, carol approve 1 of 2; can change it: alice
            alice can approve
            bob 14 s ago (demo)
            carol cannot dispatched it and wrote 1 of its commits
            30 s since it was asked for 16 s passed; holds at 05:49 , in 14 s
            the rollback plan is stated sha256 9861b2d4fc18
            back to 1a00…00 of 2c41f9e: qnt9 rollback production
            2 replicas start, and all traffic moves at once when they are healthy
            no other job holds production
            You approve release 3a00…00 and plan 39f1c07b…; if either changes, this lapses.
            A word for the record (optional) Approve Reject it instead
            A word for the record (optional) Reject
            qnt9 approve production 9f03c1a
            qnt9 why production
        "#]],
    );
    let (bob, dana) = (signed_in("bob", Role::Approver), signed_in("dana", Role::Developer));
    let barrier = |visitor: &Visitor| {
        let pages = every_page(&sample, visitor);
        let (_, page) = pages.iter().find(|(name, _)| name == run).expect("it is there");
        let tree = text_between(page, "id=\"approve-304-production\"", "</section>");
        tree.trim_end().rsplit("\n").nth(2).unwrap_or_default().to_owned()
    };
    expect!["You have approved this; it still needs alice."].assert_eq(&barrier(&bob));
    expect!["To approve or reject one must be approver; dana is developer."]
        .assert_eq(&barrier(&dana));
    expect!["carol cannot approve this: dispatched it and wrote 1 of its commits. alice can."]
        .assert_eq(&barrier(&signed_in("carol", Role::Approver)));
    expect!["Sign in to approve or reject."].assert_eq(&barrier(&Visitor::default()));
}

#[test]
fn a_failed_run_names_the_step() {
    let sample = Sample::story();
    check(
        &sample,
        &Visitor::default(),
        "run 150",
        "id=\"head\"",
        "id=\"graph\"",
        &expect![[r#"
            Runs / Staging
            rank by recency <script>alert(1)</script> failure staging
            The job load-test failed in its step “qnt9 load run --environment staging”.
            #128 of Staging on main a41d77e pushed by dana (demo), 47 min ago 52 s in all
        "#]],
    );
    check(
        &sample,
        &Visitor::default(),
        "run 150",
        "id=\"timing-title\"",
        "</table>",
        &expect![[r#"
            Where the time went
            52 s: 0.6 s qnt9's own, 51 s your steps and load
            Job | Needs | Result | Waited | Ran | From start to end |
            format | – | success | 0 s | 6.3 s | |
            lint | – | success | 0 s | 6.3 s | |
            test (--lib) | – | success | 0 s | 20 s | |
            test (--test http) | – | success | 20 s | 20 s | |
            terraform | – | success | 0 s | 6.3 s | |
            infrastructure staging | format, lint, test, terraform | success | 0 s | 5 s | |
            release | format, lint, test, terraform | success | 0 s | 12 s | |
            deploy staging | infrastructure, release | success | 0 s | 5.8 s | |
            load-test | deploy | failure | 0 s | 22 s | |
            summary | format, lint, test, terraform, infrastructure, release, deploy, load-test | success | 0 s | 0.5 s | |
        "#]],
    );
}

#[test]
fn a_rolled_back_deployment_says_why_and_how_far() {
    let mut sample = Sample::story();
    let run = *sample.state.projects[&sample.stream].runs.keys().next_back().expect("it has runs");
    sample.approve(run, "alice", None);
    sample.finish_production(run, "9f03c1a", Some(5));
    let last = *sample.state.projects[&sample.stream].deployments.keys().next_back().expect("one");
    let page = format!("deployment {last}");
    let nobody = Visitor::default();
    check(
        &sample,
        &nobody,
        &page,
        "id=\"head\"",
        "id=\"traffic\"",
        &expect![[r#"
            Environments / production
            9f03c1a to production rolled back at 5 %
            61 of 304 failed (20.0 %) against 0 of 5776 of the old release (0.0 %): worse than tolerated. All traffic is back with 2c41f9e.
            stock, asked for by carol, approved by bob and alice, 5 s ago took 4.8 s
        "#]],
    );
    check(
        &sample,
        &nobody,
        &page,
        "<tbody>",
        "</table>",
        &expect![[r#"
        5 % | 05:48:55 | 4 s | 80 of 400, 20 % | 1 of 7,600, 0.01 % |
    "#]],
    );
    check(
        &sample,
        &nobody,
        "home",
        "<h1>",
        "id=\"latest\"",
        &expect![[r#"
            One thing needs you
            Production serves 2c41f9e, 3 commits behind main.
            9f03c1a did not reach production/stock rolled back at 5 %
            61 of 304 failed (20.0 %) against 0 of 5776 of the old release (0.0 %): worse than tolerated
            Environments
            Service | development | staging | production |
            stock | nothing yet | 9f03c1a
            5 min ago · dana · 1 behind main | 2c41f9e
            9 d ago · carol, approved by alice and bob · 3 behind main
            9f03c1a was rolled back at 5 % |
            infrastructure | no plan yet | +3 ~1 -0
            planned 6 min ago by run 227 | +1 ~1 -0
            planned 27 s ago by run 304 |
            Back in time
            As it stood at (UTC) Show One fact back
            qnt9 status --at 2026-12-03T05:49:00Z
        "#]],
    );
}
