//! Whose request it is, whether it may come from where it comes from, and the headers of every
//! answer.

use std::convert::Infallible;

use axum::extract::{FromRequestParts, Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Redirect, Response};
use http::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, COOKIE, HOST, HeaderValue, ORIGIN, REFERRER_POLICY,
    X_CONTENT_TYPE_OPTIONS, X_FRAME_OPTIONS,
};
use http::request::Parts;
use http::{HeaderMap, Method, StatusCode, Uri};
use qnt9_console::{SignedIn, Visitor, paths};

use super::session::{self, Session};
use super::{Console, look};
use crate::Core;

/// Nothing but what this server serves: no inline script, no inline style, no frame around it.
const POLICY: HeaderValue = HeaderValue::from_static(
    "default-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'; object-src 'none'",
);

/// Whoever asks.
pub(super) struct Caller {
    pub(super) session: Option<Session>,
    /// The page they are on.
    pub(super) here: String,
}

impl FromRequestParts<Console> for Caller {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, console: &Console) -> Result<Self, Infallible> {
        Ok(Self { session: session_of(&console.core, &parts.headers), here: here(&parts.uri) })
    }
}

impl Caller {
    /// The caller as pages see them.
    pub(super) fn visitor(&self, core: &Core) -> Visitor {
        let person = self.session.clone().map(|session| {
            let (core, value) = (core.clone(), session.value);
            let demo = matches!(session.actor, qnt9_model::Actor::Person { demo: true, .. });
            let csrf = Box::new(move |path: &str| session::proof(&core, &value, path));
            SignedIn { name: session.name, role: session.role, demo, csrf }
        });
        Visitor { person, here: self.here.clone() }
    }
}

fn session_of(core: &Core, headers: &HeaderMap) -> Option<Session> {
    let mut cookies = headers.get_all(COOKIE).iter().filter_map(|value| value.to_str().ok());
    cookies.find_map(|cookies| session::of_cookies(core, cookies))
}

fn here(uri: &Uri) -> String {
    uri.path_and_query().map_or_else(|| "/".to_owned(), ToString::to_string)
}

/// Stands before every route.
pub(super) async fn guard(
    State(console): State<Console>,
    request: Request,
    next: Next,
) -> Response {
    let mut answer = match refuse(&console.core, &request) {
        Some(refused) => refused,
        None => next.run(request).await,
    };
    let headers = answer.headers_mut();
    headers.insert(CONTENT_SECURITY_POLICY, POLICY);
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(REFERRER_POLICY, HeaderValue::from_static("same-origin"));
    headers.insert(X_FRAME_OPTIONS, HeaderValue::from_static("DENY"));
    headers.entry(CACHE_CONTROL).or_insert(HeaderValue::from_static("no-store"));
    answer
}

/// Stands before what programs use: repositories may be read without a token on this machine, and a
/// page elsewhere whose name was made to mean this machine must not read them through its browser.
pub(crate) async fn guard_programs(
    State(core): State<Core>,
    request: Request,
    next: Next,
) -> Response {
    if is_misled(&core, &request) {
        let reason =
            "this server serves its own machine only, and the request names another host\n";
        return (StatusCode::MISDIRECTED_REQUEST, reason).into_response();
    }
    next.run(request).await
}

/// Whether a request to a server of this machine alone names another machine.
fn is_misled(core: &Core, request: &Request) -> bool {
    core.config().listen.ip().is_loopback() && !names_this_machine(host(request))
}

/// The host that a request is for: of its header, or with HTTP/2 of its address.
fn host(request: &Request) -> &str {
    let header = request.headers().get(HOST).and_then(|host| host.to_str().ok());
    header.or_else(|| request.uri().authority().map(|it| it.as_str())).unwrap_or_default()
}

