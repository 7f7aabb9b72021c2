//! Brings requests to the server that decides for the stream they are about, in the caller's own name.
//!
//! Reading is done here, from what this server follows; whatever may change something, and what only
//! the owner has (the lines of a running job, a push on its way), goes to the owner as it came.

use std::time::{Duration, Instant};

use axum::Json;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};
use base64::Engine as _;
use http::header::{self, HeaderName, HeaderValue};
use http::{HeaderMap, Method, StatusCode, Uri};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use qnt9_model::StreamId;
use tokio::net::TcpStream;

use crate::api::shapes::{ErrorBody, ErrorClass, ErrorShape};
use crate::{Core, identity};

/// Says which server forwarded a request: it is forwarded once only.
const FORWARDED: HeaderName = HeaderName::from_static("qnt9-forwarded-by");
/// How far the stream was when its owner had answered.
const SEQUENCE: HeaderName = HeaderName::from_static("qnt9-sequence");
/// How long a request waits for somebody to decide: longer than a takeover takes.
const PATIENCE: Duration = Duration::from_secs(5);
/// How often it is looked meanwhile.
const PULSE: Duration = Duration::from_millis(100);
/// How long an owner may take to take a connection.
const CONNECT_PATIENCE: Duration = Duration::from_secs(1);
/// How long an answer waits until what it tells is known here.
const LEARN_PATIENCE: Duration = Duration::from_secs(1);
/// When whoever is told to wait should ask again, in seconds.
const RETRY_AFTER: HeaderValue = HeaderValue::from_static("1");
/// Headers that are about one connection.
const OF_CONNECTION: [HeaderName; 5] =
    [header::CONNECTION, header::TE, header::TRAILER, header::TRANSFER_ENCODING, header::UPGRADE];

/// What forwarding needs.
#[derive(Clone)]
pub(crate) struct Forwarding {
    core: Core,
    client: Client<HttpConnector, Body>,
}

impl Forwarding {
    pub(crate) fn new(core: &Core) -> Self {
        let client = Client::builder(TokioExecutor::new()).build_http();
        Self { core: core.clone(), client }
    }
}

/// Stands before every route of a server that shares its log.
pub(crate) async fn forward(
    State(forwarding): State<Forwarding>,
    request: Request,
    next: Next,
) -> Response {
    let core = &forwarding.core;
    let Some(stream) = stream_of(core, &request) else { return next.run(request).await };
    if core.owns(&stream) {
        let is_forwarded = request.headers().contains_key(FORWARDED);
        let mut answer = next.run(request).await;
        if is_forwarded {
            let sequence = core.machine().head(&stream).sequence;
            answer.headers_mut().insert(SEQUENCE, HeaderValue::from(sequence));
        }
        return answer;
    }
    if !is_for_owner(request.method(), request.uri().path()) {
        return next.run(request).await;
    }
    if request.headers().contains_key(FORWARDED) {
        return nobody(&stream);
    }
    let since = Instant::now();
    while since.elapsed() < PATIENCE {
        if core.owns(&stream) {
            return next.run(request).await;
        }
        match owner_that_answers(core, &stream).await {
            Some(owner) => return forwarding.send_while_it_owns(request, &stream, &owner).await,
            // Between the end of an owner and the next one.
            None => tokio::time::sleep(PULSE).await,
        }
    }
    nobody(&stream)
}

/// The owner's address, when somebody takes connections there.
async fn owner_that_answers(core: &Core, stream: &StreamId) -> Option<String> {
    let owner = core.owners().of(stream)?.address;
    let place = owner.strip_prefix("http://").filter(|_| owner != core.url())?;
    let connected = tokio::time::timeout(CONNECT_PATIENCE, TcpStream::connect(place)).await;
    matches!(connected, Ok(Ok(_))).then_some(owner)
}

