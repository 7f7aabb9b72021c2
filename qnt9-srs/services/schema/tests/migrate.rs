//! Steps against a real PostgreSQL: which are taken, which wait, which are refused.

#![expect(clippy::unwrap_used, reason = "a test ends where it fails")]

use std::{str::FromStr, time::Duration};

use schema::{MigrateError, Migrated, Release, STEPS, Step, Trigram, enter, migrate, trigram};
use scratch::Postgres;
use tokio_postgres::{Client, NoTls};

const READS: &[&str] = &["SELECT name FROM things", "INSERT INTO things (name) VALUES ($1)"];
const CREATE: Step = Step {
    name: "0001_expand_things",
    sql: "CREATE TABLE schema_releases (service text, release text, statements text[] NOT NULL,
              last_seen timestamptz NOT NULL DEFAULT now(), PRIMARY KEY (service, release));
          CREATE TABLE things (name text, size int)",
};

async fn client(postgres: &Postgres) -> Client {
    let config = tokio_postgres::Config::from_str(&postgres.url()).unwrap();
    let (client, driver) = config.connect(NoTls).await.unwrap();
    tokio::spawn(driver);
    client
}

fn release(name: &str) -> Release<'_> {
    Release { service: "shop", name, statements: READS }
}

async fn version(client: &Client) -> i32 {
    let row = client.query_one("SELECT coalesce(max(version), 0) FROM schema_steps", &[]).await;
    row.unwrap().get(0)
}

/// A database with [`CREATE`] in which the release `old` is in use, and a step on top of it.
async fn on_top(client: &mut Client, name: &'static str, sql: &'static str) -> Attempt {
    let old = release("old");
    migrate(client, &[CREATE], &old).await.unwrap();
    enter(client, &old).await.unwrap();
    migrate(client, &[CREATE, Step { name, sql }], &release("new")).await
}

type Attempt = Result<Migrated, MigrateError>;

fn refusal(attempt: Attempt) -> String {
    match attempt {
        Err(error @ MigrateError::Refused { .. }) => error.to_string(),
        other => panic!("not refused: {other:?}"),
    }
}

#[tokio::test]
async fn an_expand_step_that_hurts_a_release_in_use_is_refused_and_leaves_nothing() {
    let postgres = Postgres::start().unwrap();
    for (sql, reason) in [
        ("ALTER TABLE things DROP COLUMN name", "column \"name\" does not exist"),
        ("ALTER TABLE things RENAME name TO title", "column \"name\" does not exist"),
        ("ALTER TABLE things RENAME TO goods", "relation \"things\" does not exist"),
        ("DROP TABLE things", "relation \"things\" does not exist"),
        ("ALTER TABLE things ADD shelf int NOT NULL", "things.shelf must not be null"),
        ("ALTER TABLE things ALTER size SET NOT NULL", "things.size must not be null"),
    ] {
        let mut client = client(&postgres).await;
        client
            .batch_execute("DROP TABLE IF EXISTS things, schema_releases, schema_steps")
            .await
            .unwrap();
        let told = refusal(on_top(&mut client, "0002_expand_more", sql).await);
        assert!(told.contains(reason), "{sql}: {told}");
        assert!(told.starts_with("step 0002_expand_more was not taken"), "{told}");
        assert_eq!(version(&client).await, 1, "{sql}");
        client.query(READS[0], &[]).await.unwrap();
    }
}

#[tokio::test]
async fn what_only_adds_is_taken_while_others_are_in_use() {
    let postgres = Postgres::start().unwrap();
    let mut client = client(&postgres).await;
    let sql = "ALTER TABLE things ADD shelf int NOT NULL DEFAULT 0, ADD price int;
               CREATE TABLE shelves (id int PRIMARY KEY, room text NOT NULL)";
    let migrated = on_top(&mut client, "0002_expand_more", sql).await.unwrap();
    assert_eq!((migrated.taken, migrated.postponed), (vec!["0002_expand_more"], None));
    client.execute(READS[1], &[&"chair"]).await.unwrap();
}

