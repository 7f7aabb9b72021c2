//! Made-up shapes to render.

use std::collections::BTreeMap;

use jiff::tz::TimeZone;
use qnt9_engine::accounting::Shares;
use qnt9_model::fact::{Counts, Outcome, Verdict};
use qnt9_model::plan::{PlanAction, PlanLine, PlanSummary};
use qnt9_model::why::{Holds, Why};
use qnt9_model::{DeploymentId, Millis, ReleaseDigest, RunId};
use qnt9_server::api::shapes::{
    ApprovalShape, AttemptShape, ChangedDigestShape, ChangedPlanShape, CommitShape, DeployedShape,
    DeploymentShape, DifferenceShape, EnvironmentShape, JobShape, KnownShape, KnownStep, LegShape,
    Phase, PlaceShape, Plan, PlanOfShape, ReleaseShape, RolloutState, RunDetail, RunShape,
    RunningStep, SideShape, StepShape,
};

use super::Clock;

/// Tue 24 Nov 2026 14:04:02 UTC.
pub const NOW: Millis = Millis(1_795_529_042_000);

/// A clock that stands still.
pub const fn clock() -> Clock {
    Clock { now: NOW, zone: TimeZone::UTC }
}

/// So many seconds ago.
pub const fn ago(seconds: i64) -> Millis {
    NOW.plus(-seconds * 1000)
}

/// A release whose digest begins with these digits.
pub fn digest(digits: &str) -> ReleaseDigest {
    format!("sha256:{digits:0<64}").into()
}

/// A run that waits for production.
pub fn run(id: u64) -> RunShape {
    RunShape {
        id: RunId(id),
        path: ".github/workflows/production.yml".to_owned(),
        name: "Production".to_owned(),
        title: "Search by WKN".to_owned(),
        number: 3,
        event: "workflow_dispatch".to_owned(),
        by: "carol".to_owned(),
        demo: false,
        rerun_of: None,
        reference: "refs/heads/main".to_owned(),
        commit: "9f03c1a0000000000000000000000000000000a3".into(),
        created: ago(242),
        started: Some(ago(242)),
        finished: None,
        result: None,
        cancel: None,
        superseded_by: None,
        waits_for: vec!["production".into()],
    }
}

/// A run that ended so after this many seconds.
pub fn ended(id: u64, result: Outcome, seconds: i64) -> RunShape {
    RunShape {
        name: "Development".to_owned(),
        event: "push".to_owned(),
        reference: "refs/heads/develop".to_owned(),
        finished: Some(ago(242 - seconds)),
        result: Some(result),
        waits_for: Vec::new(),
        ..run(id)
    }
}

fn step(number: u32, name: &str, outcome: Outcome, seconds: i64) -> StepShape {
    let (conclusion, started) = (outcome, ago(200));
    let finished = started.plus(seconds * 1000);
    StepShape {
        step: number,
        name: name.to_owned(),
        outcome,
        conclusion,
        started,
        finished,
        user: true,
    }
}

/// An attempt with these steps.
fn attempt(number: u32, steps: Vec<StepShape>, result: Option<Outcome>) -> AttemptShape {
    AttemptShape {
        number,
        started: ago(200),
        finished: result.map(|_| ago(180)),
        result,
        steps,
        running: None,
        log_lines: 12,
        reason: None,
        summary: None,
    }
}

fn leg(key: &str, phase: Phase, result: Option<Outcome>, attempts: Vec<AttemptShape>) -> LegShape {
    LegShape {
        job: key.into(),
        name: key.to_owned(),
        environment: None,
        phase,
        result,
        queued: ago(242),
        opened: None,
        subjects: None,
        finished: result.map(|_| ago(180)),
        approvals: Vec::new(),
        attempts,
        waits: Vec::new(),
        reason: None,
        why: None,
        known: None,
    }
}

