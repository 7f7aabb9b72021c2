//! What `qnt9.toml` says: services, environments and their gates.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::ids::{EnvironmentName, Millis};
use crate::limits::GATE_EXPIRE_MS;

/// The whole file. The one in force is that of the default branch's head, so that a commit cannot
/// loosen its own gates.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Policy {
    /// `[project] name`.
    pub project: String,
    /// `[service.NAME]`, in file order.
    pub services: Vec<Service>,
    /// `[environment.NAME]`, in file order.
    pub environments: Vec<EnvironmentPolicy>,
    /// `[[freeze]]`, in file order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub freezes: Vec<Freeze>,
    /// `[[on_call]]`, in file order: the first whose time it is is on call.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub on_call: Vec<Shift>,
}

impl Policy {
    /// The rules of one environment.
    #[must_use]
    pub fn environment(&self, name: &EnvironmentName) -> Option<&EnvironmentPolicy> {
        self.environments.iter().find(|environment| &environment.name == name)
    }

    /// One service.
    #[must_use]
    pub fn service(&self, name: &str) -> Option<&Service> {
        self.services.iter().find(|service| service.name == name)
    }
}

/// `[service.NAME]`: how a release of it is started and known to be well.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Service {
    /// Its name.
    pub name: String,
    /// Program (relative to the unpacked release) and arguments.
    pub command: Vec<String>,
    /// The path that answers 200 when a replica is well.
    pub health: String,
    /// How long a new replica may take until it is healthy.
    pub health_timeout_ms: i64,
    /// Replicas, where the environment does not say.
    pub replicas: u32,
    /// The line of `qnt9.toml` on which `health` stands, for error messages.
    pub health_line: u32,
    /// What a new release must answer before it gets any traffic.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub smoke: Vec<SmokeTest>,
}

/// One entry of `smoke`: asked of a release that runs and has no traffic yet.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum SmokeTest {
    /// A path that must be answered 200.
    Path(String),
    /// A program of the release and its arguments, which must exit with 0. `URL` says where the release
    /// answers.
    Command(Vec<String>),
}

impl fmt::Display for SmokeTest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Path(path) => write!(f, "GET {path}"),
            Self::Command(command) => f.write_str(&command.join(" ")),
        }
    }
}

/// What starts a deployment to an environment.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Trigger {
    /// Any event.
    Any,
    /// Only a person's dispatch.
    Manual,
}

/// `[environment.NAME]`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct EnvironmentPolicy {
    /// Its name.
    pub name: EnvironmentName,
    /// Branches that may deploy here; empty: all.
    pub branches: Vec<String>,
    /// What may start a deployment.
    pub trigger: Trigger,
    /// Who must approve.
    pub approvals: Option<ApprovalRule>,
    /// Least time between the job's asking and its start.
    pub wait_ms: i64,
    /// What must have been proved.
    pub evidence: Vec<EvidenceRule>,
    /// How traffic moves to a new release.
    pub rollout: RolloutRule,
    /// Replicas of each service, when it differs from the service's own number.
    pub replicas: Option<u32>,
    /// When jobs may start; empty: always.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub windows: Vec<Window>,
    /// Who else is asked.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub checks: Vec<CheckRule>,
    /// How long a job may wait here, when the file says so; see [`EnvironmentPolicy::expire_ms`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expire_after_ms: Option<i64>,
    /// How long a new release is watched once it has all traffic, and what it must keep to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub watch: Option<WatchRule>,
    /// The secret that holds the address to which it is told how deployments here end.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub notify: Option<String>,
}

impl EnvironmentPolicy {
    /// How long a job waits for this environment before it fails.
    #[must_use]
    pub fn expire_ms(&self) -> i64 {
        self.expire_after_ms.unwrap_or(GATE_EXPIRE_MS)
    }
}

/// `"Mon-Thu 09:00-16:00 Europe/Berlin"`: on these days, by the clocks of that zone.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Window {
    /// The days on which it opens, in the order of the week.
    pub days: Vec<Day>,
    /// Minutes from midnight at which it opens.
    pub opens: u16,
    /// Minutes from midnight at which it closes; at or before `opens` on the day after.
    pub closes: u16,
    /// The IANA name of the zone.
    pub timezone: String,
}

/// A day of the week.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Day {
    Mon,
    Tue,
    Wed,
    Thu,
    Fri,
    Sat,
    Sun,
}

impl Day {
    /// All of them, from Monday.
    pub const ALL: [Self; 7] =
        [Self::Mon, Self::Tue, Self::Wed, Self::Thu, Self::Fri, Self::Sat, Self::Sun];
}

impl fmt::Display for Day {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self:?}")
    }
}

