//! Access tokens: JSON Web Tokens (RFC 7519) signed with Ed25519 (RFC 8037), checked without asking anybody.

use std::{
    collections::HashMap,
    fmt,
    sync::{PoisonError, RwLock},
};

use axum::http::{HeaderMap, StatusCode, header::AUTHORIZATION};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use ring::{
    digest,
    signature::{ED25519, Ed25519KeyPair, KeyPair as _, UnparsedPublicKey},
};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::{answer::ApiError, limit::Tier};

/// Who issues the tokens.
pub const ISSUER: &str = "qnt9-srs";
/// A token longer than this is none of ours.
const TOKEN_BYTES_MAX: usize = 2048;

/// What a token says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Claims {
    pub iss: String,
    /// The user's id.
    pub sub: String,
    pub tier: Tier,
    /// When it was issued, in seconds since 1970.
    pub iat: u64,
    /// From when on it is not valid any more, in seconds since 1970.
    pub exp: u64,
}

#[derive(Serialize, Deserialize)]
struct Header {
    alg: String,
    typ: String,
    kid: String,
}

/// A key that signs.
pub struct SigningKey {
    kid: String,
    pair: Ed25519KeyPair,
}

impl SigningKey {
    /// The key that 32 secret bytes stand for. Its id is a digest of its public half.
    pub fn from_seed(seed: &[u8]) -> Result<Self, String> {
        let pair = Ed25519KeyPair::from_seed_unchecked(seed)
            .map_err(|error| format!("these bytes make no Ed25519 key: {error}"))?;
        let digest = digest::digest(&digest::SHA256, pair.public_key().as_ref());
        Ok(Self { kid: URL_SAFE_NO_PAD.encode(&digest.as_ref()[..12]), pair })
    }

    pub fn kid(&self) -> &str {
        &self.kid
    }

    pub fn public_key(&self) -> &[u8] {
        self.pair.public_key().as_ref()
    }

    /// The token that makes these claims.
    pub fn sign(&self, claims: &Claims) -> String {
        let header = json!({ "alg": "EdDSA", "typ": "JWT", "kid": self.kid });
        let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
        let signed = format!("{}.{}", part(&header), part(&json!(claims)));
        let signature = URL_SAFE_NO_PAD.encode(self.pair.sign(signed.as_bytes()));
        format!("{signed}.{signature}")
    }
}

/// The public keys that tokens may be signed with, by their ids.
#[derive(Default)]
pub struct KeySet {
    keys: RwLock<HashMap<String, Vec<u8>>>,
}

/// Why a token is not accepted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TokenError {
    /// There is no `Authorization: Bearer TOKEN`.
    Missing,
    /// It is no token, or not one of the kind that is issued here.
    Malformed,
    /// No key of this id is known; perhaps it is newer than the key set.
    UnknownKey,
    /// Somebody else wrote it, or it was changed.
    BadSignature,
    Expired,
}

impl KeySet {
    /// Replaces the keys: pairs of id and public key.
    pub fn replace(&self, keys: impl IntoIterator<Item = (String, Vec<u8>)>) {
        *self.keys.write().unwrap_or_else(PoisonError::into_inner) = keys.into_iter().collect();
    }

    /// The keys as others fetch them (RFC 7517), in the order of their ids.
    pub fn document(&self) -> Value {
        let keys = self.keys.read().unwrap_or_else(PoisonError::into_inner);
        let mut keys: Vec<_> = keys.iter().collect();
        keys.sort();
        let key = |(kid, public): &(&String, &Vec<u8>)| {
            let x = URL_SAFE_NO_PAD.encode(public);
            json!({ "kty": "OKP", "crv": "Ed25519", "use": "sig", "alg": "EdDSA", "kid": kid, "x": x })
        };
        json!({ "keys": keys.iter().map(key).collect::<Vec<_>>() })
    }

    /// The set that [`KeySet::document`] describes, as somebody has fetched it.
    pub fn from_document(document: &Value) -> Result<Self, String> {
        let keys = document["keys"].as_array().ok_or("there are no keys in it")?;
        let key = |key: &Value| {
            let public = URL_SAFE_NO_PAD.decode(key["x"].as_str()?).ok()?;
            Some((key["kid"].as_str()?.to_owned(), public))
        };
        let set = Self::default();
        set.replace(keys.iter().filter_map(key));
        Ok(set)
    }

    /// What the token claims, if one of the keys signed it and it has not expired at `now`, in seconds
    /// since 1970.
    pub fn verify(&self, token: &str, now: u64) -> Result<Claims, TokenError> {
        let parts: Vec<&str> = token.split('.').collect();
        let ([header, claims, signature], true) = (&parts[..], token.len() <= TOKEN_BYTES_MAX)
        else {
            return Err(TokenError::Malformed);
        };
        let decode = |text: &str| URL_SAFE_NO_PAD.decode(text).map_err(|_| TokenError::Malformed);
        let header: Header = read(&decode(header)?)?;
        // The algorithm is ours to choose, never the token's.
        if header.alg != "EdDSA" || header.typ != "JWT" {
            return Err(TokenError::Malformed);
        }
        let signature = decode(signature)?;
        let signed = &token[..parts[0].len() + 1 + claims.len()];
        let keys = self.keys.read().unwrap_or_else(PoisonError::into_inner);
        let key = keys.get(&header.kid).ok_or(TokenError::UnknownKey)?;
        UnparsedPublicKey::new(&ED25519, key)
            .verify(signed.as_bytes(), &signature)
            .map_err(|_| TokenError::BadSignature)?;
        let claims: Claims = read(&decode(claims)?)?;
        if claims.iss != ISSUER {
            return Err(TokenError::Malformed);
        }
        if claims.exp <= now { Err(TokenError::Expired) } else { Ok(claims) }
    }
}

