//! Every code of this crate's findings, with what it means.

use super::{Code, Severity};

/// All codes, in their order.
pub static CODES: &[&Code] = &[
    &LANGUAGE,
    &UNDEFINED_NEED,
    &UNDEFINED_STEP,
    &UNDEFINED_INPUT,
    &UNDEFINED_SECRET,
    &UNDEFINED_MATRIX_KEY,
    &UNDEFINED_PROPERTY,
    &UNDEFINED_JOB_OUTPUT,
    &NO_OBJECT,
    &INDEX_KIND,
    &ARGUMENT_KIND,
    &COMPARISON,
    &BOOLEAN_AS_TEXT,
    &FORMAT,
    &BROKEN_JSON,
    &NOT_A_TEXT,
    &ALWAYS_TRUE,
    &NEVER_RUNS,
    &FILTERS,
    &PATTERN,
    &SCHEDULE,
    &INPUT,
    &EMPTY_LIST,
    &SCHEDULE_ON_GITHUB,
    &NUMBER,
    &MIXED_STEP,
    &NO_STEPS,
    &SHELL,
    &ENV_NAME,
    &ANCHOR,
    &MERGE_KEY,
    &MATRIX_DUPLICATE,
    &MATRIX_EXCLUDE,
    &RUNNER_LABEL,
    &RUNNER_CONFLICT,
    &ACTION_REFERENCE,
    &ACTION_INPUT,
    &ACTION_OUTDATED,
    &CALL_REFERENCE,
    &MISSING_CALL,
    &INJECTION,
    &CREDENTIALS,
    &UNPINNED,
    &WIDE_PERMISSIONS,
    &DEPLOYMENT_CANCELLED,
    &DEPLOYMENT_TIMEOUT,
    &SECRET_UNREACHED,
    &SCRIPT_ERROR,
    &SCRIPT,
];

/// The code of a property that something does not have.
pub(super) fn of_undefined(owner: &str) -> &'static Code {
    let mut parts = owner.split('.').map(str::to_ascii_lowercase);
    match (parts.next().as_deref(), parts.nth(1).as_deref()) {
        (Some("needs" | "jobs"), Some("outputs")) => &UNDEFINED_JOB_OUTPUT,
        (Some("needs" | "jobs"), _) => &UNDEFINED_NEED,
        (Some("steps"), _) => &UNDEFINED_STEP,
        (Some("inputs"), _) => &UNDEFINED_INPUT,
        (Some("secrets"), _) => &UNDEFINED_SECRET,
        (Some("matrix"), _) => &UNDEFINED_MATRIX_KEY,
        _ if owner.eq_ignore_ascii_case("github.event.inputs") => &UNDEFINED_INPUT,
        _ => &UNDEFINED_PROPERTY,
    }
}

/// The code of what GitHub refuses.
pub(super) fn language() -> &'static Code {
    &LANGUAGE
}

macro_rules! codes {
    ($($name:ident $id:literal $severity:ident $title:literal $explanation:literal $example:literal $fix:literal)*) => {
        $(
            #[doc = $title]
            pub(super) static $name: Code = Code {
                id: $id,
                severity: Severity::$severity,
                title: $title,
                explanation: $explanation,
                example: $example,
                fix: $fix,
            };
        )*
    };
}

