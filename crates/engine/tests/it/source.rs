//! Pushes, imports and the runs they start.

use expect_test::expect;
use qnt9_model::fact::RefUpdate;
use qnt9_model::{Actor, Command, PushId};

use crate::world::{RULES, STAGING, World, commit, long, runs_of};

#[test]
fn a_push_settled_twice_starts_its_runs_once() {
    let mut world = World::new(RULES);
    let moved = world.moved("main", "c1", &[STAGING]);
    let updates = vec![moved.update.clone()];
    let offered = world.by("dev", Command::OfferPush { updates }).unwrap();
    let push = PushId(offered[0].sequence);
    assert_eq!(world.orders()[0], qnt9_model::Order::SettlePush(push));
    let commits = vec![commit(&long("c1"), Vec::new(), "dev", "Change")];
    let settle = Command::SettlePush { push, moved: vec![moved], commits };
    assert_eq!(runs_of(&world.tell(settle.clone())).len(), 1);
    assert!(world.tell(settle).is_empty());
}

#[test]
fn a_push_of_which_nothing_moved_starts_nothing() {
    let mut world = World::new(RULES);
    let updates = vec![world.moved("main", "c1", &[STAGING]).update];
    let offered = world.by("dev", Command::OfferPush { updates }).unwrap();
    let push = PushId(offered[0].sequence);
    let entries = world.tell(Command::SettlePush { push, moved: Vec::new(), commits: Vec::new() });
    assert!(runs_of(&entries).is_empty());
    assert!(world.project().pushes.is_empty());
    assert_ne!(world.project().refs["refs/heads/main"], long("c1"));
}

#[test]
fn one_push_of_several_branches_gives_each_run_its_own_number() {
    let text = "# ci.yml\non: push\njobs:\n  a: { runs-on: x, steps: [{ run: x }] }\n";
    let mut world = World::new(RULES);
    let moved = vec![world.moved("one", "c1", &[text]), world.moved("two", "c1", &[text])];
    let updates = moved.iter().map(|moved| moved.update.clone()).collect();
    let offered = world.by("dev", Command::OfferPush { updates }).unwrap();
    let push = PushId(offered[0].sequence);
    let commits = vec![commit(&long("c1"), Vec::new(), "dev", "Change")];
    let entries = world.tell(Command::SettlePush { push, moved, commits });
    let numbers: Vec<u64> =
        runs_of(&entries).iter().map(|id| world.project().runs[id].number).collect();
    assert_eq!(numbers, [1, 2]);
    let next = world.push("dev", "one", "c2", "dev", &[text])[0];
    assert_eq!(world.project().runs[&next].number, 3);
}

#[test]
fn a_branch_that_was_deleted_starts_nothing_and_is_gone() {
    let mut world = World::new(RULES);
    world.push("dev", "side", "c1", "dev", &[]);
    let update =
        RefUpdate { reference: "refs/heads/side".to_owned(), old: Some(long("c1")), new: None };
    let updates = vec![update.clone()];
    let offered = world.by("dev", Command::OfferPush { updates }).unwrap();
    let push = PushId(offered[0].sequence);
    let moved = vec![qnt9_model::command::RefMoved {
        update,
        changed_paths: None,
        workflows: Vec::new(),
        policy: None,
    }];
    world.tell(Command::SettlePush { push, moved, commits: Vec::new() });
    assert!(!world.project().refs.contains_key("refs/heads/side"));
}

