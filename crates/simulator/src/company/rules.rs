//! What the company writes into `qnt9.toml`, stricter at some times than at others.

use qnt9_model::Millis;

use crate::random::Random;

/// Which of the rules are set; drawn anew with every change of the file.
#[derive(Clone, Debug)]
pub(crate) struct Strictness {
    needed: u32,
    exclude: &'static str,
    expire_after: &'static str,
    wait: Option<&'static str>,
    /// What must have been proved, as it is written.
    evidence: &'static str,
    manual: bool,
    canary: bool,
    staging_approved: bool,
    staging_canary: bool,
    extra: Extra,
    /// How development is delivered to, and whether what serves there is watched.
    development: &'static str,
    watched: bool,
    smoke: bool,
}

/// Rules about time and about outside programs.
#[derive(Clone, Debug, Default)]
struct Extra {
    windows: Windows,
    /// Minutes from when the file is written until it begins and until it ends.
    freeze: Option<(i64, i64)>,
    checks: bool,
}

#[derive(Clone, Debug, Default)]
enum Windows {
    #[default]
    Always,
    Written(&'static str),
    /// From when the file is written on every second minute for two hours: whatever comes is near
    /// the edge of one.
    EverySecondMinute,
}

const TESTS: &str = "evidence = [\"tests\"]\n";
const BOTH: &str = "evidence = [\"tests\", \"load-test@staging\"]\n";

impl Strictness {
    pub(crate) fn draw(random: &mut Random) -> Self {
        Self {
            needed: random.pick([1, 1, 2, 3]),
            exclude: random.pick(["dispatcher", "authors", "nobody"]),
            expire_after: random.pick(["7d", "2h", "20m"]),
            wait: random.pick([None, Some("1m"), Some("10m")]),
            evidence: random.pick(["", TESTS, BOTH, BOTH]),
            manual: random.chance(600),
            canary: random.chance(800),
            staging_approved: random.chance(200),
            staging_canary: random.chance(700),
            extra: Extra {
                windows: match random.below(6) {
                    0..=2 => Windows::Always,
                    3 => Windows::Written("Mon-Fri 08:00-20:00 Europe/Berlin"),
                    4 => Windows::Written("Mon-Sun 22:00-06:00 America/New_York"),
                    _ => Windows::EverySecondMinute,
                },
                freeze: random
                    .chance(200)
                    .then(|| (random.between(-60..=20), random.between(30..=240))),
                checks: random.chance(400),
            },
            development: random.pick([
                "replicas = 1\n",
                "replicas = 2\nrollout = { strategy = \"blue-green\", keep = \"10m\" }\n",
                "replicas = 1\nrollout = { strategy = \"blue-green\", promote = \"manual\" }\n",
                "replicas = 4\nrollout = { strategy = \"rolling\" }\n",
                "replicas = 3\nrollout = { strategy = \"rolling\", max_surge = 2, max_unavailable = 1 }\n",
            ]),
            watched: random.chance(500),
            smoke: random.chance(400),
        }
    }

    /// What an ordinary team keeps all year.
    pub(crate) fn ordinary() -> Self {
        Self {
            needed: 2,
            exclude: "dispatcher",
            expire_after: "7d",
            wait: Some("10m"),
            evidence: TESTS,
            manual: true,
            canary: true,
            staging_approved: false,
            staging_canary: false,
            extra: Extra {
                windows: Windows::Written("Mon-Fri 08:00-18:00 Europe/Berlin"),
                freeze: None,
                checks: true,
            },
            development: "replicas = 1\n",
            watched: false,
            smoke: false,
        }
    }
}

impl Windows {
    fn lines(&self, now: Millis) -> String {
        match self {
            Self::Always => String::new(),
            Self::Written(window) => format!("windows = [\"{window}\"]\n"),
            Self::EverySecondMinute => {
                let clock = |minute: i64| {
                    let minute = (now.0 / MINUTE_MS + minute) % (24 * 60);
                    format!("{:02}:{:02}", minute / 60, minute % 60)
                };
                let window =
                    |nth: i64| format!("\"Mon-Sun {}-{} UTC\"", clock(2 * nth), clock(2 * nth + 1));
                let windows: Vec<String> = (0..60).map(window).collect();
                format!("windows = [{}]\n", windows.join(", "))
            }
        }
    }
}

const MINUTE_MS: i64 = 60_000;

/// The file of a project called `name`, as it is written at this moment.
pub(crate) fn rules(name: &str, strict: &Strictness, now: Millis) -> String {
    let wait = strict.wait.map(|wait| format!("wait = \"{wait}\"\n")).unwrap_or_default();
    let trigger = if strict.manual { "trigger = \"manual\"\n" } else { "" };
    let evidence = strict.evidence;
    let rollout = if strict.canary {
        "rollout = { strategy = \"canary\", steps = [10, 50, 100], step_for = \"1m\", min_requests = 50 }\n"
    } else {
        ""
    };
    // Staging is delivered to with each push, and so compares two releases often.
    let staging_rollout = if strict.staging_canary { rollout } else { "" };
    let staging = if strict.staging_approved {
        "approvals = { needed = 1, from = [\"alice\", \"bob\", \"dave\"], exclude = \"nobody\", expire_after = \"1h\" }\n"
    } else {
        ""
    };
    let (needed, exclude, expire) = (strict.needed, strict.exclude, strict.expire_after);
    let extra = &strict.extra;
    let windows = extra.windows.lines(now);
    let checks = if extra.checks {
        "checks = [{ name = \"change-ticket\", url = \"http://127.0.0.1:9/check\", timeout = \"10m\" }]\n"
    } else {
        ""
    };
    let at = |minutes: i64| {
        let whole = now.0 / 1000 * 1000;
        jiff::Timestamp::from_millisecond(whole + minutes * MINUTE_MS).unwrap_or_default()
    };
    let freeze = extra.freeze.map(|(from, until)| {
        let (from, until) = (at(from), at(until));
        format!(
            "\n[[freeze]]\nfrom = {from}\nuntil = {until}\nreason = \"stocktaking\"\nenvironments = [\"production\"]\n"
        )
    });
    let freeze = freeze.unwrap_or_default();
    let development = strict.development;
    let watch = if strict.watched {
        "watch = { for = \"10m\", p99 = \"500ms\" }\nnotify = \"CHAT\"\n"
    } else {
        ""
    };
    let smoke = if strict.smoke { "smoke = [\"/ready\"]\n" } else { "" };
    format!(
        "[project]\nname = \"{name}\"\n\n[service.stock]\ncommand = [\"bin/stock\", \"serve\"]\nreplicas = 2\n{smoke}[service.auth]\ncommand = [\"bin/auth\"]\n\n\
         [environment.development]\nbranches = [\"develop\"]\n{development}{watch}\n\
         [environment.staging]\nbranches = [\"main\"]\n{staging}{staging_rollout}\n\
         [environment.production]\nbranches = [\"main\"]\n{trigger}\
         approvals = {{ needed = {needed}, from = [\"alice\", \"bob\", \"carol\", \"dave\", \"erin\"], exclude = \"{exclude}\", expire_after = \"{expire}\" }}\n\
         {wait}{evidence}{rollout}{watch}{windows}{checks}{freeze}"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whatever_is_drawn_can_be_read() {
        for seed in 0..200 {
            let strict = Strictness::draw(&mut Random::new(seed));
            let text = rules("shop", &strict, Millis(1_793_602_812_345));
            if let Err(problems) = qnt9_engine::policy::read("qnt9.toml", &text) {
                panic!("{problems:?}\n{text}");
            }
        }
    }
}
