//! Watching a release that has all traffic, at the borders of its rule.

use qnt9_engine::judge::{BAD_REQUESTS_MIN, watch};
use qnt9_model::fact::{Counts, Verdict};
use qnt9_model::policy::WatchRule;
use qnt9_model::{Command, DeploymentId};

use crate::world::{MINUTE, RULES, SECOND, World};

fn rule(bad_per_mille: u32, p99_ms: Option<i64>) -> WatchRule {
    WatchRule { for_ms: 15 * MINUTE, bad_per_mille, p99_ms, min_requests: 100 }
}

fn verdict(requests: u64, bad: u64, slow: u64, rule: &WatchRule) -> Verdict {
    watch(Counts { requests, bad }, slow, rule).0
}

#[test]
fn a_share_of_bad_requests_is_bad_from_just_above_the_limit() {
    let limit = rule(25, None);
    assert_eq!(verdict(1_000, 25, 0, &limit), Verdict::Good);
    assert_eq!(verdict(1_000, 26, 0, &limit), Verdict::Bad);
    assert_eq!(verdict(1_001, 26, 0, &rule(26, None)), Verdict::Good);
    let few = BAD_REQUESTS_MIN - 1;
    assert_eq!(verdict(10, few, 0, &limit), Verdict::Good, "a few are chance");
    assert_eq!(verdict(10, BAD_REQUESTS_MIN, 0, &limit), Verdict::Bad);
    assert_eq!(verdict(0, 0, 0, &limit), Verdict::Undecided);
}

#[test]
fn one_in_a_hundred_may_be_slow() {
    let limit = rule(25, Some(500));
    assert_eq!(verdict(1_000, 0, 10, &limit), Verdict::Good);
    assert_eq!(verdict(1_000, 0, 11, &limit), Verdict::Bad);
    assert_eq!(verdict(10, 0, BAD_REQUESTS_MIN - 1, &limit), Verdict::Good, "a few are chance");
    assert_eq!(verdict(10, 0, BAD_REQUESTS_MIN, &limit), Verdict::Bad);
    assert_eq!(verdict(1_000, 0, 999, &rule(25, None)), Verdict::Good, "nobody asked for that");
}

/// Staging serves r1 and watches it by this rule.
fn watched(rule: &str) -> (World, DeploymentId) {
    let rule = format!("[environment.staging]\nwatch = {{ {rule} }}\n");
    let mut world = World::new(&RULES.replace("[environment.staging]\n", &rule));
    world.staged("c1", "r1");
    let id = *world.project().deployments.keys().next().expect("it serves staging");
    assert!(world.deployment(id).is_watched());
    (world, id)
}

fn seen(world: &mut World, id: DeploymentId, window: u64, counts: (u64, u64), slow: u64) -> usize {
    let counts = Counts { requests: counts.0, bad: counts.1 };
    world.tell(Command::WatchWindow { deployment: id, window, counts, slow }).len()
}

/// The judge looks at a minute: what lies longer ago is forgotten, and counts at the end all the same.
#[test]
fn the_judge_looks_at_the_last_minute() {
    // Four bad ones are chance; with four more of the same minute they are not.
    for (apart, bad) in [(MINUTE, true), (MINUTE + 1, false)] {
        let (mut world, id) = watched("for = \"15m\"");
        seen(&mut world, id, 1, (40, 4), 0);
        world.pass(apart);
        seen(&mut world, id, 2, (40, 4), 0);
        assert_eq!(!world.deployment(id).is_watched(), bad, "{apart} ms apart");
        let watched = world.deployment(id).watched.as_ref().expect("it was");
        assert_eq!(watched.counts, Counts { requests: 80, bad: 8 });
    }
    for (apart, slow) in [(MINUTE, true), (MINUTE + 1, false)] {
        let (mut world, id) = watched("for = \"15m\", p99 = \"500ms\"");
        seen(&mut world, id, 1, (40, 0), 4);
        world.pass(apart);
        seen(&mut world, id, 2, (40, 0), 1);
        assert_eq!(!world.deployment(id).is_watched(), slow, "{apart} ms apart");
        assert_eq!(world.deployment(id).watched.as_ref().map(|watched| watched.slow), Some(5));
    }
}

#[test]
fn no_more_windows_are_kept_than_are_looked_at() {
    for (apart, expected) in [(MINUTE, vec![MINUTE, 0]), (MINUTE + 1, vec![0])] {
        let (mut world, id) = watched("for = \"15m\"");
        seen(&mut world, id, 1, (40, 0), 0);
        world.pass(apart);
        seen(&mut world, id, 2, (40, 0), 0);
        let watched = world.deployment(id).watched.as_ref().expect("it goes on");
        let kept: Vec<i64> = watched.recent.iter().map(|(at, ..)| world.now.since(*at)).collect();
        assert_eq!(kept, expected);
    }
}

