//! Receiving a push: announced first, then written by git, then settled.

use axum::body::{Body, Bytes};
use axum::extract::{Path, State};
use axum::response::Response;
use http::{HeaderMap, StatusCode};
use http_body_util::BodyExt as _;
use qnt9_model::fact::RefUpdate;
use qnt9_model::{Ask, Command, PushId, StreamId};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::sync::mpsc;

use super::pkt::{self, Head};
use super::{CHUNK_BYTES, Conversation, GitHost, Service, admit, answered, plain, streamed};

/// Bytes in which the refs of a push must be named.
const COMMANDS_BYTES_MAX: usize = 1024 * 1024;

pub(super) async fn receive(
    State(host): State<GitHost>,
    Path(repository): Path<String>,
    headers: HeaderMap,
    mut body: Body,
) -> Response {
    let (project, who) = match admit(&host, &repository, &headers, Service::ReceivePack) {
        Ok((project, Some(who))) => (project, who),
        Ok((_, None)) => return plain(StatusCode::UNAUTHORIZED, "a push needs a token"),
        Err(refusal) => return refusal,
    };
    if headers.contains_key(http::header::CONTENT_ENCODING) {
        return plain(StatusCode::UNSUPPORTED_MEDIA_TYPE, "a push is not taken compressed");
    }
    let (head, commands) = match commands(&mut body).await {
        Ok(found) => found,
        Err(reason) => return plain(StatusCode::BAD_REQUEST, &reason),
    };
    if commands.updates.is_empty() {
        return answered(Service::ReceivePack, "result", Body::empty());
    }
    let command = Command::OfferPush { updates: commands.updates };
    let ask = Ask { stream: project.clone(), by: who.actor, command };
    let push = match host.door.ask(ask).await {
        Ok(entries) => entries.first().map(|entry| PushId(entry.sequence)),
        Err(refusal) => return plain(StatusCode::FORBIDDEN, &refusal.to_string()),
    };
    let Some(push) = push else {
        return plain(StatusCode::INTERNAL_SERVER_ERROR, "the push was not announced");
    };
    host.repositories.begin(&project, push);
    let (sender, receiver) = mpsc::channel(8);
    let bands = commands.has_bands;
    // In a task of its own, so that the push is settled also when the client goes away.
    tokio::spawn(async move { Receiving { host, project, push, bands, sender }.run(head, body).await });
    answered(Service::ReceivePack, "result", streamed(receiver))
}

struct Commands {
    updates: Vec<RefUpdate>,
    /// Whether the client takes remarks on band 2.
    has_bands: bool,
}

/// Reads the body up to the end of the commands. Returns what was read of it, and the commands.
async fn commands(body: &mut Body) -> Result<(Vec<u8>, Commands), String> {
    let mut read = Vec::new();
    loop {
        match pkt::head(&read) {
            Head::Packets(packets) => {
                let commands = parse(&packets)?;
                return Ok((read, commands));
            }
            Head::Wrong => return Err("this is not a push: it has no packet lines".to_owned()),
            Head::Incomplete if read.len() > COMMANDS_BYTES_MAX => {
                return Err(format!("a push may name its refs in {COMMANDS_BYTES_MAX} bytes"));
            }
            Head::Incomplete => match body.frame().await {
                Some(Ok(frame)) => {
                    if let Some(data) = frame.data_ref() {
                        read.extend_from_slice(data);
                    }
                }
                Some(Err(error)) => return Err(format!("the push was cut off: {error}")),
                None => return Err("the push ended before it named its refs".to_owned()),
            },
        }
    }
}

