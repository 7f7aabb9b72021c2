//! Passwords: which are good enough, and how they are kept.

use std::sync::{Mutex, PoisonError};

use argon2::{
    ARGON2ID_IDENT, Algorithm, Argon2, Block, Params, Version,
    password_hash::phc::{Output, ParamsString, PasswordHash, Salt},
};
use ring::rand::{SecureRandom as _, SystemRandom};
use tokio::{sync::Semaphore, task::spawn_blocking};

pub const CHARS_MIN: usize = 8;
pub const CHARS_MAX: usize = 128;

/// Argon2id with 19 MiB, two passes, one lane: what OWASP recommends at least
/// (<https://cheatsheetseries.owasp.org/cheatsheets/Password_Storage_Cheat_Sheet.html>).
const MEMORY_KIB: u32 = 19 * 1024;
const PASSES: u32 = 2;
const SALT_BYTES: usize = 16;
/// Passwords hashed at the same time: each takes memory and a processor for some hundredths of a second.
const TOGETHER_MAX: usize = 2;

static TOGETHER: Semaphore = Semaphore::const_new(TOGETHER_MAX);
/// What they need, kept for the next ones: the allocator would keep more, a piece for each thread.
static MEMORY: Mutex<Vec<Vec<Block>>> = Mutex::new(Vec::new());

/// Everything that is wrong with a new password of somebody with this address and name; nothing if it is good.
pub fn faults(password: &str, email: &str, name: &str) -> Vec<String> {
    let mut faults = Vec::new();
    let chars = password.chars().count();
    if !(CHARS_MIN..=CHARS_MAX).contains(&chars) {
        faults.push(format!("it has {chars} characters, {CHARS_MIN} to {CHARS_MAX} are needed"));
    }
    let has = |of: fn(char) -> bool| password.chars().any(of);
    for (kind, there) in [
        ("small letter", has(char::is_lowercase)),
        ("capital letter", has(char::is_uppercase)),
        ("digit", has(char::is_numeric)),
        ("character that is neither letter nor digit", has(|c| !c.is_alphanumeric())),
    ] {
        if !there {
            faults.push(format!("it has no {kind}"));
        }
    }
    let (lower, local) = (password.to_lowercase(), email.split('@').next().unwrap_or_default());
    for (what, text) in [("address", local), ("name", name)] {
        if text.chars().count() > 3 && lower.contains(&text.to_lowercase()) {
            faults.push(format!("it contains the {what}"));
        }
    }
    faults
}

/// The password as it is kept: algorithm, parameters, salt and hash in one text.
pub async fn hash(password: String) -> Result<String, String> {
    let mut salt = [0; SALT_BYTES];
    SystemRandom::new().fill(&mut salt).map_err(|_| "the system gives no random bytes")?;
    aside(move || hash_with_salt(&password, &salt)).await?
}

/// Always the same text for the same salt, which is no secret then: for invented accounts only.
pub(crate) fn hash_with_salt(password: &str, salt: &[u8]) -> Result<String, String> {
    let params = params()?;
    let kept = PasswordHash {
        algorithm: ARGON2ID_IDENT,
        version: Some(Version::V0x13.into()),
        params: ParamsString::try_from(&params).map_err(|error| error.to_string())?,
        salt: Some(Salt::new(salt).map_err(|error| error.to_string())?),
        hash: Some(output(params, password, salt)?),
    };
    Ok(kept.to_string())
}

/// Whether the password is the one that is kept. Without one, as long is spent on saying no: nobody learns
/// from the time an answer takes whether there is such an account.
pub async fn verify(password: String, kept: Option<String>) -> Result<bool, String> {
    aside(move || {
        let Some(kept) = kept else {
            hash_with_salt(&password, &[0; SALT_BYTES])?;
            return Ok(false);
        };
        let kept = PasswordHash::new(&kept).map_err(|e| format!("a kept password: {e}"))?;
        let params = Params::try_from(&kept.params).map_err(|e| format!("a kept password: {e}"))?;
        let (Some(salt), Some(hash), ARGON2ID_IDENT) = (kept.salt, kept.hash, kept.algorithm)
        else {
            return Err("a kept password is not of Argon2id".to_owned());
        };
        // Outputs are compared in the same time wherever they differ.
        Ok(output(params, &password, &salt)? == hash)
    })
    .await?
}