fn job(key: &str, needs: &[&str], legs: Vec<LegShape>) -> JobShape {
    let ended: Option<Vec<Outcome>> = legs.iter().map(|leg| leg.result).collect();
    JobShape {
        key: key.to_owned(),
        needs: needs.iter().map(|need| (*need).to_owned()).collect(),
        plan: if legs.is_empty() { Plan::Waiting } else { Plan::Planned },
        reason: None,
        result: ended.and_then(|outcomes| outcomes.into_iter().max()),
        legs,
        time: None,
    }
}

/// The gates of production: two approvals and ten minutes are missing.
pub fn gates() -> Why {
    Why::all(
        "9f03c1a to production",
        vec![
            Why::leaf("branch main may deploy here", Holds::Yes),
            Why::leaf("load-test passed in staging for 4be1…77", Holds::Yes)
                .because("P95 212 ms, P99 402 ms, failed 0.02 %"),
            Why {
                of: vec![
                    Why::leaf("bob", Holds::Yes).because("approved 2 min ago"),
                    Why::leaf("carol", Holds::No).because("dispatched it"),
                ],
                ..Why::leaf("2 of alice, bob, carol approve", Holds::NotYet)
                    .because("1 of 2")
                    .by(vec!["alice".to_owned()])
            },
            Why::leaf("10 min since it was asked for", Holds::NotYet)
                .because("4 min 2 s passed")
                .at(NOW.plus(358_000)),
        ],
    )
}

/// A run with jobs in every state.
pub fn detail() -> RunDetail {
    let done = Some(Outcome::Success);
    let lint = leg(
        "lint",
        Phase::Done,
        done,
        vec![attempt(1, vec![step(0, "lint", Outcome::Success, 20)], done)],
    );
    let broken = Some(Outcome::Failure);
    let steps = vec![
        step(0, "Check out", Outcome::Success, 1),
        step(1, "cargo test", Outcome::Failure, 19),
    ];
    let mut test = leg("test.1", Phase::Done, broken, vec![attempt(2, steps, broken)]);
    test.reason = Some("exit code 101".to_owned());
    let mut running = attempt(1, Vec::new(), None);
    let (step, name, started) = (0, "cargo test --doc".to_owned(), ago(60));
    running.running = Some(RunningStep { step, name, started });
    let running = leg("test.2", Phase::Running, None, vec![running]);
    let mut deploy = leg("deploy", Phase::Gated, None, Vec::new());
    deploy.environment = Some("production".into());
    deploy.why = Some(gates());
    let skipped = JobShape {
        plan: Plan::Skipped,
        reason: Some("`github.ref == 'refs/heads/develop'` is false".to_owned()),
        result: Some(Outcome::Skipped),
        ..job("seed", &[], Vec::new())
    };
    RunDetail {
        run: run(12),
        inputs: BTreeMap::from([("release".to_owned(), "4be1".to_owned())]),
        jobs: vec![
            job("lint", &[], vec![lint]),
            job("test", &[], vec![test, running]),
            job("deploy", &["lint"], vec![deploy]),
            skipped,
            job("load-test", &["lint", "deploy"], Vec::new()),
        ],
        time: Shares { own_ms: 1100, waiting_ms: 200_000, user_ms: 40_900 },
    }
}

/// A rollout that is there.
pub fn deployment(id: u64, state: RolloutState) -> DeploymentShape {
    DeploymentShape {
        id: DeploymentId(id),
        environment: "production".into(),
        service: "stock".to_owned(),
        release: digest("4be1a2b3c4d5e6"),
        commit: Some("9f03c1a0000000000000000000000000000000a3".into()),
        by: "carol (run 12)".to_owned(),
        run: Some(RunId(12)),
        rollback: false,
        requested: ago(120),
        state,
        reason: None,
        finished: Some(ago(90)),
        replicas: 2,
        ready: 2,
        steps: vec![5, 25, 50, 100],
        percent: 25,
        percent_reached: 25,
        verdict: Verdict::Undecided,
        verdict_reason: String::new(),
        new: Counts { requests: 0, bad: 0 },
        old: Counts { requests: 0, bad: 0 },
        history: Vec::new(),
        strategy: "canary".to_owned(),
        preview: None,
        awaits_promotion: false,
        promoted_by: None,
        smoke_passed: None,
        smoke_report: None,
        kept_until: None,
        watched: None,
    }
}