/// `OLD NEW REF`, behind the first one a NUL and the client's capabilities.
fn parse(packets: &[&[u8]]) -> Result<Commands, String> {
    let mut commands = Commands { updates: Vec::new(), has_bands: false };
    for packet in packets {
        let mut parts = packet.splitn(2, |byte| *byte == 0);
        let command = String::from_utf8_lossy(parts.next().unwrap_or_default()).into_owned();
        if let Some(capabilities) = parts.next() {
            let capabilities = String::from_utf8_lossy(capabilities);
            commands.has_bands |= capabilities.split_whitespace().any(|c| c == "side-band-64k");
        }
        let command = command.trim_end_matches('\n');
        if command.starts_with("shallow ") {
            continue;
        }
        if command.starts_with("push-cert") {
            return Err("signed pushes are not supported yet".to_owned());
        }
        let mut fields = command.splitn(3, ' ');
        let (Some(old), Some(new), Some(reference)) = (fields.next(), fields.next(), fields.next())
        else {
            return Err(format!("`{command}` is not a ref's update"));
        };
        let sha = |text: &str| {
            let none = text.bytes().all(|byte| byte == b'0');
            (!none).then(|| text.to_owned().into())
        };
        let (old, new) = (sha(old), sha(new));
        commands.updates.push(RefUpdate { reference: reference.to_owned(), old, new });
    }
    Ok(commands)
}

struct Receiving {
    host: GitHost,
    project: StreamId,
    push: PushId,
    bands: bool,
    sender: mpsc::Sender<Result<Bytes, std::io::Error>>,
}

impl Receiving {
    async fn run(self, head: Vec<u8>, body: Body) {
        let (last, failure) = self.converse(head, body).await;
        let remarks = self.host.repositories.settle(&self.project, self.push).await;
        if let Some(reason) = failure {
            tracing::warn!(project = %self.project, push = %self.push, "a push failed: {reason}");
            self.say(Err(std::io::Error::other(reason))).await;
            return;
        }
        if self.bands && last == pkt::FLUSH {
            for remark in remarks {
                self.say(Ok(pkt::remark(&remark).into())).await;
            }
        }
        self.say(Ok(last.into())).await;
    }

    async fn say(&self, bytes: Result<Bytes, std::io::Error>) {
        // The pusher may have gone; the push is settled all the same.
        let _ = self.sender.send(bytes).await;
    }

    /// Hands the push to git and git's answer to the client, but for the answer's last four bytes,
    /// before which remarks still fit.
    async fn converse(&self, head: Vec<u8>, body: Body) -> (Vec<u8>, Option<String>) {
        let service = Service::ReceivePack;
        let conversation = self.host.repositories.serve(&self.project, service, false, None);
        let Conversation { input, mut output, end } = match conversation {
            Ok(conversation) => conversation,
            Err(reason) => return (Vec::new(), Some(reason)),
        };
        let feed = feed(input, head, body);
        let hand_on = async {
            let mut held: Vec<u8> = Vec::new();
            let mut chunk = vec![0; CHUNK_BYTES];
            loop {
                match output.read(&mut chunk).await {
                    Ok(0) => return (held, None),
                    Ok(count) => {
                        held.extend_from_slice(&chunk[..count]);
                        let ready = held.len().saturating_sub(pkt::FLUSH.len());
                        let ready: Vec<u8> = held.drain(..ready).collect();
                        if !ready.is_empty() {
                            self.say(Ok(ready.into())).await;
                        }
                    }
                    Err(error) => return (held, Some(format!("git was cut off: {error}"))),
                }
            }
        };
        let (fed, (held, cut_off)) = tokio::join!(feed, hand_on);
        let failed = end.await.err();
        (held, fed.err().or(cut_off).or(failed))
    }
}

async fn feed(
    mut input: Box<dyn tokio::io::AsyncWrite + Send + Unpin>,
    head: Vec<u8>,
    mut body: Body,
) -> Result<(), String> {
    if input.write_all(&head).await.is_err() {
        // Git has stopped reading; what it says tells why.
        return Ok(());
    }
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|error| format!("the push was cut off: {error}"))?;
        let Some(data) = frame.data_ref() else { continue };
        if input.write_all(data).await.is_err() {
            return Ok(());
        }
    }
    // Git reads to the end of its input.
    let _ = input.shutdown().await;
    Ok(())
}