/// The answer for a request that must not reach its page.
fn refuse(core: &Core, request: &Request) -> Option<Response> {
    let loopback = core.config().listen.ip().is_loopback();
    let host = host(request);
    if is_misled(core, request) {
        return Some(say(
            StatusCode::MISDIRECTED_REQUEST,
            "This console serves this machine only",
            "The address in your browser names another host. A page elsewhere may have led it here; \
             open the address that qnt9 printed.",
        ));
    }
    if request.method() == Method::POST && !comes_from_here(request.headers(), host) {
        return Some(say(
            StatusCode::FORBIDDEN,
            "That form did not come from this console",
            "Nothing was changed. Open the page here and use its own form.",
        ));
    }
    let is_open = [paths::LOGIN, paths::LOGIN_DEMO].contains(&request.uri().path())
        || request.uri().path().starts_with("/assets/");
    let may_read = loopback || is_open || session_of(core, request.headers()).is_some();
    (!may_read).then(|| {
        let next = paths::segment(&here(request.uri()));
        Redirect::to(&format!("{}?next={next}", paths::LOGIN)).into_response()
    })
}

fn say(status: StatusCode, title: &str, reason: &str) -> Response {
    let page = qnt9_console::pages::trouble(&Visitor::default(), title, reason, "/");
    look::html(status, page)
}

/// Whether the host of a request is this machine's own. A name that somebody else's server answers
/// for must not reach what only this machine may read.
fn names_this_machine(host: &str) -> bool {
    let name = match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|digit| digit.is_ascii_digit()) => name,
        _ => host,
    };
    let address = name.trim_start_matches('[').trim_end_matches(']');
    let is_loopback =
        address.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback());
    is_loopback || name.eq_ignore_ascii_case("localhost")
}

/// Whether the browser says that a form came from a page of this server. Programs say nothing; they
/// have no cookies to misuse, and the form's proof is asked of them all the same.
fn comes_from_here(headers: &HeaderMap, host: &str) -> bool {
    let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
    let site = text("sec-fetch-site").is_none_or(|site| site == "same-origin" || site == "none");
    let origin = text(ORIGIN.as_str()).is_none_or(|origin| {
        origin.split_once("://").is_some_and(|(_, from)| from.eq_ignore_ascii_case(host))
    });
    site && origin
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_this_machines_names_reach_it() {
        for host in ["127.0.0.1:9009", "localhost:9009", "LOCALHOST", "[::1]:9009", "127.9.9.9"] {
            assert!(names_this_machine(host), "{host}");
        }
        for host in ["evil.example", "evil.example:9009", "127.0.0.1.evil.example", "", "10.0.0.1"]
        {
            assert!(!names_this_machine(host), "{host}");
        }
    }

    #[test]
    fn the_host_is_that_of_the_header_or_of_the_address() {
        let request = |uri: &str, header: Option<&str>| {
            let mut request = http::Request::builder().uri(uri);
            if let Some(value) = header {
                request = request.header(HOST, value);
            }
            request.body(axum::body::Body::empty()).unwrap()
        };
        let evil = Some("evil.example:9009");
        assert_eq!(host(&request("/git/x.git/info/refs", evil)), "evil.example:9009");
        assert_eq!(host(&request("http://127.0.0.1:9009/", None)), "127.0.0.1:9009", "HTTP/2");
        assert_eq!(host(&request("http://127.0.0.1:9009/", evil)), "evil.example:9009");
        assert_eq!(host(&request("/", None)), "");
    }

    #[test]
    fn a_form_of_another_site_is_seen() {
        let headers = |pairs: &[(&'static str, &'static str)]| {
            let pairs = pairs.iter().map(|(name, value)| {
                (http::HeaderName::from_static(name), HeaderValue::from_static(value))
            });
            pairs.collect::<HeaderMap>()
        };
        let host = "127.0.0.1:9009";
        assert!(comes_from_here(&headers(&[]), host));
        assert!(comes_from_here(&headers(&[("origin", "http://127.0.0.1:9009")]), host));
        assert!(!comes_from_here(&headers(&[("origin", "http://127.0.0.1:9010")]), host));
        assert!(!comes_from_here(&headers(&[("origin", "null")]), host));
        assert!(!comes_from_here(&headers(&[("sec-fetch-site", "same-site")]), host));
        assert!(comes_from_here(&headers(&[("sec-fetch-site", "same-origin")]), host));
    }
}
