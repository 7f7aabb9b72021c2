//! `why` against an oracle that shares no code with the gates, on ten thousand random rules and pasts.

mod judge;
mod story;

use std::collections::BTreeSet;

use qnt9_engine::gates::Gate;
use qnt9_model::Why;
use qnt9_model::why::Holds;

use judge::{Verdict, judge};
use story::Story;

/// Unless `ORACLE_STORIES` says otherwise, as mutation testing does.
const STORIES: u64 = 10_000;

#[test]
fn why_says_what_brute_force_finds() {
    let wanted = std::env::var("ORACLE_STORIES").ok().and_then(|count| count.parse().ok());
    let stories: u64 = wanted.unwrap_or(STORIES);
    let mut seen = [0; 3];
    for seed in 0..stories {
        let story = Story::new(seed);
        let project = &story.state.projects[&"shop".into()];
        let run = project.runs.get(&story.run).expect("the run is there");
        let gate = Gate::of(&story.state.platform, project, run, &run.legs[&story.job]);
        let why = gate.expect("the job has an environment").why(story.now);
        let mut who = BTreeSet::new();
        everybody(&why, &mut who);
        let said = Verdict { holds: why.holds, who, earliest: why.earliest };
        let found = judge(&story);
        seen[found.holds as usize] += 1;
        assert_eq!(said, found, "seed {seed}, at {:?}:\n{}", story.now, why.lines().join("\n"));
    }
    assert!(seen.iter().all(|count| *count > stories / 20), "one-sided stories: {seen:?}");
}

/// Who is named anywhere in the tree as able to change it.
fn everybody(why: &Why, who: &mut BTreeSet<String>) {
    if why.holds == Holds::NotYet {
        who.extend(why.who.iter().cloned());
        why.of.iter().for_each(|part| everybody(part, who));
    }
}
