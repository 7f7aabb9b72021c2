//! Permissions that nothing can use.

use super::{Walk, codes};
use crate::language::Token;

const CHECKOUT: &str = "actions/checkout@";
/// Actions, by how they begin, that need no permission beyond reading.
const READERS: [&str; 6] = [
    CHECKOUT,
    "actions/setup-",
    "actions/cache",
    "actions/upload-artifact@",
    "actions/download-artifact@",
    "hashicorp/setup-terraform@",
];

impl Walk<'_> {
    /// Scopes to be written of which no step can make use: a step gets the token by naming it, or by
    /// an action that takes it unasked.
    pub(super) fn unused_grants(&mut self, root: &Token) {
        let jobs = root.get("jobs").map_or(&[][..], Token::entries);
        for (_, job) in jobs {
            if let Some(own) = job.get("permissions") {
                self.unused(own, root, &[job]);
            }
        }
        if let Some(of_all) = root.get("permissions") {
            let jobs: Vec<&Token> = jobs.iter().map(|(_, job)| job).collect();
            let without = jobs.into_iter().filter(|job| job.get("permissions").is_none());
            self.unused(of_all, root, &without.collect::<Vec<_>>());
        }
    }

    fn unused(&mut self, permissions: &Token, root: &Token, jobs: &[&Token]) {
        if root.get("env").is_some_and(may_name_token) {
            return;
        }
        for (scope, access) in permissions.entries() {
            let name = scope.text();
            if access.as_str() == Some("write") && !jobs.iter().any(|job| may_use(job, &name)) {
                let message = format!("nothing here can use `{name}: write`");
                let hint = "leave it out, or write `read`: no step names the token, and no \
                            action takes it"
                    .to_owned();
                self.report(&codes::WIDE_PERMISSIONS, scope, message, Some(hint));
            }
        }
    }
}

fn may_use(job: &Token, scope: &str) -> bool {
    // What a called workflow does stands elsewhere.
    if job.get("uses").is_some() || may_name_token(job) {
        return true;
    }
    let mut steps: Vec<&Token> = Vec::new();
    for step in job.get("steps").map_or(&[][..], Token::items) {
        steps.push(step);
        steps.extend(step.get("parallel").map_or(&[][..], Token::items));
    }
    let has_script = steps.iter().any(|step| step.get("run").is_some());
    let uses: Vec<String> =
        steps.iter().filter_map(|step| step.get("uses")).map(Token::text).collect();
    match scope {
        // Every process of a job may ask for a token of identity.
        "id-token" if has_script => return true,
        // The token is left in the repository's folder, where `git push` finds it.
        "contents" if has_script && uses.iter().any(|one| one.starts_with(CHECKOUT)) => {
            return true;
        }
        _ => {}
    }
    uses.iter().any(|one| !READERS.iter().any(|reader| one.starts_with(reader)))
}

/// Whether anything below may be the token: it has several names, and whole contexts contain it.
fn may_name_token(token: &Token) -> bool {
    if token.items().iter().any(may_name_token) {
        return true;
    }
    let is_below = |(key, value): &(Token, Token)| {
        // The scope `id-token` is no use of it.
        key.as_str() != Some("permissions") && (may_name_token(key) || may_name_token(value))
    };
    if token.entries().iter().any(is_below) {
        return true;
    }
    let source = token.source().to_ascii_lowercase();
    source.contains("token") || source.contains("tojson(")
}

#[cfg(test)]
mod tests {
    use crate::lint::{Surroundings, check};

    fn found(permissions: &str, steps: &str) -> Vec<String> {
        let text = format!(
            "on: push\njobs:\n  a:\n    permissions: {{ {permissions} }}\n    runs-on: ubuntu-latest\n    steps: [{steps}]\n"
        );
        let findings = check("w.yml", &text, &Surroundings::NOTHING);
        findings.into_iter().map(|finding| finding.diagnostic.message).collect()
    }

    #[test]
    fn a_scope_that_no_step_can_use_is_found() {
        for (permissions, steps) in [
            ("issues: write", "{ run: make }"),
            ("issues: write", "{ uses: actions/checkout@v4 }, { run: git push }"),
            ("contents: write", "{ run: make }"),
            ("id-token: write", "{ uses: actions/checkout@v4 }"),
        ] {
            let message = format!("nothing here can use `{permissions}`");
            assert_eq!(found(permissions, steps), [message], "{steps}");
        }
    }

    #[test]
    fn a_scope_that_may_be_used_is_left_alone() {
        for (permissions, steps) in [
            ("issues: read", "{ run: make }"),
            ("contents: write", "{ uses: actions/checkout@v4 }, { run: git push }"),
            ("id-token: write", "{ run: make }"),
            ("issues: write", "{ uses: ./act }"),
            ("issues: write", "{ run: make, env: { T: '${{ github.token }}' } }"),
            ("issues: write", "{ run: make, env: { T: '${{ secrets.GITHUB_TOKEN }}' } }"),
        ] {
            assert_eq!(found(permissions, steps), [""; 0], "{permissions}: {steps}");
        }
    }

    #[test]
    fn what_a_workflow_grants_is_for_the_jobs_without_permissions_of_their_own() {
        let text = |own: &str| {
            format!(
                "on: push\npermissions: {{ issues: write }}\njobs:\n  a:\n{own}    runs-on: ubuntu-latest\n    steps: [{{ run: 'x ${{{{ github.token }}}}' }}]\n"
            )
        };
        let found = |own: &str| check("w.yml", &text(own), &Surroundings::NOTHING).len();
        assert_eq!(found(""), 0);
        assert_eq!(found("    permissions: {}\n"), 1);
    }
}
