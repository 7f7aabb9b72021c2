//! The company's workflow files, and what the jobs in them are for.

use qnt9_model::command::WorkflowFile;

const STAGING: &str = "
on: { push: { branches: [main] } }
concurrency: staging
jobs:
  test: { runs-on: x, strategy: { max-parallel: 1, matrix: { suite: [lib, http] } }, steps: [{ run: x }, { run: x }] }
  release: { needs: test, runs-on: x, outputs: { digest: x }, steps: [{ run: x }, { run: x }] }
  deploy: { needs: release, runs-on: x, environment: staging, steps: [{ run: x }, { run: x }] }
  load-test: { needs: deploy, runs-on: x, steps: [{ run: x }] }
";

const PRODUCTION: &str = "
on: { workflow_dispatch: { inputs: { environment: { type: string, default: production }, replan: { type: string, default: 'no' } } } }
jobs:
  plan: { runs-on: x, steps: [{ run: x }, { run: x }] }
  deploy: { needs: plan, runs-on: x, environment: '${{ inputs.environment }}', steps: [{ run: x }, { run: x }, { run: x }] }
  replan: { needs: plan, if: inputs.replan == 'yes', runs-on: x, steps: [{ run: x }, { run: x }] }
  notify: { needs: deploy, if: always(), runs-on: x, steps: [{ run: x }] }
";

const DEVELOPMENT: &str = "
on: { push: { branches: [develop] }, workflow_dispatch: {} }
concurrency: { group: 'dev-${{ github.ref_name }}', cancel-in-progress: true }
jobs:
  release: { runs-on: x, steps: [{ run: x }] }
  deploy: { needs: release, runs-on: x, environment: development, steps: [{ run: x }, { run: x }] }
";

