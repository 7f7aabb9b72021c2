//! Invented accounts for development: the n-th is always the same, however many there are. Each has the
//! password [`PASSWORD`].

use chassis::{
    config::{Config, PRODUCTION},
    database::Parameter,
    prepare::prepare,
};
use ring::digest::{SHA256, digest};
use tokio_postgres::Transaction;

use crate::{http::STATEMENTS, password, session::hash_of};

pub const PASSWORD: &str = "Fake-Password-1";
const SALT: &[u8] = b"invented account";
const BATCH_ROWS: usize = 2_000;

const FIRST: [&str; 24] = [
    "Ada", "Björn", "Chloé", "Dmitri", "Eun-ji", "Fatima", "Goran", "Hanna", "Ivo", "Jane",
    "Kwame", "Lucía", "Mehmet", "Noor", "Olga", "Pavel", "Quynh", "Rosa", "Søren", "Tomás", "Uma",
    "Viktor", "Wanda", "Yusuf",
];
const LAST: [&str; 24] = [
    "Abbott",
    "Bergström",
    "Castillo",
    "Dubois",
    "Eriksen",
    "Fischer",
    "García",
    "Hoffmann",
    "Ivanova",
    "Jansen",
    "Kowalski",
    "Lindqvist",
    "Moreau",
    "Nakamura",
    "O'Brien",
    "Petrov",
    "Quist",
    "Rossi",
    "Schneider",
    "Tanaka",
    "Ueda",
    "Vogel",
    "Wójcik",
    "Zimmermann",
];
const AGENTS: [&str; 3] = ["Mozilla/5.0 (X11; Linux x86_64)", "curl/8.14.1", "QNT9 Mobile 2.3"];

/// One invented account and what belongs to it.
struct Fake {
    number: usize,
    email: String,
    name: String,
    phone: Option<String>,
    birth_date: String,
    tier: &'static str,
}

/// How many rows there are now that were not there before.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Made {
    pub users: u64,
    pub refresh_tokens: u64,
    pub watchlists: u64,
    pub audit_log: u64,
}

/// Makes the first `rows` invented accounts, with sessions, watchlists and audit entries. Those that are there
/// already stay as they are.
pub async fn seed(config: &Config, rows: usize) -> Result<Made, String> {
    if config.environment == PRODUCTION {
        return Err("invented accounts are not for production".to_owned());
    }
    let mut client =
        prepare(config, "auth", STATEMENTS).await.map_err(|error| error.to_string())?.client;
    let symbols: Vec<String> = client
        .query("SELECT symbol FROM stocks ORDER BY symbol COLLATE \"C\"", &[])
        .await
        .map_err(|error| error.to_string())?
        .iter()
        .map(|row| row.get(0))
        .collect();
    if symbols.is_empty() {
        return Err(
            "there are no companies to follow yet: run `stock seed --fake` first".to_owned()
        );
    }
    let hash = password::hash_with_salt(PASSWORD, SALT)?;
    let mut made = Made::default();
    for start in (0..rows).step_by(BATCH_ROWS) {
        let fakes: Vec<Fake> = (start..rows.min(start + BATCH_ROWS)).map(fake).collect();
        let transaction = client.transaction().await.map_err(|error| error.to_string())?;
        add(&transaction, &fakes, &hash, &symbols, &mut made).await.map_err(|e| e.to_string())?;
        transaction.commit().await.map_err(|error| error.to_string())?;
    }
    Ok(made)
}

fn fake(number: usize) -> Fake {
    let draw = draw(number, "person");
    let (first, last) = (FIRST[draw[0] as usize % 24], LAST[draw[1] as usize % 24]);
    let plain = |text: &str| text.to_lowercase().replace(|c: char| !c.is_ascii_alphabetic(), "");
    Fake {
        number,
        email: format!("{}.{}.{number}@example.org", plain(first), plain(last)),
        name: format!("{first} {last}"),
        phone: (draw[2] % 10 < 7).then(|| format!("+49151{:08}", number)),
        birth_date: format!(
            "{}-{:02}-{:02}",
            1940 + draw[3] % 66,
            1 + draw[4] % 12,
            1 + draw[5] % 28
        ),
        tier: if draw[6].is_multiple_of(10) { "paid" } else { "free" },
    }
}

