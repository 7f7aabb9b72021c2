//! Taking in a push: ask whether it may be, let git write it, settle it.

use std::io;

use axum::body::{Body, Bytes};
use qnt9_model::fact::RefUpdate;
use qnt9_model::{Actor, Ask, Command, Fact, PushId, StreamId};
use tokio::sync::mpsc;

use super::body::GitBody;
use super::exchange::{self, answer};
use super::head::{self, Head};
use super::packet::{Band, FLUSH, line, on_band};
use super::{Conversation, GitHost, Service};
use crate::access::Failure;

/// A push that somebody wants to make.
pub(super) struct Incoming {
    pub(super) project: StreamId,
    pub(super) by: Actor,
    /// The client's `Git-Protocol` header.
    pub(super) protocol: Option<String>,
}

/// Asks for the push and has git carry it out; the answer is streamed while git works.
pub(super) async fn receive(
    host: GitHost,
    incoming: Incoming,
    mut body: GitBody,
) -> Result<Body, Failure> {
    let (head, ahead) = read_head(&mut body).await?;
    if head.updates.is_empty() {
        // Before a large push a client tries with an empty one whether it is let in.
        return answer_at_end(body, Vec::new()).await;
    }
    let offered = match head.objection() {
        Some(objection) => Err(objection),
        None => offer(&host, &incoming, &head).await,
    };
    let push = match offered {
        Ok(push) => push,
        Err(sentence) => return answer_at_end(body, refused(&head, &sentence)).await,
    };
    let (to_client, answer) = answer();
    // In a task of its own, so that a push is settled even when its client goes away.
    tokio::spawn(async move {
        let screen = Screen { to_client, side_band: head.side_band, held: Vec::new() };
        carry_out(host, incoming, push, ahead, body, screen).await;
    });
    Ok(answer)
}

/// An answer that no git gives: only once the client has sent everything does it listen.
async fn answer_at_end(mut body: GitBody, answer: Vec<u8>) -> Result<Body, Failure> {
    let read = body.discard().await;
    read.map_err(|error| Failure::bad(format!("the push was cut off: {error}")))?;
    Ok(Body::from(answer))
}

/// Reads until the list of refs is complete; answers it and all bytes read so far.
async fn read_head(body: &mut GitBody) -> Result<(Head, Vec<u8>), Failure> {
    let mut received = Vec::new();
    loop {
        if let Some(head) = head::parse(&received).map_err(Failure::bad)? {
            return Ok((head, received));
        }
        match body.next().await {
            Ok(Some(piece)) => received.extend(piece),
            Ok(None) => return Err(Failure::bad("the push ends within its list of refs")),
            Err(error) => return Err(Failure::bad(format!("the push was cut off: {error}"))),
        }
    }
}

/// Announces the push before git sees it. An error is the sentence for the pusher.
async fn offer(host: &GitHost, incoming: &Incoming, head: &Head) -> Result<PushId, String> {
    let command = Command::OfferPush { updates: head.updates.clone() };
    let (stream, by) = (incoming.project.clone(), incoming.by.clone());
    let asked = host.door.ask(Ask { stream, by, command }).await;
    let facts = asked.map_err(|refusal| refusal.to_string())?;
    let offered = facts.iter().find(|entry| matches!(entry.fact, Fact::PushOffered { .. }));
    let offered = offered.ok_or("the push was not taken down, so it cannot be written")?;
    Ok(PushId(offered.sequence))
}

async fn carry_out(
    host: GitHost,
    incoming: Incoming,
    push: PushId,
    ahead: Vec<u8>,
    body: GitBody,
    mut screen: Screen,
) {
    let Incoming { project, protocol, .. } = incoming;
    let protocol = protocol.as_deref();
    let ended = match host.repositories.serve(&project, Service::ReceivePack, false, protocol) {
        Ok(conversation) => run(conversation, ahead, body, &mut screen).await,
        Err(said) => Err(said),
    };
    let lines = host.repositories.settle(&project, push).await;
    if let Err(said) = &ended {
        tracing::warn!(%project, %push, %said, "a push did not come to its end");
    }
    screen.close(&lines, ended).await;
}

async fn run(
    conversation: Conversation,
    ahead: Vec<u8>,
    body: GitBody,
    screen: &mut Screen,
) -> Result<(), String> {
    let Conversation { input, mut output, end } = conversation;
    let talk = async {
        let mut buffer = vec![0; 64 * 1024];
        while let Some(chunk) = exchange::read(&mut output, &mut buffer).await? {
            screen.show(&chunk).await;
        }
        Ok::<_, io::Error>(())
    };
    // Both to their ends: git notices by itself that its input was cut off.
    let (fed, talked) = tokio::join!(exchange::feed(input, ahead, body), talk);
    let ended = end.await;
    fed.map_err(|error| format!("the push was cut off: {error}"))?;
    talked.map_err(|error| format!("git's answer was cut off: {error}"))?;
    ended
}

/// The pusher's side of the answer. The last packet is held back, so that something can be said
/// before the end; what a client that went away does not read is dropped.
struct Screen {
    to_client: mpsc::Sender<io::Result<Bytes>>,
    side_band: bool,
    held: Vec<u8>,
}

impl Screen {
    async fn show(&mut self, chunk: &[u8]) {
        self.held.extend(chunk);
        let ready = self.held.len().saturating_sub(FLUSH.len());
        let ready: Vec<u8> = self.held.drain(..ready).collect();
        self.send(ready).await;
    }

    async fn close(mut self, lines: &[String], ended: Result<(), String>) {
        let mut last = std::mem::take(&mut self.held);
        let at_end = last == FLUSH;
        if self.side_band && (at_end || last.is_empty()) {
            last.clear();
            let talk: String = lines.iter().map(|line| format!("{line}\n")).collect();
            last.extend(on_band(Band::Talk, talk.as_bytes()));
            if let Err(said) = &ended {
                last.extend(on_band(Band::Fatal, format!("qnt9: {said}\n").as_bytes()));
            }
            last.extend(FLUSH);
            self.send(last).await;
            return;
        }
        self.send(last).await;
        if let Err(said) = ended {
            // Without a band for words the connection breaks off, so that the client sees a failure.
            let _gone = self.to_client.send(Err(io::Error::other(said))).await;
        }
    }

    async fn send(&self, bytes: Vec<u8>) {
        if !bytes.is_empty() {
            let _gone = self.to_client.send(Ok(bytes.into())).await;
        }
    }
}

/// The answer to a push that was not taken, in the form git shows best: each ref rejected, and the
/// whole sentence on the pusher's screen.
fn refused(head: &Head, sentence: &str) -> Vec<u8> {
    let reject = |update: &RefUpdate| line(format!("ng {} refused\n", update.reference).as_bytes());
    let mut report = line(b"unpack ok\n");
    report.extend(head.updates.iter().flat_map(reject));
    report.extend(FLUSH);
    let report = if head.report_status { report } else { Vec::new() };
    if !head.side_band {
        return report;
    }
    let mut answer = on_band(Band::Talk, format!("qnt9: {sentence}\n").as_bytes());
    answer.extend(on_band(Band::Data, &report));
    answer.extend(FLUSH);
    answer
}
