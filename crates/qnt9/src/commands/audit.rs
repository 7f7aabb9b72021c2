//! `qnt9 audit verify|export`: straight from the data folder or the database, whether a server
//! runs or not.

use std::fs::File;
use std::io::{self, BufReader, BufWriter, Write};
use std::path::Path;
use std::process::ExitCode;

use qnt9_store::{LogRead, MasterKey, Postgres, Sqlite, Verified, VerifyError};
use serde_json::json;

use super::asking::{format, print};
use crate::cli::{Audit, Common, Log};
use crate::failure::Failure;
use crate::places;
use crate::render::Table;
use crate::talk::{self, Reader};

/// The log within the data folder.
const LOG_FILE: &str = "log.sqlite";

/// Verifies or exports.
pub fn run(common: &Common, args: &Audit) -> Result<ExitCode, Failure> {
    let data = places::data_folder(common.data.as_deref())?;
    match args {
        Audit::Verify { export: Some(file), .. } => verify_export(common, file),
        Audit::Verify { export: None, log } => verify_log(common, &data, log),
        Audit::Export { stream, log } => export(&data, log, stream.as_deref()),
    }
}

fn verify_log(common: &Common, data: &Path, log: &Log) -> Result<ExitCode, Failure> {
    let key = load_key().map_err(|failure| {
        failure.hint("an export can be verified without it: qnt9 audit verify --export FILE")
    })?;
    let log = open(data, log, &key)?;
    let verdicts = streams(log.as_ref())?
        .into_iter()
        .map(|stream| qnt9_store::verify_stream(log.as_ref(), &stream, Some(&key)));
    judge(common, verdicts.collect(), None)
}

fn verify_export(common: &Common, file: &Path) -> Result<ExitCode, Failure> {
    let shown = file.display();
    let opened = File::open(file)
        .map_err(|error| Failure::because(format!("cannot read {shown}"), &error))?;
    // Who holds an export need not hold the key.
    let (key, unchecked) = match load_key() {
        Ok(key) => (Some(key), None),
        Err(failure) => (None, Some(failure.message)),
    };
    let verdicts = match qnt9_store::verify_export(BufReader::new(opened), key.as_ref()) {
        Ok(verified) => verified.into_iter().map(Ok).collect(),
        Err(error) => vec![Err(error)],
    };
    judge(common, verdicts, unchecked.as_deref())
}

/// Prints the streams that are whole; a stream that is not makes the whole log fail.
fn judge(
    common: &Common,
    verdicts: Vec<Result<Verified, VerifyError>>,
    seals_unchecked: Option<&str>,
) -> Result<ExitCode, Failure> {
    let (mut whole, mut broken) = (Vec::new(), Vec::new());
    for verdict in verdicts {
        match verdict {
            Ok(verified) => whole.push(verified),
            Err(error) => broken.push(error),
        }
    }
    let failure = broken.iter().map(explain).reduce(|first, next| first.detail(next.message));
    if let Some(failure) = failure {
        let whole = whole.iter().map(|one| format!("stream `{}` is whole", one.stream));
        return Err(whole.fold(failure, Failure::detail));
    }
    let streams: Vec<_> = whole
        .iter()
        .map(|one| {
            let digest = one.head.digest.to_string();
            json!({ "stream": one.stream, "entries": one.entries, "digest": digest })
        })
        .collect();
    let answer = json!({ "streams": streams, "seals_unchecked": seals_unchecked });
    print(format(common), &answer, |_| text(&whole, seals_unchecked));
    Ok(ExitCode::SUCCESS)
}

fn text(whole: &[Verified], seals_unchecked: Option<&str>) -> String {
    let mut table = Table::bare();
    for one in whole {
        let entries = match one.entries {
            1 => "1 entry".to_owned(),
            entries => format!("{entries} entries"),
        };
        table.row([format!("✓ {}", one.stream), entries, one.head.digest.to_string()]);
    }
    let mut text = table.text(0, "there is nothing to verify");
    text.push_str(&match seals_unchecked {
        None => "every digest, link and seal is right\n".to_owned(),
        Some(reason) => format!(
            "every digest and link is right; the seals were not checked: {reason}\n\
             compare the digests with ones kept elsewhere: without seals a log that was rewritten \
             to its end looks whole\n"
        ),
    });
    text
}

fn explain(error: &VerifyError) -> Failure {
    match error {
        VerifyError::Tampered(tampered) => Failure::new(tampered.to_string())
            .hint("keep this log as it is and compare it with a backup or an export"),
        other => Failure::because("the log cannot be verified", other),
    }
}

fn export(data: &Path, log: &Log, wanted: Option<&str>) -> Result<ExitCode, Failure> {
    let log = open(data, log, &load_key()?)?;
    let known = streams(log.as_ref())?;
    if let Some(wanted) = wanted.filter(|wanted| !known.iter().any(|stream| stream == wanted)) {
        return Err(Failure::new(format!("there is no stream `{wanted}`"))
            .hint(format!("there are {}", known.join(", "))));
    }
    let mut out = BufWriter::new(Out);
    for stream in known.iter().filter(|stream| wanted.is_none_or(|wanted| wanted == *stream)) {
        let written = qnt9_store::export(log.as_ref(), stream, &mut out);
        match written.and_then(|()| Ok(out.flush()?)) {
            Ok(()) => {}
            // Whoever read has read enough.
            Err(VerifyError::Io(error)) if error.kind() == io::ErrorKind::BrokenPipe => break,
            Err(error) => {
                return Err(Failure::because(format!("stream `{stream}`"), &error));
            }
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// Standard output.
struct Out;

impl Write for Out {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match talk::bytes(bytes) {
            Reader::There => Ok(bytes.len()),
            Reader::Gone => Err(io::ErrorKind::BrokenPipe.into()),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn load_key() -> Result<MasterKey, Failure> {
    let path = places::key_file()?;
    MasterKey::load(&path).map_err(|error| Failure::because("the seals need the key", &error))
}

fn open(data: &Path, log: &Log, key: &MasterKey) -> Result<Box<dyn LogRead>, Failure> {
    let opened: Result<Box<dyn LogRead>, _> = match &log.database_url {
        None => Sqlite::open_reader(&data.join(LOG_FILE), key).map(|log| Box::new(log) as _),
        Some(url) => Postgres::open_reader(url, key).map(|log| Box::new(log) as _),
    };
    opened.map_err(|error| Failure::because("the log cannot be read", &error))
}

fn streams(log: &dyn LogRead) -> Result<Vec<String>, Failure> {
    log.streams().map_err(|error| Failure::because("the log cannot be read", &error))
}
