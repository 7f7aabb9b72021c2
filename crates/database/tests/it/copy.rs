use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use expect_test::expect;
use qnt9_database::{Classes, CopyRequest, DatabaseError};

use crate::{CLASSES, KEY, Shop};

const ROWS: u32 = 3000;

#[tokio::test]
async fn a_masked_copy_keeps_every_constraint_and_no_personal_value() {
    let shop = Shop::with_rows(ROWS).await;
    shop.sql("postgres", "CREATE DATABASE staging").await;
    shop.sql("staging", "CREATE TABLE before (gone int)").await;
    let connected = shop.connect("staging").await;
    let report = shop.copy(CLASSES).await.unwrap();
    assert!(report.switched && report.scan.hits.is_empty(), "{report:#?}");
    assert!(report.scan.values > 5 * ROWS as usize, "{:#?}", report.scan);
    assert!(report.constraints >= 15, "{report:#?}");
    assert_eq!(report.tables.iter().find(|table| table.table == "users").unwrap().rows, 3000);
    assert_eq!(shop.databases().await, ["postgres", "production", "staging"]);
    assert!(connected.batch_execute("SELECT 1").await.is_err(), "who was connected is cut off");

    let same = |query: &'static str| async {
        assert_eq!(shop.texts("production", query).await, shop.texts("staging", query).await);
    };
    same(
        "SELECT conname || pg_get_constraintdef(oid) || convalidated::text FROM pg_constraint
          WHERE connamespace <> 'pg_catalog'::regnamespace
            AND connamespace <> 'information_schema'::regnamespace ORDER BY 1",
    )
    .await;
    same("SELECT indexdef FROM pg_indexes WHERE schemaname IN ('public', 'billing') ORDER BY 1")
        .await;
    same("SELECT tgname::text FROM pg_trigger WHERE NOT tgisinternal").await;
    same("SELECT tier::text || count(*) FROM users GROUP BY tier ORDER BY 1").await;
    same(
        "SELECT count(*)::text FROM users u JOIN billing.invoices i
          ON i.user_id = u.id AND i.email = u.email",
    )
    .await;
    same("SELECT (count(*) - count(last_name))::text FROM users").await;
    same("SELECT string_agg(settings->>'theme', '') FROM users").await;
    same("SELECT nextval('tickets')::text").await;
    same("SELECT isin || name FROM stocks ORDER BY 1").await;

    let none = "SELECT count(*)::text FROM users WHERE email NOT LIKE '%@masked.example'
                OR first_name IN ('Anna', 'Robert') OR label NOT LIKE '%@masked.example>'
                OR phone !~ '^[+][0-9]{2} [0-9]{3} [0-9]{7}' OR last_seen < created";
    assert_eq!(shop.text("staging", none).await, "0");
    let ids = "SELECT id::text FROM users ORDER BY 1";
    let (before, after) = (shop.texts("production", ids).await, shop.texts("staging", ids).await);
    assert_ne!(before, after);
    assert_eq!(after.iter().collect::<BTreeSet<_>>().len(), before.len());
    shop.sql(
        "staging",
        "INSERT INTO users (public_id, email, first_name, password, created, last_seen, balance)
        VALUES (gen_random_uuid(), 'new@x.y', 'N', repeat('0', 64), now(), now(), 1)",
    )
    .await;
}

#[tokio::test]
async fn the_same_key_gives_the_same_copy() {
    let shop = Shop::with_rows(200).await;
    let all = "SELECT string_agg(u::text, '|' ORDER BY id) FROM users u";
    shop.copy(CLASSES).await.unwrap();
    let first = shop.text("staging", all).await;
    shop.copy(CLASSES).await.unwrap();
    assert_eq!(shop.text("staging", all).await, first);
    assert!(first.contains("masked.example"));
}