/// Numbers from 0 to 255 that look random and are always the same.
fn draw(number: usize, what: &str) -> Vec<u32> {
    let digest = digest(&SHA256, format!("{what} {number}").as_bytes());
    digest.as_ref().iter().map(|byte| u32::from(*byte)).collect()
}

async fn add(
    transaction: &Transaction<'_>,
    fakes: &[Fake],
    hash: &str,
    symbols: &[String],
    made: &mut Made,
) -> Result<(), tokio_postgres::Error> {
    let texts = |of: fn(&Fake) -> Option<&str>| fakes.iter().map(of).collect::<Vec<_>>();
    let (emails, names) = (texts(|f| Some(&f.email)), texts(|f| Some(&f.name)));
    let (phones, births) = (texts(|f| f.phone.as_deref()), texts(|f| Some(&f.birth_date)));
    let tiers = texts(|f| Some(f.tier));
    let days: Vec<i32> = fakes.iter().map(|f| (f.number % 700) as i32).collect();
    let users = "
        INSERT INTO users (email, name, phone, birth_date, password_hash, tier, created_at,
                           password_changed_at)
        SELECT email, name, phone, birth::date, $7, tier, at, at FROM (
            SELECT *, timestamptz '2024-01-01 08:00+00' + make_interval(days => day) AS at
            FROM unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::text[], $6::int[])
                 WITH ORDINALITY AS new (email, name, phone, birth, tier, day, place)
        ) AS dated ORDER BY place
        ON CONFLICT DO NOTHING RETURNING id, email";
    let parameters: [Parameter<'_>; 7] = [&emails, &names, &phones, &births, &tiers, &days, &hash];
    let rows = transaction.query(users, &parameters).await?;
    let by_email: std::collections::HashMap<&str, i64> =
        rows.iter().map(|row| (row.get(1), row.get(0))).collect();
    let new = fakes.iter().filter_map(|f| Some((f, *by_email.get(f.email.as_str())?)));
    let new: Vec<(&Fake, i64)> = new.collect();
    made.users += new.len() as u64;
    made.refresh_tokens += add_sessions(transaction, &new).await?;
    made.watchlists += add_watchlists(transaction, &new, symbols).await?;
    made.audit_log += add_audit(transaction, &new).await?;
    Ok(())
}

async fn add_sessions(
    transaction: &Transaction<'_>,
    new: &[(&Fake, i64)],
) -> Result<u64, tokio_postgres::Error> {
    let ids: Vec<i64> = new.iter().map(|(_, id)| *id).collect();
    let families: Vec<Vec<u8>> =
        new.iter().map(|(f, _)| hash_of(&format!("family {}", f.number))[..16].to_vec()).collect();
    let hashes: Vec<Vec<u8>> =
        new.iter().map(|(f, _)| hash_of(&format!("refresh token {}", f.number))).collect();
    let addresses: Vec<String> = new.iter().map(|(f, _)| address(f.number)).collect();
    let agents: Vec<&str> = new.iter().map(|(f, _)| AGENTS[f.number % AGENTS.len()]).collect();
    let insert = "
        INSERT INTO refresh_tokens (user_id, family, token_hash, issued_at, expires_at, address, user_agent)
        SELECT id, family, hash, timestamptz '2026-01-01 08:00+00', timestamptz '2026-01-31 08:00+00',
               address::inet, agent
        FROM unnest($1::bigint[], $2::bytea[], $3::bytea[], $4::text[], $5::text[])
             AS new (id, family, hash, address, agent)";
    transaction.execute(insert, &[&ids, &families, &hashes, &addresses, &agents]).await
}

