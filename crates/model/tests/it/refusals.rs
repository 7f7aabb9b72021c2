//! Every sentence that a refusal can be, read together.

use expect_test::expect;
use qnt9_model::why::Holds;
use qnt9_model::{Refusal, Role, RunId, Why};

fn all() -> Vec<Refusal> {
    let text = |text: &str| text.to_owned();
    let gate = Why::all(
        "c1c1c1c to production",
        vec![
            Why::leaf("branch main may deploy here", Holds::Yes),
            Why::leaf("10 min since it was asked for", Holds::NotYet).because("4 min passed"),
            Why::leaf("load-test passed in staging", Holds::NotYet).because("none recorded yet"),
        ],
    );
    vec![
        Refusal::Unavailable { reason: text("the disk is full; free some and it goes on") },
        Refusal::Unknown { what: "run", name: text("9"), known: Some(text("up to 7")) },
        Refusal::Unknown { what: "person", name: text("zoe"), known: None },
        Refusal::Exists {
            what: "project",
            name: text("shop"),
            note: Some(text("with time scale 1")),
        },
        Refusal::Role {
            person: text("dev"),
            act: "roll back",
            needed: Role::Approver,
            has: Role::Developer,
        },
        Refusal::WrongActor { act: "settle a push", actor: text("alice") },
        Refusal::OnlyEmbedded { what: "a time scale", project: "shop".into() },
        Refusal::Stale { attempt: text("7.deploy.1"), now: text("attempt 2 is running") },
        Refusal::CheckClosed {
            check: qnt9_model::CheckId(62),
            now: text("release or plan changed since, and it was asked anew"),
        },
        Refusal::NoSuchStep {
            run: RunId(7),
            job: text("test.2"),
            step: 3,
            reason: text("only the 2 steps before step 2 ended; go on from there or before"),
        },
        Refusal::Dispatch {
            path: text("ci.yml"),
            reason: text("refs/heads/main is not at c1c1c1c"),
        },
        Refusal::RunOver { run: RunId(7), how: text("superseded by run 9") },
        Refusal::NothingWaits {
            run: RunId(7),
            environment: "production".into(),
            note: Some(text("the job waits for a runner")),
        },
        Refusal::NotApprover {
            person: text("dev"),
            environment: "production".into(),
            from: text("alice, bob, carol"),
        },
        Refusal::Excluded {
            person: text("alice"),
            commit: text("c1c1c1c"),
            environment: "production".into(),
            because: text("pushed it and wrote 2 of its commits"),
        },
        Refusal::ApprovedAlready {
            person: text("bob"),
            commit: text("c1c1c1c"),
            environment: "production".into(),
            missing: text("1 more of carol"),
        },
        Refusal::SubjectsChanged { change: text("the plan was 9f3c and is 77aa") },
        Refusal::Held { subject: text("c1c1c1c to production"), why: Box::new(gate) },
        Refusal::NotYours {
            job: text("7.deploy.1"),
            environment: "staging".into(),
            reason: text("it has no `environment: staging`"),
        },
        Refusal::Release {
            release: text("4be1…77"),
            environment: "production".into(),
            reason: text("nothing has served there yet"),
        },
        Refusal::RolloutGoing {
            place: text("production/stock"),
            environment: "production".into(),
            what: text("4be1…77 at 5 %"),
        },
        Refusal::NoRelease { commit: "c1c1c1c".into() },
        Refusal::StateLocked {
            workspace: text("shop-prd"),
            lock: text("3a6f"),
            holder: text("dev (lock 3a6f)"),
            info: text("{}"),
        },
        Refusal::StateConflict {
            workspace: text("shop-prd"),
            reason: text("its serial is 3, and the current state's is 3"),
        },
        Refusal::Invalid { what: text("time scale 0"), reason: text("give 1 or more") },
    ]
}