const TANGLE: &str = "
on: [push, workflow_dispatch]
concurrency: { group: 'tangle-${{ github.ref_name }}', cancel-in-progress: \"${{ github.ref_name == 'main' }}\" }
jobs:
  list: { runs-on: x, outputs: { n: x }, steps: [{ run: x }] }
  many:
    needs: list
    runs-on: x
    strategy: { max-parallel: 2, matrix: { n: \"${{ fromJSON(needs.list.outputs.n) }}\" } }
    continue-on-error: ${{ matrix.n == 2 }}
    steps: [{ run: x }, { run: x }]
  all: { runs-on: x, strategy: { fail-fast: false, matrix: { n: [1, 2] } }, steps: [{ run: x }] }
  there: { runs-on: x, strategy: { fail-fast: false, max-parallel: 1, matrix: { to: [development, staging, preview] } }, environment: '${{ matrix.to }}', steps: [{ run: x }] }
  direct: { needs: all, runs-on: x, environment: production, steps: [{ run: x }] }
  latest: { needs: list, runs-on: x, concurrency: { group: latest, cancel-in-progress: true }, steps: [{ run: x }, { run: x }] }
  undo: { needs: [many, direct], if: failure() || cancelled(), runs-on: x, steps: [{ run: x }] }
  sum: { needs: [many, all, there, undo], if: always(), runs-on: x, steps: [{ run: x }] }
";

const NIGHTLY: &str = "
on: { schedule: [{ cron: '30 3 * * *' }], workflow_dispatch: {} }
jobs:
  test: { runs-on: x, timeout-minutes: 30, steps: [{ run: x }, { run: x }] }
  wait: { needs: test, runs-on: x, concurrency: { group: wait, cancel-in-progress: true }, steps: [{ run: x }] }
  terraform: { needs: test, runs-on: x, concurrency: terraform, steps: [{ run: x }, { run: x }] }
  notify: { needs: [wait, terraform], if: failure(), runs-on: x, steps: [{ run: x }] }
";

/// Its concurrency group has no value, so that no run of it can be made.
const HOURLY: &str = "
on: { schedule: [{ cron: '17 * * * *' }] }
concurrency: \"${{ fromJSON('{') }}\"
jobs:
  test: { runs-on: x, steps: [{ run: x }] }
";

const IMPOSSIBLE: &str = "
on: [push, workflow_dispatch]
jobs:
  odd: { runs-on: x, if: \"${{ fromJSON('{') }}\", steps: [{ run: x }] }
  after: { needs: odd, runs-on: x, steps: [{ run: x }] }
";

const BROKEN: &str = "
on: psuh
jobs:
  test: { runs-on: x, steps: [{ run: x }] }
";

const CHECKS: &str = "
on: push
jobs:
  lint: { runs-on: x, steps: [{ run: x }] }
  unit: { runs-on: x, strategy: { matrix: { suite: [lib, http] } }, steps: [{ run: x }, { run: x }] }
  sum: { needs: [lint, unit], runs-on: x, steps: [{ run: x }] }
";

const SCANS: &str = "
on: push
concurrency: { group: 'scans-${{ github.ref_name }}', cancel-in-progress: true }
jobs:
  licences: { runs-on: x, steps: [{ run: x }] }
  secrets: { runs-on: x, steps: [{ run: x }] }
";

const FILES: [(&str, &str); 10] = [
    ("staging.yml", STAGING),
    ("production.yml", PRODUCTION),
    ("development.yml", DEVELOPMENT),
    ("tangle.yml", TANGLE),
    ("nightly.yml", NIGHTLY),
    ("impossible.yml", IMPOSSIBLE),
    ("broken.yml", BROKEN),
    ("hourly.yml", HOURLY),
    ("checks.yml", CHECKS),
    ("scans.yml", SCANS),
];

/// All of them, read once.
#[derive(Clone, Debug)]
pub(crate) struct Workflows(Vec<WorkflowFile>);

impl Workflows {
    #[cfg(test)]
    const COUNT: usize = FILES.len();
    /// The files before what only an office has: whoever pushes in a hurry pushes none of that.
    pub(crate) const DENSE: usize = 8;
    pub(crate) const PRODUCTION: usize = 1;
    /// What is pushed with a tag.
    pub(crate) const TAGGED: u64 = 0b1001;
    /// What is delivered and what runs at night: no tangle, nothing broken.
    pub(crate) const ORDINARY: u64 = 0b001_0111;
    /// A team's everyday files: three workflows for a push to a branch that is delivered.
    pub(crate) const OFFICE: u64 = Self::ORDINARY | 0b11_0000_0000;

    pub(crate) fn read() -> Self {
        let read = |(name, text): &(&str, &str)| {
            let path = format!(".github/workflows/{name}");
            let workflow = qnt9_workflow::parse(&path, text);
            let workflow = workflow.map_err(|errors| {
                errors.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")
            });
            let value = |workflow| serde_json::to_value(workflow).expect("plain data");
            WorkflowFile { path, workflow: workflow.map(value) }
        };
        Self(FILES.iter().map(read).collect())
    }

    pub(crate) fn get(&self, index: usize) -> &WorkflowFile {
        &self.0[index]
    }

    /// Those whose bit is set.
    pub(crate) fn chosen(&self, bits: u64) -> Vec<WorkflowFile> {
        let set = |(index, _): &(usize, &WorkflowFile)| bits >> index & 1 == 1;
        self.0.iter().enumerate().filter(set).map(|(_, file)| file.clone()).collect()
    }
}

/// What a job is for: its key in the file says it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum JobKind {
    Test,
    List,
    Release,
    Plan,
    Deploy,
    LoadTest,
    Notify,
    Wait,
    Terraform,
    Plain,
}

pub(crate) fn job_kind(key: &str) -> JobKind {
    match key.split('.').next().unwrap_or(key) {
        "test" => JobKind::Test,
        "list" => JobKind::List,
        "release" => JobKind::Release,
        "plan" | "replan" => JobKind::Plan,
        "deploy" | "direct" | "there" => JobKind::Deploy,
        "load-test" => JobKind::LoadTest,
        "notify" => JobKind::Notify,
        "wait" => JobKind::Wait,
        "terraform" => JobKind::Terraform,
        _ => JobKind::Plain,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_broken_file_cannot_be_read() {
        let files = Workflows::read();
        let unreadable: Vec<&str> = (0..Workflows::COUNT)
            .map(|index| files.get(index))
            .filter(|file| file.workflow.is_err())
            .map(|file| file.path.as_str())
            .collect();
        assert_eq!(unreadable, [".github/workflows/broken.yml"]);
    }
}