fn read<T: for<'a> Deserialize<'a>>(json: &[u8]) -> Result<T, TokenError> {
    serde_json::from_slice(json).map_err(|_| TokenError::Malformed)
}

/// The token in `Authorization: Bearer TOKEN`.
pub fn bearer(headers: &HeaderMap) -> Result<&str, TokenError> {
    let value = headers.get(AUTHORIZATION).ok_or(TokenError::Missing)?;
    let value = value.to_str().map_err(|_| TokenError::Malformed)?;
    let (scheme, token) = value.split_once(' ').ok_or(TokenError::Malformed)?;
    if scheme.eq_ignore_ascii_case("bearer") {
        Ok(token.trim())
    } else {
        Err(TokenError::Malformed)
    }
}

impl fmt::Display for TokenError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Missing => "sign in first: there is no `Authorization: Bearer TOKEN`",
            Self::Malformed => "the access token is none that was issued here",
            Self::UnknownKey => "the access token is signed with a key that is not known any more",
            Self::BadSignature => "the signature of the access token is wrong",
            Self::Expired => {
                "the access token has expired: get the next one with the refresh token"
            }
        })
    }
}

impl From<TokenError> for ApiError {
    fn from(error: TokenError) -> Self {
        let code = match error {
            TokenError::Missing => "token_missing",
            TokenError::Expired => "token_expired",
            _ => "token_invalid",
        };
        Self::new(StatusCode::UNAUTHORIZED, code, error.to_string())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: u64 = 1_800_000_000;

    fn claims() -> Claims {
        let (iss, sub) = (ISSUER.to_owned(), "7".to_owned());
        Claims { iss, sub, tier: Tier::Paid, iat: NOW, exp: NOW + 900 }
    }

    fn key_and_set(seed: u8) -> (SigningKey, KeySet) {
        let key = SigningKey::from_seed(&[seed; 32]).unwrap();
        let set = KeySet::default();
        set.replace([(key.kid().to_owned(), key.public_key().to_vec())]);
        (key, set)
    }

    #[test]
    fn what_was_signed_is_read_until_it_expires() {
        let (key, set) = key_and_set(1);
        let token = key.sign(&claims());
        assert_eq!(set.verify(&token, NOW + 899), Ok(claims()));
        assert_eq!(set.verify(&token, NOW + 900), Err(TokenError::Expired));
    }

    #[test]
    fn a_token_changed_in_any_place_is_refused() {
        let (key, set) = key_and_set(1);
        let token = key.sign(&claims());
        for place in 0..token.len() {
            let mut changed = token.clone().into_bytes();
            changed[place] = if changed[place] == b'A' { b'B' } else { b'A' };
            let changed = String::from_utf8(changed).unwrap();
            assert!(set.verify(&changed, NOW).is_err(), "byte {place} of {token}");
        }
    }

    #[test]
    fn the_token_does_not_choose_its_algorithm_nor_its_key() {
        let (key, set) = key_and_set(1);
        let (other, _) = key_and_set(2);
        assert_eq!(set.verify(&other.sign(&claims()), NOW), Err(TokenError::UnknownKey));
        for alg in ["none", "HS256", "eddsa"] {
            let header = json!({ "alg": alg, "typ": "JWT", "kid": key.kid() }).to_string();
            let token = key.sign(&claims());
            let (_, rest) = token.split_once('.').unwrap();
            let token = format!("{}.{rest}", URL_SAFE_NO_PAD.encode(header));
            assert_eq!(set.verify(&token, NOW), Err(TokenError::Malformed), "{alg}");
        }
        for nonsense in ["", "a.b", "a.b.c", "....", &"a".repeat(5000)] {
            assert_eq!(set.verify(nonsense, NOW), Err(TokenError::Malformed));
        }
    }

    /// The key and its thumbprint input of RFC 8037, appendix A.
    #[test]
    fn the_published_key_is_that_of_the_standard_s_example() {
        let seed = URL_SAFE_NO_PAD.decode("nWGxne_9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A").unwrap();
        let key = SigningKey::from_seed(&seed).unwrap();
        let set = KeySet::default();
        set.replace([(key.kid().to_owned(), key.public_key().to_vec())]);
        let document = set.document();
        assert_eq!(document["keys"][0]["x"], "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo");
        assert_eq!(document["keys"][0]["kty"], "OKP");
        let fetched = KeySet::from_document(&document).unwrap();
        assert_eq!(fetched.verify(&key.sign(&claims()), NOW), Ok(claims()));
    }
}
