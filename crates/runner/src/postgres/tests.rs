use tempfile::TempDir;

use super::*;
use crate::tools::{Fetch, PostgresFinding, fetched_postgres, find_postgres};

async fn check_life(binaries: PostgresBinaries) {
    let dir = TempDir::new().unwrap();
    let home = dir.path().join("postgres");
    let server = Postgres::ours(binaries.clone(), &home, "pass/word?'");
    assert!(matches!(server.url("a"), Err(PostgresError::NotStarted { .. })));
    server.stop().await.unwrap();

    let since = std::time::Instant::now();
    assert_eq!(server.start().await.unwrap(), Started::Now);
    println!("{} made and started in {:.2?}", binaries.version, since.elapsed());
    // Another process would find it too, by the folder alone.
    let again = Postgres::ours(binaries.clone(), &home, "pass/word?'");
    assert_eq!(again.start().await.unwrap(), Started::Already);
    assert!(again.has_extension("pg_trgm").await.unwrap());
    assert!(binaries.version.starts_with(&server.version().await.unwrap()[..2]));

    let name = "odd \"name\"/ü";
    let url = server.ensure_database(name).await.unwrap();
    assert_eq!(server.ensure_database(name).await.unwrap(), url);
    databases::check_answers(&url).await.unwrap();
    let (one, two) = tokio::join!(server.ensure_database("same"), again.ensure_database("same"));
    assert_eq!(one.unwrap(), two.unwrap());
    let wrong = Postgres::elsewhere(&url.replace("pass", "wrong")).unwrap();
    assert!(wrong.start().await.unwrap_err().to_string().contains("127.0.0.1"));
    let elsewhere = Postgres::elsewhere(&url).unwrap();
    assert_eq!(elsewhere.start().await.unwrap(), Started::Already);
    elsewhere.ensure_database("other").await.unwrap();

    server.stop().await.unwrap();
    server.stop().await.unwrap();
    assert!(elsewhere.start().await.is_err());
    let since = std::time::Instant::now();
    assert_eq!(again.start().await.unwrap(), Started::Now);
    println!("started again in {:.2?}", since.elapsed());
    databases::check_answers(&again.url(name).unwrap()).await.unwrap();
    again.drop_database(name).await.unwrap();
    again.drop_database(name).await.unwrap();
    assert!(databases::check_answers(&again.url(name).unwrap()).await.is_err());
    again.stop().await.unwrap();
    assert!(!home.join("password.part").exists());
}

#[tokio::test]
async fn a_server_of_ours_lives_and_dies() {
    let tools = TempDir::new().unwrap();
    let found = find_postgres(None, "/usr/bin:/bin", tools.path(), Fetch::Never).await;
    let PostgresFinding::Binaries(binaries) = found else {
        panic!("the tests need a PostgreSQL: {found:?}")
    };
    check_life(binaries).await;
}

#[tokio::test]
#[ignore = "needs the network: fetches 24 MB"]
async fn a_fetched_server_lives_and_dies() {
    let tools = TempDir::new().unwrap();
    let binaries = fetched_postgres(tools.path(), Fetch::Allowed).await.unwrap();
    check_life(binaries).await;
    fetched_postgres(tools.path(), Fetch::Never).await.unwrap();
}

#[tokio::test]
async fn names_that_postgresql_would_cut_or_misread_are_refused() {
    let server = Postgres::elsewhere("postgres://u@h/db").unwrap();
    for name in ["", &"n".repeat(64), "a\0b"] {
        assert!(matches!(server.ensure_database(name).await, Err(PostgresError::Name { .. })));
        assert!(matches!(server.drop_database(name).await, Err(PostgresError::Name { .. })));
    }
}