impl fmt::Display for Window {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut rest = self.days.as_slice();
        while let Some(first) = rest.first() {
            let follows = |(at, day): &(usize, &Day)| **day as usize == *first as usize + at;
            let length = rest.iter().enumerate().take_while(follows).count();
            match length {
                1 => write!(f, "{first}")?,
                _ => write!(f, "{first}-{}", rest[length - 1])?,
            }
            rest = &rest[length..];
            f.write_str(if rest.is_empty() { " " } else { "," })?;
        }
        let [opens, closes] = [self.opens, self.closes].map(|at| (at / 60, at % 60));
        write!(f, "{:02}:{:02}-{:02}:{:02} ", opens.0, opens.1, closes.0, closes.1)?;
        f.write_str(&self.timezone)
    }
}

/// `checks = [{ name, url, timeout, secret }]`: a service that is asked whether a job may go on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CheckRule {
    /// Its name.
    pub name: String,
    /// Where it is asked.
    pub url: String,
    /// Silence for so long fails it.
    pub timeout_ms: i64,
    /// The secret of the project that signs the question.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub secret: Option<String>,
}

/// `[[freeze]]`: no deployment from then until then.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Freeze {
    /// Its first moment.
    pub from: Millis,
    /// The first moment after it.
    pub until: Millis,
    /// What for.
    pub reason: String,
    /// Where; empty: everywhere.
    pub environments: Vec<EnvironmentName>,
}

impl Freeze {
    /// Whether it is about this environment.
    #[must_use]
    pub fn concerns(&self, environment: &EnvironmentName) -> bool {
        self.environments.is_empty() || self.environments.contains(environment)
    }
}

/// `approvals = { needed, from, exclude, expire_after }`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ApprovalRule {
    /// How many different people.
    pub needed: u32,
    /// Of whom.
    pub from: Vec<String>,
    /// Who of them cannot.
    pub exclude: Exclude,
    /// How long the job waits for them before it fails.
    pub expire_after_ms: i64,
}

/// Who cannot approve although listed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Exclude {
    /// Whoever started the run: GitHub's meaning.
    Dispatcher,
    /// Dispatcher, pusher, and every commit author since the environment's last release.
    Authors,
    /// Nobody.
    Nobody,
}

/// `"tests"` or `"load-test@staging"`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct EvidenceRule {
    /// What was proved: `tests`, `load-test`.
    pub kind: String,
    /// In which environment; without one, of the commit itself.
    pub environment: Option<EnvironmentName>,
    /// How old it may be at most. With an age, evidence of no environment may be of any commit: a backup
    /// belongs to none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_age_ms: Option<i64>,
}

/// `watch = { for, max_error_rate, p99, min_requests }`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct WatchRule {
    /// How long.
    pub for_ms: i64,
    /// How many of a thousand requests may be bad.
    pub bad_per_mille: u32,
    /// In how many milliseconds 99 of 100 requests are to be answered.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub p99_ms: Option<i64>,
    /// Requests without which nothing was proved at the end.
    pub min_requests: u64,
}

/// `[[on_call]]`: who is to be called, and when.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Shift {
    /// Who.
    pub who: String,
    /// When.
    pub windows: Vec<Window>,
}

/// `rollout = { strategy, .. }`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RolloutRule {
    /// Percent of traffic at each step, rising, the last 100. `[100]` moves all at once.
    pub steps: Vec<u32>,
    /// Least time at a step.
    pub step_for_ms: i64,
    /// Requests the new release must have answered at a step before it is judged well.
    pub min_requests: u64,
    /// What there is beside shares of the traffic.
    #[serde(default, skip_serializing_if = "Strategy::is_by_share")]
    pub strategy: Strategy,
}

impl RolloutRule {
    /// All traffic at once, as soon as the replicas are healthy.
    #[must_use]
    pub fn at_once() -> Self {
        let strategy = Strategy::ByShare;
        Self { steps: vec![100], step_for_ms: 0, min_requests: 0, strategy }
    }
}

/// How a new release takes the place of the old one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Strategy {
    /// Both run, and the new one's share of the traffic grows step by step.
    #[default]
    ByShare,
    /// The new one runs beside the old one at an address of its own until it is promoted: one switch.
    BlueGreen {
        /// Who promotes it.
        promote: Promote,
        /// How long the old one's replicas are kept after that.
        keep_ms: i64,
    },
    /// Replicas of the new one take the place of replicas of the old one.
    Rolling {
        /// How many replicas there may be beyond the wanted number.
        max_surge: u32,
        /// How many of the wanted number may be missing.
        max_unavailable: u32,
    },
}

impl Strategy {
    /// Whether there is nothing beside shares of the traffic.
    #[must_use]
    pub fn is_by_share(&self) -> bool {
        *self == Self::ByShare
    }
}

/// Who lets a release that runs beside the old one have the traffic.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Promote {
    /// Nobody: it gets it as soon as its smoke tests have passed.
    Auto,
    /// A person.
    Manual,
}
