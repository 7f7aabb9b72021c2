//! Passwords: which are good enough, and how they are kept.

use argon2::{
    Algorithm, Argon2, Params, Version,
    password_hash::{PasswordHasher as _, PasswordVerifier as _, phc::PasswordHash},
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
    let hash: PasswordHash =
        argon2()?.hash_password_with_salt(password.as_bytes(), salt).map_err(|e| e.to_string())?;
    Ok(hash.to_string())
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
        Ok(argon2()?.verify_password(password.as_bytes(), &kept).is_ok())
    })
    .await?
}

/// Does the work where it holds up no other request.
async fn aside<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Result<T, String> {
    let _turn = TOGETHER.acquire().await.map_err(|error| error.to_string())?;
    spawn_blocking(work).await.map_err(|error| format!("hashing stopped: {error}"))
}

fn argon2() -> Result<Argon2<'static>, String> {
    let params = Params::new(MEMORY_KIB, PASSES, 1, None).map_err(|error| error.to_string())?;
    Ok(Argon2::new(Algorithm::Argon2id, Version::V0x13, params))
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
        assert!(verify("x", Some(&"damaged".to_owned())).await.is_err());
    }
}