/// One where nothing serves, and one with a rollout and a run that waits.
pub fn environments() -> Vec<EnvironmentShape> {
    let mut rollout = deployment(31, RolloutState::Moving);
    rollout.release = digest("77ab01");
    rollout.verdict_reason = "2 of 412 failed, 0 of 1236 before".to_owned();
    let production = EnvironmentShape {
        name: "production".into(),
        rules: vec!["branch main".to_owned(), "dispatched by a person".to_owned()],
        services: vec![PlaceShape {
            service: "stock".to_owned(),
            url: Some("http://127.0.0.1:41017".to_owned()),
            serving: Some(deployment(30, RolloutState::Succeeded)),
            rollout: Some(rollout),
        }],
        waiting: vec![RunId(12)],
        held_by: Some(RunId(11)),
    };
    let development = EnvironmentShape {
        name: "development".into(),
        rules: Vec::new(),
        services: Vec::new(),
        waiting: Vec::new(),
        held_by: None,
    };
    vec![development, production]
}

/// A job whose runner was lost in its second step.
pub fn lost() -> LegShape {
    let step = |step, name: &str, outcome| KnownStep { step, name: name.to_owned(), outcome };
    let known = KnownShape {
        reason: "the process of its job is gone".to_owned(),
        ended: vec![step(0, "Verify the plan", Some(Outcome::Success))],
        in_flight: Some(step(1, "Apply", None)),
        not_begun: vec![step(2, "Deploy", None)],
        asked: false,
    };
    let attempts = vec![AttemptShape { finished: Some(ago(60)), ..attempt(1, Vec::new(), None) }];
    let leg = leg("deploy", Phase::Lost, None, attempts);
    LegShape { environment: Some("production".into()), known: Some(known), ..leg }
}

/// What differs between two releases.
pub fn difference() -> DifferenceShape {
    let release = |digits: &str, commit: &str| ReleaseShape {
        digest: digest(digits),
        service: "stock".to_owned(),
        commit: format!("{commit:0<40}").as_str().into(),
        configuration: BTreeMap::new(),
        bytes: 9_400_000,
        built: ago(600),
        by: "dana (run 10)".to_owned(),
        serves: Vec::new(),
    };
    let line = |action, address: &str| PlanLine {
        address: address.to_owned(),
        action,
        attributes: vec!["replicas".to_owned()],
    };
    let plan = |hash: &str, lines| PlanOfShape {
        hash: format!("{hash:0<64}"),
        at: ago(500),
        summary: PlanSummary { add: 0, change: 1, destroy: 0, lines },
    };
    let approval = ApprovalShape {
        person: "alice".to_owned(),
        demo: false,
        at: ago(300),
        approved: true,
        comment: None,
    };
    let added = CommitShape {
        sha: "9f03c1a0000000000000000000000000000000a3".into(),
        author: "dana".to_owned(),
        title: "Search by WKN".to_owned(),
    };
    let side = |environment: &str, release, approvals| SideShape {
        environment: Some(environment.into()),
        release,
        evidence: Vec::new(),
        deployments: vec![DeployedShape {
            deployment: deployment(31, RolloutState::Succeeded),
            approvals,
            plan: None,
        }],
    };
    let update = line(PlanAction::Update, "terraform_data.database");
    DifferenceShape {
        from: side("production", release("4be1", "2c41f9e"), vec![approval]),
        to: side("staging", release("77ab", "9f03c1a"), Vec::new()),
        added: vec![added],
        missing: Vec::new(),
        configuration: vec![ChangedDigestShape {
            name: "chart".to_owned(),
            from: None,
            to: Some(digest("99").to_string()),
        }],
        plans: vec![ChangedPlanShape {
            environment: "production".into(),
            from: None,
            to: Some(plan("39f1", vec![update.clone()])),
            only_from: Vec::new(),
            only_to: vec![update],
        }],
    }
}