#[tokio::test]
async fn a_column_that_nobody_classified_stops_it_before_anything_is_written() {
    let shop = Shop::with_rows(10).await;
    shop.sql("production", "ALTER TABLE users ADD mobile text").await;
    let error = shop.copy(CLASSES).await.unwrap_err();
    expect![[r#"
        classes.toml:1: users.mobile (text) is not classified
          add to [users]: mobile = "phone"   (a guess by its name and type; the classes are keep, key, e-mail, name, phone, free-text, pattern, secret, isin, ip, number, date, json, fixed, drop)"#]]
    .assert_eq(&error.to_string());
    assert!(matches!(error, DatabaseError::Unclassified(_)));
    assert_eq!(shop.databases().await, ["postgres", "production"]);
}

#[tokio::test]
async fn leaks_are_found_wherever_they_stand_and_stop_the_switch() {
    let shop = Shop::with_rows(300).await;
    shop.sql("postgres", "CREATE DATABASE staging").await;
    shop.sql("staging", "CREATE TABLE before (kept int)").await;
    shop.sql(
        "production",
        "CREATE TABLE audit (id bigint PRIMARY KEY, old jsonb, note text, raw bytea, tags text[]);
         INSERT INTO audit SELECT id, jsonb_build_object('who', jsonb_build_array(upper(email))),
           'asked by ' || email || ', again', convert_to('x' || phone, 'UTF8'), ARRAY[nick, 'ok'] FROM users WHERE id = 7;
         INSERT INTO audit SELECT 1000 + id, '{}', 'nothing', '', '{}' FROM users",
    )
    .await;
    let classes = format!(
        "{CLASSES}\n[audit]\nid = \"keep\"\nold = \"keep\"\nnote = \"keep\"\nraw = \"keep\"\ntags = \"keep\"\n"
    );
    let report = shop.copy(&classes).await.unwrap();
    assert!(!report.switched);
    let hits: Vec<String> = report
        .scan
        .hits
        .iter()
        .map(|hit| format!("{} has {} of {}", hit.column, hit.texts, hit.of))
        .collect();
    expect![[r#"
        [
            "audit.note has 1 of billing.invoices.email",
            "audit.note has 1 of users.email",
            "audit.old has 1 of billing.invoices.email",
            "audit.old has 1 of users.email",
            "audit.raw has 1 of users.phone",
            "audit.tags has 1 of users.nick",
        ]
    "#]]
    .assert_debug_eq(&hits);
    let text = serde_json::to_string(&report).unwrap();
    assert!(!text.contains("firma.de") && !text.contains("nick_"), "no value is told: {text}");
    assert_eq!(shop.databases().await, ["postgres", "production", "staging"]);
    shop.sql("staging", "SELECT kept FROM before").await;

    let public =
        classes.replace("old = \"keep\"", "old = { class = \"keep\", public = \"a test\" }");
    let report = shop.copy(&public).await.unwrap();
    assert!(report.scan.public.iter().any(|column| column.column == "audit.old"));
    assert!(report.scan.hits.iter().all(|hit| hit.column != "audit.old"));
    let masked = classes
        .replace("old = \"keep\"", "old = \"json\"")
        .replace("note = \"keep\"", "note = \"free-text\"")
        .replace("raw = \"keep\"", "raw = \"drop\"")
        .replace("tags = \"keep\"", "tags = \"drop\"");
    assert!(shop.copy(&masked).await.unwrap().switched);
}

#[tokio::test]
async fn short_and_common_values_are_looked_for_in_their_own_columns() {
    let shop = Shop::with_rows(300).await;
    // Masked as something else in one table, and kept in a column of the same values in another.
    let kept = CLASSES.replace("first_name = \"name\"", "first_name = \"keep\"");
    let report = shop.copy(&kept).await.unwrap();
    assert!(report.switched, "a column that the file keeps has no personal values: {report:#?}");
    let report = shop.copy(CLASSES).await.unwrap();
    assert!(report.scan.short > 0 && report.scan.common > 0, "{:#?}", report.scan);
}

#[tokio::test]
async fn values_that_do_not_fit_and_broken_constraints_stop_it() {
    let shop = Shop::with_rows(50).await;
    let checked = CLASSES.replace(
        "{ class = \"number\", noise_percent = 20, min = 0 }",
        "{ class = \"fixed\", value = \"-1\" }",
    );
    let error = shop.copy(&checked).await.unwrap_err().to_string();
    assert!(error.contains("users_balance_check"), "{error}");
    let wrong = CLASSES
        .replace("first_name = \"name\"", "first_name = { class = \"fixed\", value = \"x\" }")
        .replace("tier       = \"keep\"", "tier = { class = \"fixed\", value = \"gold\" }");
    let error = shop.copy(&wrong).await.unwrap_err().to_string();
    assert!(error.contains("copying users") && error.contains("gold"), "{error}");
    shop.sql("production", "CREATE TABLE parts (n int) PARTITION BY LIST (n)").await;
    let error = shop.copy(CLASSES).await.unwrap_err();
    assert!(error.to_string().contains("partitioned table public.parts"), "{error}");
    assert_eq!(shop.databases().await, ["postgres", "production"], "nothing is left");
}

#[tokio::test]
async fn it_can_be_stopped_and_leaves_nothing() {
    let shop = Shop::with_rows(2000).await;
    let classes = Classes::read("classes.toml", CLASSES).unwrap();
    let (source, target) = (shop.url("production"), shop.url("staging"));
    let request = CopyRequest { source: &source, target: &target, classes: &classes, key: &KEY };
    let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
    let mut stop = Some(stop);
    let stopping = async { stopped.await.unwrap() };
    let error = qnt9_database::copy(&request, stopping, |_| {
        if let Some(stop) = stop.take() {
            stop.send(()).unwrap();
        }
    });
    assert!(matches!(error.await, Err(DatabaseError::Stopped)));
    assert_eq!(shop.databases().await, ["postgres", "production"]);
    let same = CopyRequest { target: &source, ..request };
    let error = qnt9_database::copy(&same, std::future::pending(), |_| ()).await.unwrap_err();
    assert!(error.to_string().contains("it is the source itself"), "{error}");
}

/// What the product promises of 100,000 rows.
#[tokio::test]
async fn a_hundred_thousand_users_are_masked_and_none_is_found() {
    let shop = Shop::with_rows(100_000).await;
    let report = shop.copy(CLASSES).await.unwrap();
    assert!(report.switched && report.scan.hits.is_empty());
    assert!(report.scan.values > 500_000);
}

/// A column that a migration of the reference system adds must be classified in the same change.
#[tokio::test]
async fn the_reference_system_classifies_every_column_of_its_schema() {
    let shop = Shop::empty().await;
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../qnt9-srs");
    let steps = fs::read_dir(root.join("services/schema/migrations")).unwrap().flatten();
    let mut steps: Vec<_> = steps.map(|entry| entry.path()).collect();
    steps.sort();
    shop.sql("production", "CREATE TABLE schema_steps (version int PRIMARY KEY)").await;
    for step in steps {
        shop.sql("production", &fs::read_to_string(step).unwrap()).await;
    }
    shop.sql(
        "production",
        "INSERT INTO stocks (symbol, name, indices) VALUES ('SAP', 'SAP SE', '{DAX}');
         INSERT INTO users (email, name, phone, birth_date, password_hash)
         SELECT 'user.' || n || '@firma.de', 'Anna ' || chr(65 + n % 26) || 'schmidt', '+4917' || 10000000 + n,
                date '1980-01-01' + n, '$argon2id$v=19$m=8,t=1,p=1$c2FsdHNhbHQ$' || md5('h' || n)
         FROM generate_series(1, 500) n;
         INSERT INTO refresh_tokens (user_id, family, token_hash, expires_at, address, user_agent)
         SELECT id, decode(md5('f' || id), 'hex'), sha256(email::bytea), now() + interval '1 day',
                '84.1.2.3', 'Mozilla/5.0 of ' || email FROM users;
         INSERT INTO audit_log (user_id, action, details)
         SELECT id, 'sign_up', jsonb_build_object('email', email) FROM users;
         INSERT INTO watchlists (user_id, symbol, notes, alert_above) SELECT id, 'SAP', 'for ' || name, 5 FROM users;
         INSERT INTO signing_keys VALUES ('key-00000001', sha256('a'), sha256('b'))",
    )
    .await;
    let classes = fs::read_to_string(root.join("data/classes.toml")).unwrap();
    let report = shop.copy(&classes).await.unwrap();
    assert!(report.switched && report.scan.values > 1500, "{report:#?}");
    assert_eq!(shop.text("staging", "SELECT count(*)::text FROM users").await, "500");
    assert_eq!(shop.text("staging", "SELECT count(*)::text FROM signing_keys").await, "0");
    let left = "SELECT count(*)::text FROM audit_log WHERE details::text LIKE '%firma%'";
    assert_eq!(shop.text("staging", left).await, "0");
}
