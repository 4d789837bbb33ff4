//! What somebody may have meant by a word that is not known.

use crate::domain::sort;

/// What may have been meant.
pub(super) fn tip(word: &str, names: impl Iterator<Item = &'static str>) -> String {
    let mut near: Vec<(usize, &str)> = names
        .map(|name| (distance(word, name), name))
        .filter(|(distance, name)| *distance <= 1 + name.trim_start_matches('-').len() / 4)
        .collect();
    sort::by(&mut near, Ord::cmp);
    near.truncate(3);
    match near[..] {
        [] => String::new(),
        _ => {
            let names: Vec<String> = near.iter().map(|(_, name)| format!("'{name}'")).collect();
            format!("\n  tip: did you mean {}?\n", names.join(" or "))
        }
    }
}

/// How many letters to add, leave out, change or swap to make one word of the other.
pub(super) fn distance(one: &str, other: &str) -> usize {
    let (one, other): (Vec<char>, Vec<char>) = (one.chars().take(64).collect(), other.chars().collect());
    let mut before: Vec<usize> = Vec::new();
    let mut last: Vec<usize> = (0..=other.len()).collect();
    for (i, a) in one.iter().enumerate() {
        let mut row = vec![i + 1];
        for (j, b) in other.iter().enumerate() {
            let mut least = (last[j] + usize::from(a != b))
                .min(last[j + 1] + 1)
                .min(row[j] + 1);
            if i > 0 && j > 0 && one[i - 1] == *b && *a == other[j - 1] {
                least = least.min(before[j - 1] + 1);
            }
            row.push(least);
        }
        before = std::mem::replace(&mut last, row);
    }
    last.last().copied().unwrap_or_default()
}
