//! The programs that tests run against qnt9, and how they are had.

use std::io::Write as _;
use std::process::{Command, Stdio};

use anyhow::{Result, bail};

/// A program that some test needs.
struct Tool {
    /// What it is for.
    purpose: &'static str,
    /// The programs, any of which will do.
    programs: &'static [&'static str],
    /// Further places where it may lie.
    places: &'static [&'static str],
    /// Debian's package.
    package: &'static str,
}

const TOOLS: &[Tool] = &[
    Tool { purpose: "git, for repositories", programs: &["git"], places: &[], package: "git" },
    Tool {
        purpose: "a browser, for the console's pages",
        programs: &["chromium", "chromium-browser", "google-chrome"],
        places: &[],
        package: "chromium",
    },
    Tool {
        purpose: "skopeo, an independent reader of image layouts",
        programs: &["skopeo"],
        places: &[],
        package: "skopeo",
    },
    Tool {
        purpose: "PostgreSQL, for the reference system",
        programs: &["initdb"],
        places: &["/usr/lib/postgresql/*/bin/initdb"],
        package: "postgresql",
    },
];

/// Finds each tool or installs it; an error names all that cannot be had.
pub(crate) fn provide() -> Result<()> {
    let missing: Vec<&Tool> = TOOLS.iter().filter(|tool| !is_there(tool)).collect();
    if !missing.is_empty() {
        install(&missing);
    }
    let missing: Vec<String> = TOOLS
        .iter()
        .filter(|tool| !is_there(tool))
        .map(|tool| format!("  {}: apt-get install {}", tool.purpose, tool.package))
        .collect();
    if !missing.is_empty() {
        bail!("the tests need what is not on this machine:\n{}", missing.join("\n"));
    }
    if !answers("terraform", &["version"]) {
        say("terraform is not on PATH: qnt9 fetches its pinned release when there is a network");
    }
    Ok(())
}

fn is_there(tool: &Tool) -> bool {
    tool.programs.iter().any(|program| answers("sh", &["-c", &format!("command -v {program}")]))
        || tool.places.iter().any(|place| answers("sh", &["-c", &format!("ls {place}")]))
}

/// Installs Debian's packages, as far as this user may.
fn install(tools: &[&Tool]) {
    let packages: Vec<&str> = tools.iter().map(|tool| tool.package).collect();
    say(&format!("installing {}", packages.join(", ")));
    let user_is_root = Command::new("id").arg("-u").output().is_ok_and(|id| id.stdout == b"0\n");
    let prefix: &[&str] = if user_is_root { &[] } else { &["sudo", "-n"] };
    let update = [prefix, &["apt-get", "update", "-qq"]].concat();
    let install =
        [prefix, &["apt-get", "install", "-y", "-qq", "--no-install-recommends"], &packages[..]]
            .concat();
    for command in [update, install] {
        let status = Command::new(command[0])
            .args(&command[1..])
            .env("DEBIAN_FRONTEND", "noninteractive")
            .stdout(Stdio::null())
            .status();
        if !status.is_ok_and(|status| status.success()) {
            say(&format!("`{}` failed", command.join(" ")));
        }
    }
}

/// Whether the command can be started and succeeds.
pub(crate) fn answers(program: &str, args: &[&str]) -> bool {
    Command::new(program)
        .args(args)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .is_ok_and(|status| status.success())
}

/// Talks to the user. That nobody listens any more is no reason to stop.
pub(crate) fn say(text: &str) {
    let _ = writeln!(std::io::stderr(), "{text}");
}
