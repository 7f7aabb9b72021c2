//! How commits follow one another.

use std::collections::{BTreeMap, BTreeSet};

use qnt9_model::Sha;
use qnt9_model::fact::Commit;

/// How far each known commit is from the beginning: further than all its parents. With it, what one
/// commit has and another has not is found without walking the whole past.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct History {
    depths: BTreeMap<Sha, u32>,
    /// Parents that were named and are not known.
    missing: BTreeSet<Sha>,
}

impl History {
    pub(crate) fn of(commits: &BTreeMap<Sha, Commit>) -> Self {
        let mut history = Self::default();
        commits.values().for_each(|commit| history.measure(commits, commit));
        history
    }

    /// Takes in commits that have just become known.
    pub(crate) fn see(&mut self, commits: &BTreeMap<Sha, Commit>, new: &[Commit]) {
        if new.iter().any(|commit| self.missing.contains(&commit.sha)) {
            *self = Self::of(commits);
        } else {
            new.iter().for_each(|commit| self.measure(commits, commit));
        }
    }

    /// Measures a commit, its parents first.
    fn measure(&mut self, commits: &BTreeMap<Sha, Commit>, commit: &Commit) {
        let mut next = vec![commit];
        while let Some(commit) = next.last().copied() {
            if self.depths.contains_key(&commit.sha) {
                next.pop();
                continue;
            }
            let known = next.len();
            let mut depth = 0;
            for parent in &commit.parents {
                match (self.depths.get(parent), commits.get(parent)) {
                    (Some(of_parent), _) => depth = depth.max(of_parent + 1),
                    (None, Some(parent)) => next.push(parent),
                    (None, None) => {
                        self.missing.insert(parent.clone());
                    }
                }
            }
            if next.len() == known {
                self.depths.insert(commit.sha.clone(), depth);
                next.pop();
            }
        }
    }

    /// The commits that `head` has and `base` has not, `head` first if it is one of them.
    pub(crate) fn between<'a>(
        &self,
        commits: &'a BTreeMap<Sha, Commit>,
        base: Option<&Sha>,
        head: &Sha,
    ) -> Vec<&'a Commit> {
        // From the furthest back to the nearest: when a commit's turn comes, all that follow it have
        // had theirs, so it is known whether `base` has it.
        let mut next: BTreeMap<(u32, &Sha), bool> = BTreeMap::new();
        let place = |sha| Some((*self.depths.get(sha)?, commits.get_key_value(sha)?.0));
        next.extend(place(head).map(|place| (place, false)));
        if let Some(place) = base.and_then(place) {
            next.insert(place, true);
        }
        let mut wanted = next.values().filter(|of_base| !**of_base).count();
        let mut found = Vec::new();
        while wanted > 0 {
            let Some(((_, sha), of_base)) = next.pop_last() else { break };
            let commit = &commits[sha];
            if !of_base {
                wanted -= 1;
                found.push(commit);
            }
            for place in commit.parents.iter().filter_map(place) {
                match next.insert(place, of_base) {
                    None => wanted += usize::from(!of_base),
                    Some(false) => wanted -= usize::from(of_base),
                    Some(true) => {
                        next.insert(place, true);
                    }
                }
            }
        }
        found
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn sha(n: usize) -> Sha {
        Sha(format!("{n:040x}"))
    }

    fn commit(n: usize, parents: &[usize]) -> Commit {
        let parents = parents.iter().copied().map(sha).collect();
        let (author, email) = ("a".to_owned(), "a@example.com".to_owned());
        Commit { sha: sha(n), parents, author, email, title: "t".into() }
    }

    fn reached<'a>(commits: &'a BTreeMap<Sha, Commit>, from: &Sha) -> BTreeSet<&'a Sha> {
        let mut seen = BTreeSet::new();
        let mut next = vec![from];
        while let Some(sha) = next.pop() {
            if let Some((_, commit)) =
                commits.get_key_value(sha).filter(|(sha, _)| seen.insert(*sha))
            {
                next.extend(&commit.parents);
            }
        }
        seen
    }

    /// The names of commits say nothing of which came first.
    #[test]
    fn a_commit_is_further_than_its_parents_whatever_their_names() {
        let all = [commit(9, &[]), commit(5, &[9]), commit(1, &[5])];
        let commits: BTreeMap<Sha, Commit> =
            all.iter().map(|commit| (commit.sha.clone(), commit.clone())).collect();
        let found = History::of(&commits).between(&commits, Some(&sha(9)), &sha(1));
        assert_eq!(found, [&commits[&sha(1)], &commits[&sha(5)]]);
    }

    proptest! {
        /// Against walking everything; commits come in any order and some never come.
        #[test]
        fn between_is_what_one_reaches_and_the_other_does_not(
            parents in prop::collection::vec(prop::collection::vec(any::<prop::sample::Index>(), 0..3), 2..40),
            order in any::<prop::sample::Index>(),
            lost in prop::collection::vec(any::<prop::sample::Index>(), 0..3),
            ends in any::<[prop::sample::Index; 2]>(),
        ) {
            let count = parents.len();
            let lost: BTreeSet<usize> = lost.iter().map(|lost| lost.index(count)).collect();
            let mut all: Vec<Commit> = parents.iter().enumerate().map(|(n, of)| {
                let before: Vec<usize> = of.iter().filter(|_| n > 0).map(|at| at.index(n)).collect();
                commit(n, &before)
            }).enumerate().filter(|(n, _)| !lost.contains(n)).map(|(_, commit)| commit).collect();
            let by = order.index(all.len().max(1));
            all.rotate_left(by);
            let (mut commits, mut history) = (BTreeMap::new(), History::default());
            for batch in all.chunks(7) {
                commits.extend(batch.iter().map(|commit| (commit.sha.clone(), commit.clone())));
                history.see(&commits, batch);
            }
            prop_assert_eq!(&history, &History::of(&commits));
            let [base, head] = ends.map(|end| sha(end.index(count)));
            for base in [None, Some(&base)] {
                let found = history.between(&commits, base, &head);
                let of_base = base.map(|base| reached(&commits, base)).unwrap_or_default();
                let wanted: BTreeSet<&Sha> = reached(&commits, &head).difference(&of_base).copied().collect();
                prop_assert_eq!(found.len(), wanted.len(), "each once");
                prop_assert_eq!(found.iter().map(|commit| &commit.sha).collect::<BTreeSet<_>>(), wanted);
            }
        }
    }
}
