//! Blue-green, rolling, smoke tests, several services of one release, and watching afterwards.

use expect_test::expect;
use qnt9_model::fact::{Counts, Entrance};
use qnt9_model::plan::{PlanAction, PlanLine, PlanSummary};
use qnt9_model::{Command, DeploymentId, Fact, Order, Refusal, RunId};

use crate::world::{HOUR, MINUTE, SECOND, World, digest};

const DEPLOY: &str = r"# deploy.yml
on: workflow_dispatch
jobs:
  deploy:
    environment: production
    runs-on: ubuntu-latest
    steps: [{run: qnt9 deploy}]
";

/// A project whose environment production has these keys, and whose service stock has those.
fn world(environment: &str, service: &str) -> World {
    let mut world = World::new(&format!(
        "[project]\nname = \"shop\"\n\
         [service.stock]\ncommand = [\"bin/stock\"]\nreplicas = 2\n{service}\n\
         [service.auth]\ncommand = [\"bin/auth\"]\n\
         [environment.production]\n{environment}\n"
    ));
    world.doubted = true;
    world.push("dev", "main", "c0", "dev", &[]);
    world
}

/// Asks for a release in production, by a job of its own; its replicas and traffic are not carried yet.
fn ask(world: &mut World, release: &str, further: &[&str]) -> DeploymentId {
    let run: RunId = world.dispatch("dev", "main", DEPLOY, &[]).expect("may dispatch");
    let attempt = world.start(run, "deploy");
    let command = Command::BuildRelease {
        call: world.call(&attempt),
        release: digest(release),
        service: "stock".to_owned(),
        configuration: Vec::new(),
        bytes: 1,
        further: further.iter().map(|name| (*name).to_owned()).collect(),
    };
    world.in_step(&attempt, command).expect("a job may build");
    world.deploy(&attempt, "production", release).expect("may deploy")
}

/// The same, carried as far as it goes by itself.
fn bring(world: &mut World, release: &str) -> DeploymentId {
    let id = ask(world, release, &[]);
    world.carry();
    let call = world.deployment(id).call.clone().expect("a step asked");
    if world.deployment(id).outcome.is_some() {
        world.end(&call.attempt, qnt9_model::fact::Outcome::Success);
    }
    id
}

fn serves(world: &World) -> String {
    let arms = world.serves("production");
    arms.iter().map(|(release, percent)| format!("{release} {percent} ")).collect()
}

/// How many replicas of each release are to run.
fn replicas(world: &World) -> String {
    let mut counts = std::collections::BTreeMap::new();
    for order in world.orders() {
        let Order::KeepReplicas(wanted) = order else { continue };
        for replica in wanted {
            let name = crate::world::name_of(&replica.release);
            *counts.entry((name, replica.place.service)).or_insert(0) += 1;
        }
    }
    counts.iter().map(|((name, service), count)| format!("{count} {service} of {name} ")).collect()
}

fn promote(world: &mut World, person: &str) -> Result<(), Refusal> {
    world.by(person, Command::Promote { environment: "production".into() }).map(|_| ())
}

const BY_HAND: &str =
    "rollout = { strategy = \"blue-green\", promote = \"manual\", keep = \"10m\" }";