impl Forwarding {
    /// Forwards the request. An owner that is held up while another server takes over never answers.
    async fn send_while_it_owns(
        &self,
        request: Request,
        stream: &StreamId,
        owner: &str,
    ) -> Response {
        let lost = async {
            while self.core.owner_of(stream).is_none_or(|now| now == owner) {
                tokio::time::sleep(PULSE).await;
            }
        };
        tokio::select! {
            answer = self.send(request, owner) => match answer {
                Ok(answer) => {
                    let told = answer.headers().get(&SEQUENCE).cloned();
                    self.learn(stream, told).await;
                    answer
                }
                Err(error) => {
                    tracing::warn!(%stream, %owner, "the owner broke off: {error}");
                    nobody(stream)
                }
            },
            () = lost => nobody(stream),
        }
    }

    /// Waits until what the owner did is known here too: whoever asks next is to see it.
    async fn learn(&self, stream: &StreamId, sequence: Option<HeaderValue>) {
        let told = sequence.as_ref().and_then(|value| value.to_str().ok());
        let Some(told) = told.and_then(|told| told.parse::<u64>().ok()) else { return };
        let mut changed = self.core.changed();
        let learnt = async {
            while self.core.machine().head(stream).sequence < told {
                if changed.changed().await.is_err() {
                    return;
                }
            }
        };
        // A follower that is far behind is no reason to keep the answer back.
        let _ = tokio::time::timeout(LEARN_PATIENCE, learnt).await;
    }

    async fn send(&self, mut request: Request, owner: &str) -> Result<Response, String> {
        let path = request.uri().path_and_query().map_or("/", |path| path.as_str());
        let uri: Uri = format!("{owner}{path}").parse().map_err(|error| format!("{error}"))?;
        let cookie = (cookie_of(&self.core.url()), cookie_of(owner));
        *request.uri_mut() = uri;
        *request.version_mut() = http::Version::HTTP_11;
        let headers = request.headers_mut();
        OF_CONNECTION.iter().for_each(|name| drop(headers.remove(name)));
        rename_cookie(headers, &cookie.0, &cookie.1);
        let me = HeaderValue::from_str(&self.core.url()).map_err(|error| error.to_string())?;
        headers.insert(FORWARDED, me);
        let answer =
            self.client.request(request).await.map_err(|error| match std::error::Error::source(
                &error,
            ) {
                Some(cause) => format!("{error}: {cause}"),
                None => error.to_string(),
            })?;
        let mut answer = answer.map(Body::new);
        OF_CONNECTION.iter().for_each(|name| drop(answer.headers_mut().remove(name)));
        Ok(answer)
    }
}

/// Nobody decides for the stream at this moment, as after the end of its owner.
fn nobody(stream: &StreamId) -> Response {
    let message = format!("no server decides for {stream} at this moment; ask again in a second");
    let error = ErrorShape { class: ErrorClass::Unavailable, message, why: None };
    let mut answer = (StatusCode::SERVICE_UNAVAILABLE, Json(ErrorBody { error })).into_response();
    answer.headers_mut().insert(header::RETRY_AFTER, RETRY_AFTER);
    answer
}

/// The stream that a request is about: its path says so, or the job whose token it carries.
fn stream_of(core: &Core, request: &Request) -> Option<StreamId> {
    let mut path = request.uri().path().trim_start_matches('/').split('/');
    let named = match (path.next()?, path.next(), path.next(), path.next()) {
        ("git", Some(repository), ..) => Some(repository.trim_end_matches(".git")),
        ("p", Some(project), ..)
        | ("api", Some("terraform"), Some(project), _)
        | ("api", Some("v1"), Some("projects"), Some(project)) => Some(project),
        _ => None,
    };
    let project = named.filter(|name| !name.is_empty()).map(StreamId::from);
    let of_job = || of_job(core, request.headers());
    // What is about no project is about people, tokens, and which projects there are.
    let is_api = request.uri().path().starts_with("/api/");
    project.or_else(of_job).or_else(|| is_api.then(StreamId::platform))
}