/// The name of each variant; one that is new does not compile until it is named, and then tested, here.
fn variant(refusal: &Refusal) -> &'static str {
    match refusal {
        Refusal::Unavailable { .. } => "Unavailable",
        Refusal::Unknown { .. } => "Unknown",
        Refusal::Exists { .. } => "Exists",
        Refusal::Role { .. } => "Role",
        Refusal::WrongActor { .. } => "WrongActor",
        Refusal::OnlyEmbedded { .. } => "OnlyEmbedded",
        Refusal::Stale { .. } => "Stale",
        Refusal::Dispatch { .. } => "Dispatch",
        Refusal::RunOver { .. } => "RunOver",
        Refusal::NothingWaits { .. } => "NothingWaits",
        Refusal::NotApprover { .. } => "NotApprover",
        Refusal::Excluded { .. } => "Excluded",
        Refusal::ApprovedAlready { .. } => "ApprovedAlready",
        Refusal::SubjectsChanged { .. } => "SubjectsChanged",
        Refusal::Held { .. } => "Held",
        Refusal::NotYours { .. } => "NotYours",
        Refusal::Release { .. } => "Release",
        Refusal::RolloutGoing { .. } => "RolloutGoing",
        Refusal::NoRelease { .. } => "NoRelease",
        Refusal::StateLocked { .. } => "StateLocked",
        Refusal::StateConflict { .. } => "StateConflict",
        Refusal::CheckClosed { .. } => "CheckClosed",
        Refusal::NoSuchStep { .. } => "NoSuchStep",
        Refusal::Invalid { .. } => "Invalid",
    }
}

#[test]
fn every_refusal_is_a_sentence_that_says_why() {
    let line =
        |refusal: &Refusal| format!("{} ({:?}): {refusal}\n", variant(refusal), refusal.class());
    let lines: String = all().iter().map(line).collect();
    expect![[r#"
        Unavailable (Unavailable): qnt9 takes no commands now: the disk is full; free some and it goes on
        Unknown (Unknown): there is no run `9` (there is: up to 7)
        Unknown (Unknown): there is no person `zoe`
        Exists (Conflict): project `shop` exists already: with time scale 1
        Role (Forbidden): dev cannot roll back: it needs the role approver, and dev is developer
        WrongActor (Forbidden): this is not for alice: settle a push
        OnlyEmbedded (Forbidden): a time scale exists only for the embedded reference project, not for shop
        Stale (Conflict): attempt 7.deploy.1 no longer counts: attempt 2 is running
        CheckClosed (Conflict): check 62 takes no answer: release or plan changed since, and it was asked anew
        NoSuchStep (Invalid): job test.2 of run 7 cannot be retried from step 4: only the 2 steps before step 2 ended; go on from there or before
        Dispatch (Invalid): ci.yml cannot be dispatched: refs/heads/main is not at c1c1c1c
        RunOver (Conflict): run 7 is over: superseded by run 9
        NothingWaits (Conflict): no job of run 7 waits for an approval for production: the job waits for a runner
        NotApprover (Forbidden): dev cannot approve for production: its approvers are alice, bob, carol
        Excluded (Forbidden): alice cannot approve c1c1c1c for production: pushed it and wrote 2 of its commits
        ApprovedAlready (Conflict): bob has already approved c1c1c1c for production; it still needs 1 more of carol
        SubjectsChanged (Conflict): what you would approve has changed: the plan was 9f3c and is 77aa; look again and approve what it is now
        Held (Held): c1c1c1c to production is held: 10 min since it was asked for: 4 min passed; load-test passed in staging: none recorded yet
        NotYours (Forbidden): job 7.deploy.1 may not deploy to staging: it has no `environment: staging`
        Release (Conflict): 4be1…77 cannot go to production: nothing has served there yet
        RolloutGoing (Conflict): a rollout to production/stock is going on (4be1…77 at 5 %); wait for it, or stop it with `qnt9 rollback production --abort`
        NoRelease (Unknown): no release was built from c1c1c1c; build one with `qnt9 release build` in a job of that commit
        StateLocked (Conflict): state shop-prd is locked by dev (lock 3a6f)
        StateConflict (Conflict): state shop-prd was not written: its serial is 3, and the current state's is 3
        Invalid (Invalid): time scale 0: give 1 or more
    "#]].assert_eq(&lines);
}
