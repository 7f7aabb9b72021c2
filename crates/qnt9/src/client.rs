//! Asks the server.

use std::time::{Duration, Instant};

use qnt9_server::api::shapes::{ErrorBody, ErrorClass, ErrorShape, ProjectShape};
use reqwest::{Method, RequestBuilder, Response, StatusCode};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::cli::Common;
use crate::failure::Failure;
use crate::{places, talk};

/// How long a step goes on asking a server that is away, as while it is being restarted.
const PATIENCE: Duration = Duration::from_secs(120);
/// The pause after the first try; it doubles up to [`PAUSE_MAX`].
const PAUSE: Duration = Duration::from_millis(100);
/// The longest pause between two tries.
const PAUSE_MAX: Duration = Duration::from_secs(5);
/// How long a connection may take to open.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// What happens when the server does not answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Absence {
    /// It is said at once: a person is waiting.
    Fails,
    /// It is waited out: the server may be restarted in the middle of a job.
    IsWaitedOut,
}

/// A conversation with the server, in somebody's name.
#[derive(Clone, Debug)]
pub struct Client {
    http: reqwest::Client,
    url: String,
    token: String,
    absence: Absence,
}

impl Client {
    /// A client of the server at `url`, with a token.
    pub fn new(url: &str, token: &str, absence: Absence) -> Result<Self, Failure> {
        let mut builder = reqwest::Client::builder().connect_timeout(CONNECT_TIMEOUT);
        let host = url.split("://").nth(1).unwrap_or(url);
        if ["127.", "localhost", "[::1]"].iter().any(|local| host.starts_with(local)) {
            // A proxy is for other machines.
            builder = builder.no_proxy();
        }
        let http = builder.build().map_err(|error| Failure::because("HTTP", &error))?;
        let url = url.trim_end_matches('/').to_owned();
        Ok(Self { http, url, token: token.to_owned(), absence })
    }

    /// The server of this command line, in the name of the person it says.
    pub fn of_person(common: &Common) -> Result<Self, Failure> {
        let data = places::data_folder(common.data.as_deref())?;
        let url = server_url(&data)?;
        let token = person_token(common.person.as_deref(), &data)?;
        Self::new(&url, &token, Absence::Fails)
    }

    /// The server of the step this runs in.
    pub fn of_step() -> Result<Self, Failure> {
        let variable = |name: &str| std::env::var(name).ok().filter(|value| !value.is_empty());
        let (Some(url), Some(token)) = (variable("QNT9_URL"), variable("QNT9_TOKEN")) else {
            return Err(Failure::new("this command works inside a step of a job only")
                .detail("QNT9_URL and QNT9_TOKEN, which a step has, are not set"));
        };
        Self::new(&url, &token, Absence::IsWaitedOut)
    }

    /// Where the server is.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// The token.
    pub fn token(&self) -> &str {
        &self.token
    }

    /// The project that is meant: as asked for, else the only one.
    pub async fn project(&self, asked: Option<&str>) -> Result<String, Failure> {
        if let Some(project) = asked {
            return Ok(project.to_owned());
        }
        let projects: Vec<ProjectShape> = self.get("/api/v1/projects").await?;
        match projects.as_slice() {
            [only] => Ok(only.name.clone()),
            [] => Err(Failure::new("this server has no project yet")
                .hint("`qnt9 up` brings the reference project")),
            several => {
                let names: Vec<&str> = several.iter().map(|one| one.name.as_str()).collect();
                Err(Failure::new("this server has several projects")
                    .hint(format!("say which: --project {}", names.join(" | "))))
            }
        }
    }

    /// GET, an answer in JSON.
    pub async fn get<T: DeserializeOwned>(&self, path: &str) -> Result<T, Failure> {
        read(self.send(|| self.request(Method::GET, path)).await?).await
    }

    /// GET, an answer of bytes to read as they come.
    pub async fn stream(&self, path: &str, accept: &str) -> Result<Response, Failure> {
        self.send(|| self.request(Method::GET, path).header("accept", accept)).await
    }

    /// POST of JSON, an answer in JSON.
    pub async fn post<T: DeserializeOwned>(
        &self,
        path: &str,
        body: &impl Serialize,
    ) -> Result<T, Failure> {
        read(self.send(|| self.request(Method::POST, path).json(body)).await?).await
    }

    /// POST of bytes, an answer in JSON.
    pub async fn post_bytes<T: DeserializeOwned>(
        &self,
        path: &str,
        body: bytes::Bytes,
    ) -> Result<T, Failure> {
        read(self.send(|| self.request(Method::POST, path).body(body.clone())).await?).await
    }

    /// PUT of JSON, no answer.
    pub async fn put(&self, path: &str, body: &impl Serialize) -> Result<(), Failure> {
        self.send(|| self.request(Method::PUT, path).json(body)).await.map(drop)
    }

