//! Every bound of this crate, in one place.

use std::time::Duration;

/// A longer log line is split; GitHub's console cuts at about the same length.
pub const LOG_LINE_BYTES_MAX: usize = 16 * 1024;
/// Beyond this much log the job goes on, but its further lines are dropped with one notice.
pub const JOB_LOG_BYTES_MAX: u64 = 256 * 1024 * 1024;
/// One journal record; a bigger length in a frame header means the file is damaged.
pub const RECORD_BYTES_MAX: u32 = 8 * 1024 * 1024;
/// How many lines go into one log record when a step talks faster than we write.
pub const LOG_RECORD_LINES_MAX: usize = 512;
/// How long a job waits for room on a full disk before it is given up.
pub const ROOM_PATIENCE: Duration = Duration::from_secs(30 * 60);

/// All outputs of a job together, as documented by GitHub.
pub const JOB_OUTPUTS_BYTES_MAX: usize = 1024 * 1024;
/// All variables that steps hand on, for an attempt that goes on from here; beyond it their values are
/// not kept. Far below [`RECORD_BYTES_MAX`], since JSON may write six bytes for one.
pub const HANDED_ON_BYTES_MAX: usize = 1024 * 1024;
/// The summary of one step, as documented by GitHub.
pub const STEP_SUMMARY_BYTES_MAX: u64 = 1024 * 1024;
/// The file behind `GITHUB_ENV`, `GITHUB_OUTPUT`, `GITHUB_PATH` or `GITHUB_STATE` of one step.
pub const ENV_FILE_BYTES_MAX: u64 = 4 * 1024 * 1024;
/// Annotations of one step and level, as GitHub keeps them.
pub const STEP_ANNOTATIONS_MAX: usize = 10;

/// How long a cancelled process has after SIGINT. This and the next are those of GitHub's runner.
pub const CANCEL_INTERRUPT_GRACE: Duration = Duration::from_millis(7_500);
/// How long a cancelled process has after SIGTERM, before SIGKILL.
pub const CANCEL_TERMINATE_GRACE: Duration = Duration::from_millis(2_500);
/// How long `always()` steps may take after a cancel.
pub const CANCEL_TIMEOUT: Duration = Duration::from_secs(5 * 60);
/// GitHub's default for `timeout-minutes` of a job.
pub const JOB_TIMEOUT: Duration = Duration::from_secs(6 * 60 * 60);
/// After a step's process ended, how long its output may stay open because a background child
/// still holds it. What comes later is logged under the step that runs then.
pub const OUTPUT_DRAIN: Duration = Duration::from_millis(250);
/// How long a finished shim waits for connected readers to take the last records.
pub const READERS_DRAIN: Duration = Duration::from_secs(1);

/// GitHub's default for `retention-days` of an artifact here.
pub const ARTIFACT_RETENTION_DAYS: u32 = 30;
/// The unpacked size of one artifact.
pub const ARTIFACT_BYTES_MAX: u64 = 8 * 1024 * 1024 * 1024;
/// The number of files in one artifact.
pub const ARTIFACT_FILES_MAX: usize = 100_000;
/// One answer or upload of the server to a built-in action may take this long.
pub const ARTIFACT_TRANSFER: Duration = Duration::from_secs(10 * 60);

/// How long the workspace of a job's last failed attempt is kept.
pub const WORKSPACE_KEPT: Duration = Duration::from_secs(7 * 24 * 60 * 60);
/// A bigger workspace is not kept.
pub const WORKSPACE_KEPT_BYTES_MAX: u64 = 2 * 1024 * 1024 * 1024;
/// All kept workspaces together; beyond this the oldest go.
pub const WORKSPACES_KEPT_BYTES_MAX: u64 = 10 * 1024 * 1024 * 1024;

/// How long a service has after SIGTERM before SIGKILL, unless its spec says otherwise.
pub const REPLICA_STOP_GRACE: Duration = Duration::from_secs(10);
/// A service's log is rotated once beyond this size: `log` becomes `log.1`.
pub const REPLICA_LOG_BYTES_MAX: u64 = 32 * 1024 * 1024;

/// A secret shorter than this is masked as it is, but not in its encoded forms, and a line this
/// short of a multi-line secret is not masked by itself: a lone `{` would blot out every log.
pub const MASK_DERIVED_BYTES_MIN: usize = 4;
