//! What changes in a message's head on its way through.

use std::net::{IpAddr, SocketAddr};

use http::header::{
    CONNECTION, COOKIE, EXPECT, HOST, PROXY_AUTHENTICATE, PROXY_AUTHORIZATION, TE,
    TRANSFER_ENCODING, UPGRADE,
};
use http::uri::PathAndQuery;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Uri, Version, request};

const KEEP_ALIVE: HeaderName = HeaderName::from_static("keep-alive");
const PROXY_CONNECTION: HeaderName = HeaderName::from_static("proxy-connection");
const HTTP2_SETTINGS: HeaderName = HeaderName::from_static("http2-settings");
const X_FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
const X_FORWARDED_HOST: HeaderName = HeaderName::from_static("x-forwarded-host");
const X_FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");

/// Headers that speak about one connection only (RFC 9110, 7.6.1).
const HOP_BY_HOP: [HeaderName; 9] = [
    CONNECTION,
    KEEP_ALIVE,
    PROXY_CONNECTION,
    PROXY_AUTHENTICATE,
    PROXY_AUTHORIZATION,
    TE,
    TRANSFER_ENCODING,
    UPGRADE,
    HTTP2_SETTINGS,
];

/// Removes what speaks about one connection only, headers named in `Connection` included.
pub(super) fn remove_hop_by_hop(headers: &mut HeaderMap) {
    if headers.contains_key(CONNECTION) {
        let named: Vec<HeaderName> = (headers.get_all(CONNECTION).iter())
            .filter_map(|value| value.to_str().ok())
            .flat_map(|value| value.split(','))
            .filter_map(|name| name.trim().parse().ok())
            .collect();
        for name in named {
            headers.remove(name);
        }
    }
    for name in &HOP_BY_HOP {
        headers.remove(name);
    }
}

/// Whether the client wants to speak something else than HTTP from here on. `h2c` does not count: it
/// is an offer that a server may pass over.
pub(super) fn wants_another_protocol(head: &request::Parts) -> bool {
    let other = |value: &HeaderValue| !value.as_bytes().eq_ignore_ascii_case(b"h2c");
    head.method == Method::CONNECT || head.headers.get_all(UPGRADE).iter().any(other)
}

/// Turns a client's request head, of HTTP/1 or HTTP/2, into an HTTP/1.1 one for a backend.
/// `traceparent` and everything else that is about the whole way stays.
pub(super) fn for_backend(head: &mut request::Parts, client: IpAddr, listener: SocketAddr) {
    remove_hop_by_hop(&mut head.headers);
    // The gateway itself has already said "100 Continue".
    head.headers.remove(EXPECT);
    let host = host_of(head, listener);
    forward_for(&mut head.headers, client);
    head.headers.insert(X_FORWARDED_HOST, host.clone());
    head.headers.insert(X_FORWARDED_PROTO, HeaderValue::from_static("http"));
    head.headers.insert(HOST, host);
    join_cookies(&mut head.headers);
    let path = head.uri.path_and_query().cloned();
    head.uri = Uri::from(path.unwrap_or_else(|| PathAndQuery::from_static("/")));
    head.version = Version::HTTP_11;
}

/// The host the client named: in the request's target (HTTP/2, absolute form) or in `Host`; HTTP/1.0
/// clients need not name any.
fn host_of(head: &request::Parts, listener: SocketAddr) -> HeaderValue {
    (head.uri.authority())
        .and_then(|authority| HeaderValue::from_str(authority.as_str()).ok())
        .or_else(|| head.headers.get(HOST).cloned())
        .or_else(|| HeaderValue::from_str(&listener.to_string()).ok())
        .unwrap_or(HeaderValue::from_static("localhost"))
}