    /// DELETE, no answer.
    pub async fn delete(&self, path: &str) -> Result<(), Failure> {
        self.send(|| self.request(Method::DELETE, path)).await.map(drop)
    }

    /// DELETE with a body of JSON, no answer.
    pub async fn delete_with(&self, path: &str, body: &impl Serialize) -> Result<(), Failure> {
        self.send(|| self.request(Method::DELETE, path).json(body)).await.map(drop)
    }

    fn request(&self, method: Method, path: &str) -> RequestBuilder {
        self.http.request(method, format!("{}{path}", self.url)).bearer_auth(&self.token)
    }

    /// Sends until there is an answer. Everything a step asks has a key, so asking twice is safe.
    async fn send(&self, request: impl Fn() -> RequestBuilder) -> Result<Response, Failure> {
        let since = Instant::now();
        let mut pause = PAUSE;
        let mut said = false;
        loop {
            let problem = match request().send().await {
                Ok(response) if response.status() == StatusCode::SERVICE_UNAVAILABLE => {
                    refusal(response).await
                }
                Ok(response) if response.status().is_success() => return Ok(response),
                Ok(response) => return Err(refusal(response).await),
                Err(error) => self.absent(&error),
            };
            if self.absence == Absence::Fails || since.elapsed() + pause > PATIENCE {
                return Err(problem);
            }
            if !said {
                said = true;
                talk::say(&format!(
                    "qnt9: {}; trying again for {} s",
                    problem.message,
                    PATIENCE.as_secs()
                ));
            }
            tokio::time::sleep(pause).await;
            pause = (pause * 2).min(PAUSE_MAX);
        }
    }

    fn absent(&self, error: &reqwest::Error) -> Failure {
        if error.is_connect() {
            Failure::new(format!("no server answers at {}", self.url))
                .hint("start one with `qnt9 up`, or set QNT9_URL to where it is")
        } else {
            Failure::because(format!("the server at {} broke off", self.url), error)
        }
    }
}

async fn read<T: DeserializeOwned>(response: Response) -> Result<T, Failure> {
    let bytes = response.bytes().await;
    let bytes = bytes.map_err(|error| Failure::because("the answer broke off", &error))?;
    serde_json::from_slice(&bytes).map_err(|error| {
        Failure::because("the answer cannot be understood", &error)
            .hint("is the server another version of qnt9? `qnt9 --version` and its /healthz say")
    })
}

async fn refusal(response: Response) -> Failure {
    let status = response.status();
    match response.json::<ErrorBody>().await {
        Ok(body) => Failure::refused(body.error),
        Err(_) => Failure::refused(ErrorShape {
            class: match status {
                StatusCode::NOT_FOUND => ErrorClass::Unknown,
                StatusCode::UNAUTHORIZED => ErrorClass::Unauthorized,
                _ => ErrorClass::Failed,
            },
            message: format!("the server answered {status}"),
            why: None,
        }),
    }
}

fn server_url(data: &std::path::Path) -> Result<String, Failure> {
    if let Some(url) = std::env::var("QNT9_URL").ok().filter(|url| !url.is_empty()) {
        return Ok(url);
    }
    let shown = data.display();
    match places::holder(data) {
        Some(holder) => holder.address.clone().ok_or_else(|| {
            Failure::new(format!("{holder} holds {shown} and does not serve yet"))
                .hint("try again in a second")
        }),
        None => Err(Failure::new(format!("no server runs on the data folder {shown}"))
            .hint("start one with `qnt9 up`, name another folder with --data, or set QNT9_URL")),
    }
}

fn person_token(person: Option<&str>, data: &std::path::Path) -> Result<String, Failure> {
    let from_env = std::env::var("QNT9_TOKEN").ok().filter(|token| !token.is_empty());
    if let (Some(token), None) = (from_env, person) {
        return Ok(token);
    }
    let tokens = places::tokens(data)?;
    let name = person.unwrap_or(&tokens.owner);
    tokens.tokens.get(name).cloned().ok_or_else(|| {
        let known: Vec<&str> = tokens.tokens.keys().map(String::as_str).collect();
        let failure = if name.is_empty() {
            Failure::new(format!("this machine keeps no token for {}", data.display()))
        } else {
            Failure::new(format!("this machine keeps no token of {name}"))
        };
        if known.is_empty() {
            failure.hint("set QNT9_TOKEN to your token")
        } else {
            failure.hint(format!("it keeps tokens of {}", known.join(", ")))
        }
    })
}

/// One segment of a path, with everything escaped that would end it.
pub fn segment(text: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.~".contains(&byte);
    let mut escaped = String::with_capacity(text.len());
    for byte in text.bytes() {
        if plain(byte) {
            escaped.push(char::from(byte));
        } else {
            escaped.push_str(&format!("%{byte:02X}"));
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_segment_cannot_leave_its_place() {
        assert_eq!(segment("../a b?c=ü"), "..%2Fa%20b%3Fc%3D%C3%BC");
    }
}