#[tokio::test]
async fn a_contract_step_waits_until_nobody_uses_what_it_removes() {
    let postgres = Postgres::start().unwrap();
    let mut client = client(&postgres).await;
    let contract = Step { name: "0002_contract_names", sql: "ALTER TABLE things DROP COLUMN name" };
    let migrated = on_top(&mut client, contract.name, contract.sql).await.unwrap();
    let postponed = migrated.postponed.unwrap();
    assert!(postponed.because.starts_with("shop old is in use"), "{}", postponed.because);
    assert_eq!(version(&client).await, 1);

    // The next release still waits for the old one: a rollback of the new one would bring it back.
    let new = Release { service: "shop", name: "new", statements: &["SELECT size FROM things"] };
    let newer = Release { name: "newer", ..new.clone() };
    let age = "UPDATE schema_releases SET last_seen = now() - interval '1 hour'";
    client.execute(age, &[]).await.unwrap();
    let migrated = migrate(&mut client, &[CREATE, contract], &new).await.unwrap();
    assert!(migrated.postponed.is_some());

    // Once the one before is `new`, and `old` has not been seen for a while, nobody needs it.
    enter(&client, &new).await.unwrap();
    let migrated = migrate(&mut client, &[CREATE, contract], &newer).await.unwrap();
    assert_eq!(migrated.taken, ["0002_contract_names"]);
    assert_eq!(version(&client).await, 2);
}

#[tokio::test]
async fn replicas_that_start_together_take_each_step_once() {
    let postgres = Postgres::start().unwrap();
    let replicas: Vec<_> = (0..6)
        .map(|_| {
            let url = postgres.url();
            tokio::spawn(async move {
                let config = tokio_postgres::Config::from_str(&url).unwrap();
                let (mut client, driver) = config.connect(NoTls).await.unwrap();
                tokio::spawn(driver);
                migrate(&mut client, STEPS, &release("same")).await.unwrap().taken.len()
            })
        })
        .collect();
    let mut taken = Vec::new();
    for replica in replicas {
        taken.push(replica.await.unwrap());
    }
    assert_eq!(taken.iter().sum::<usize>(), STEPS.len(), "{taken:?}");
}

#[tokio::test]
async fn a_step_does_not_let_requests_queue_behind_it() {
    let postgres = Postgres::start().unwrap();
    let (mut stepping, reading) = (client(&postgres).await, client(&postgres).await);
    migrate(&mut stepping, &[CREATE], &release("old")).await.unwrap();
    // Somebody reads for two seconds; a step that waited for the table would block all readers after them.
    let long = client(&postgres).await;
    let long = tokio::spawn(async move {
        long.batch_execute("BEGIN; SELECT name FROM things; SELECT pg_sleep(2); COMMIT").await
    });
    let step = Step { name: "0002_expand_more", sql: "ALTER TABLE things ADD price int" };
    let steps = [CREATE, step];
    let stepping = tokio::spawn(async move {
        migrate(&mut stepping, &steps, &release("new")).await.map(|migrated| migrated.taken)
    });
    let mut slowest = Duration::ZERO;
    while !stepping.is_finished() {
        let began = std::time::Instant::now();
        reading.query(READS[0], &[]).await.unwrap();
        slowest = slowest.max(began.elapsed());
    }
    assert_eq!(stepping.await.unwrap().unwrap(), ["0002_expand_more"]);
    long.await.unwrap().unwrap();
    assert!(slowest < Duration::from_millis(1_500), "a reader waited {slowest:?}");
}

#[tokio::test]
async fn the_steps_of_today_make_a_database_and_search_by_trigrams_where_it_can() {
    let postgres = Postgres::start().unwrap();
    let mut client = client(&postgres).await;
    let migrated = migrate(&mut client, STEPS, &release("today")).await.unwrap();
    assert_eq!((migrated.taken.len(), migrated.postponed), (STEPS.len(), None));
    match trigram(&client).await.unwrap() {
        Trigram::Available => {
            let similar = "SELECT similarity('deutche bank', 'Deutsche Bank')";
            assert_eq!(client.query_one(similar, &[]).await.unwrap().get::<_, f32>(0), 0.6875);
        }
        Trigram::Unavailable(reason) => assert!(reason.contains("pg_trgm"), "{reason}"),
    }
}
