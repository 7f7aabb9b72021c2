//! Limits, in one place, units last.

/// Legs of one matrix, as on GitHub.
pub const MATRIX_LEGS_MAX: usize = 256;
/// Bytes of one job's outputs, as on GitHub.
pub const JOB_OUTPUT_BYTES_MAX: usize = 1024 * 1024;
/// Attempts at a job whose runner is lost each time, the first one counted; then a person decides.
pub const LOST_ATTEMPTS_MAX: u32 = 3;
/// Commits that one push may announce; a longer history is cut at this many.
pub const PUSH_COMMITS_MAX: usize = 2_000;
/// How long a rollout may stand at one step without enough requests to be judged.
pub const ROLLOUT_STALL_MS: i64 = 10 * 60 * 1000;
/// How long a deployment's replicas may take until all are healthy, beyond `health_timeout`.
pub const REPLICAS_START_MS: i64 = 60 * 1000;
/// How long smoke tests of a release may take, all of them.
pub const SMOKE_MS: i64 = 5 * 60 * 1000;
/// How long a release waits beside the old one for a person to promote it.
pub const PROMOTE_MS: i64 = 24 * HOUR_MS;
/// How far back the judge of a watched release looks.
pub const WATCH_LOOK_MS: i64 = 60 * 1000;
/// Most characters of a cause that a person notes.
pub const CAUSE_CHARS_MAX: usize = 2_000;
/// Facts that one command may cause before the machine is said to be running in circles.
pub const FACTS_PER_COMMAND_MAX: usize = 1_000_000;
/// Tries at delivering one notification.
pub const NOTIFICATION_TRIES_MAX: u32 = 10;
/// The pause after the first failed delivery of a notification or a question to a check; each
/// further one is [`DELIVERY_PAUSE_FACTOR`] times longer.
pub const DELIVERY_PAUSE_MS: i64 = 5 * 1000;
/// How much longer each pause between deliveries is than the one before it.
pub const DELIVERY_PAUSE_FACTOR: i64 = 4;
/// The longest pause between two deliveries of a notification.
pub const NOTIFICATION_PAUSE_MAX_MS: i64 = 3 * HOUR_MS;
/// The longest pause between two tries at reaching a check, whose time is short.
pub const CHECK_PAUSE_MAX_MS: i64 = 60 * 1000;
/// How long a check may be silent unless its rule says otherwise.
pub const CHECK_TIMEOUT_MS: i64 = 10 * 60 * 1000;
/// How long a job waits for its environment unless the rules say otherwise, as on GitHub.
pub const GATE_EXPIRE_MS: i64 = 30 * 24 * HOUR_MS;
/// How many wait for a concurrency group with `queue: max`, as on GitHub.
pub const CONCURRENCY_QUEUE_MAX: usize = 100;
/// How long a cancelled job may take to stop by itself, as on GitHub.
pub const CANCEL_GRACE_MS: i64 = 5 * 60 * 1000;
/// How long beyond its `timeout-minutes` a job may take to be stopped by its runner.
pub const TIMEOUT_GRACE_MS: i64 = 5 * 60 * 1000;
/// How long after the order to end it an attempt is declared ended by the machine itself.
pub const KILL_GRACE_MS: i64 = 60 * 1000;
/// How long nothing may be heard of an attempt until the world is asked about it.
pub const LEASE_MS: i64 = 60 * 60 * 1000;
/// How long the gateway may take to carry a rollout's new share of the traffic.
pub const TRAFFIC_STALL_MS: i64 = 10 * 60 * 1000;
/// How late a schedule may be started; an older moment is dropped.
pub const SCHEDULE_LATE_MAX_MS: i64 = 24 * HOUR_MS;

const HOUR_MS: i64 = 60 * 60 * 1000;
