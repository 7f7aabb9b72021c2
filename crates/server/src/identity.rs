//! Tokens: random for people, authenticated by the master key for jobs.

use qnt9_model::door::Identity;
use qnt9_model::{Actor, AttemptId, CheckId, Role, StreamId};
use qnt9_store::key::MacKey;
use sha2::{Digest as _, Sha256};

/// What every token of a person begins with.
const PERSON_PREFIX: &str = "q9p_";
/// What every token of a job begins with.
const JOB_PREFIX: &str = "q9j_";
/// What every token of a check begins with.
const CHECK_PREFIX: &str = "q9c_";

/// A fresh token for a person from 32 random bytes.
#[must_use]
pub fn new_token(random: [u8; 32]) -> String {
    format!("{PERSON_PREFIX}{}", hex::encode(random))
}

/// What the log keeps of a person's token.
#[must_use]
pub fn hash_token(token: &str) -> String {
    hex::encode(Sha256::digest(token.as_bytes()))
}

/// The token of an attempt. It is derived, so that it is the same after a restart and nothing about
/// it has to be stored; it counts only while the attempt does.
pub(crate) fn job_token(key: &MacKey, project: &StreamId, attempt: &AttemptId) -> String {
    let mac = key.mac(&[project.as_str().as_bytes(), attempt.to_string().as_bytes()]);
    format!("{JOB_PREFIX}{project}~{attempt}~{mac}")
}

/// Who a job's token stands for, if it is genuine. Whether the attempt still counts is asked of the
/// state by whoever uses it.
pub(crate) fn job_of_token(key: &MacKey, token: &str) -> Option<Identity> {
    let (rest, _) = token.strip_prefix(JOB_PREFIX)?.rsplit_once('~')?;
    let (project, attempt) = rest.split_once('~')?;
    let project = StreamId::from(project);
    let attempt: AttemptId = attempt.parse().ok()?;
    let genuine = job_token(key, &project, &attempt);
    same(genuine.as_bytes(), token.as_bytes()).then_some(Identity {
        actor: Actor::Job(attempt),
        role: Role::Developer,
        project: Some(project),
    })
}

/// The token with which a check answers. Derived like a job's; it counts while the check is waited
/// for.
pub(crate) fn check_token(key: &MacKey, project: &StreamId, check: CheckId) -> String {
    let mac = key.mac(&[b"check", project.as_str().as_bytes(), check.to_string().as_bytes()]);
    format!("{CHECK_PREFIX}{project}~{check}~{mac}")
}

/// Which check a token is of, if it is genuine.
pub(crate) fn check_of_token(key: &MacKey, token: &str) -> Option<(StreamId, CheckId)> {
    let (rest, _) = token.strip_prefix(CHECK_PREFIX)?.rsplit_once('~')?;
    let (project, check) = rest.split_once('~')?;
    let (project, check) = (StreamId::from(project), check.parse().ok()?);
    let genuine = check_token(key, &project, check);
    same(genuine.as_bytes(), token.as_bytes()).then_some((project, check))
}

/// Compares in a time that does not tell where the difference is.
fn same(left: &[u8], right: &[u8]) -> bool {
    left.len() == right.len()
        && left.iter().zip(right).fold(0, |difference, (a, b)| difference | (a ^ b)) == 0
}