#[test]
fn a_blue_green_release_waits_at_its_preview_and_gets_all_traffic_in_one_switch() {
    let mut world = world(BY_HAND, "");
    bring(&mut world, "r1");
    let from = world.log.len();
    let id = bring(&mut world, "r2");
    assert_eq!(serves(&world), "r1 100 ", "nothing has moved");
    let place = crate::world::stock_in("production");
    let preview = qnt9_engine::rollout::previewed(world.project(), &place).expect("it waits there");
    assert_eq!((preview.deployment, preview.backends.len()), (id, 2));
    assert!(world.project().places[&place].preview.is_some());
    world.pass(HOUR);
    assert_eq!(serves(&world), "r1 100 ");
    promote(&mut world, "alice").expect("she may");
    world.carry();
    assert_eq!(serves(&world), "r2 100 ");
    assert_eq!(replicas(&world), "2 stock of r1 2 stock of r2 ", "the old one is kept warm");
    assert!(qnt9_engine::rollout::previewed(world.project(), &place).is_none());
    world.pass(10 * MINUTE);
    world.carry();
    assert_eq!(replicas(&world), "2 stock of r2 ");
    expect![[r#"
        dev run-created deploy.yml #2
        qnt9 run-started
        qnt9 job-planned deploy
        qnt9 gates-opened deploy to production
        qnt9 job-started 24.deploy.1
        job 24.deploy.1 release-built r2
        job 24.deploy.1 deployment-requested r2 to production/stock Forward
        qnt9 replica-ready 30/0
        qnt9 replica-ready 30/1
        qnt9 traffic-applied production/stock generation 8
        qnt9 job-unheard 24.deploy.1
        alice promoted
        qnt9 weight-changed 100 %
        qnt9 traffic-applied production/stock generation 9
        qnt9 deployment-finished Succeeded
        qnt9 traffic-applied production/stock generation 10
        qnt9 warm-ended 13
        qnt9 arm-drained
    "#]]
    .assert_eq(&world.since(from));
}

#[test]
fn two_entrances_never_get_the_same_address() {
    let mut world = world(BY_HAND, "");
    ask(&mut world, "r1", &[]);
    let place = crate::world::stock_in("production");
    world.carry_out(&Order::KeepReplicas(wanted(&world)));
    let assign = |entrance, address: &str| Command::AssignAddress {
        place: crate::world::stock_in("production"),
        entrance,
        address: address.to_owned(),
    };
    assert_eq!(world.tell(assign(Entrance::Main, "a:1")).len(), 1);
    assert!(world.tell(assign(Entrance::Preview, "a:1")).is_empty(), "it is taken");
    let preview = Order::AssignAddress(place, Entrance::Preview);
    assert!(world.orders().contains(&preview), "another one is looked for");
    assert_eq!(world.tell(assign(Entrance::Preview, "a:2")).len(), 1);
    assert!(!world.orders().contains(&preview));
}

fn wanted(world: &World) -> Vec<qnt9_model::order::WantedReplica> {
    let wanted = |order| match order {
        Order::KeepReplicas(wanted) => Some(wanted),
        _ => None,
    };
    world.orders().into_iter().find_map(wanted).unwrap_or_default()
}

#[test]
fn who_promotes_and_when_is_said() {
    let mut world = world(BY_HAND, "");
    let refused = |world: &mut World, person| promote(world, person).unwrap_err().to_string();
    assert_eq!(refused(&mut world, "alice"), "there is no rollout to `production`");
    bring(&mut world, "r1");
    ask(&mut world, "r2", &[]);
    expect!["r200…00 cannot go to production: it is not ready: 0 of 2 replicas are healthy"]
        .assert_eq(&refused(&mut world, "alice"));
    expect!["dev cannot promote a release: it needs the role approver, and dev is developer"]
        .assert_eq(&refused(&mut world, "dev"));
    world.carry();
    promote(&mut world, "alice").expect("it is ready");
    assert_eq!(promote(&mut world, "bob"), Ok(()), "asked twice, it changes nothing");
}

#[test]
fn a_release_that_nobody_promotes_is_given_up_after_a_day() {
    let mut world = world(BY_HAND, "");
    bring(&mut world, "r1");
    let id = ask(&mut world, "r2", &[]);
    world.carry();
    // A replica that comes and goes is no reason to give up what waits.
    world.pass(2 * HOUR);
    let reason = "its process ended".to_owned();
    world.tell(Command::ReplicaLost { deployment: id, replica: 0, reason });
    world.pass(MINUTE);
    world.carry();
    assert!(world.deployment(id).outcome.is_none());
    // The step of the job waits as long as the job may take.
    world.pass(25 * HOUR);
    assert!(world.deployment(id).outcome.is_some());
    assert_eq!(serves(&world), "r1 100 ");
}

#[test]
fn going_back_to_what_is_kept_warm_starts_nothing() {
    let mut world = world("rollout = { strategy = \"blue-green\" }", "");
    let first = bring(&mut world, "r1");
    let second = bring(&mut world, "r2");
    assert_eq!(serves(&world), "r2 100 ");
    let from = world.log.len();
    let back = Command::Rollback { environment: "production".into(), to: digest("r1") };
    let asked = world.by("alice", back).expect("she may");
    let id = DeploymentId(asked[0].sequence);
    let moved = |entry: &qnt9_model::Entry| matches!(entry.fact, Fact::WeightChanged { .. });
    assert!(asked.iter().any(moved), "the switch follows at once");
    world.carry();
    assert_eq!(serves(&world), "r1 100 ");
    assert_eq!(world.deployment(id).terms.takes_over, Some(first));
    assert_eq!(replicas(&world), "2 stock of r1 ", "r2 has drained and is gone");
    // A replica of those that were taken over dies and comes back.
    world.tell(Command::ReplicaLost { deployment: first, replica: 1, reason: "gone".into() });
    assert_eq!(world.deployment(id).ready.len(), 1);
    world.carry();
    assert_eq!(world.deployment(id).ready.len(), 2);
    world.pass(HOUR);
    world.carry();
    assert_eq!(replicas(&world), "2 stock of r1 ");
    assert!(world.deployment(second).drained);
    expect![[r#"
        alice deployment-requested r1 to production/stock Rollback
        qnt9 weight-changed 100 %
        qnt9 traffic-applied production/stock generation 11
        qnt9 deployment-finished Succeeded
        qnt9 traffic-applied production/stock generation 12
        qnt9 arm-drained
        qnt9 replica-lost 13/1
        qnt9 replica-ready 13/1
        qnt9 traffic-applied production/stock generation 14
        qnt9 traffic-applied production/stock generation 16
    "#]]
    .assert_eq(&world.since(from));
    // The next release takes its place, and then the kept replicas of r1 go too.
    bring(&mut world, "r3");
    world.pass(HOUR);
    world.carry();
    assert_eq!(replicas(&world), "2 stock of r3 ");
}

#[test]
fn smoke_tests_that_fail_keep_a_release_from_all_traffic() {
    for (rollout, passed) in [
        ("rollout = { strategy = \"blue-green\" }", true),
        ("rollout = { strategy = \"blue-green\" }", false),
        ("rollout = { strategy = \"canary\" }", true),
        ("rollout = { strategy = \"canary\" }", false),
    ] {
        let mut world = world(rollout, "");
        bring(&mut world, "r1");
        world.adopt(&rules_with_smoke(rollout));
        let id = ask(&mut world, "r2", &[]);
        world.carry();
        assert_eq!(serves(&world), "r1 100 ", "it has not been tried");
        assert!(world.orders().contains(&Order::SmokeTest(id)));
        let report = "GET /ready: expected 200, got 503".to_owned();
        world.tell(Command::SmokeTested { deployment: id, passed, report });
        world.carry();
        let moved = world.deployment(id).percent_reached > 0;
        assert_eq!(moved, passed, "{rollout}");
        let again = Command::SmokeTested { deployment: id, passed: !passed, report: "".into() };
        assert!(world.tell(again).is_empty(), "it was tried already");
    }
}

#[test]
fn smoke_tests_that_never_end_fail_the_deployment() {
    let mut world = world("", "smoke = [\"/ready\"]");
    let id = ask(&mut world, "r1", &[]);
    world.carry();
    world.pass(HOUR);
    let outcome = format!("{:?}", world.deployment(id).outcome.as_ref().expect("given up").0);
    assert!(outcome.contains("its smoke tests had not ended"), "{outcome}");
}

fn rules_with_smoke(rollout: &str) -> String {
    format!(
        "[project]\nname = \"shop\"\n[service.stock]\ncommand = [\"bin/stock\"]\nreplicas = 2\n\
         smoke = [\"/ready\", {{ command = [\"bin/smoke\"] }}]\n[environment.production]\n{rollout}\n"
    )
}

#[test]
fn a_rolling_release_exchanges_replicas_and_never_has_too_few_or_too_many() {
    for (surge, unavailable, count) in [(1, 0, 4), (2, 1, 5), (1, 3, 4), (3, 0, 2), (1, 0, 1)] {
        let rules = format!(
            "replicas = {count}\nrollout = {{ strategy = \"rolling\", max_surge = {surge}, \
             max_unavailable = {unavailable} }}"
        );
        let mut world = world(&rules, "");
        bring(&mut world, "r1");
        let id = ask(&mut world, "r2", &[]);
        let mut shares = Vec::new();
        for _ in 0..200 {
            let Some(order) = next_order(&world) else { break };
            world.carry_out(&order);
            let wanted = |order: Order| match order {
                Order::KeepReplicas(wanted) => Some(wanted.len()),
                _ => None,
            };
            let running = world.orders().into_iter().find_map(wanted).unwrap_or(0);
            let arms =
                qnt9_engine::rollout::arms(world.project(), &crate::world::stock_in("production"));
            let available: usize = arms.iter().map(|arm| arm.backends.len()).sum();
            if world.deployment(id).outcome.is_none() {
                assert!(running <= count + surge, "{running} run of {count}");
                assert!(available + unavailable >= count, "{available} answer of {count}");
            }
            if shares.last() != Some(&serves(&world)) {
                shares.push(serves(&world));
            }
        }
        assert_eq!(serves(&world), "r2 100 ", "{shares:?}");
        assert_eq!(replicas(&world), format!("{count} stock of r2 "));
    }
}

/// An order whose carrying out changes something, those of replicas one replica at a time.
fn next_order(world: &World) -> Option<Order> {
    world.orders().into_iter().find_map(|order| match order {
        Order::KeepReplicas(wanted) => {
            let missing = |replica: &&qnt9_model::order::WantedReplica| {
                !world.deployment(replica.deployment).ready.contains_key(&replica.replica)
            };
            let one = wanted.iter().find(missing)?.clone();
            Some(Order::KeepReplicas(vec![one]))
        }
        Order::SmokeTest(_) | Order::StartJob(_) | Order::FollowJob(_) => None,
        order => Some(order),
    })
}

#[test]
fn a_rolling_release_that_does_badly_goes_back_and_the_old_replicas_return() {
    let mut world = world("replicas = 4\nrollout = { strategy = \"rolling\" }", "");
    bring(&mut world, "r1");
    let id = ask(&mut world, "r2", &[]);
    for _ in 0..8 {
        let Some(order) = next_order(&world) else { break };
        world.carry_out(&order);
    }
    let from = world.log.len();
    world.count(id, (30, 20), (100, 0));
    let outcome = format!("{:?}", world.deployment(id).outcome);
    assert!(outcome.contains("worse than tolerated"), "{outcome}");
    world.carry();
    assert_eq!(serves(&world), "r1 100 ");
    assert_eq!(replicas(&world), "4 stock of r1 ");
    let arms = qnt9_engine::rollout::arms(world.project(), &crate::world::stock_in("production"));
    assert_eq!(arms[0].backends.len(), 4);
    assert!(world.log.len() > from);
}

#[test]
fn a_rolling_release_whose_next_replica_never_answers_goes_back() {
    let mut world = world("replicas = 3\nrollout = { strategy = \"rolling\" }", "");
    bring(&mut world, "r1");
    let id = ask(&mut world, "r2", &[]);
    let traffic = |order: &Order| matches!(order, Order::CarryTraffic(_) | Order::DrainReplica(..));
    world.tell(Command::ReplicaReady { deployment: id, replica: 0, address: "a:1".into() });
    while let Some(order) = world.orders().into_iter().find(traffic) {
        world.carry_out(&order);
    }
    world.pass(HOUR);
    let outcome = format!("{:?}", world.deployment(id).outcome);
    assert!(outcome.contains("1 of 2 replicas became healthy in time"), "{outcome}");
}

#[test]
fn the_services_of_one_release_take_each_step_together() {
    let rollout = "rollout = { strategy = \"canary\", steps = [20, 100], step_for = \"1m\" }";
    let mut world = world(rollout, "");
    ask(&mut world, "r1", &["auth"]);
    world.carry();
    assert_eq!(replicas(&world), "1 auth of r1 2 stock of r1 ");
    let job = world.log.iter().rev().find_map(|entry| match &entry.fact {
        Fact::DeploymentRequested { call, .. } => call.clone(),
        _ => None,
    });
    world.end(&job.expect("a step asked").attempt, qnt9_model::fact::Outcome::Success);
    let stock = ask(&mut world, "r2", &["auth"]);
    let auth = DeploymentId(stock.0 + 1);
    world.carry();
    assert_eq!((world.deployment(stock).percent, world.deployment(auth).percent), (20, 20));
    world.count(stock, (100, 0), (400, 0));
    world.pass(2 * MINUTE);
    assert_eq!(world.deployment(stock).percent, 20, "auth has not been judged");
    world.count(auth, (100, 0), (400, 0));
    world.carry();
    for id in [stock, auth] {
        let outcome = format!("{:?}", world.deployment(id).outcome);
        assert!(outcome.contains("Succeeded"), "{outcome}");
    }
    // Back again, and both at once.
    let back = Command::Rollback { environment: "production".into(), to: digest("r1") };
    world.by("alice", back).expect("she may");
    world.carry();
    assert_eq!(replicas(&world), "1 auth of r1 2 stock of r1 ");
}

#[test]
fn when_one_service_of_a_release_does_badly_all_go_back() {
    let rollout = "rollout = { strategy = \"canary\", steps = [20, 100], step_for = \"1m\" }";
    let mut world = world(rollout, "");
    let first = ask(&mut world, "r1", &["auth"]);
    world.carry();
    let call = world.deployment(first).call.clone().expect("a step asked");
    world.end(&call.attempt, qnt9_model::fact::Outcome::Success);
    let stock = ask(&mut world, "r2", &["auth"]);
    let auth = DeploymentId(stock.0 + 1);
    world.carry();
    world.count(auth, (100, 50), (400, 0));
    let outcome = format!("{:?}", world.deployment(stock).outcome);
    assert!(outcome.contains("auth of the same release did not go on"), "{outcome}");
    world.carry();
    assert_eq!(serves(&world), "r1 100 ");
}

#[test]
fn when_one_service_of_a_release_fails_its_smoke_tests_none_gets_traffic() {
    for tried in ["stock", "auth"] {
        let mut world = world("", "");
        let first = ask(&mut world, "r1", &["auth"]);
        world.carry();
        let call = world.deployment(first).call.clone().expect("a step asked");
        world.end(&call.attempt, qnt9_model::fact::Outcome::Success);
        let smoke = |service| if service == tried { "smoke = [\"/ready\"]\n" } else { "" };
        world.adopt(&format!(
            "[project]\nname = \"shop\"\n[service.stock]\ncommand = [\"bin/stock\"]\n{}\
             [service.auth]\ncommand = [\"bin/auth\"]\n{}[environment.production]\n",
            smoke("stock"),
            smoke("auth"),
        ));
        let stock = ask(&mut world, "r2", &["auth"]);
        let auth = DeploymentId(stock.0 + 1);
        world.carry();
        let deployment = if tried == "stock" { stock } else { auth };
        let report = "GET /ready: expected 200, got 500".to_owned();
        world.tell(Command::SmokeTested { deployment, passed: false, report });
        world.carry();
        for id in [stock, auth] {
            let outcome = format!("{:?}", world.deployment(id).outcome);
            assert!(outcome.contains("Failed"), "{outcome}");
            assert_eq!(world.deployment(id).percent_reached, 0, "{tried} was tried");
        }
    }
}

const WATCHED: &str = "notify = \"CHAT\"\nwatch = { for = \"15m\", max_error_rate = \"1%\", \
                       p99 = \"500ms\", min_requests = 100 }";

fn seen(world: &mut World, id: DeploymentId, window: u64, requests: u64, bad: u64, slow: u64) {
    let counts = Counts { requests, bad };
    world.tell(Command::WatchWindow { deployment: id, window, counts, slow });
}

#[test]
fn a_release_that_does_badly_while_it_is_watched_goes_back_by_itself() {
    let mut world = world(WATCHED, "");
    bring(&mut world, "r1");
    world.pass(HOUR);
    let id = bring(&mut world, "r2");
    seen(&mut world, id, 1, 100, 0, 0);
    seen(&mut world, id, 1, 100, 50, 0);
    assert!(world.deployment(id).is_watched(), "a window counts once");
    world.pass(5 * MINUTE);
    let from = world.log.len();
    seen(&mut world, id, 2, 100, 7, 0);
    world.carry();
    assert_eq!(serves(&world), "r1 100 ");
    expect![[r#"
        qnt9 window-watched Bad: 7 of 100 failed (7.0 %), more than 1.0 %
        qnt9 watch-ended Bad: 7 of 100 failed (7.0 %), more than 1.0 %
        qnt9 evidence-recorded watched of r2 passed false
        qnt9 deployment-requested r1 to production/stock Rollback
        qnt9 notification-posted production goes back from r200…00 to r100…00
        qnt9 replica-ready 46/0
        qnt9 replica-ready 46/1
        qnt9 weight-changed 100 %
        qnt9 traffic-applied production/stock generation 12
        qnt9 deployment-finished Succeeded
        qnt9 notification-posted production is back at r100…00 of c000000
        qnt9 traffic-applied production/stock generation 13
        qnt9 arm-drained
    "#]]
    .assert_eq(&world.since(from));
}

#[test]
fn slow_answers_count_too_and_what_is_long_ago_does_not() {
    let mut world = world(WATCHED, "");
    bring(&mut world, "r1");
    let id = bring(&mut world, "r2");
    seen(&mut world, id, 1, 1000, 0, 4);
    world.pass(2 * MINUTE);
    seen(&mut world, id, 2, 1000, 0, 9);
    assert!(world.deployment(id).is_watched(), "13 of 2000, but in different minutes");
    seen(&mut world, id, 3, 100, 0, 9);
    assert!(!world.deployment(id).is_watched());
}

#[test]
fn a_watched_release_that_is_well_leaves_evidence_and_one_without_requests_none() {
    for (requests, proved) in [(200, true), (20, false), (0, false)] {
        let mut world = world(WATCHED, "");
        bring(&mut world, "r1");
        let id = bring(&mut world, "r2");
        seen(&mut world, id, 1, requests, 0, 0);
        let from = world.log.len();
        world.pass(15 * MINUTE);
        assert!(!world.deployment(id).is_watched());
        let recorded = world.since(from).contains("evidence-recorded watched of r2 passed true");
        assert_eq!(recorded, proved, "{}", world.since(from));
        assert_eq!(serves(&world), "r2 100 ");
    }
}

#[test]
fn the_first_release_of_an_environment_has_nothing_to_go_back_to_and_people_are_told() {
    let mut world = world(WATCHED, "");
    let id = bring(&mut world, "r1");
    let from = world.log.len();
    seen(&mut world, id, 1, 100, 50, 0);
    world.pass(SECOND);
    expect![[r#"
        qnt9 window-watched Bad: 50 of 100 failed (50.0 %), more than 1.0 %
        qnt9 watch-ended Bad: 50 of 100 failed (50.0 %), more than 1.0 %
        qnt9 evidence-recorded watched of r1 passed false
        qnt9 notification-posted r100…00 does badly in production, and cannot go back
    "#]]
    .assert_eq(&world.since(from));
}

#[test]
fn the_next_deployment_ends_the_watch() {
    let mut world = world(WATCHED, "");
    let first = bring(&mut world, "r1");
    ask(&mut world, "r2", &[]);
    let watched = world.deployment(first).watched.as_ref().expect("it was");
    assert!(watched.ended.is_some());
    assert!(watched.reason.contains("began before the time was over"), "{}", watched.reason);
}

#[test]
fn an_approval_names_the_rollback_plan_that_the_gate_stated() {
    let mut world = World::in_production("r1");
    world.staged("c2", "r2");
    world.released();
    let approved = world.log.iter().rev().find_map(|entry| match &entry.fact {
        Fact::ApprovalGiven { rollback_plan, .. } => rollback_plan.clone(),
        _ => None,
    });
    let opened = world.log.iter().rev().find_map(|entry| match &entry.fact {
        Fact::GatesOpened { proof, .. } => Some(proof.join("\n")),
        _ => None,
    });
    let (approved, opened) = (approved.expect("two approved"), opened.expect("it opened"));
    assert_eq!(approved.len(), 64);
    assert!(opened.contains(&format!("sha256 {}", &approved[..12])), "{opened}");
    assert!(opened.contains("back to r100…00 of c100000: qnt9 rollback production"), "{opened}");
}

#[test]
fn what_going_back_does_not_undo_is_stated() {
    let mut world =
        world("approvals = { needed = 1, from = [\"alice\"], exclude = \"nobody\" }", "");
    for (release, migrations, waits) in [("r1", "1", false), ("r2", "2", true)] {
        world.push("dev", "main", &format!("c{release}"), "dev", &[]);
        let run = world.dispatch("dev", "main", PLANNED, &[]).expect("may dispatch");
        let build = world.start(run, "build");
        let command = Command::BuildRelease {
            call: world.call(&build),
            release: digest(release),
            service: "stock".to_owned(),
            configuration: vec![("db/migrations".to_owned(), format!("sha256:{migrations}"))],
            bytes: 1,
            further: Vec::new(),
        };
        world.in_step(&build, command).expect("a job may build");
        let line = |address: &str, action| PlanLine {
            address: address.to_owned(),
            action,
            attributes: Vec::new(),
        };
        let summary = PlanSummary {
            lines: vec![
                line("terraform_data.cache", PlanAction::Delete),
                line("terraform_data.new", PlanAction::Create),
            ],
            ..PlanSummary::default()
        };
        let plan = Command::RecordPlan {
            call: world.call(&build),
            environment: "production".into(),
            hash: "h".to_owned(),
            summary,
        };
        world.in_step(&build, plan).expect("a job may plan");
        world.end(&build, qnt9_model::fact::Outcome::Success);
        if waits {
            expect![[r#"
                ‖ cr20000 to production
                  ‖ 1 of alice approve   0 of 1
                    ‖ alice   can approve
                  ✓ the rollback plan is stated   sha256 d7cab890d34e
                    ✓ back to r100…00 of cr10000: qnt9 rollback production
                    ✓ 2 replicas start, and all traffic moves at once when they are healthy
                    ✓ not undone: terraform destroys terraform_data.cache
                    ✓ not undone: the database migrations in db/migrations, which differ
                  ✓ no other job holds production
            "#]]
            .assert_eq(&world.why(run, "deploy"));
            continue;
        }
        let approve =
            Command::Approve { run, environment: "production".into(), seen: None, comment: None };
        world.by("alice", approve).expect("she may");
        let deploy = world.start(run, "deploy");
        world.deploy(&deploy, "production", release).expect("may deploy");
        world.carry();
        world.end(&deploy, qnt9_model::fact::Outcome::Success);
    }
}

const PLANNED: &str = r"# planned.yml
on: workflow_dispatch
jobs:
  build:
    runs-on: ubuntu-latest
    steps: [{run: build}]
  deploy:
    needs: build
    environment: production
    runs-on: ubuntu-latest
    steps: [{run: qnt9 deploy}]
";

#[test]
fn a_rollback_goes_to_any_release_that_ever_served_there() {
    let mut world = world("", "");
    for release in ["r1", "r2", "r3", "r4"] {
        bring(&mut world, release);
    }
    for release in ["r1", "r3", "r2"] {
        let back = Command::Rollback { environment: "production".into(), to: digest(release) };
        world.by("alice", back).expect("she may");
        world.carry();
        assert_eq!(serves(&world), format!("{release} 100 "));
        assert_eq!(replicas(&world), format!("2 stock of {release} "));
    }
}