fn forward_for(headers: &mut HeaderMap, client: IpAddr) {
    let mut hops: Vec<u8> = Vec::new();
    for earlier in headers.get_all(X_FORWARDED_FOR) {
        hops.extend_from_slice(earlier.as_bytes());
        hops.extend_from_slice(b", ");
    }
    hops.extend_from_slice(client.to_string().as_bytes());
    if let Ok(hops) = HeaderValue::from_bytes(&hops) {
        headers.insert(X_FORWARDED_FOR, hops);
    }
}

/// HTTP/2 may split cookies over several headers; HTTP/1.1 wants one (RFC 9113, 8.2.3).
fn join_cookies(headers: &mut HeaderMap) {
    if headers.get_all(COOKIE).iter().nth(1).is_none() {
        return;
    }
    let crumbs: Vec<&[u8]> = headers.get_all(COOKIE).iter().map(HeaderValue::as_bytes).collect();
    if let Ok(joined) = HeaderValue::from_bytes(&crumbs.join(&b"; "[..])) {
        headers.insert(COOKIE, joined);
    }
}

#[cfg(test)]
mod tests {
    use expect_test::{Expect, expect};
    use http::Request;

    use super::*;

    fn forwarded(request: request::Builder, expected: &Expect) {
        let (mut head, ()) = request.body(()).unwrap().into_parts();
        let client = "192.0.2.7".parse().unwrap();
        for_backend(&mut head, client, "127.0.0.1:9013".parse().unwrap());
        let mut text = format!("{} {} {:?}\n", head.method, head.uri, head.version);
        let mut lines: Vec<String> = (head.headers.iter())
            .map(|(name, value)| format!("{name}: {}\n", value.to_str().unwrap()))
            .collect();
        lines.sort();
        text.extend(lines);
        expected.assert_eq(&text);
    }

    #[test]
    fn what_speaks_about_one_connection_stays_behind() {
        let request = Request::get("/path?query=1")
            .header("host", "shop.example")
            .header("connection", "keep-alive, X-Private")
            .header("x-private", "1")
            .header("keep-alive", "timeout=5")
            .header("te", "trailers")
            .header("transfer-encoding", "chunked")
            .header("upgrade", "h2c")
            .header("proxy-authorization", "Basic eA==")
            .header("expect", "100-continue")
            .header("x-forwarded-for", "203.0.113.9")
            .header("x-forwarded-proto", "https")
            .header("traceparent", "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01");
        forwarded(
            request,
            &expect![[r#"
                GET /path?query=1 HTTP/1.1
                host: shop.example
                traceparent: 00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01
                x-forwarded-for: 203.0.113.9, 192.0.2.7
                x-forwarded-host: shop.example
                x-forwarded-proto: http
            "#]],
        );
    }

    #[test]
    fn a_request_of_http2_becomes_one_of_http1() {
        let request = Request::post("http://shop.example:9013/cart")
            .version(Version::HTTP_2)
            .header("cookie", "a=1")
            .header("cookie", "b=2");
        forwarded(
            request,
            &expect![[r#"
                POST /cart HTTP/1.1
                cookie: a=1; b=2
                host: shop.example:9013
                x-forwarded-for: 192.0.2.7
                x-forwarded-host: shop.example:9013
                x-forwarded-proto: http
            "#]],
        );
    }

    #[test]
    fn a_client_that_names_no_host_gets_the_listeners() {
        forwarded(
            Request::get("/").version(Version::HTTP_10),
            &expect![[r#"
                GET / HTTP/1.1
                host: 127.0.0.1:9013
                x-forwarded-for: 192.0.2.7
                x-forwarded-host: 127.0.0.1:9013
                x-forwarded-proto: http
            "#]],
        );
    }

    #[test]
    fn a_websocket_is_another_protocol_and_an_offer_of_http2_is_not() {
        let wants = |request: request::Builder| {
            wants_another_protocol(&request.body(()).unwrap().into_parts().0)
        };
        assert!(wants(Request::get("/").header("upgrade", "websocket")));
        assert!(wants(Request::connect("shop.example:443")));
        assert!(!wants(Request::get("/").header("upgrade", "h2c")));
        assert!(!wants(Request::get("/")));
    }
}
