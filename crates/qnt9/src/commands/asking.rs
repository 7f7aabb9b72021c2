//! What nearly every command begins with: the server, the project, and the form of the answer.

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::cli::Common;
use crate::client::{Client, segment};
use crate::failure::Failure;
use crate::render::{self, Clock};
use crate::talk::{self, Format};

/// Somebody asks about a project.
pub struct Asking {
    pub client: Client,
    pub format: Format,
    pub clock: Clock,
    /// The path of the project.
    project: String,
}

impl Asking {
    /// The person, the server and the project that this command line means.
    pub async fn of(common: &Common) -> Result<Self, Failure> {
        let client = Client::of_person(common)?;
        let project = client.project(common.project.as_deref()).await?;
        let project = format!("/api/v1/projects/{}", segment(&project));
        Ok(Self { client, format: format(common), clock: Clock::here(), project })
    }

    /// The project itself, as `ask.get("")`, or something of it, as `ask.get("/runs")`.
    pub async fn get<T: DeserializeOwned>(&self, below: &str) -> Result<T, Failure> {
        self.client.get(&self.path(below)).await
    }

    /// Asks for something to be done.
    pub async fn post<T: DeserializeOwned>(
        &self,
        below: &str,
        body: &impl Serialize,
    ) -> Result<T, Failure> {
        self.client.post(&self.path(below), body).await
    }

    /// The path of something of the project.
    pub fn path(&self, below: &str) -> String {
        format!("{}{below}", self.project)
    }

    /// Prints an answer.
    pub fn print<T: Serialize>(&self, answer: &T, text: impl FnOnce(&T, &Clock) -> String) {
        print(self.format, answer, |answer| text(answer, &self.clock));
    }

    /// Says something to people that programs do not need.
    pub fn say(&self, text: &str) {
        if self.format == Format::Text {
            talk::say(text);
        }
    }
}

/// The form of the answer.
pub const fn format(common: &Common) -> Format {
    if common.json { Format::Json } else { Format::Text }
}

/// Prints data: the shape as it is, or text that cannot steer a terminal.
pub fn print<T: Serialize>(format: Format, data: &T, text: impl FnOnce(&T) -> String) {
    talk::data(format, data, |data| render::harmless(&text(data)));
}

/// `?a=b&c=d` of those that are there.
pub fn query(parts: &[(&str, Option<&str>)]) -> String {
    let there = parts.iter().filter_map(|(name, value)| Some((name, (*value)?)));
    let written: Vec<String> =
        there.map(|(name, value)| format!("{name}={}", segment(value))).collect();
    if written.is_empty() { String::new() } else { format!("?{}", written.join("&")) }
}

/// `RUN.JOB`, taken apart.
pub fn run_and_job(text: &str) -> Result<(u64, &str), Failure> {
    let parts = text.split_once('.').and_then(|(run, job)| Some((run.parse().ok()?, job)));
    parts.filter(|(_, job)| !job.is_empty()).ok_or_else(|| {
        Failure::new(format!("`{text}` is not of the form RUN.JOB"))
            .hint("`qnt9 runs RUN` shows a run's jobs")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_query_holds_what_is_there_and_escapes_it() {
        assert_eq!(query(&[("a", None), ("b", None)]), "");
        assert_eq!(
            query(&[("a", Some("x&b=y")), ("c", None), ("d", Some("1"))]),
            "?a=x%26b%3Dy&d=1"
        );
    }

    #[test]
    fn a_job_is_a_run_and_a_key() {
        assert_eq!(run_and_job("12.test.1").unwrap(), (12, "test.1"));
        for wrong in ["12", "12.", "x.test", ".test", ""] {
            let failure = run_and_job(wrong).unwrap_err().to_string();
            assert!(failure.contains("not of the form RUN.JOB"), "{failure}");
        }
    }
}
