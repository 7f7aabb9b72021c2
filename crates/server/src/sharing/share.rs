//! Which free stream is whose, and when one is given up: the servers that live share evenly.

use std::collections::BTreeMap;

use qnt9_model::StreamId;

/// How many streams more than another a server keeps: giving up one at a smaller difference would only
/// turn the difference round.
const DIFFERENCE_MAX: usize = 1;

/// Those of the free streams that `me` takes. Each goes to the server with the fewest; one that was
/// left `waiting` by the server whose turn it was is anybody's.
pub(super) fn to_take<'a>(
    me: &str,
    mut counts: BTreeMap<String, usize>,
    free: impl IntoIterator<Item = &'a StreamId>,
    waiting: impl Fn(&StreamId) -> bool,
) -> Vec<&'a StreamId> {
    counts.entry(me.to_owned()).or_default();
    let mut taken = Vec::new();
    for stream in free {
        let fewest = counts.iter().min_by_key(|(_, count)| **count).map(|(name, _)| name.clone());
        let Some(next) = fewest else { break };
        if next == me || waiting(stream) {
            taken.push(stream);
        }
        *counts.entry(next).or_default() += 1;
    }
    taken
}

/// The stream that `me` gives up because another server has far fewer. The platform's stays: it comes
/// with being first.
pub(super) fn to_give_up<'a>(
    me: &str,
    counts: &BTreeMap<String, usize>,
    mine: impl IntoIterator<Item = &'a StreamId>,
) -> Option<&'a StreamId> {
    let own = counts.get(me).copied().unwrap_or_default();
    let fewest = counts.iter().filter(|(name, _)| *name != me).map(|(_, count)| *count).min()?;
    if own <= fewest + DIFFERENCE_MAX {
        return None;
    }
    mine.into_iter().filter(|stream| stream.as_str() != StreamId::PLATFORM).last()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn counts(of: &[(&str, usize)]) -> BTreeMap<String, usize> {
        of.iter().map(|(name, count)| ((*name).to_owned(), *count)).collect()
    }

    fn streams(names: &[&str]) -> Vec<StreamId> {
        names.iter().map(|name| StreamId::from(*name)).collect()
    }

    #[test]
    fn a_free_stream_is_taken_by_exactly_one() {
        let free = streams(&["platform", "shop", "till"]);
        let seen = counts(&[("a", 0), ("b", 0)]);
        assert_eq!(to_take("a", seen.clone(), &free, |_| false), [&free[0], &free[2]]);
        assert_eq!(to_take("b", seen, &free, |_| false), [&free[1]]);
        let uneven = counts(&[("a", 3), ("b", 1)]);
        assert_eq!(to_take("a", uneven.clone(), &free[..2], |_| false), Vec::<&StreamId>::new());
        assert_eq!(to_take("b", uneven, &free[..2], |_| false), [&free[0], &free[1]]);
    }

    #[test]
    fn what_nobody_took_in_time_is_anybodys() {
        let free = streams(&["shop"]);
        let seen = counts(&[("a", 3), ("b", 1)]);
        assert_eq!(to_take("a", seen, &free, |_| true), [&free[0]]);
    }

    #[test]
    fn one_is_given_up_to_whoever_has_far_fewer() {
        let mine = streams(&["platform", "shop", "till"]);
        let give = |of: &[(&str, usize)]| to_give_up("a", &counts(of), &mine);
        assert_eq!(give(&[("a", 3)]), None, "nobody else is there");
        assert_eq!(give(&[("a", 3), ("b", 2)]), None);
        assert_eq!(give(&[("a", 3), ("b", 1)]), Some(&mine[2]));
        assert_eq!(to_give_up("a", &counts(&[("a", 2), ("b", 0)]), &mine[..1]), None);
    }

    proptest! {
        /// However they begin, servers that follow these rules come to rest, and evenly.
        #[test]
        fn sharing_comes_to_rest(mut held in prop::collection::vec(0_usize..12, 1..5)) {
            let names: Vec<String> = (0..held.len()).map(|at| format!("s{at}")).collect();
            let all: usize = held.iter().sum();
            let mine = streams(&["x", "y"]);
            for _ in 0..=all * 2 {
                for at in 0..held.len() {
                    let seen: BTreeMap<String, usize> =
                        names.iter().cloned().zip(held.iter().copied()).collect();
                    if to_give_up(&names[at], &seen, &mine).is_none() {
                        continue;
                    }
                    held[at] -= 1;
                    let seen: BTreeMap<String, usize> =
                        names.iter().cloned().zip(held.iter().copied()).collect();
                    let free = streams(&["x"]);
                    let takers: Vec<usize> = (0..held.len())
                        .filter(|who| !to_take(&names[*who], seen.clone(), &free, |_| false).is_empty())
                        .collect();
                    prop_assert_eq!(takers.len(), 1);
                    held[takers[0]] += 1;
                }
            }
            prop_assert_eq!(held.iter().sum::<usize>(), all);
            let (most, fewest) = (held.iter().max().unwrap(), held.iter().min().unwrap());
            prop_assert!(most - fewest <= 1, "{:?}", held);
        }
    }
}
