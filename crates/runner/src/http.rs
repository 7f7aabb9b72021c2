use reqwest::Client;

/// A client that trusts the machine's certificate authorities. One TLS provider serves the whole
/// program, so whoever comes first installs it.
pub(crate) fn client() -> reqwest::Result<Client> {
    // An error means that the provider is installed already.
    let _ = rustls::crypto::ring::default_provider().install_default();
    Client::builder().no_proxy().build()
}

/// One segment of a URL's path, percent-encoded.
pub(crate) fn path_segment(text: &str) -> String {
    use std::fmt::Write as _;
    let mut encoded = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => {
                encoded.push(char::from(byte));
            }
            _ => write!(encoded, "%{byte:02X}").expect("a String takes all text"),
        }
    }
    encoded
}

/// A client for what lies outside: through the machine's proxy, if it has one.
pub(crate) fn download_client() -> reqwest::Result<Client> {
    let _ = rustls::crypto::ring::default_provider().install_default();
    Client::builder().connect_timeout(std::time::Duration::from_secs(10)).build()
}
