//! Clone, fetch and push over git's smart http protocol.
//!
//! Source of the protocol: git's `gitprotocol-http(5)`, `gitprotocol-pack(5)` and
//! `gitprotocol-v2(5)`. Both sides of the conversation are streamed: neither a pack that is pushed
//! nor one that is fetched is ever held in memory.

mod body;
mod exchange;
mod head;
mod packet;
mod push;

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::{Path, Query, Request, State};
use axum::response::{IntoResponse as _, Response};
use axum::routing::{get, post};
use http::{HeaderMap, StatusCode, header};
use qnt9_model::door::Identity;
use qnt9_model::{Actor, Door, PushId, Role, StreamId};
use serde::Deserialize;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite};

use crate::access::{Failure, check_project, identify};
use body::GitBody;
use push::Incoming;

/// What a repository may advertise; some 300,000 refs.
const ADVERTISEMENT_BYTES_MAX: u64 = 32 * 1024 * 1024;

/// The repositories of all projects; implemented by whoever starts processes.
pub trait Repositories: Send + Sync + 'static {
    /// Starts one side of the stateless transport: the refs and abilities when `advertise` is set,
    /// else one request and its answer. `protocol` is the client's `Git-Protocol` header. An error is
    /// a sentence for people.
    fn serve(
        &self,
        project: &StreamId,
        service: Service,
        advertise: bool,
        protocol: Option<&str>,
    ) -> Result<Conversation, String>;

    /// Called once git has ended, however it ended and whether or not the client is still there:
    /// finds out which refs did move and reports them. Answers lines for the pusher's screen.
    fn settle(&self, project: &StreamId, push: PushId) -> Later<Vec<String>>;
}

/// What is answered later.
pub type Later<T> = Pin<Box<dyn Future<Output = T> + Send>>;

/// The two programs of git's transport.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Service {
    /// Clone and fetch.
    UploadPack,
    /// Push.
    ReceivePack,
}

impl Service {
    /// The name on the wire, `git-upload-pack`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::UploadPack => "git-upload-pack",
            Self::ReceivePack => "git-receive-pack",
        }
    }
}

/// A started git. Dropping it ends it.
pub struct Conversation {
    /// Its standard input.
    pub input: Box<dyn AsyncWrite + Send + Unpin>,
    /// Its standard output.
    pub output: Box<dyn AsyncRead + Send + Unpin>,
    /// How it ended: nothing to say, or what went wrong.
    pub end: Later<Result<(), String>>,
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

/// The three routes of the protocol, below `/git/PROJECT.git`.
pub fn router(host: GitHost) -> Router {
    Router::new()
        .route("/git/{repository}/info/refs", get(advertise))
        .route("/git/{repository}/git-upload-pack", post(upload_pack))
        .route("/git/{repository}/git-receive-pack", post(receive_pack))
        .with_state(host)
}

/// `?service=` says which program the client means to talk to.
#[derive(Deserialize)]
struct Wanted {
    service: Option<String>,
}

impl GitHost {
    /// Checks that the client may talk to this program at all.
    fn admit(
        &self,
        headers: &HeaderMap,
        repository: &str,
        service: Service,
    ) -> Result<(StreamId, Option<Identity>), Failure> {
        let project = StreamId::from(repository.strip_suffix(".git").unwrap_or(repository));
        let identity = match service {
            Service::UploadPack if self.public_read => identify(&*self.door, headers)?,
            _ => Some(crate::access::require(&*self.door, headers)?),
        };
        check_project(&*self.door, identity.as_ref(), &project)?;
        if let (Service::ReceivePack, Some(identity)) = (service, &identity) {
            check_may_push(identity)?;
        }
        Ok((project, identity))
    }
}

/// Said before anything is sent, so that git can show it. The engine decides again on the push itself.
fn check_may_push(identity: &Identity) -> Result<(), Failure> {
    let text = match (&identity.actor, identity.role) {
        (Actor::Person { .. }, Role::Viewer) => format!(
            "{} cannot push: it needs the role {}, and {} is {}",
            identity.actor,
            Role::Developer,
            identity.actor,
            identity.role
        ),
        (Actor::Person { .. }, _) => return Ok(()),
        (actor, _) => format!("{actor} cannot push: only people do, a job's token may only read"),
    };
    Err(Failure::new(StatusCode::FORBIDDEN, text))
}

async fn advertise(
    State(host): State<GitHost>,
    Path(repository): Path<String>,
    Query(wanted): Query<Wanted>,
    headers: HeaderMap,
) -> Result<Response, Failure> {
    let service = match wanted.service.as_deref() {
        Some("git-upload-pack") => Service::UploadPack,
        Some("git-receive-pack") => Service::ReceivePack,
        _ => {
            let text = "only git's smart http protocol is spoken here: use git 1.6.6 or later";
            return Err(Failure::new(StatusCode::FORBIDDEN, text));
        }
    };
    let (project, _) = host.admit(&headers, &repository, service)?;
    let protocol = protocol(&headers);
    // Version 2 begins with its own line; the older ones with the service's name.
    let version_2 = protocol.is_some_and(|text| text.contains("version=2"));
    let mut answer = Vec::new();
    if !version_2 || service == Service::ReceivePack {
        answer.extend(packet::line(format!("# service={}\n", service.name()).as_bytes()));
        answer.extend(packet::FLUSH);
    }
    let started = host.repositories.serve(&project, service, true, protocol);
    let Conversation { input, output, end } = started.map_err(failed)?;
    drop(input);
    let mut output = output.take(ADVERTISEMENT_BYTES_MAX);
    let read = output.read_to_end(&mut answer).await;
    read.map_err(|error| failed(format!("git's answer was cut off: {error}")))?;
    end.await.map_err(failed)?;
    let kind = format!("application/x-{}-advertisement", service.name());
    Ok(answered(&kind, Body::from(Bytes::from(answer))))
}

async fn upload_pack(
    State(host): State<GitHost>,
    Path(repository): Path<String>,
    request: Request,
) -> Result<Response, Failure> {
    let service = Service::UploadPack;
    let headers = request.headers().clone();
    let (project, _) = host.admit(&headers, &repository, service)?;
    let body = GitBody::new(request)?;
    let started = host.repositories.serve(&project, service, false, protocol(&headers));
    let fetched = exchange::fetch(started.map_err(failed)?, body);
    Ok(answered("application/x-git-upload-pack-result", fetched))
}

async fn receive_pack(
    State(host): State<GitHost>,
    Path(repository): Path<String>,
    request: Request,
) -> Result<Response, Failure> {
    let headers = request.headers().clone();
    let (project, identity) = host.admit(&headers, &repository, Service::ReceivePack)?;
    let by = identity.map_or(Actor::Platform, |identity| identity.actor);
    let push = Incoming { project, by, protocol: protocol(&headers).map(str::to_owned) };
    let answer = push::receive(host, push, GitBody::new(request)?).await?;
    Ok(answered("application/x-git-receive-pack-result", answer))
}

fn protocol(headers: &HeaderMap) -> Option<&str> {
    headers.get("git-protocol").and_then(|value| value.to_str().ok())
}

fn failed(said: impl Into<String>) -> Failure {
    let said = said.into();
    tracing::error!(%said, "git failed");
    Failure::new(StatusCode::INTERNAL_SERVER_ERROR, said)
}

fn answered(kind: &str, body: Body) -> Response {
    let headers = [(header::CONTENT_TYPE, kind), (header::CACHE_CONTROL, "no-cache")];
    (headers, body).into_response()
}
