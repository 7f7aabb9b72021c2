//! Rules before they bite: what a person could deploy at a moment, and what other rules would have said.

use expect_test::{Expect, expect};
use qnt9_engine::trial::{Wish, could, is_possible, under};
use qnt9_model::why::{Holds, Why};
use qnt9_model::{Millis, RunId};

use crate::world::{HOUR, MINUTE, RULES, World, long};

fn wish(person: &str, commit: &str, environment: &str, at: Millis) -> Wish {
    let (person, environment) = (person.to_owned(), environment.into());
    Wish { person, commit: long(commit), environment, at }
}

fn answer(world: &World, wish: &Wish) -> Why {
    could(&world.state, &world.stream, wish).expect("the project is known")
}

fn check(world: &World, wish: &Wish, possible: bool, expected: &Expect) {
    let why = answer(world, wish);
    expected.assert_eq(&(why.lines().join("\n") + "\n"));
    assert_eq!(is_possible(&why), possible);
}

#[test]
fn what_staging_proved_may_go_once_people_approve() {
    let mut world = World::in_production("r1");
    world.staged("c2", "r2");
    let before = world.state.clone();
    check(
        &world,
        &wish("dev", "c2", "production", world.now),
        true,
        &expect![[r#"
            ‖ dev deploys c200000 to production
              ✓ dev may dispatch   has the role developer
              ✓ branch main may deploy here
              ✓ a person dispatched it   dev
              ✓ tests passed for c200000   p95 41 ms
              ✓ load-test passed in staging for r200…00   p95 41 ms
              ‖ 2 of alice, bob, carol approve   0 of 2
                ‖ alice   can approve
                ‖ bob   can approve
                ‖ carol   can approve
              ✓ 10 min since it was asked for
              ✓ the rollback plan is stated   sha256 7be1f3891afd
                ✓ back to r100…00 of c100000: qnt9 rollback production
                ✓ 2 replicas start, and all traffic moves at once when they are healthy
              ✓ no other job holds production
        "#]],
    );
    assert_eq!(world.state, before, "nothing is decided and nothing is kept");
}

#[test]
fn what_stands_against_it_is_named() {
    let mut world = World::in_production("r1");
    world.push("dev", "main", "c2", "dev", &[]);
    check(
        &world,
        &wish("vera", "c2", "production", world.now),
        false,
        &expect![[r#"
            ✗ vera deploys c200000 to production
              ✗ vera may dispatch   has the role viewer
              ✓ branch main may deploy here
              ✓ a person dispatched it   vera
              ‖ tests passed for c200000   none recorded yet
              ‖ load-test passed in staging for this release   none recorded yet
              ‖ 2 of alice, bob, carol approve   0 of 2
                ‖ alice   can approve
                ‖ bob   can approve
                ‖ carol   can approve
              ✓ 10 min since it was asked for
              ✓ the rollback plan is stated   sha256 7be1f3891afd
                ✓ back to r100…00 of c100000: qnt9 rollback production
                ✓ 2 replicas start, and all traffic moves at once when they are healthy
              ✓ no other job holds production
        "#]],
    );
    check(
        &world,
        &wish("nobody", "c9", "production", world.now),
        false,
        &expect![[r#"
        ✗ nobody deploys c900000 to production
          ✗ nobody may dispatch   nobody of that name is known here
          ✗ a branch has commit c900000   no branch of this project has it
    "#]],
    );
}

/// Every developer may dispatch; who only looks may not, and neither may a stranger.
#[test]
fn who_may_dispatch() {
    let world = World::in_production("r1");
    for (person, may) in
        [("ada", true), ("alice", true), ("dev", true), ("vera", false), ("nobody", false)]
    {
        let why = answer(&world, &wish(person, "c1", "staging", world.now));
        let expected = if may { Holds::Yes } else { Holds::No };
        assert_eq!(why.of[0].holds, expected, "{person}");
        assert_eq!(is_possible(&why), may, "{person}");
    }
}

/// The job was asked for early enough: its wait is over at the moment of the wish, and not a moment
/// before it.
#[test]
fn the_wait_is_over_at_the_moment_of_the_wish() {
    let rules = "[project]\nname = \"shop\"\n[environment.staging]\nwait = \"10m\"\n";
    let mut world = World::new(rules);
    world.push("dev", "main", "c1", "dev", &[]);
    let why = answer(&world, &wish("dev", "c1", "staging", world.now));
    assert_eq!(why.holds, Holds::Yes, "{:?}", why.lines());
    let wait = why.of.iter().find(|part| part.rule.contains("since it was asked for"));
    assert!(wait.is_some(), "{:?}", why.lines());
}

/// A window is looked at as it is at the moment of the wish, not now.
#[test]
fn a_wish_for_later_finds_the_window_of_later() {
    let rules = "[project]\nname = \"shop\"\n[environment.staging]\nwindows = [\"Mon-Sun 09:00-16:00 UTC\"]\n";
    let mut world = World::new(rules);
    world.push("dev", "main", "c1", "dev", &[]);
    // It is 01:46:40 on a Sunday.
    for (hours, open) in [(0, false), (7, false), (8, true), (14, true), (15, false)] {
        let wish = wish("dev", "c1", "staging", world.now.plus(hours * HOUR));
        let why = answer(&world, &wish);
        assert_eq!(why.holds == Holds::Yes, open, "in {hours} h: {:?}", why.lines());
        assert_eq!(is_possible(&why), open, "people cannot open a window");
    }
}

/// Of branches that have a commit, the default one counts.
#[test]
fn a_commit_goes_from_the_branch_that_has_it() {
    let mut world = World::new(RULES);
    world.push("dev", "develop", "c1", "dev", &[]);
    let from = |world: &World, environment: &str| {
        answer(world, &wish("dev", "c1", environment, world.now)).holds
    };
    assert_eq!(from(&world, "development"), Holds::Yes);
    assert_eq!(from(&world, "staging"), Holds::No, "only develop has it");
    world.push("dev", "a-branch", "c2", "dev", &[]);
    world.push("dev", "main", "c3", "dev", &[]);
    let mut moved = world.moved("a-branch", "c3", &[]);
    moved.update.reference = "refs/heads/a-branch".to_owned();
    world.tell(qnt9_model::Command::ImportCommits { moved: vec![moved], commits: Vec::new() });
    let why = answer(&world, &wish("dev", "c3", "staging", world.now));
    assert_eq!(why.holds, Holds::Yes, "main has it, too: {:?}", why.lines());
}

fn waits_for(who: &[&str], of: Vec<Why>) -> Why {
    let who = who.iter().map(|name| (*name).to_owned()).collect();
    Why { who, of, ..Why::leaf("rule", Holds::NotYet) }
}

/// What people can give at once does not stand against a wish; what only time can give does.
#[test]
fn possible_is_what_people_can_give_at_once() {
    let yes = Why::leaf("rule", Holds::Yes);
    let barred = Why::leaf("rule", Holds::Barred);
    let no = Why::leaf("rule", Holds::No);
    let cases = [
        (yes.clone(), true),
        (no.clone(), false),
        (barred.clone(), false),
        (waits_for(&[], vec![]), false),
        (waits_for(&["alice"], vec![]), true),
        // People who can give it count before what it is made of: one of them may be barred.
        (waits_for(&["alice"], vec![barred]), true),
        (waits_for(&[], vec![yes.clone(), waits_for(&["bob"], vec![])]), true),
        (waits_for(&[], vec![yes.clone(), waits_for(&[], vec![])]), false),
        (waits_for(&[], vec![waits_for(&["bob"], vec![]), no]), false),
        (waits_for(&[], vec![yes]), true),
    ];
    for (why, expected) in cases {
        assert_eq!(is_possible(&why), expected, "{why:?}");
    }
}

/// How a job that was let through would have stood under other rules.
#[test]
fn other_rules_are_put_before_a_job_of_the_past() {
    let mut world = World::in_production("r1");
    world.staged("c2", "r2");
    let attempt = world.released();
    let job = (attempt.run, &attempt.job);
    let asked = |rules: &str| {
        let rules = qnt9_engine::policy::read("qnt9.toml", rules).expect("right");
        let why = under(&world.state, &world.stream, job, &rules, world.now).expect("known");
        why.holds
    };
    assert_eq!(asked(RULES), Holds::Yes, "it was let through by these");
    let longer = RULES.replace("wait      = \"10m\"", "wait      = \"11m\"");
    assert_eq!(asked(&longer), Holds::NotYet);
    let elsewhere = RULES.replace("branches  = [\"main\"]", "branches  = [\"release\"]");
    assert_eq!(asked(&elsewhere), Holds::No);
    let rules = qnt9_engine::policy::read("qnt9.toml", RULES).expect("right");
    let of =
        |run, job: &str| under(&world.state, &world.stream, (run, &job.into()), &rules, world.now);
    assert_eq!(of(attempt.run, "plan"), None, "it has no environment");
    assert_eq!(of(attempt.run, "moon"), None);
    assert_eq!(of(RunId(1), "deploy"), None);
    let moment = world.now.plus(-MINUTE);
    let rules = qnt9_engine::policy::read("qnt9.toml", RULES).expect("right");
    let then = under(&world.state, &world.stream, job, &rules, moment).expect("known");
    assert_eq!(then.holds, Holds::NotYet, "a minute before, it still waited");
}
