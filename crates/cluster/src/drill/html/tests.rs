//! The page is well-formed, whole, and needs nothing from elsewhere.

use super::super::{Failback, sample};
use super::*;

/// The names of all tags, after making sure that each is closed, and its attributes are quoted.
fn tags(page: &str) -> Vec<String> {
    let (mut open, mut all): (Vec<String>, Vec<String>) = (Vec::new(), Vec::new());
    let body = page.strip_prefix("<!DOCTYPE html>").expect("a document type");
    for piece in body.split('<').skip(1) {
        let (inside, text) = piece.split_once('>').expect("a tag has an end");
        assert!(!text.contains('>'), "an unescaped `>` after <{inside}>: {text}");
        let in_style = open.last().is_some_and(|name| name == "style");
        let entities = text
            .split('&')
            .skip(1)
            .all(|rest| ["amp;", "lt;", "gt;", "quot;"].iter().any(|entity| rest.starts_with(entity)));
        assert!(in_style || entities, "an unescaped `&` in: {text}");
        if let Some(name) = inside.strip_prefix('/') {
            assert_eq!(open.pop().as_deref(), Some(name), "closed in another order than opened");
            continue;
        }
        let name = inside.split_whitespace().next().expect("a name").to_owned();
        assert_eq!(inside.matches('"').count() % 2, 0, "unquoted: {inside}");
        assert_eq!(inside.matches("=\"").count() * 2, inside.matches('"').count(), "unquoted: {inside}");
        all.push(name.clone());
        if !inside.ends_with('/') {
            open.push(name);
        }
    }
    assert_eq!(open, Vec::<String>::new(), "never closed");
    all
}

#[test]
fn the_page_is_well_formed_and_shows_each_service_with_its_time_line() {
    let report = sample::report();
    let page = html(&report);
    let tags = tags(&page);
    let count = |name: &str| tags.iter().filter(|tag| *tag == name).count();
    assert_eq!((count("section"), count("svg"), count("desc")), (2, 2, 2));
    assert_eq!(count("circle"), 10, "a mark for each thing that happened");
    for text in [
        "access-point2",
        "12.5 s",
        "152 ms",
        "root@&lt;node&gt;",
        "Nothing was lost",
        "4000 found",
        "3 in flight",
    ] {
        assert!(page.contains(text), "{text} is missing");
    }
}

#[test]
fn the_page_needs_nothing_from_elsewhere() {
    let page = html(&sample::report());
    for reference in
        ["http:", "https:", "//", "url(", "@import", "src=", "href=", "<script", "<link", "<iframe"]
    {
        assert!(!page.contains(reference), "`{reference}` is in the page");
    }
}

#[test]
fn what_went_wrong_is_said_and_nothing_it_says_is_markup() {
    let mut report = sample::report();
    let mut bad = report.services[0].clone();
    bad.lost = 2;
    bad.failed_back = Failback::NotYet;
    bad.reasons.insert("answered 502: <script>alert(\"x\")</script> \u{7} & more".to_owned(), 2);
    bad.faults = bad.judged(true);
    report.add(bad);
    report.leave_out(Subject::Upstream, "<b>no</b>".to_owned());
    let page = html(&report);
    assert!(!tags(&page).contains(&"script".to_owned()));
    for text in [
        "2 requests were lost",
        "calls did not go back to policy1 in time",
        "&lt;b&gt;no&lt;/b&gt;",
        "&amp; more",
    ] {
        assert!(page.contains(text), "{text} is missing");
    }
}

#[test]
fn a_service_to_which_nothing_was_sent_has_an_empty_time_line() {
    let mut report = sample::report();
    report.services[0].timeline = crate::drill::Timeline::default();
    report.services[0].marks.clear();
    tags(&html(&report));
    assert!(!html(&report).contains("NaN"));
}
