//! The texts of an event that anybody outside can write: put into a script, they are run.

/// Paths as expressions name them; `*` is any item.
const UNTRUSTED: [&str; 22] = [
    "github.event.issue.title",
    "github.event.issue.body",
    "github.event.pull_request.title",
    "github.event.pull_request.body",
    "github.event.pull_request.head.ref",
    "github.event.pull_request.head.label",
    "github.event.pull_request.head.repo.default_branch",
    "github.event.comment.body",
    "github.event.review.body",
    "github.event.review_comment.body",
    "github.event.discussion.title",
    "github.event.discussion.body",
    "github.event.pages.*.page_name",
    "github.event.commits.*.message",
    "github.event.commits.*.author.email",
    "github.event.commits.*.author.name",
    "github.event.head_commit.message",
    "github.event.head_commit.author.email",
    "github.event.head_commit.author.name",
    "github.event.workflow_run.head_branch",
    "github.event.workflow_run.head_commit.message",
    "github.head_ref",
];

/// Whether a path, in small letters, names such a text. A `*` in it stands for every property.
pub(super) fn is_untrusted(path: &str) -> bool {
    UNTRUSTED.iter().any(|known| {
        let (known, path) = (known.split('.'), path.split('.'));
        known.clone().count() == path.clone().count()
            && known.zip(path).all(|(known, part)| known == part || part == "*")
    })
}
