//! Git's smart HTTP transport: clone, fetch and push.
//!
//! Sources: git's `http-protocol`, `pack-protocol` and `protocol-common` documents. The pack itself
//! is git's own business: this module authenticates, announces a push before it is written, streams
//! both ways, and tells the pusher what the push started.

mod pkt;
mod push;

use std::future::Future;
use std::io::Read as _;
use std::pin::Pin;
use std::sync::Arc;

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::{Path, Query, State};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use base64::Engine as _;
use http::{HeaderMap, StatusCode, header};
use http_body_util::{BodyExt as _, Limited};
use qnt9_model::door::Identity;
use qnt9_model::{Door, PushId, Role, StreamId};
use serde::Deserialize;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};

/// What a client may say when it negotiates a fetch.
const NEGOTIATION_BYTES_MAX: usize = 64 * 1024 * 1024;
/// Bytes handed on at once.
const CHUNK_BYTES: usize = 64 * 1024;

/// The two services.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Service {
    /// Clone and fetch.
    UploadPack,
    /// Push.
    ReceivePack,
}

impl Service {
    fn of(name: &str) -> Option<Self> {
        match name {
            "git-upload-pack" => Some(Self::UploadPack),
            "git-receive-pack" => Some(Self::ReceivePack),
            _ => None,
        }
    }

    const fn name(self) -> &'static str {
        match self {
            Self::UploadPack => "git-upload-pack",
            Self::ReceivePack => "git-receive-pack",
        }
    }
}

/// One started git process. It is killed when this is dropped.
pub struct Conversation {
    /// What the client says goes in here; dropping it says that the client has finished.
    pub input: Box<dyn AsyncWrite + Send + Unpin>,
    /// What git says to the client.
    pub output: Box<dyn AsyncRead + Send + Unpin>,
    /// Ends with git's own complaint when it fails.
    pub end: Pin<Box<dyn Future<Output = Result<(), String>> + Send>>,
}

/// The repositories, and who settles their pushes; implemented by the server.
pub trait Repositories: Send + Sync + 'static {
    /// Starts one side of the stateless transport.
    fn serve(
        &self,
        project: &StreamId,
        service: Service,
        advertise: bool,
        protocol: Option<&str>,
    ) -> Result<Conversation, String>;

    /// The push is being received from here on, until [`Repositories::settle`].
    fn begin(&self, project: &StreamId, push: PushId);

    /// Git has ended, one way or the other: finds out which refs moved and returns what to tell the
    /// pusher.
    fn settle(
        &self,
        project: &StreamId,
        push: PushId,
    ) -> Pin<Box<dyn Future<Output = Vec<String>> + Send>>;
}

/// What the routes need.
#[derive(Clone)]
pub struct GitHost {
    /// The way to the machine.
    pub door: Arc<dyn Door>,
    /// The repositories.
    pub repositories: Arc<dyn Repositories>,
    /// Whether clones and fetches need no token. Pushes always need one.
    pub public_read: bool,
}

/// `/git/PROJECT.git/…`
pub fn router(host: GitHost) -> Router {
    Router::new()
        .route("/git/{repository}/info/refs", get(advertise))
        .route("/git/{repository}/git-upload-pack", post(fetch))
        .route("/git/{repository}/git-receive-pack", post(push::receive))
        .with_state(host)
}

#[derive(Deserialize)]
struct Advertise {
    service: Option<String>,
}

async fn advertise(
    State(host): State<GitHost>,
    Path(repository): Path<String>,
    Query(query): Query<Advertise>,
    headers: HeaderMap,
) -> Response {
    let Some(service) = query.service.as_deref().and_then(Service::of) else {
        return plain(StatusCode::FORBIDDEN, "only git's smart http protocol is spoken here");
    };
    let project = match admit(&host, &repository, &headers, service) {
        Ok((project, _)) => project,
        Err(refusal) => return refusal,
    };
    let conversation = host.repositories.serve(&project, service, true, protocol(&headers));
    let mut conversation = match conversation {
        Ok(conversation) => conversation,
        Err(reason) => return plain(StatusCode::INTERNAL_SERVER_ERROR, &reason),
    };
    drop(conversation.input);
    let mut answer = Vec::new();
    if protocol(&headers) != Some("version=2") || service == Service::ReceivePack {
        answer.extend(pkt::line(format!("# service={}\n", service.name()).as_bytes()));
        answer.extend(pkt::FLUSH);
    }
    if let Err(error) = conversation.output.read_to_end(&mut answer).await {
        return plain(StatusCode::INTERNAL_SERVER_ERROR, &format!("git was cut off: {error}"));
    }
    if let Err(reason) = conversation.end.await {
        return plain(StatusCode::INTERNAL_SERVER_ERROR, &reason);
    }
    answered(service, "advertisement", Body::from(answer))
}

