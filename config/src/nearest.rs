//! The nearest valid name to a mistyped one. Knows no settings.

/// The candidate with the fewest edits, if it is near enough to have been meant.
pub fn nearest<'a>(wrong: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let bound = (wrong.chars().count() / 3).max(2);
    candidates
        .into_iter()
        .map(|candidate| (edits(wrong, candidate), candidate))
        .filter(|(distance, _)| *distance <= bound)
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, candidate)| candidate)
}

/// Insertions, deletions and substitutions between two names (Levenshtein), case ignored.
fn edits(left: &str, right: &str) -> usize {
    let right: Vec<char> = right.to_lowercase().chars().collect();
    let mut row: Vec<usize> = (0..=right.len()).collect();
    for (line, letter) in left.to_lowercase().chars().enumerate() {
        let mut diagonal = line;
        let mut before = line + 1;
        for (cell, other) in row.iter_mut().skip(1).zip(&right) {
            let substituted = diagonal + usize::from(letter != *other);
            diagonal = *cell;
            before = substituted.min(before + 1).min(diagonal + 1);
            *cell = before;
        }
        if let Some(first) = row.first_mut() {
            *first = line + 1;
        }
    }
    row.last().copied().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(wrong: &str, expected: Option<&str>) {
        let names = ["waiting", "core", "layout", "max_order_notional", "spin", "block"];
        assert_eq!(nearest(wrong, names), expected, "{wrong}");
    }

    #[test]
    fn a_slip_finds_its_name_and_nonsense_finds_none() {
        check("waitng", Some("waiting"));
        check("Layout", Some("layout"));
        check("cores", Some("core"));
        check("max_order_notionall", Some("max_order_notional"));
        check("maximum_order_value", None);
        check("spinn", Some("spin"));
        check("zzzzzzzz", None);
    }
}
