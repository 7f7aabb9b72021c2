//! Log lines on standard output: time of day (UTC), level, text.

use std::{
    io::Write,
    time::{SystemTime, UNIX_EPOCH},
};

pub fn info(text: &str) {
    write("INFO", text);
}

pub fn warn(text: &str) {
    write("WARN", text);
}

fn write(level: &str, text: &str) {
    let seconds = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
    let (hours, minutes, seconds) = (seconds / 3600 % 24, seconds / 60 % 60, seconds % 60);
    // Nobody reading the log is no reason to stop serving.
    let _ =
        writeln!(std::io::stdout().lock(), "{hours:02}:{minutes:02}:{seconds:02} {level} {text}");
}
