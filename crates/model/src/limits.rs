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
/// Facts that one command may cause before the machine is said to be running in circles.
pub const FACTS_PER_COMMAND_MAX: usize = 1_000_000;
/// Tries at delivering one notification.
pub const NOTIFICATION_TRIES_MAX: u32 = 5;
