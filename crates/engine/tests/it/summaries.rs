//! A deployment on one page, and who is told of it.

use expect_test::{Expect, expect};
use qnt9_engine::summary::{markdown, title};
use qnt9_model::fact::Outcome::{Failure, Success};
use qnt9_model::plan::{PlanAction, PlanLine, PlanSummary};
use qnt9_model::{AttemptId, Command, DeploymentId, Fact};

use crate::world::{HOUR, MINUTE, PRODUCTION, RULES, SECOND, World, digest};

fn check(world: &World, id: DeploymentId, expected: &Expect) {
    let deployment = world.deployment(id);
    let title = title(world.project(), deployment);
    let page = markdown(world.project(), deployment);
    expected.assert_eq(&format!("{title}\n{page}"));
}

/// Production serves r1; r2 may go there on a plan that replaces the database.
fn planned() -> (World, AttemptId) {
    let mut world = World::in_production("r1");
    world.staged("c2", "r2");
    let run = world.dispatch("dev", "main", PRODUCTION, &[]).expect("may dispatch");
    let plan = world.start(run, "plan");
    let line = |address: &str, action| PlanLine {
        address: address.to_owned(),
        action,
        attributes: Vec::new(),
    };
    let summary = PlanSummary {
        add: 1,
        change: 2,
        destroy: 1,
        lines: vec![line("x.db", PlanAction::Replace), line("x.dns", PlanAction::Update)],
    };
    let command = Command::RecordPlan {
        call: world.call(&plan),
        environment: "production".into(),
        hash: "plan-2".to_owned(),
        summary,
    };
    world.in_step(&plan, command).expect("a job may record a plan");
    world.end(&plan, Success);
    let approve = |comment: Option<&str>| Command::Approve {
        run,
        environment: "production".into(),
        seen: None,
        comment: comment.map(str::to_owned),
    };
    world.by("alice", approve(Some("Looks good"))).expect("may approve");
    world.by("bob", approve(None)).expect("may approve");
    world.pass(10 * MINUTE);
    let attempt = world.start(run, "deploy");
    (world, attempt)
}