/// Two companies each; some notes name a person, as people's notes do.
async fn add_watchlists(
    transaction: &Transaction<'_>,
    new: &[(&Fake, i64)],
    symbols: &[String],
) -> Result<u64, tokio_postgres::Error> {
    let (mut ids, mut followed, mut notes, mut above) = (vec![], vec![], vec![], vec![]);
    for (fake, id) in new {
        for place in 0..2 {
            let draw = draw(fake.number * 2 + place, "watchlist");
            let wide = (draw[0] << 8 | draw[1]) as usize;
            ids.push(*id);
            followed.push(symbols[wide % symbols.len()].as_str());
            let friend = super::fake::fake(wide);
            notes.push(match draw[2] % 5 {
                0 => Some(format!("Ask {} ({}) before buying more.", friend.name, friend.email)),
                1 => Some(format!("Call me on {}.", fake.phone.as_deref().unwrap_or("no number"))),
                2 => Some("Wait for the annual report.".to_owned()),
                _ => None,
            });
            above.push(draw[3].is_multiple_of(3).then(|| f64::from(draw[4]) + 1.0));
        }
    }
    let insert = "
        INSERT INTO watchlists (user_id, symbol, notes, alert_above, created_at)
        SELECT *, timestamptz '2026-02-01 08:00+00'
        FROM unnest($1::bigint[], $2::text[], $3::text[], $4::float8[])
        ON CONFLICT DO NOTHING";
    transaction.execute(insert, &[&ids, &followed, &notes, &above]).await
}

async fn add_audit(
    transaction: &Transaction<'_>,
    new: &[(&Fake, i64)],
) -> Result<u64, tokio_postgres::Error> {
    let ids: Vec<i64> = new.iter().map(|(_, id)| *id).collect();
    let emails: Vec<&str> = new.iter().map(|(f, _)| f.email.as_str()).collect();
    let names: Vec<&str> = new.iter().map(|(f, _)| f.name.as_str()).collect();
    let addresses: Vec<String> = new.iter().map(|(f, _)| address(f.number)).collect();
    let insert = "
        INSERT INTO audit_log (user_id, at, action, address, details)
        SELECT id, timestamptz '2026-01-01 08:00+00', action, address::inet,
               jsonb_build_object('email', email, 'profile', jsonb_build_object('name', name))
        FROM unnest($1::bigint[], $2::text[], $3::text[], $4::text[]) AS new (id, email, name, address),
             unnest(ARRAY['signed_up', 'signed_in']) AS action
        ORDER BY id, action";
    transaction.execute(insert, &[&ids, &emails, &names, &addresses]).await
}

/// One of the addresses that are for documentation (RFC 3849).
fn address(number: usize) -> String {
    format!("2001:db8::{:x}:{:x}", number >> 16, number & 0xffff)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::account::normal_email;

    #[test]
    fn accounts_differ_where_they_must_and_are_always_the_same() {
        let fakes: Vec<Fake> = (0..5_000).map(fake).collect();
        let emails: BTreeSet<&str> = fakes.iter().map(|f| f.email.as_str()).collect();
        assert_eq!(emails.len(), fakes.len());
        assert!(fakes.iter().all(|f| normal_email(&f.email).is_ok_and(|e| e == f.email)));
        assert_eq!(fakes[7].email, fake(7).email);
        assert!(fakes.iter().any(|f| f.phone.is_none()) && fakes.iter().any(|f| f.tier == "paid"));
    }

    #[test]
    fn the_kept_password_is_the_same_every_time_and_opens() {
        let kept = password::hash_with_salt(PASSWORD, SALT).unwrap();
        assert_eq!(kept, password::hash_with_salt(PASSWORD, SALT).unwrap());
        assert!(kept.starts_with("$argon2id$"));
    }
}