#[test]
fn a_window_without_requests_or_told_again_says_nothing() {
    let (mut world, id) = watched("for = \"15m\"");
    assert_eq!(seen(&mut world, id, 5, (0, 0), 0), 0);
    assert_eq!(seen(&mut world, id, 5, (10, 0), 0), 1);
    assert_eq!(seen(&mut world, id, 5, (10, 0), 0), 0);
    assert_eq!(seen(&mut world, id, 4, (10, 0), 0), 0);
    assert_eq!(seen(&mut world, id, 6, (10, 0), 0), 1);
}

/// At the end of its time a release has proved itself with as many requests as were asked for.
#[test]
fn a_watch_ends_after_its_time_with_what_it_showed() {
    for (requests, expected) in [
        (100, "0 of 100 failed (0.0 %)"),
        (99, "0 of 99 failed (0.0 %); 1 more would have been needed"),
        (40, "0 of 40 failed (0.0 %); 60 more would have been needed"),
    ] {
        let (mut world, id) = watched("for = \"15m\", min_requests = 100");
        let began = world.now;
        seen(&mut world, id, 1, (requests, 0), 0);
        world.pass(15 * MINUTE - 1);
        assert!(world.deployment(id).is_watched());
        world.pass(1);
        let watched = world.deployment(id).watched.clone().expect("it was");
        assert_eq!((watched.since, watched.ended), (began, Some(world.now)));
        assert_eq!(watched.reason, expected);
        let verdict = if requests >= 100 { Verdict::Good } else { Verdict::Undecided };
        assert_eq!(watched.verdict, verdict);
        let proved = world.project().evidence.iter().any(|known| known.kind == "watched");
        assert_eq!(proved, verdict == Verdict::Good);
    }
}

/// What a window's end says of the time it took.
#[test]
fn how_long_it_served_is_told() {
    let (mut world, id) = watched("for = \"15m\"");
    world.pass(3 * SECOND);
    seen(&mut world, id, 1, (100, 50), 0);
    let told = world.project().notifications.values().next_back().expect("people are told");
    assert!(told.text.show().contains("nothing served there before it"), "{}", told.text.show());
}

/// A page tells of the watch that is to come, that goes on, and that is over.
#[test]
fn the_watch_is_told_on_the_page_of_its_deployment() {
    let page =
        |world: &World, id| qnt9_engine::summary::markdown(world.project(), world.deployment(id));
    let (mut world, id) = watched("for = \"15m\"");
    world.pass(MINUTE);
    seen(&mut world, id, 1, (100, 0), 0);
    assert!(page(&world, id).contains("\nIt is watched for 15 min (of 15 min): 0 of 100 failed"));
    world.pass(MINUTE);
    seen(&mut world, id, 2, (100, 50), 0);
    let over = page(&world, id);
    assert!(over.contains("\nIt was watched for 2 min (of 15 min): 50 of 200 failed"), "{over}");
    let rule = "[environment.production]\nwatch = { for = \"15m\" }\n";
    let mut world = World::in_production("r1");
    world.adopt(&RULES.replace("[environment.production]\n", rule));
    world.staged("c2", "r2");
    let attempt = world.released();
    let id = world.deploy(&attempt, "production", "r2").expect("its gates are open");
    assert!(page(&world, id).contains("\nIt is watched for 15 min from then on.\n"));
}

/// While something else rolls out in the environment, nothing goes back by itself: people are told.
#[test]
fn during_another_rollout_nothing_goes_back_by_itself() {
    let rules = "[project]\nname = \"shop\"\n[service.stock]\ncommand = [\"s\"]\n\
                 [service.auth]\ncommand = [\"a\"]\n[environment.staging]\nwatch = { for = \"15m\" }\n";
    let text = "# w.yml
on: push
jobs:
  a: { runs-on: x, environment: staging, steps: [{ run: x }] }
";
    let mut world = World::new(rules);
    let deploy = |world: &mut World, commit: &str, release: &str, service: &str| {
        let run = world.push("dev", "main", commit, "dev", &[text])[0];
        let attempt = world.start(run, "a");
        let command = Command::BuildRelease {
            call: world.call(&attempt),
            release: crate::world::digest(release),
            service: service.to_owned(),
            configuration: Vec::new(),
            bytes: 1,
            further: Vec::new(),
        };
        world.in_step(&attempt, command).expect("a job may build");
        let id = world.deploy(&attempt, "staging", release).expect("staging is open");
        (attempt, id)
    };
    for (commit, release) in [("c1", "r1"), ("c2", "r2")] {
        let (attempt, _) = deploy(&mut world, commit, release, "stock");
        world.carry();
        world.end(&attempt, qnt9_model::fact::Outcome::Success);
    }
    let stock = *world.project().deployments.keys().next_back().expect("r2 serves");
    let (_, auth) = deploy(&mut world, "c3", "r3", "auth");
    assert!(world.deployment(stock).is_watched() && world.deployment(auth).outcome.is_none());
    seen(&mut world, stock, 1, (100, 50), 0);
    assert!(!world.deployment(stock).is_watched());
    let newest = *world.project().deployments.keys().next_back().expect("auth's");
    assert_eq!(newest, auth, "nothing was requested");
    let told = world.project().notifications.values().next_back().expect("people are told");
    let text = told.text.show();
    assert!(text.contains("another rollout is going on there"), "{text}");
}