#[test]
fn what_cannot_be_read_is_said_and_the_rest_goes_on() {
    let mut world = World::new(RULES);
    let broken = "# broken.yml\non: push\njobs:\n  a: { runs-on: x, step: [] }\n";
    let mut moved = world.moved("main", "c1", &[broken, STAGING]);
    moved.policy = Some(Err("qnt9.toml:3:1: unknown key `enviroment`".to_owned()));
    let updates = vec![moved.update.clone()];
    let offered = world.by("dev", Command::OfferPush { updates }).unwrap();
    let push = PushId(offered[0].sequence);
    let before = world.project().policy.clone();
    let from = world.log.len();
    let commits = vec![commit(&long("c1"), Vec::new(), "dev", "Change")];
    world.tell(Command::SettlePush { push, moved: vec![moved], commits });
    expect![[r#"
        qnt9 commits-seen
        qnt9 push-settled
        qnt9 policy-refused
        qnt9 workflow-refused
        qnt9 run-created staging.yml #1
        qnt9 run-started
        qnt9 job-planned test (lib), test (http)
    "#]]
    .assert_eq(&world.since(from));
    assert_eq!(world.project().policy, before, "the rules before stay in force");
    let (_, path, message) = world.project().workflow_problems.last().unwrap();
    expect!["broken.yml: broken.yml:4:20: Unexpected value 'step' (did you mean `steps`?)"]
        .assert_eq(&format!("{path}: {}", message.show()));
}

#[test]
fn rules_come_from_the_default_branch_alone() {
    let mut world = World::new(RULES);
    let loose = qnt9_engine::policy::read("qnt9.toml", "[project]\nname = \"shop\"\n").unwrap();
    let mut moved = world.moved("side", "c1", &[]);
    moved.policy = Some(Ok(loose));
    let before = world.project().policy.clone();
    let offered =
        world.by("dev", Command::OfferPush { updates: vec![moved.update.clone()] }).unwrap();
    let push = PushId(offered[0].sequence);
    world.tell(Command::SettlePush { push, moved: vec![moved], commits: Vec::new() });
    assert_eq!(world.project().policy, before);
}

#[test]
fn who_may_not_push_is_told() {
    let mut world = World::new(RULES);
    let push = Command::OfferPush { updates: Vec::new() };
    let settle = Command::SettlePush { push: PushId(1), moved: Vec::new(), commits: Vec::new() };
    let said =
        [world.by("vera", push.clone()), world.ask(Actor::Platform, push), world.by("ada", settle)]
            .map(|answer| answer.unwrap_err().to_string());
    expect![[r#"
        vera cannot push: it needs the role developer, and vera is viewer
        this is not for qnt9: push
        this is not for ada: settle a push"#]]
    .assert_eq(&said.join("\n"));
}

#[test]
fn an_import_told_twice_is_told_once() {
    let mut world = World::new(RULES);
    let head = world.project().refs["refs/heads/main"].clone();
    let policy = world.project().policy.clone().map(|(_, policy)| Ok(policy));
    let again = Command::ImportCommits {
        moved: vec![qnt9_model::command::RefMoved {
            update: RefUpdate {
                reference: "refs/heads/main".to_owned(),
                old: None,
                new: Some(head.clone()),
            },
            changed_paths: None,
            workflows: Vec::new(),
            policy,
        }],
        commits: vec![commit(&head, Vec::new(), "dev", "Rules")],
    };
    assert!(world.tell(again).is_empty());
}

#[test]
fn artifacts_waits_and_notices_are_taken_once() {
    let mut world = World::new(RULES);
    let run = world.push("dev", "main", "c1", "dev", &[STAGING])[0];
    let attempt = world.start(run, "test.1");
    let keep = Command::KeepArtifact {
        attempt: attempt.clone(),
        name: "report".to_owned(),
        blob: "b1".to_owned(),
        bytes: 3,
        retention_days: 30,
    };
    let wait = Command::Wait {
        call: world.call(&attempt),
        for_ms: 60_000,
        reason: "cool down".to_owned(),
    };
    let notify = Command::Notify {
        call: Some(world.call(&attempt)),
        title: "Done".to_owned(),
        text: "It works".to_owned(),
        webhook: Some("http://127.0.0.1:1/".to_owned()),
    };
    for command in [keep, wait, notify] {
        assert_eq!(world.in_step(&attempt, command.clone()).unwrap().len(), 1);
        assert!(world.in_step(&attempt, command).unwrap().is_empty());
    }
}

#[test]
fn a_notification_is_tried_until_it_is_delivered_or_given_up() {
    let mut world = World::new(RULES);
    let entries = world.tell(Command::Notify {
        call: None,
        title: "Done".to_owned(),
        text: "It works".to_owned(),
        webhook: Some("http://127.0.0.1:1/".to_owned()),
    });
    let notification = qnt9_model::NotificationId(entries[0].sequence);
    let order = qnt9_model::Order::Notify(notification);
    for _ in 0..qnt9_model::limits::NOTIFICATION_TRIES_MAX {
        assert!(world.orders().contains(&order));
        let failure = Some("connection refused".to_owned());
        world.tell(Command::NotificationTried { notification, failure });
    }
    assert!(!world.orders().contains(&order));
}

#[test]
fn secrets_are_set_by_admins_under_names_that_shells_take() {
    let mut world = World::new(RULES);
    let set = |name: &str| Command::SetSecret {
        name: name.to_owned(),
        environment: None,
        value: "s3cret".to_owned(),
    };
    let remove = Command::RemoveSecret { name: "nope".to_owned(), environment: None };
    let said = [
        world.by("alice", set("A")),
        world.by("ada", set("1A")),
        world.by("ada", set("github_token")),
        world.by("ada", remove),
    ]
    .map(|answer| answer.unwrap_err().to_string());
    expect![[r#"
        alice cannot set a secret: it needs the role admin, and alice is approver
        secret name `1A`: use letters, digits and `_`, not beginning with a digit or `GITHUB_`
        secret name `github_token`: use letters, digits and `_`, not beginning with a digit or `GITHUB_`
        there is no secret `NOPE`"#]].assert_eq(&said.join("\n"));
    world.by("ada", set("api_key")).unwrap();
    assert!(world.project().secrets.contains_key(&("API_KEY".to_owned(), None)));
}
