//! Finds the rule of the longest path prefix, asking as few questions of the path as possible:
//! every question becomes part of the permit cache's key.

use evergate_model::path::is_under;

/// Path prefixes, each with a value, as a tree: below each prefix those that lie under it.
#[derive(Debug, Clone)]
pub(crate) struct Prefixes<T> {
    here: T,
    below: Vec<(String, Prefixes<T>)>,
}

impl<T> Prefixes<T> {
    /// The tree in which everything has the value `here`.
    pub(crate) const fn new(here: T) -> Self {
        Self { here, below: Vec::new() }
    }

    /// Gives everything under `prefix` a value. Shorter prefixes must be added before longer ones;
    /// false if that prefix is there already.
    pub(crate) fn add(&mut self, prefix: &str, value: T) -> bool {
        let prefix = if prefix == "/" { prefix } else { prefix.trim_end_matches('/') };
        match self.below.iter_mut().find(|(known, _)| is_under(prefix, known)) {
            Some((known, _)) if known == prefix => false,
            Some((_, tree)) => tree.add(prefix, value),
            None => {
                self.below.push((prefix.to_owned(), Self::new(value)));
                true
            }
        }
    }

    /// The value of the longest prefix that `path` lies under. `asked` hears each question and its
    /// answer; any path that gives the same answers gets the same value. That holds although only
    /// one answer per level is needed when it is yes: prefixes of one level exclude each other.
    pub(crate) fn find(&self, path: &str, mut asked: impl FnMut(&str, bool)) -> &T {
        let mut tree = self;
        loop {
            match tree.below.iter().find(|(prefix, _)| is_under(path, prefix)) {
                Some((prefix, below)) => {
                    asked(prefix, true);
                    tree = below;
                }
                None => {
                    tree.below.iter().for_each(|(prefix, _)| asked(prefix, false));
                    return &tree.here;
                }
            }
        }
    }

    /// All values.
    pub(crate) fn values(&self) -> Vec<&T> {
        let mut values = vec![&self.here];
        let mut open: Vec<&Self> = self.below.iter().map(|(_, tree)| tree).collect();
        while let Some(tree) = open.pop() {
            values.push(&tree.here);
            open.extend(tree.below.iter().map(|(_, tree)| tree));
        }
        values
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tree() -> Prefixes<&'static str> {
        let mut tree = Prefixes::new("base");
        for prefix in ["/admin", "/other", "/admin/users", "/admin/users/x"] {
            assert!(tree.add(prefix, prefix));
        }
        tree
    }

    #[test]
    fn the_longest_prefix_is_found_by_whole_segments() {
        for (path, expected) in [
            ("/", "base"),
            ("/administrator", "base"),
            ("/admin", "/admin"),
            ("/admin/users/y", "/admin/users"),
            ("/admin/users/x/y", "/admin/users/x"),
        ] {
            assert_eq!(*tree().find(path, |_, _| {}), expected, "{path}");
        }
    }

    #[test]
    fn only_the_questions_that_matter_are_asked() {
        let mut asked = Vec::new();
        tree().find("/admin/y", |prefix, answer| asked.push((prefix.to_owned(), answer)));
        assert_eq!(asked, [("/admin".to_owned(), true), ("/admin/users".to_owned(), false)]);
    }

    #[test]
    fn a_prefix_is_added_once_with_or_without_its_last_slash() {
        assert!(!tree().add("/admin/", "again"));
    }
}
