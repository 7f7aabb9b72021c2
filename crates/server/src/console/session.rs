//! Sessions: the digest of a token, a person's name, an end and an authenticator in a cookie; nothing
//! is stored.

use std::collections::BTreeSet;
use std::sync::{Mutex, PoisonError};

use qnt9_engine::State;
use qnt9_model::{Actor, Millis, Role};
use qnt9_store::key::MacKey;

use crate::Core;
use crate::machine::now;

/// How long a session lasts.
const SESSION_MS: i64 = 12 * 60 * 60 * 1000;
/// How long a link that signs in may wait to be opened.
const LINK_MS: i64 = 10 * 60 * 1000;
/// What every such link's token begins with.
const LINK_PREFIX: &str = "q9l_";

/// A person with a session.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Session {
    /// The cookie's value, to which the proofs of forms are bound.
    pub(super) value: String,
    pub(super) name: String,
    pub(super) role: Role,
    pub(super) actor: Actor,
}

pub(super) fn cookie_name(core: &Core) -> String {
    cookie_of_port(&core.config().listen.port().to_string())
}

/// The cookie's name at a server that listens there. Browsers give cookies to every port of a host, so
/// the port is part of it.
pub(crate) fn cookie_of_port(port: &str) -> String {
    format!("qnt9_session_{port}")
}

/// A `Set-Cookie` that begins a session of that person. It ends with the token of that digest, if it
/// was begun with one; a link or a choice of the demo is none.
pub(super) fn begin(core: &Core, name: &str, token_digest: Option<&str>) -> String {
    let subject = format!("{}/{name}", token_digest.unwrap_or_default());
    let value = signed(core.session_key(), "session", &subject, now().plus(SESSION_MS));
    let (cookie, seconds) = (cookie_name(core), SESSION_MS / 1000);
    format!("{cookie}={value}; Path=/; HttpOnly; SameSite=Strict; Max-Age={seconds}")
}

/// A `Set-Cookie` that ends a session.
pub(super) fn end(core: &Core) -> String {
    format!("{}=; Path=/; HttpOnly; SameSite=Strict; Max-Age=0", cookie_name(core))
}

/// The session that a `Cookie` header carries, if it is genuine, not over, its token was not revoked,
/// and the person still has a name here.
pub(super) fn of_cookies(core: &Core, header: &str) -> Option<Session> {
    let wanted = cookie_name(core);
    let mut pairs = header.split(';').filter_map(|pair| pair.trim().split_once('='));
    let (_, value) = pairs.find(|(name, _)| *name == wanted)?;
    let subject = verified(core.session_key(), "session", value, now())?;
    let (token_digest, name) = subject.split_once('/')?;
    let counts =
        |state: &State| token_digest.is_empty() || state.platform.tokens.contains_key(token_digest);
    if !core.read(counts) {
        return None;
    }
    let identity = core.person(name)?;
    Some(Session {
        value: value.to_owned(),
        name: name.to_owned(),
        role: identity.role,
        actor: identity.actor,
    })
}

/// The proof that a form which posts to `path` was made for this session.
pub(super) fn proof(core: &Core, session: &str, path: &str) -> String {
    core.session_key().mac(&[b"form", session.as_bytes(), path.as_bytes()]).to_string()
}

/// Whether that proof is the right one.
pub(super) fn is_proof(core: &Core, session: &str, path: &str, given: &str) -> bool {
    same(proof(core, session, path).as_bytes(), given.as_bytes())
}

impl Core {
    /// An address of the console that signs this person in once, within ten minutes. For the program
    /// that started the server to print.
    #[must_use]
    pub fn sign_in_link(&self, person: &str) -> String {
        let token = signed(self.session_key(), "link", person, now().plus(LINK_MS));
        format!("{}{}?token={LINK_PREFIX}{token}", self.url(), qnt9_console::paths::LOGIN)
    }
}

/// Links that were opened. After a restart it is empty, but then ten minutes end what is left.
#[derive(Default)]
pub(super) struct UsedLinks(Mutex<BTreeSet<String>>);

impl UsedLinks {
    /// The person a link's token signs in, the first time it is shown.
    pub(super) fn take(&self, core: &Core, token: &str) -> Option<String> {
        let token = token.strip_prefix(LINK_PREFIX)?;
        let name = verified(core.session_key(), "link", token, now())?;
        let mut used = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        // What is over needs no memory.
        used.retain(|token| verified(core.session_key(), "link", token, now()).is_some());
        used.insert(token.to_owned()).then_some(name)
    }
}

/// `SUBJECT.END.AUTHENTICATOR`, the subject in hexadecimal.
fn signed(key: &MacKey, purpose: &str, subject: &str, end: Millis) -> String {
    let subject = hex::encode(subject);
    let mac = key.mac(&[purpose.as_bytes(), subject.as_bytes(), end.0.to_string().as_bytes()]);
    format!("{subject}.{}.{mac}", end.0)
}

fn verified(key: &MacKey, purpose: &str, value: &str, now: Millis) -> Option<String> {
    let (subject, rest) = value.split_once('.')?;
    let (end, _) = rest.split_once('.')?;
    let end = Millis(end.parse().ok()?);
    let subject = String::from_utf8(hex::decode(subject).ok()?).ok()?;
    let genuine = signed(key, purpose, &subject, end);
    (same(genuine.as_bytes(), value.as_bytes()) && now < end).then_some(subject)
}

/// Compares in a time that does not tell where the difference is.
fn same(left: &[u8], right: &[u8]) -> bool {
    left.len() == right.len()
        && left.iter().zip(right).fold(0, |difference, (a, b)| difference | (a ^ b)) == 0
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key() -> MacKey {
        qnt9_store::MasterKey::from_bytes([7; 32]).mac_key("console-sessions")
    }

    #[test]
    fn a_signed_subject_is_known_again_until_its_end() {
        let value = signed(&key(), "session", "al.ice", Millis(1000));
        assert_eq!(verified(&key(), "session", &value, Millis(999)), Some("al.ice".to_owned()));
        assert_eq!(verified(&key(), "session", &value, Millis(1000)), None);
        assert_eq!(verified(&key(), "link", &value, Millis(0)), None, "another purpose");
    }

    #[test]
    fn no_changed_value_is_taken() {
        let value = signed(&key(), "session", "alice", Millis(1000));
        for at in 0..value.len() {
            let mut bytes = value.clone().into_bytes();
            bytes[at] = if bytes[at] == b'0' { b'1' } else { b'0' };
            let changed = String::from_utf8(bytes).expect("ASCII stays ASCII");
            assert_eq!(verified(&key(), "session", &changed, Millis(0)), None, "{changed}");
        }
        for bad in ["", ".", "..", "zz.1.2", "616c696365.1000", "616c696365..x"] {
            assert_eq!(verified(&key(), "session", bad, Millis(0)), None, "{bad}");
        }
    }
}
