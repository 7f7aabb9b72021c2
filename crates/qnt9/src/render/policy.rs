//! Rules before they bite.

use qnt9_server::api::shapes::{BlockedShape, CouldShape};

use super::{Clock, Table, why};

/// Yes or no, and the tree.
pub fn could(shape: &CouldShape, clock: &Clock) -> String {
    let CouldShape { person, environment, .. } = shape;
    let (commit, at) = (shape.commit.short(), clock.exact(shape.at));
    let missing = shape.why.unmet();
    let answer = match (shape.could, missing.as_slice()) {
        (true, []) => "yes".to_owned(),
        (true, missing) => format!("yes, once {}", missing.join("; ")),
        (false, missing) => format!("no: {}", missing.join("; ")),
    };
    let mut text =
        format!("could {person} deploy {commit} to {environment} at {at}?\n{answer}\n\n");
    text.push_str(&why::parts(&shape.why, 2, clock));
    if let Some(earliest) = shape.earliest {
        text.push_str(&format!("\n  earliest: {}\n", clock.exact(earliest)));
    }
    text
}

/// A table of the deployments, and the tree of each that would have been blocked.
pub fn blocked(all: &[BlockedShape], clock: &Clock) -> String {
    let heads = ["  DEPLOYMENT", "ENVIRONMENT", "COMMIT", "BY", "WHEN", "WITH THIS FILE"];
    let mut table = Table::new(heads);
    for one in all {
        let deployment = &one.deployment;
        let (sign, word) = if one.blocked { ('✗', "blocked") } else { ('✓', "let through") };
        table.row([
            format!("{sign} {}", deployment.id),
            one.environment.to_string(),
            deployment.commit.as_ref().map(|commit| commit.short().to_owned()).unwrap_or_default(),
            deployment.by.clone(),
            clock.relative(deployment.requested),
            word.to_owned(),
        ]);
    }
    let mut text = table.text(0, "nothing was deployed by a job yet");
    for one in all.iter().filter(|one| one.blocked) {
        text.push_str(&format!("\ndeployment {} to {}\n", one.deployment.id, one.environment));
        text.push_str(&why::parts(&one.why, 2, clock));
    }
    text
}