/// The project of the job whose token a request carries, as a bearer or as a password.
fn of_job(core: &Core, headers: &HeaderMap) -> Option<StreamId> {
    let value = headers.get(header::AUTHORIZATION)?.to_str().ok()?;
    let (scheme, rest) = value.split_once(' ')?;
    let token = if scheme.eq_ignore_ascii_case("basic") {
        let decoded = base64::engine::general_purpose::STANDARD.decode(rest.trim()).ok()?;
        String::from_utf8(decoded).ok()?.split_once(':')?.1.to_owned()
    } else {
        rest.trim().to_owned()
    };
    identity::job_of_token(core.token_key(), &token)?.project
}

/// Whether a request can be answered only by the owner of its stream.
fn is_for_owner(method: &Method, path: &str) -> bool {
    let reads = [Method::GET, Method::HEAD, Method::OPTIONS].contains(method);
    let only_there = ["/git/", "/api/v1/step/", "/api/v1/runs/", "/api/terraform/"];
    let of_running_job = ["/log", "/log.txt", "/lines", "/live"];
    let is_only_there = only_there.iter().any(|start| path.starts_with(start))
        || (path.contains("/jobs/") && of_running_job.iter().any(|end| path.ends_with(end)));
    !reads || is_only_there
}

/// The console's cookie of the server at this address: browsers give cookies to every port of a host,
/// so the port is part of the name.
fn cookie_of(address: &str) -> String {
    let port = address.rsplit_once(':').map_or("", |(_, port)| port.trim_end_matches('/'));
    crate::console::cookie_of_port(port)
}

/// A session counts at every server of a log; only its cookie's name differs.
fn rename_cookie(headers: &mut HeaderMap, from: &str, to: &str) {
    let cookies: Vec<HeaderValue> = headers
        .get_all(header::COOKIE)
        .iter()
        .filter_map(|value| {
            let pairs =
                value.to_str().ok()?.split(';').map(|pair| match pair.trim().split_once('=') {
                    Some((name, value)) if name == from => format!("{to}={value}"),
                    _ => pair.trim().to_owned(),
                });
            HeaderValue::from_str(&pairs.collect::<Vec<_>>().join("; ")).ok()
        })
        .collect();
    headers.remove(header::COOKIE);
    for cookie in cookies {
        headers.append(header::COOKIE, cookie);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reading_is_done_here_and_the_rest_by_the_owner() {
        let reads = [
            "/api/v1/projects/shop/runs",
            "/api/v1/projects/shop/changes",
            "/p/shop",
            "/p/shop/runs/7",
            "/p/shop/events",
            "/api/v1/audit/shop",
        ];
        for path in reads {
            assert!(!is_for_owner(&Method::GET, path), "{path}");
            assert!(is_for_owner(&Method::POST, path), "{path}");
        }
        let only_there = [
            "/git/shop.git/info/refs",
            "/api/v1/step/context",
            "/api/v1/runs/7/artifacts/x",
            "/api/terraform/shop/state/staging",
            "/api/v1/projects/shop/runs/7/jobs/test/log",
            "/p/shop/runs/7/jobs/test/live",
        ];
        for path in only_there {
            assert!(is_for_owner(&Method::GET, path), "{path}");
        }
    }

    #[test]
    fn a_session_is_known_by_the_owners_name_for_it() {
        let mut headers = HeaderMap::new();
        let given = HeaderValue::from_static("a=b; qnt9_session_9009=x.y; qnt9_session_90=z");
        headers.insert(header::COOKIE, given);
        let (here, there) =
            (cookie_of("http://127.0.0.1:9009"), cookie_of("http://127.0.0.1:9010"));
        rename_cookie(&mut headers, &here, &there);
        assert_eq!(headers[header::COOKIE], "a=b; qnt9_session_9010=x.y; qnt9_session_90=z");
    }
}
