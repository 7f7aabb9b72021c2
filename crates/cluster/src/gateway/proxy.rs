//! One request: from a client to an arm's backend, and the answer back.

use std::convert::Infallible;
use std::net::IpAddr;
use std::sync::Arc;

use bytes::Bytes;
use http::header::{CONTENT_TYPE, RETRY_AFTER};
use http::{HeaderValue, Request, Response, StatusCode};
use http_body_util::{Either, Full};
use hyper::body::Incoming;
use serde_json::json;

use super::entrance::Entrance;
use super::headers;
use super::route::Flight;
use super::upstream::{self, AnswerBody, ClientBody, Failure};

pub(super) type ProxyBody = Either<AnswerBody, Full<Bytes>>;

/// Answers a client's request; there is always an answer.
pub(super) async fn handle(
    entrance: Arc<Entrance>,
    client: IpAddr,
    request: Request<Incoming>,
) -> Result<Response<ProxyBody>, Infallible> {
    let (mut head, body) = request.into_parts();
    if headers::wants_another_protocol(&head) {
        return Ok(own_answer(
            StatusCode::NOT_IMPLEMENTED,
            "upgrade_not_supported",
            "the gateway does not carry WebSocket, CONNECT or other upgraded protocols yet",
        ));
    }
    let Some(mut flight) = entrance.enter() else {
        return Ok(own_answer(
            StatusCode::SERVICE_UNAVAILABLE,
            "no_release",
            &format!("no release takes traffic at {}", entrance.place()),
        ));
    };
    headers::for_backend(&mut head, client, entrance.address);
    let request = Request::from_parts(head, ClientBody::new(body));
    match upstream::send(&flight, request).await {
        Ok((response, lease)) => {
            flight.answered(response.status());
            let (mut head, body) = response.into_parts();
            headers::remove_hop_by_hop(&mut head.headers);
            let body = AnswerBody::new(body, lease, flight);
            Ok(Response::from_parts(head, Either::Left(body)))
        }
        Err(failure) => Ok(failed(&mut flight, &failure)),
    }
}

/// Says to the client why its arm has no answer, and counts it.
fn failed(flight: &mut Flight, failure: &Failure) -> Response<ProxyBody> {
    let (arm, place) = (&flight.arm().arm.name, &flight.route.place);
    let (status, error, message) = match failure {
        Failure::NoBackend => (
            StatusCode::SERVICE_UNAVAILABLE,
            "no_backend",
            format!("release {arm} at {place} has no running replica"),
        ),
        Failure::NotReached(last) => (
            StatusCode::SERVICE_UNAVAILABLE,
            "no_backend_reached",
            format!("no replica of release {arm} at {place} takes a connection; last {last}"),
        ),
        Failure::Lost(last) => (
            StatusCode::BAD_GATEWAY,
            "answer_lost",
            format!("a replica of release {arm} at {place} broke off before it answered: {last}"),
        ),
        Failure::TooSlow => (
            StatusCode::GATEWAY_TIMEOUT,
            "answer_too_slow",
            format!("a replica of release {arm} at {place} did not answer in time"),
        ),
        // Nobody reads this answer, and it does not count against the arm.
        Failure::ClientLeft => (
            StatusCode::BAD_REQUEST,
            "request_incomplete",
            "the request's body ended before it was complete".to_owned(),
        ),
    };
    tracing::warn!(%place, %arm, error, message);
    flight.answered(status);
    own_answer(status, error, &message)
}

fn own_answer(status: StatusCode, error: &str, message: &str) -> Response<ProxyBody> {
    let body = json!({ "error": error, "message": message }).to_string() + "\n";
    let mut response = Response::new(Either::Right(Full::from(body)));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    if status == StatusCode::SERVICE_UNAVAILABLE {
        headers.insert(RETRY_AFTER, HeaderValue::from_static("1"));
    }
    response
}