#[test]
fn a_canary_that_went_well_tells_everything() {
    let (mut world, attempt) = planned();
    let id = world.deploy(&attempt, "production", "r2").expect("its gates are open");
    world.carry();
    for _ in 0..3 {
        world.count(id, (60, 0), (600, 0));
        world.pass(MINUTE);
        world.carry();
    }
    check(
        &world,
        id,
        &expect![[r#"
        r200…00 of c200000 serves production
        | | |
        | --- | --- |
        | Environment | production |
        | Service | stock |
        | Release | `sha256:r200000000000000000000000000000000000000000000000000000000000000` |
        | Commit | `c200000000000000000000000000000000000000` |
        | Asked for | Sun 9 Sep 2001 02:06 UTC by dev |
        | Run | 92 (production.yml) |
        | Outcome | serves all traffic after 3 min |

        ### Commits (1 since c100000)

        - `c200000` Change c2 (dev)

        ### Gates

        - opened Sun 9 Sep 2001 02:06 UTC after 10 min

        ```
        ✓ c200000 to production
          ✓ branch main may deploy here
          ✓ a person dispatched it   dev
          ✓ tests passed for c200000   p95 41 ms
          ✓ load-test passed in staging for r200…00   p95 41 ms
          ✓ 2 of alice, bob, carol approve   2 of 2
            ✓ alice   10 min ago
            ✓ bob   10 min ago
            ‖ carol   can approve
          ✓ 10 min since it was asked for
          ✓ the rollback plan is stated   sha256 7ef15d7108c6
            ✓ back to r100…00 of c100000: qnt9 rollback production
            ✓ 2 replicas start, and all traffic moves at once when they are healthy
            ✓ not undone: terraform destroys x.db
          ✓ no other job holds production
        ```

        - alice approved Sun 9 Sep 2001 01:56 UTC, rollback plan `7ef15d7108c6`: Looks good
        - bob approved Sun 9 Sep 2001 01:56 UTC, rollback plan `7ef15d7108c6`

        ### Terraform plan

        1 to add, 2 to change, 1 to destroy (`plan-2`)

        - replace `x.db`
        - update `x.dns`

        ### Rollout

        ```
        stock: canary, 2 replicas
          █░░░░░░░░░░░░░░░░░░░   5 % after 0.0 s
          █████░░░░░░░░░░░░░░░  25 % after 1 min
          ██████████░░░░░░░░░░  50 % after 2 min
          ████████████████████ 100 % after 3 min
        ```

        ### Rollback plan

        - back to r100…00 of c100000: qnt9 rollback production
        - 2 replicas start, and all traffic moves at once when they are healthy
        - not undone: terraform destroys x.db
    "#]],
    );
    world.end(&attempt, Success);
    let back = Command::Rollback { environment: "production".into(), to: digest("r1") };
    world.by("alice", back).expect("r1 served there");
    world.carry();
    let back = *world.project().deployments.keys().next_back().expect("the rollback");
    check(
        &world,
        back,
        &expect![[r#"
        production is back at r100…00 of c100000
        | | |
        | --- | --- |
        | Environment | production |
        | Service | stock |
        | Release | `sha256:r100000000000000000000000000000000000000000000000000000000000000` |
        | Commit | `c100000000000000000000000000000000000000` |
        | Asked for | Sun 9 Sep 2001 02:09 UTC by alice |
        | Outcome | serves all traffic after 0.0 s |

        ### Gates

        - by the word of alice; no gate is asked

        ### Rollout

        ```
        stock: all at once, 2 replicas
          ████████████████████ 100 % after 0.0 s
        ```

        ### Rollback plan

        - back to r200…00 of c200000: qnt9 rollback production
        - 2 replicas start, and all traffic moves at once when they are healthy
    "#]],
    );
}

#[test]
fn a_rollout_that_is_taken_back_says_at_which_step_and_why() {
    let (mut world, attempt) = planned();
    let id = world.deploy(&attempt, "production", "r2").expect("its gates are open");
    world.carry();
    let of = |world: &World| title(world.project(), world.deployment(id));
    assert_eq!(of(&world), "r200…00 of c200000 goes to production");
    world.pass(2 * SECOND);
    world.count(id, (60, 30), (600, 0));
    assert_eq!(of(&world), "r200…00 of c200000 was taken back from production at 5 %");
    let page = markdown(world.project(), world.deployment(id));
    assert!(page.contains("| Outcome | taken back at 5 % after 2 s: 30 of 60 failed"), "{page}");

    let (mut world, attempt) = planned();
    let id = world.deploy(&attempt, "production", "r2").expect("its gates are open");
    world.end(&attempt, Failure);
    let of = |world: &World| title(world.project(), world.deployment(id));
    assert_eq!(of(&world), "r200…00 of c200000 did not come up in production");
    let page = markdown(world.project(), world.deployment(id));
    assert!(page.contains("| Outcome | failed after 0.0 s: job deploy of run"), "{page}");
}

/// What people write does not break the page: a cell holds one line and no bars, an item its lines.
#[test]
fn texts_of_people_stay_in_their_places() {
    let (mut world, attempt) = planned();
    let id = world.deploy(&attempt, "production", "r2").expect("its gates are open");
    let report = "no such file: a|b\nbin/stock".to_owned();
    world.tell(Command::ReplicaFailed { deployment: id, replica: 0, report });
    let page = markdown(world.project(), world.deployment(id));
    assert!(page.contains("| Outcome | failed after 0.0 s: no such file: a\\|b |\n"), "{page}");
}

/// A page lists what the release brought, up to a number that people read.
#[test]
fn many_commits_are_counted() {
    for (count, listed, more) in [(20, 20, None), (21, 20, Some("- and 1 more"))] {
        let mut world = World::in_production("r1");
        world.grow("many", count - 1);
        world.staged("c2", "r2");
        let attempt = world.released();
        let id = world.deploy(&attempt, "production", "r2").expect("its gates are open");
        let page = markdown(world.project(), world.deployment(id));
        assert!(page.contains(&format!("### Commits ({count} since c100000)")), "{page}");
        let of_commits = page.lines().filter(|line| line.ends_with("(dev)")).count();
        assert_eq!(of_commits, listed);
        assert_eq!(page.lines().find(|line| line.starts_with("- and ")), more);
    }
}

/// Only environments that ask for it tell of their deployments, and they name who is on call then.
#[test]
fn people_are_told_of_ended_deployments_and_who_is_on_call() {
    let on_call = "[[on_call]]\nwho = \"alice\"\nwindows = [\"Mon-Sun 00:00-02:00 UTC\"]\n\
                   [[on_call]]\nwho = \"bob\"\n";
    // It is 01:46:40; two hours later alice's shift is over.
    for (notify, later, expected) in [
        ("", 0, None),
        ("notify = \"CHAT\"\n", 0, Some("alice")),
        ("notify = \"CHAT\"\n", 2, Some("bob")),
    ] {
        let staging = format!("[environment.staging]\n{notify}");
        let rules = RULES.replace("[environment.staging]\n", &staging);
        let mut world = World::new(&format!("{rules}{on_call}"));
        let secret = |environment: Option<&str>, value: &str| Command::SetSecret {
            name: "chat".to_owned(),
            environment: environment.map(Into::into),
            value: value.to_owned(),
        };
        world.by("ada", secret(None, "http://127.0.0.1:1/all")).expect("may set");
        world.by("ada", secret(Some("staging"), "http://127.0.0.1:1/staging")).expect("may set");
        world.pass(later * HOUR);
        world.staged("c1", "r1");
        let told: Vec<_> = world
            .log
            .iter()
            .filter_map(|entry| match &entry.fact {
                Fact::NotificationPosted { title, text, webhook, .. } => {
                    let webhook = webhook.as_ref().expect("a secret says where").show();
                    Some((title.show(), text.show().to_owned(), webhook))
                }
                _ => None,
            })
            .collect();
        let Some(who) = expected else {
            assert!(told.is_empty());
            continue;
        };
        let [(title, text, webhook)] = &told[..] else { panic!("told once: {told:?}") };
        assert_eq!(*title, "r100…00 of c100000 serves staging");
        assert_eq!(*webhook, "http://127.0.0.1:1/staging", "the nearer secret counts");
        assert!(text.ends_with(&format!("On call: {who}\n")), "{text}");
    }
}
