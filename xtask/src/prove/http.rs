//! As much of HTTP/1.1 as a client needs that wants to see every failure itself.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::time::Duration;

use anyhow::{Context as _, Result, bail};

/// How long an answer may take.
const PATIENCE: Duration = Duration::from_secs(10);

/// A connection that is used for one request after the other.
pub(crate) struct Connection {
    address: String,
    stream: BufReader<TcpStream>,
}

impl Connection {
    pub(crate) fn open(address: &str) -> Result<Self> {
        let stream =
            TcpStream::connect(address).with_context(|| format!("connecting to {address}"))?;
        stream.set_read_timeout(Some(PATIENCE))?;
        stream.set_nodelay(true)?;
        Ok(Self { address: address.to_owned(), stream: BufReader::new(stream) })
    }

    /// One request with further header lines and a body: status and body of the answer.
    pub(crate) fn ask(
        &mut self,
        method: &str,
        path: &str,
        headers: &str,
        body: &str,
    ) -> Result<(u16, Vec<u8>)> {
        let (host, length) = (&self.address, body.len());
        let request = format!(
            "{method} {path} HTTP/1.1\r\nHost: {host}\r\nContent-Length: {length}\r\n{headers}\r\n{body}"
        );
        self.stream.get_mut().write_all(request.as_bytes()).context("sending")?;
        let answer = self.answer();
        answer.with_context(|| format!("{method} http://{}{path}", self.address))
    }

    fn answer(&mut self) -> Result<(u16, Vec<u8>)> {
        let first = self.line()?;
        let status = first.split(' ').nth(1).and_then(|word| word.parse().ok());
        let status = status.with_context(|| format!("`{first}` is no status line"))?;
        let (mut length, mut in_pieces) = (0, false);
        loop {
            let line = self.line()?.to_ascii_lowercase();
            if line.is_empty() {
                break;
            }
            if let Some(value) = line.strip_prefix("content-length:") {
                length = value.trim().parse::<usize>()?;
            } else if line.starts_with("transfer-encoding:") {
                in_pieces = true;
            }
        }
        let body = if in_pieces { self.pieces() } else { self.piece(length) };
        Ok((status, body.context("the answer broke off")?))
    }

    fn piece(&mut self, length: usize) -> Result<Vec<u8>> {
        let mut piece = vec![0; length];
        self.stream.read_exact(&mut piece)?;
        Ok(piece)
    }

    /// A body in chunks, as RFC 9112 has them in section 7.1.
    fn pieces(&mut self) -> Result<Vec<u8>> {
        let mut body = Vec::new();
        loop {
            let line = self.line()?;
            let length = usize::from_str_radix(&line, 16);
            let length = length.with_context(|| format!("`{line}` is no length of a chunk"))?;
            body.extend(self.piece(length)?);
            self.line()?;
            if length == 0 {
                return Ok(body);
            }
        }
    }

    fn line(&mut self) -> Result<String> {
        let mut line = String::new();
        if self.stream.read_line(&mut line)? == 0 {
            bail!("the connection was closed without an answer");
        }
        Ok(line.trim_end().to_owned())
    }
}