async fn fetch(
    State(host): State<GitHost>,
    Path(repository): Path<String>,
    headers: HeaderMap,
    body: Body,
) -> Response {
    let service = Service::UploadPack;
    let project = match admit(&host, &repository, &headers, service) {
        Ok((project, _)) => project,
        Err(refusal) => return refusal,
    };
    let request = match Limited::new(body, NEGOTIATION_BYTES_MAX).collect().await {
        Ok(request) => request.to_bytes(),
        Err(error) => return plain(StatusCode::BAD_REQUEST, &error.to_string()),
    };
    let request = match inflate(&headers, request) {
        Ok(request) => request,
        Err(reason) => return plain(StatusCode::BAD_REQUEST, &reason),
    };
    let conversation = host.repositories.serve(&project, service, false, protocol(&headers));
    let conversation = match conversation {
        Ok(conversation) => conversation,
        Err(reason) => return plain(StatusCode::INTERNAL_SERVER_ERROR, &reason),
    };
    let Conversation { mut input, mut output, end } = conversation;
    let (sender, receiver) = tokio::sync::mpsc::channel::<Result<Bytes, std::io::Error>>(8);
    tokio::spawn(async move {
        let feed = async move {
            // Git may stop reading once it has decided; what it says tells the client why.
            let _ = input.write_all(&request).await;
        };
        let hand_on = async {
            let mut chunk = vec![0; CHUNK_BYTES];
            while let Ok(count) = output.read(&mut chunk).await {
                let bytes = Bytes::copy_from_slice(&chunk[..count]);
                if count == 0 || sender.send(Ok(bytes)).await.is_err() {
                    return;
                }
            }
        };
        tokio::join!(feed, hand_on);
        if let Err(reason) = end.await {
            tracing::warn!("a fetch ended with an error: {reason}");
            // The client must not take a torn answer for a whole one.
            let _ = sender.send(Err(std::io::Error::other(reason))).await;
        }
    });
    answered(service, "result", streamed(receiver))
}

/// A body from a channel.
fn streamed(
    mut receiver: tokio::sync::mpsc::Receiver<Result<Bytes, std::io::Error>>,
) -> Body {
    Body::from_stream(futures_util::stream::poll_fn(move |context| receiver.poll_recv(context)))
}

fn answered(service: Service, kind: &str, body: Body) -> Response {
    let content_type = format!("application/x-{}-{kind}", service.name());
    let headers = [(header::CONTENT_TYPE, content_type.as_str()), (header::CACHE_CONTROL, "no-cache")];
    (headers, body).into_response()
}

/// The project of the path and who asks, when they may.
fn admit(
    host: &GitHost,
    repository: &str,
    headers: &HeaderMap,
    service: Service,
) -> Result<(StreamId, Option<Identity>), Response> {
    let name = repository.strip_suffix(".git").unwrap_or(repository);
    let project = StreamId::from(name);
    let identity = match token(headers) {
        None => None,
        Some(token) => match host.door.who(&token) {
            Some(identity) => Some(identity),
            None => return Err(unauthorized("this token is nobody's, or no longer valid")),
        },
    };
    let foreign =
        identity.as_ref().and_then(|who| who.project.as_ref()).is_some_and(|own| *own != project);
    let may_read = host.public_read || identity.is_some();
    if !may_read {
        return Err(unauthorized("a token is needed"));
    }
    if foreign || !host.door.has_project(&project) {
        return Err(plain(StatusCode::NOT_FOUND, &format!("there is no repository {name}")));
    }
    if service == Service::ReceivePack {
        let Some(who) = &identity else {
            return Err(unauthorized("a push needs your token as the password"));
        };
        if who.actor.person().is_none() {
            return Err(plain(StatusCode::FORBIDDEN, "a job's token may read, but not push"));
        }
        if who.role < Role::Developer {
            let text = format!("{} may read, but not push: it needs the role developer", who.actor);
            return Err(plain(StatusCode::FORBIDDEN, &text));
        }
    }
    Ok((project, identity))
}

/// The token of `Authorization: Basic` (as the password) or `Bearer`.
fn token(headers: &HeaderMap) -> Option<String> {
    let value = headers.get(header::AUTHORIZATION)?.to_str().ok()?;
    if let Some(token) = value.strip_prefix("Bearer ") {
        return Some(token.trim().to_owned());
    }
    let encoded = value.strip_prefix("Basic ")?.trim();
    let decoded = base64::engine::general_purpose::STANDARD.decode(encoded).ok()?;
    let text = String::from_utf8(decoded).ok()?;
    text.split_once(':').map(|(_, password)| password.to_owned())
}

fn protocol(headers: &HeaderMap) -> Option<&str> {
    headers.get("git-protocol")?.to_str().ok()
}

/// The body without its gzip, which git uses for long negotiations.
fn inflate(headers: &HeaderMap, body: Bytes) -> Result<Bytes, String> {
    let encoding = headers.get(header::CONTENT_ENCODING).and_then(|value| value.to_str().ok());
    match encoding {
        None | Some("identity") => Ok(body),
        Some("gzip" | "x-gzip") => {
            let mut plain = Vec::new();
            let limit = NEGOTIATION_BYTES_MAX as u64;
            flate2::read::GzDecoder::new(&body[..])
                .take(limit)
                .read_to_end(&mut plain)
                .map_err(|error| format!("the request is not gzip: {error}"))?;
            Ok(plain.into())
        }
        Some(other) => Err(format!("the encoding {other} is not understood")),
    }
}

fn unauthorized(text: &str) -> Response {
    let challenge = [(header::WWW_AUTHENTICATE, "Basic realm=\"qnt9\"")];
    (StatusCode::UNAUTHORIZED, challenge, format!("{text}\n")).into_response()
}

/// A refusal that git shows its user.
fn plain(status: StatusCode, text: &str) -> Response {
    let headers = [(header::CONTENT_TYPE, "text/plain; charset=utf-8")];
    (status, headers, format!("{text}\n")).into_response()
}
