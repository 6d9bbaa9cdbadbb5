//! "Did you mean": the known word that a mistyped one is nearest to.

/// Longer words are compared with nothing.
const LONGEST: usize = 64;

/// The candidate that differs least from `word`, if that is little for its length.
pub(super) fn nearest<'a>(word: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let length = word.chars().count();
    if length > LONGEST {
        return None;
    }
    let bound = (length / 3).max(1);
    let near = candidates.into_iter().map(|candidate| (distance(word, candidate), candidate));
    near.filter(|(distance, candidate)| *distance <= bound || candidate.starts_with(word))
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, candidate)| candidate)
}

/// How many letters must be put in, left out, replaced or exchanged with their neighbour (optimal string alignment:
/// Damerau-Levenshtein in which no letter is touched twice).
fn distance(left: &str, right: &str) -> usize {
    let right: Vec<char> = right.chars().collect();
    let mut before_last: Vec<usize> = Vec::new();
    let mut last: Vec<usize> = (0..=right.len()).collect();
    let mut previous = None;
    for (row, letter) in left.chars().enumerate() {
        let mut current = vec![row + 1];
        for (column, other) in right.iter().enumerate() {
            let at = |row: &[usize], column: usize| row.get(column).copied().unwrap_or(usize::MAX / 2);
            let replaced = at(&last, column) + usize::from(letter != *other);
            let mut best = replaced.min(at(&last, column + 1) + 1).min(at(&current, column) + 1);
            let crossed = column > 0 && previous == Some(*other) && right.get(column - 1) == Some(&letter);
            if crossed {
                best = best.min(at(&before_last, column - 1) + 1);
            }
            current.push(best);
        }
        before_last = std::mem::replace(&mut last, current);
        previous = Some(letter);
    }
    last.last().copied().unwrap_or(usize::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn letters_put_in_left_out_replaced_and_exchanged_count_one_each() {
        for (left, right, expected) in [
            ("", "", 0),
            ("a", "", 1),
            ("node", "nodes", 1),
            ("ndoes", "nodes", 1),
            ("nades", "nodes", 1),
            ("kitten", "sitting", 3),
        ] {
            assert_eq!(distance(left, right), expected, "{left} {right}");
        }
    }

    #[test]
    fn only_what_is_near_is_meant() {
        let known = ["nodes", "instances", "priority"];
        assert_eq!(nearest("nods", known), Some("nodes"));
        assert_eq!(nearest("prio", known), Some("priority"));
        assert_eq!(nearest("volumes", known), None);
        assert_eq!(nearest(&"n".repeat(1000), known), None);
    }
}
