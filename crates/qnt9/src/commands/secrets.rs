//! `qnt9 secrets set|list|rm|check`

mod check;
mod live;

use std::io::{self, IsTerminal as _, Read as _};
use std::process::ExitCode;

use qnt9_inspect::secret::judge;
use qnt9_server::api::shapes::{SecretShape, SecretValue};
use rustix::termios::{LocalModes, OptionalActions, Termios, tcgetattr, tcsetattr};

use super::asking::{Asking, query};
use crate::cli::{Common, Secret, Secrets};
use crate::client::segment;
use crate::failure::Failure;
use crate::render::things;
use crate::talk;

pub use check::{Secret as KnownSecret, compare};

/// The most bytes that a value may have; as on GitHub.
const VALUE_BYTES_MAX: u64 = 48 * 1024;

/// Sets, lists or removes secrets.
pub async fn run(common: &Common, args: &Secrets) -> Result<ExitCode, Failure> {
    if let Secrets::Check(args) = args {
        return check::run(common, args).await;
    }
    let ask = Asking::of(common).await?;
    match args {
        Secrets::List => {
            let secrets: Vec<SecretShape> = ask.get("/secrets").await?;
            ask.print(&secrets, |secrets, _| things::secrets(secrets));
        }
        Secrets::Set(secret) => {
            let value = if io::stdin().is_terminal() { typed(secret)? } else { piped()? };
            // It is set all the same: only its owner knows what it is for.
            if let Some(problem) = judge(&secret.name, &value) {
                let code = problem.code.id;
                talk::say(&format!(
                    "warning: {} ({code})\nhint: {}",
                    problem.message, problem.hint
                ));
            }
            ask.client.put(&ask.path(&below(secret)), &SecretValue { value }).await?;
            ask.print(&shape(secret), |_, _| format!("set {}", words(secret)));
        }
        Secrets::Rm(secret) => {
            ask.client.delete(&ask.path(&below(secret))).await?;
            ask.print(&shape(secret), |_, _| format!("removed {}", words(secret)));
        }
        Secrets::Check(_) => unreachable!("it may ask no server, and was carried out before"),
    }
    Ok(ExitCode::SUCCESS)
}

fn below(secret: &Secret) -> String {
    let query = query(&[("environment", secret.environment.as_deref())]);
    format!("/secrets/{}{query}", segment(&secret.name))
}

fn shape(secret: &Secret) -> SecretShape {
    let environment = secret.environment.clone().map(Into::into);
    SecretShape { name: secret.name.clone(), environment }
}

fn words(secret: &Secret) -> String {
    match &secret.environment {
        Some(environment) => format!("{} for jobs of {environment}", secret.name),
        None => format!("{} for every job", secret.name),
    }
}

/// What a file or another program writes, to its end.
fn piped() -> Result<String, Failure> {
    let mut bytes = Vec::new();
    let read = io::stdin().lock().take(VALUE_BYTES_MAX + 1).read_to_end(&mut bytes);
    read.map_err(|error| Failure::because("standard input cannot be read", &error))?;
    value(bytes)
}

/// One line that a person types, unseen.
fn typed(secret: &Secret) -> Result<String, Failure> {
    talk::say_raw(&format!("value of {} (not shown): ", secret.name));
    let mut line = String::new();
    let silence = Silence::begin();
    let read = io::stdin().read_line(&mut line);
    drop(silence);
    talk::say("");
    read.map_err(|error| Failure::because("the terminal cannot be read", &error))?;
    value(line.into_bytes())
}

/// A value, without the newline that ends it.
fn value(mut bytes: Vec<u8>) -> Result<String, Failure> {
    if bytes.len() as u64 > VALUE_BYTES_MAX {
        return Err(Failure::new(format!("a secret may have {VALUE_BYTES_MAX} bytes at most")));
    }
    if bytes.pop_if(|last| *last == b'\n').is_some() {
        bytes.pop_if(|last| *last == b'\r');
    }
    if bytes.is_empty() {
        return Err(Failure::new("standard input has no value")
            .hint("pipe it in: qnt9 secrets set NAME < FILE"));
    }
    // The bytes are not shown: they are the secret.
    String::from_utf8(bytes).map_err(|_| {
        Failure::new("the value is not UTF-8 text")
            .hint("encode it, as with base64, and decode it in the step")
    })
}

/// A terminal that does not show what is typed, until this is dropped.
struct Silence {
    before: Termios,
}

impl Silence {
    /// `None` when the terminal cannot be asked: then what is typed shows.
    fn begin() -> Option<Self> {
        let before = tcgetattr(io::stdin()).ok()?;
        let mut silent = before.clone();
        silent.local_modes.remove(LocalModes::ECHO);
        tcsetattr(io::stdin(), OptionalActions::Now, &silent).ok()?;
        Some(Self { before })
    }
}

impl Drop for Silence {
    fn drop(&mut self) {
        if tcsetattr(io::stdin(), OptionalActions::Now, &self.before).is_err() {
            talk::say("the terminal does not show what you type: run `stty echo`");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_newline_at_the_end_is_no_part_of_a_value() {
        assert_eq!(value(b"hunter2\n".to_vec()).unwrap(), "hunter2");
        assert_eq!(value(b"hunter2\r\n".to_vec()).unwrap(), "hunter2");
        assert_eq!(value(b" a\nb\n\n".to_vec()).unwrap(), " a\nb\n");
    }

    #[test]
    fn what_is_no_value_is_refused_and_not_shown() {
        assert!(value(b"\n".to_vec()).unwrap_err().to_string().contains("no value"));
        let failure = value(b"hunter2\xff".to_vec()).unwrap_err().to_string();
        assert!(failure.contains("not UTF-8") && !failure.contains("hunter2"), "{failure}");
        let long = vec![b'x'; VALUE_BYTES_MAX as usize + 1];
        assert!(value(long).unwrap_err().to_string().contains("at most"));
    }
}