/// Does the work where it holds up no other request.
async fn aside<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Result<T, String> {
    let turn = TOGETHER.acquire().await.map_err(|error| error.to_string())?;
    // The work goes on when nobody waits for it any more, and has its turn until it is done.
    let work = move || {
        let _turn = turn;
        work()
    };
    spawn_blocking(work).await.map_err(|error| format!("hashing stopped: {error}"))
}

fn output(params: Params, password: &str, salt: &[u8]) -> Result<Output, String> {
    let mut memory =
        MEMORY.lock().unwrap_or_else(PoisonError::into_inner).pop().unwrap_or_default();
    memory.resize(params.block_count(), Block::default());
    let mut output = [0; Params::DEFAULT_OUTPUT_LEN];
    let argon2 = Argon2::new(Algorithm::Argon2id, Version::V0x13, params);
    let hashed =
        argon2.hash_password_into_with_memory(password.as_bytes(), salt, &mut output, &mut memory);
    MEMORY.lock().unwrap_or_else(PoisonError::into_inner).push(memory);
    hashed.map_err(|error| error.to_string())?;
    Output::new(&output).map_err(|error| error.to_string())
}

fn params() -> Result<Params, String> {
    Params::new(MEMORY_KIB, PASSES, 1, None).map_err(|error| error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn faults_of(password: &str) -> usize {
        faults(password, "jane.doe@example.com", "Jane Doe").len()
    }

    #[test]
    fn each_rule_is_told_by_itself() {
        assert_eq!(faults_of("Correct-Horse-7"), 0);
        for (password, count) in [
            ("", 5),
            ("Ab1-", 1),
            ("alllower-1", 1),
            ("ALLUPPER-1", 1),
            ("No-Digit-Here", 1),
            ("NoSpecial123", 1),
            ("Jane.Doe-1984", 1),
            ("My jane doe 1!", 1),
            (&"Aa1-".repeat(33), 1),
        ] {
            assert_eq!(faults_of(password), count, "{password:?}");
        }
        assert_eq!(faults_of(&"Aä1-".repeat(32)), 0, "the borders are inside");
        assert_eq!(faults_of("Äpfel-77"), 0);
    }

    #[tokio::test]
    async fn a_password_is_verified_and_never_kept_itself() {
        let kept = hash("Correct-Horse-7".to_owned()).await.unwrap();
        assert!(kept.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"), "{kept}");
        assert!(!kept.contains("Correct"));
        assert_ne!(kept, hash("Correct-Horse-7".to_owned()).await.unwrap(), "salted");
        let verify = async |password: &str, kept: Option<&String>| {
            verify(password.to_owned(), kept.cloned()).await
        };
        assert_eq!(verify("Correct-Horse-7", Some(&kept)).await, Ok(true));
        assert_eq!(verify("Correct-Horse-8", Some(&kept)).await, Ok(false));
        assert_eq!(verify("Correct-Horse-7", None).await, Ok(false));
        for damaged in ["damaged", "$argon2i$v=19$m=64,t=1,p=1$c29tZXNhbHQ$", "$argon2id$v=19"] {
            assert!(verify("x", Some(&damaged.to_owned())).await.is_err(), "{damaged}");
        }
    }

    /// Version 19, 64 KiB, one pass, one lane: as the reference program `argon2` of Debian writes it.
    #[tokio::test]
    async fn passwords_that_others_have_kept_are_understood() {
        let kept = "$argon2id$v=19$m=64,t=1,p=1$c29tZXNhbHRzb21lc2FsdA$55PWTvddWPUD1GMbKxSff4ASfF85k9ibHJt4HlHQtBM".to_owned();
        assert_eq!(verify("password".to_owned(), Some(kept.clone())).await, Ok(true));
        assert_eq!(verify("passwore".to_owned(), Some(kept)).await, Ok(false));
    }
}