codes! {
    LANGUAGE "QX1000" Error "not GitHub's language"
        "The file says something that GitHub's language of workflows does not have at this place. GitHub refuses the whole file, in the same words."
        "jobs:\n  build:\n    runs-on: ubuntu-latest\n    step: []"
        "Correct the key or the value at the place that is shown."

    UNDEFINED_NEED "QX1001" Error "a job that is not needed"
        "`needs` holds only the jobs that the job itself names under `needs:`, not those that they need in turn. Anything else is empty, without an error when it runs."
        "deploy:\n  needs: build\n  if: needs.test.result == 'success'"
        "Name the job under `needs:` as well."
    UNDEFINED_STEP "QX1002" Error "a step that has not run"
        "`steps` holds the steps of the same job that have an `id` and ran before, and of well-known actions only the outputs that they have. Anything else is empty."
        "- run: echo ${{ steps.build.outputs.digest }}\n- id: build\n  run: make"
        "Give the step the `id`, and put it before."
    UNDEFINED_INPUT "QX1003" Error "an input that is not declared"
        "`inputs` holds what `workflow_dispatch` and `workflow_call` declare. Anything else is empty."
        "on: { workflow_dispatch: { inputs: { version: {} } } }\n...\nrun: echo ${{ inputs.verison }}"
        "Declare the input, or correct its name."
    UNDEFINED_SECRET "QX1004" Error "a secret that is not declared"
        "A workflow that others call receives the secrets that it declares under `on.workflow_call.secrets`. Others are empty."
        "on: { workflow_call: { secrets: { token: {} } } }\n...\nrun: ./deploy ${{ secrets.tokne }}"
        "Declare the secret, or correct its name."
    UNDEFINED_MATRIX_KEY "QX1005" Error "a key that the matrix does not have"
        "`matrix` holds the vectors of the job's own matrix and what `include` adds. Anything else is empty."
        "strategy: { matrix: { os: [ubuntu-latest] } }\nruns-on: ${{ matrix.platform }}"
        "Add the key to the matrix, or correct its name."
    UNDEFINED_PROPERTY "QX1006" Error "a property that does not exist"
        "The context has no such property, so the expression is always empty."
        "run: echo ${{ github.branch }}"
        "Correct the name; the finding lists what there is."
    UNDEFINED_JOB_OUTPUT "QX1007" Error "an output that the job does not have"
        "A job's outputs are those under its `outputs:`. Anything else is empty."
        "build:\n  outputs: { image: x }\ndeploy:\n  needs: build\n  env: { IMAGE: '${{ needs.build.outputs.img }}' }"
        "Declare the output in the job that is needed, or correct its name."
    NO_OBJECT "QX1010" Error "a property of a value that has none"
        "Texts, numbers and booleans have no properties, so the expression is always empty."
        "if: github.repository.owner == 'me'"
        "Use the property that holds what you want, such as `github.repository_owner`."
    INDEX_KIND "QX1011" Error "a property named by something other than a text"
        "The properties of an object are named by texts; a number or boolean between the brackets names none."
        "run: echo ${{ env[0] }}"
        "Name the property by its text."
    ARGUMENT_KIND "QX1012" Error "an argument of the wrong kind"
        "The function makes nothing of a value of this kind."
        "if: startsWith('a', github.event)"
        "Give the function a text or a list as it needs; `toJSON` makes a text of anything."
    COMPARISON "QX1013" Error "a comparison that never tells anything"
        "Objects and lists equal only themselves, and booleans have no order: the comparison has the same answer whatever happens."
        "if: github.event == 'push'"
        "Compare the property that you mean."
    BOOLEAN_AS_TEXT "QX1014" Error "an input compared as the wrong type"
        "A boolean input is `true` or `false`, not a text: compared with 'true' it is never equal. In `github.event.inputs` it is the other way round, all values there are texts."
        "if: inputs.dry-run == 'true'"
        "Write `inputs.dry-run` or `!inputs.dry-run`."
    FORMAT "QX1015" Error "a format that does not fit its values"
        "`{0}`, `{1}`, ... in the first argument of `format` stand for the values behind it: one that asks for a value that is not there fails, one that nothing asks for is lost."
        "${{ format('{0}-{2}', github.ref, github.sha) }}"
        "Number the places from 0 and give as many values."
    BROKEN_JSON "QX1016" Error "a text that is not JSON"
        "`fromJSON` fails for this text when the job runs."
        "if: contains(fromJSON('[\"main\"'), github.ref_name)"
        "Close what is open, and put names and texts in double quotes."
    NOT_A_TEXT "QX1017" Error "a value that is no text, where a text is needed"
        "Within a text an object becomes `Object`, a list `Array`, and null nothing: what it holds is lost."
        "run: echo ${{ github.event }}"
        "Name the property that you mean, or use `toJSON` or `join`."
    ALWAYS_TRUE "QX1020" Error "a condition that is always true"
        "Text around `${{ }}` makes the whole `if:` a text, and a text that is not empty is true, whatever the expression says."
        "if: ${{ github.ref == 'refs/heads/main' }} && success()"
        "Put the whole condition into one `${{ }}`, or leave the braces out."
    NEVER_RUNS "QX1021" Warning "a job that can never run"
        "The condition is false whatever happens, so neither this job nor those that need it ever run."
        "if: false"
        "Remove the job, or the condition."

    FILTERS "QX1030" Error "filters that exclude each other"
        "An event takes either the names that are wanted or those that are not."
        "push: { branches: [main], branches-ignore: [dev] }"
        "Use the filter without `-ignore` alone, with `!` before what to leave out."
    PATTERN "QX1031" Error "a pattern that is none"
        "Branches, tags and paths are filtered by patterns of GitHub's own kind, not by regular expressions."
        "tags: ['v\\d+']"
        "Use `*`, `**`, `?`, `+`, `[]` and `!`: here `v[0-9]+`."
    SCHEDULE "QX1032" Error "a schedule that is none"
        "A schedule has five fields, minutes first, and names a time zone by its IANA name if any."
        "schedule: [{ cron: '0 25 * * *' }]"
        "Correct the fields: minute, hour, day of the month, month, day of the week."
    INPUT "QX1033" Error "an input or output that contradicts itself"
        "The type, the default and the options of an input have to go together, and an output has a value."
        "inputs: { level: { type: choice, default: high } }"
        "Give a choice its options, and a default that is one of them."
    EMPTY_LIST "QX1034" Error "an empty list"
        "Nothing can match an empty list of names."
        "image_version: { names: [] }"
        "Name something, or leave the key out."
    SCHEDULE_ON_GITHUB "QX1035" Warning "a schedule that GitHub keeps otherwise"
        "GitHub runs a schedule every five minutes at the most, and takes time zones by region and city only."
        "schedule: [{ cron: '* * * * *' }]"
        "Say `*/5` or more, and leave `timezone` out for UTC."

    NUMBER "QX1040" Error "a number out of range"
        "Timeouts are more than zero minutes, and `max-parallel` is a whole number of at least one."
        "timeout-minutes: 0"
        "Give a number in range, or leave the key out."
    MIXED_STEP "QX1041" Error "keys that do not go together"
        "A step runs a script or uses an action, and a job has steps or calls a workflow; the keys of one mean nothing to the other."
        "- run: make\n  uses: actions/checkout@v4"
        "Make two of it."
    NO_STEPS "QX1042" Error "a job without steps"
        "A job has `steps:`, or calls a workflow with `uses:`."
        "build: { runs-on: ubuntu-latest }"
        "Add steps."
    SHELL "QX1043" Error "a shell that is none"
        "A shell is one that GitHub knows by name, or a command in which `{0}` stands for the script."
        "shell: zsh"
        "Write `zsh {0}`."
    ENV_NAME "QX1044" Error "a name that no environment variable can have"
        "Names of environment variables hold neither `=` nor `&` nor spaces."
        "env: { 'MY VAR': x }"
        "Use letters, digits and `_`."
    ANCHOR "QX1045" Warning "an anchor that nothing uses"
        "The anchor names a part of the file that no alias repeats."
        "env: &common { A: 1 }"
        "Remove the anchor, or repeat the part with `*common`."
    MERGE_KEY "QX1046" Error "a merge key"
        "GitHub's language has aliases, but no merge keys: `<<` is a key like any other."
        "env: { <<: *common, B: 2 }"
        "Write the entries out, or repeat the whole mapping with an alias."
    MATRIX_DUPLICATE "QX1047" Warning "a value twice in a vector"
        "Each value of a vector makes jobs of its own, so the same job runs twice."
        "matrix: { node: [20, 22, 22] }"
        "Remove one of them."
    MATRIX_EXCLUDE "QX1048" Warning "an exclusion that excludes nothing"
        "No combination of the matrix has this value, so nothing is left out."
        "matrix: { node: [20], exclude: [{ node: 18 }] }"
        "Correct the value, or remove the entry."

    RUNNER_LABEL "QX1050" Warning "a runner that nobody knows"
        "GitHub has no runner of this label. Unless you have one of your own, the job waits for ever."
        "runs-on: macos-12"
        "Use a label that exists, such as `ubuntu-latest`, or `self-hosted` with labels of your own."
    RUNNER_CONFLICT "QX1051" Error "a runner that cannot be"
        "A runner must have all the labels, and no runner has two operating systems."
        "runs-on: [ubuntu-latest, windows-latest]"
        "Use a matrix to run on each of them."
    ACTION_REFERENCE "QX1052" Error "an action that cannot be found"
        "An image has a name and, behind a colon, a tag that is not empty."
        "uses: docker://alpine:"
        "Write the tag, or leave the colon out."
    ACTION_INPUT "QX1053" Warning "inputs that do not fit the action"
        "The action does not have this input and ignores it, needs one that is not given, or asks to use another one."
        "uses: actions/cache@v4\nwith: { keys: x, path: y }"
        "Correct the name; the finding lists what there is."
    ACTION_OUTDATED "QX1054" Warning "an action that is too old to run"
        "This version needs a release of Node.js that runners no longer have."
        "uses: actions/checkout@v2"
        "Use the version that the finding names."
    CALL_REFERENCE "QX1055" Error "a workflow that cannot be called"
        "A workflow is called as `owner/repository/.github/workflows/file.yml@ref`, or as `./.github/workflows/file.yml` in the same repository, where it has no `@ref` and has to exist."
        "uses: ./.github/workflows/ci.yml@main"
        "Leave the `@ref` out for a file of the same repository, and write it for one of another."
    MISSING_CALL "QX1056" Warning "a called workflow that is not there"
        "The file is not in this checkout. GitHub refuses the workflow if it is not in the commit either."
        "uses: ./.github/workflows/deplyo.yml"
        "Correct the path."

    INJECTION "QX1060" Error "a script that strangers can write"
        "The text comes from outside, and is put into the script before the shell reads it: whoever writes it runs commands with the job's token and secrets."
        "run: echo ${{ github.event.issue.title }}"
        "Put it into `env:` and use the variable: `env: { TITLE: '${{ github.event.issue.title }}' }`, `run: echo \"$TITLE\"`."
    CREDENTIALS "QX1061" Error "a password in the file"
        "Whoever can read the repository can read the password."
        "credentials: { username: me, password: hunter2 }"
        "Set a secret and write `${{ secrets.NAME }}`."
    UNPINNED "QX1062" Warning "somebody else's action by a name that can move"
        "A tag or branch can be moved to other code at any time, which then runs with the job's token and secrets."
        "uses: someone/deploy@v1"
        "Name the commit: `uses: someone/deploy@<40 hex digits> # v1`."
    WIDE_PERMISSIONS "QX1063" Warning "permissions wider than used"
        "The token may write everything, in every job; one bad dependency is enough to use it."
        "permissions: write-all"
        "Give each job the scopes that it needs, and no more."

    DEPLOYMENT_CANCELLED "QX1070" Warning "a deployment that the next one cancels"
        "With `cancel-in-progress` a newcomer of the same group ends a deployment half-way, also one that waits for its approval."
        "environment: production\nconcurrency: { group: production, cancel-in-progress: true }"
        "Leave `cancel-in-progress` out, and say `queue: max` if none may be lost."
    DEPLOYMENT_TIMEOUT "QX1071" Warning "a deployment without a time limit"
        "A job without `timeout-minutes` may hang for six hours, and holds its environment that long."
        "deploy: { environment: production, runs-on: ubuntu-latest }"
        "Say `timeout-minutes:`."
    SECRET_UNREACHED "QX1072" Error "a secret that this job does not get"
        "The secret is set for an environment, and only jobs of that environment receive it. Here it is empty."
        "test: { steps: [{ run: './t ${{ secrets.PROD_KEY }}' }] }"
        "Name the environment in the job, or set the secret for the project."

    SCRIPT_ERROR "QX1080" Error "a script that its shell cannot read, or that does something else"
        "The program shellcheck calls this an error: the shell does not read it, or does not do what it looks like."
        "run: if true; echo x; fi"
        "Correct the script; the page of the SC code, which the finding names, has examples."
    SCRIPT "QX1081" Warning "a script that shellcheck doubts"
        "The program shellcheck warns of this: it works until a name has a space, a variable is empty or a folder is missing."
        "run: rm -r $FOLDER/*"
        "Correct the script as the page of the SC code says, or write `# shellcheck disable=SC2086` above the line."
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_in_order_and_say_something() {
        assert!(CODES.windows(2).all(|pair| pair[0].id < pair[1].id));
        for code in CODES {
            let texts = [code.title, code.explanation, code.example, code.fix];
            assert!(texts.iter().all(|text| !text.is_empty()), "{}", code.id);
        }
    }
}
