//! Sorting and collecting where speed does not matter, in little code.
//!
//! The standard library's stable sort is about 5 kB for each type and key that is sorted by, and a `collect` into a
//! BTreeMap or BTreeSet brings it, too; there were 38 of them. Here one sort of indices serves all.

use std::cmp::Ordering;
use std::collections::{BTreeMap, BTreeSet};

/// Sorts, equal items stay in their order.
pub fn by<T>(items: &mut [T], compare: impl Fn(&T, &T) -> Ordering) {
    let mut order: Vec<usize> = (0..items.len()).collect();
    indices(&mut order, &|a, b| compare(&items[a], &items[b]));
    // Each cycle of the permutation once: where an item is in place, the order says so.
    for start in 0..order.len() {
        let mut at = start;
        loop {
            let from = std::mem::replace(&mut order[at], at);
            if from == start {
                break;
            }
            items.swap(at, from);
            at = from;
        }
    }
}

/// Sorts by a key, equal items stay in their order.
pub fn by_key<T, K: Ord>(items: &mut [T], key: impl Fn(&T) -> K) {
    by(items, |a, b| key(a).cmp(&key(b)));
}

fn indices(order: &mut [usize], compare: &dyn Fn(usize, usize) -> Ordering) {
    order.sort_by(|a, b| compare(*a, *b));
}

/// A map of entries; of two with one key, the last.
pub fn map<K: Ord, V>(entries: impl IntoIterator<Item = (K, V)>) -> BTreeMap<K, V> {
    let mut map = BTreeMap::new();
    for (key, value) in entries {
        map.insert(key, value);
    }
    map
}

/// A set of items.
pub fn set<T: Ord>(items: impl IntoIterator<Item = T>) -> BTreeSet<T> {
    let mut set = BTreeSet::new();
    for item in items {
        set.insert(item);
    }
    set
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn it_sorts_as_the_library_does(mut items in proptest::collection::vec((0u8..8, any::<u32>()), 0..60)) {
            let mut wanted = items.clone();
            wanted.sort_by_key(|item| item.0);
            by_key(&mut items, |item| item.0);
            prop_assert_eq!(items, wanted);
        }

        #[test]
        fn it_collects_as_the_library_does(items in proptest::collection::vec((0u8..8, any::<u32>()), 0..60)) {
            prop_assert_eq!(map(items.clone()), items.iter().copied().collect::<BTreeMap<_, _>>());
            prop_assert_eq!(set(items.clone()), items.into_iter().collect::<BTreeSet<_>>());
        }
    }
}
