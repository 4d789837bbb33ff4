//! A second, tiny model of what becomes of a linear change, by the contract's rules alone (v2, section 5).

use std::collections::BTreeSet;

/// The status that each task must have in the end: all done when nothing fails; else what came before the failure is
/// undone (or stays done when its kind cannot be undone), and what comes after is held.
pub fn final_statuses(
    kinds: &[String],
    can_undo: &BTreeSet<String>,
    failing: Option<usize>,
) -> Vec<&'static str> {
    kinds
        .iter()
        .enumerate()
        .map(|(position, kind)| match failing {
            None => "Done",
            Some(failing) if position == failing => "Error",
            Some(failing) if position > failing => "Hold",
            Some(_) if can_undo.contains(kind) => "Undone",
            Some(_) => "Done",
        })
        .collect()
}

/// The status of such a change.
pub fn change_status(failing: Option<usize>) -> &'static str {
    if failing.is_some() { "Error" } else { "Done" }
}
