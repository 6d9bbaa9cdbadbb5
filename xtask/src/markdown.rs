//! Reads what the checks need of ARCHITECTURE.md and its like: tables and words in backticks.

/// The rows of the first table below the heading `heading`, without its head, each cell trimmed.
pub(crate) fn table(text: &str, heading: &str) -> Vec<Vec<String>> {
    text.lines()
        .skip_while(|line| !(line.starts_with('#') && line.trim_start_matches('#').trim() == heading))
        .skip(1)
        .take_while(|line| !line.starts_with('#'))
        .skip_while(|line| !line.starts_with('|'))
        .take_while(|line| line.starts_with('|'))
        .skip(2)
        .map(|line| line.trim().trim_matches('|').split('|').map(|cell| cell.trim().to_owned()).collect())
        .collect()
}

/// The texts between backticks, outside of code blocks.
pub(crate) fn quoted(text: &str) -> Vec<&str> {
    let mut in_block = false;
    let mut found = Vec::new();
    for line in text.lines() {
        if line.trim_start().starts_with("```") {
            in_block = !in_block;
        } else if !in_block {
            found.extend(line.split('`').skip(1).step_by(2));
        }
    }
    found
}

/// The targets of links that point into the repository.
pub(crate) fn links(text: &str) -> Vec<&str> {
    text.split("](")
        .skip(1)
        .filter_map(|rest| rest.split([')', '#', ' ']).next())
        .filter(|target| !target.is_empty() && !target.contains("://"))
        .collect()
}

/// The words of a cell, without backticks and commas.
pub(crate) fn words(cell: &str) -> Vec<String> {
    cell.split([',', ' ', '`']).filter(|word| !word.is_empty()).map(str::to_owned).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const PAGE: &str = "# A\n| no | no |\n## Layers\ntext `x/y`\n| a | b |\n|---|---|\n| `c`, `d` | e |\n\n```\n`q`\n```\n[l](m/n#o)\n";

    #[test]
    fn a_table_is_found_below_its_heading() {
        assert_eq!(table(PAGE, "Layers"), [["`c`, `d`", "e"]]);
        assert!(table(PAGE, "Other").is_empty());
        assert_eq!(words("`c`, `d`"), ["c", "d"]);
    }

    #[test]
    fn quoted_words_and_links_are_found_outside_of_code_blocks() {
        assert_eq!(quoted(PAGE), ["x/y", "c", "d"]);
        assert_eq!(links(PAGE), ["m/n"]);
    }
}
