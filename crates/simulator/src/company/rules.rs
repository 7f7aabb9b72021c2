//! What the company writes into `qnt9.toml`, stricter at some times than at others.

use crate::random::Random;

/// Which of the rules are set; drawn anew with every change of the file.
#[derive(Clone, Debug)]
pub(crate) struct Strictness {
    needed: u32,
    exclude: &'static str,
    expire_after: &'static str,
    wait: Option<&'static str>,
    evidence: bool,
    manual: bool,
    canary: bool,
    staging_approved: bool,
    extra: Extra,
}

/// Rules about time and about outside programs.
#[derive(Clone, Debug, Default)]
struct Extra {
    windows: Option<&'static str>,
    freeze: bool,
    checks: bool,
}

impl Strictness {
    pub(crate) fn draw(random: &mut Random) -> Self {
        Self {
            needed: random.pick([1, 1, 2, 3]),
            exclude: random.pick(["dispatcher", "authors", "nobody"]),
            expire_after: random.pick(["7d", "2h", "20m"]),
            wait: random.pick([None, Some("1m"), Some("10m")]),
            evidence: random.chance(500),
            manual: random.chance(600),
            canary: random.chance(600),
            staging_approved: random.chance(200),
            extra: Extra {
                windows: random.pick([
                    None,
                    None,
                    Some("Mon-Fri 08:00-20:00 Europe/Berlin"),
                    Some("Mon-Sun 22:00-06:00 America/New_York"),
                ]),
                freeze: random.chance(150),
                checks: random.chance(250),
            },
        }
    }

    /// What an ordinary team keeps all year.
    pub(crate) fn ordinary() -> Self {
        Self {
            needed: 2,
            exclude: "authors",
            expire_after: "7d",
            wait: Some("10m"),
            evidence: true,
            manual: true,
            canary: true,
            staging_approved: false,
            extra: Extra {
                windows: Some("Mon-Fri 08:00-18:00 Europe/Berlin"),
                freeze: false,
                checks: false,
            },
        }
    }
}

/// The file of a project called `name`.
pub(crate) fn rules(name: &str, strict: &Strictness, today: &str) -> String {
    let wait = strict.wait.map(|wait| format!("wait = \"{wait}\"\n")).unwrap_or_default();
    let trigger = if strict.manual { "trigger = \"manual\"\n" } else { "" };
    let evidence =
        if strict.evidence { "evidence = [\"tests\", \"load-test@staging\"]\n" } else { "" };
    let rollout = if strict.canary {
        "rollout = { strategy = \"canary\", steps = [10, 50, 100], step_for = \"1m\", min_requests = 50 }\n"
    } else {
        ""
    };
    let staging = if strict.staging_approved {
        "approvals = { needed = 1, from = [\"alice\", \"bob\", \"dave\"], exclude = \"nobody\", expire_after = \"1h\" }\n"
    } else {
        ""
    };
    let (needed, exclude, expire) = (strict.needed, strict.exclude, strict.expire_after);
    let extra = &strict.extra;
    let windows =
        extra.windows.map(|window| format!("windows = [\"{window}\"]\n")).unwrap_or_default();
    let checks = if extra.checks {
        "checks = [{ name = \"change-ticket\", url = \"http://127.0.0.1:9/check\", timeout = \"10m\" }]\n"
    } else {
        ""
    };
    let freeze = if extra.freeze {
        format!(
            "\n[[freeze]]\nfrom = {today}T12:00:00Z\nuntil = {today}T18:00:00Z\nreason = \"stocktaking\"\nenvironments = [\"production\"]\n"
        )
    } else {
        String::new()
    };
    format!(
        "[project]\nname = \"{name}\"\n\n[service.stock]\ncommand = [\"bin/stock\", \"serve\"]\nreplicas = 2\n\n\
         [environment.development]\nbranches = [\"develop\"]\nreplicas = 1\n\n\
         [environment.staging]\nbranches = [\"main\"]\n{staging}\n\
         [environment.production]\nbranches = [\"main\"]\n{trigger}\
         approvals = {{ needed = {needed}, from = [\"alice\", \"bob\", \"carol\", \"dave\", \"erin\"], exclude = \"{exclude}\", expire_after = \"{expire}\" }}\n\
         {wait}{evidence}{rollout}{windows}{checks}{freeze}"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whatever_is_drawn_can_be_read() {
        for seed in 0..200 {
            let strict = Strictness::draw(&mut Random::new(seed));
            let text = rules("shop", &strict, "2026-11-23");
            if let Err(problems) = qnt9_engine::policy::read("qnt9.toml", &text) {
                panic!("{problems:?}\n{text}");
            }
        }
    }
}
