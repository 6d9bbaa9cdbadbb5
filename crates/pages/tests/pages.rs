//! Renders every sample of every page and checks what must hold for all of them.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    missing_docs,
    unreachable_pub,
    reason = "a test"
)]

use std::collections::{BTreeMap, BTreeSet};

use evergate_pages::account::{EnrolSoftToken, NewRecoveryCodes, Overview};
use evergate_pages::console::Instances;
use evergate_pages::sign_in::{EnrolStep, Invitation};
use evergate_pages::{Page, all_samples, assets, security};

/// An opening tag: its name and attributes.
#[derive(Debug)]
struct Tag {
    name: String,
    attributes: BTreeMap<String, String>,
}

impl Tag {
    fn get(&self, attribute: &str) -> &str {
        self.attributes.get(attribute).map_or("", String::as_str)
    }
}

/// The opening tags of a page. Strict: an unquoted or unescaped value is an error, so that a
/// sample whose hostile text was not escaped cannot pass.
fn tags(html: &str) -> Result<Vec<Tag>, String> {
    let mut tags = Vec::new();
    let mut rest = html;
    while let Some(start) = rest.find('<') {
        rest = &rest[start + 1..];
        if rest.starts_with('!') || rest.starts_with('/') {
            continue;
        }
        let end = rest.find('>').ok_or("a tag without an end")?;
        let mut inside = rest[..end].trim_end_matches('/').trim();
        let name_end = inside.find(|c: char| !c.is_ascii_alphanumeric()).unwrap_or(inside.len());
        let name = inside[..name_end].to_owned();
        inside = inside[name_end..].trim_start();
        let mut attributes = BTreeMap::new();
        while !inside.is_empty() {
            let key_end = inside.find(|c: char| c == '=' || c.is_whitespace()).unwrap_or(inside.len());
            let key = inside[..key_end].to_owned();
            inside = &inside[key_end..];
            let mut value = String::new();
            if let Some(quoted) = inside.strip_prefix("=\"") {
                let close = quoted.find('"').ok_or_else(|| format!("no closing quote in <{name}"))?;
                value = quoted[..close].to_owned();
                inside = &quoted[close + 1..];
            }
            if attributes.insert(key.clone(), value).is_some() {
                return Err(format!("`{key}` twice in <{name}"));
            }
            inside = inside.trim_start();
        }
        tags.push(Tag { name, attributes });
        rest = &rest[end + 1..];
    }
    Ok(tags)
}

fn problems(html: &str) -> Vec<String> {
    let tags = match tags(html) {
        Ok(tags) => tags,
        Err(problem) => return vec![problem],
    };
    let mut problems = Vec::new();
    let mut check = |holds: bool, problem: String| {
        if !holds {
            problems.push(problem);
        }
    };
    let count = |name: &str| tags.iter().filter(|tag| tag.name == name).count();
    check(html.starts_with("<!doctype html>"), "no doctype".to_owned());
    check(tags.iter().any(|tag| tag.name == "html" && tag.get("lang") == "en"), "no language".to_owned());
    for (name, wanted) in [("title", 1), ("h1", 1), ("main", 1)] {
        check(count(name) == wanted, format!("{} <{name}>", count(name)));
    }
    check(!html.contains("<title> ·") && html.contains(" · Evergate</title>"), "an empty title".to_owned());
    check(count("form") <= 1, "more than one form".to_owned());
    check(count("style") == 0, "an inline style sheet".to_owned());
    check(!html.contains("<script>alert"), "hostile text was not escaped".to_owned());
    let ids: Vec<&str> = tags.iter().map(|tag| tag.get("id")).filter(|id| !id.is_empty()).collect();
    let distinct: BTreeSet<&str> = ids.iter().copied().collect();
    check(ids.len() == distinct.len(), "an id twice".to_owned());
    let labelled: BTreeSet<&str> =
        tags.iter().filter(|tag| tag.name == "label").map(|tag| tag.get("for")).collect();
    for tag in &tags {
        for key in tag.attributes.keys() {
            check(!key.starts_with("on") && key != "style", format!("inline `{key}` in <{}", tag.name));
        }
        match tag.name.as_str() {
            "input" if tag.get("type") != "hidden" && !tag.attributes.contains_key("hidden") => {
                check(labelled.contains(tag.get("id")), format!("no label for `{}`", tag.get("name")));
                check(!tag.get("autocomplete").is_empty(), format!("no autocomplete: `{}`", tag.get("name")));
            }
            "form" => {
                check(tag.get("method") == "post", "a form that is not posted".to_owned());
                check(tag.get("action").starts_with('/'), "a form that leaves the host".to_owned());
            }
            "script" => check(assets::lookup(tag.get("src")).is_some(), "a script of no asset".to_owned()),
            "link" => check(assets::lookup(tag.get("href")).is_some(), "a link to no asset".to_owned()),
            "svg" => check(
                tag.get("aria-hidden") == "true" || !tag.get("aria-label").is_empty(),
                "a picture without words".to_owned(),
            ),
            "a" => check(!tag.get("href").starts_with("javascript:"), "a script address".to_owned()),
            _ => {}
        }
        for describer in tag.get("aria-describedby").split_whitespace() {
            check(distinct.contains(describer), format!("described by `{describer}`, which is not there"));
        }
    }
    problems
}

#[test]
fn every_sample_of_every_page_is_sound() {
    let samples = all_samples();
    assert!(samples.len() > 40, "only {} samples", samples.len());
    let all: Vec<String> = samples
        .iter()
        .flat_map(|sample| {
            problems(&sample.html).into_iter().map(|problem| format!("{}: {problem}", sample.name))
        })
        .collect();
    assert!(all.is_empty(), "{}", all.join("\n"));
}

#[test]
fn the_check_itself_sees_what_it_must_see() {
    let page = |inside: &str| {
        format!(
            "<!doctype html><html lang=\"en\"><title>T · Evergate</title><main><h1>T</h1>{inside}</main></html>"
        )
    };
    assert_eq!(problems(&page("")), Vec::<String>::new());
    for bad in [
        "<h1>two</h1>",
        "<p style=\"color:red\">x</p>",
        "<p onclick=\"x()\">x</p>",
        "<script>alert(1)</script>",
        "<input name=\"code\" type=\"text\" autocomplete=\"off\">",
        "<form method=\"get\" action=\"/x\"></form>",
        "<form method=\"post\" action=\"https://elsewhere/\"></form>",
        "<form method=\"post\" action=\"/\"></form><form method=\"post\" action=\"/\"></form>",
        "<a href=\"javascript:x\">x</a>",
        "<p id=\"a\"></p><p id=\"a\"></p>",
        "<svg></svg>",
    ] {
        assert!(!problems(&page(bad)).is_empty(), "not seen: {bad}");
    }
}

/// What a page loads, as directives of a content security policy.
fn wanted_directives(html: &str) -> BTreeSet<&'static str> {
    let directive = |tag: Tag| match (tag.name.as_str(), tag.get("rel")) {
        ("link", "stylesheet") => Some("style-src 'self'"),
        ("link", "icon") | ("img", _) => Some("img-src 'self'"),
        ("script", _) => Some("script-src 'self'"),
        ("form", _) => Some("form-action 'self'"),
        _ => None,
    };
    tags(html).unwrap().into_iter().filter_map(directive).collect()
}

#[test]
fn the_policies_allow_what_pages_load_and_nothing_more() {
    let mut wanted: BTreeMap<bool, BTreeSet<&str>> = BTreeMap::new();
    for sample in all_samples() {
        let is_console = sample.name.starts_with("console");
        wanted.entry(is_console).or_default().extend(wanted_directives(&sample.html));
    }
    // The script of the console opens a stream of events.
    wanted.entry(true).or_default().insert("connect-src 'self'");
    for (is_console, policy) in
        [(false, security::CONTENT_SECURITY_POLICY), (true, security::CONSOLE_CONTENT_SECURITY_POLICY)]
    {
        let allowed: BTreeSet<&str> = policy.split("; ").filter(|part| part.ends_with("'self'")).collect();
        assert_eq!(allowed, wanted[&is_console], "{policy}");
        for closed in ["default-src 'none'", "frame-ancestors 'none'", "base-uri 'none'"] {
            assert!(policy.contains(closed), "{policy}");
        }
        assert!(!policy.contains("unsafe") && !policy.contains("data:"), "{policy}");
    }
}

#[test]
fn contexts_with_secrets_show_nothing_of_them_in_debug() {
    fn debugged<P: Page + std::fmt::Debug>() -> String {
        P::samples().iter().map(|sample| format!("{sample:?}")).collect()
    }
    let all = [
        debugged::<EnrolSoftToken>(),
        debugged::<NewRecoveryCodes>(),
        debugged::<EnrolStep>(),
        debugged::<Invitation>(),
        debugged::<Overview>(),
        debugged::<Instances>(),
    ]
    .concat();
    for secret in ["JBSW", "otpauth", "k3v10", "0f1e2d", "t0k3n", "M4 4h7"] {
        assert!(!all.contains(secret), "{secret}: {all}");
    }
    assert!(all.contains("EnrolStep(...)") && all.contains("Overview {"), "{all}");
}

#[test]
fn the_letters_on_the_portals_cards_can_be_read() {
    let css = std::str::from_utf8(assets::lookup(assets::Asset::Style.path()).unwrap().bytes).unwrap();
    let grounds: Vec<&str> = css
        .lines()
        .filter(|line| line.starts_with(".initials {") || line.starts_with(".colour"))
        .flat_map(|line| line.split("background: #").skip(1))
        .map(|rest| &rest[..6])
        .collect();
    assert_eq!(grounds.len(), 8, "{grounds:?}");
    for hex in grounds {
        let ratio = contrast([1.0; 3], colour(hex));
        assert!(ratio >= 4.5, "white on #{hex} has {ratio:.2}");
    }
}

#[test]
fn one_time_codes_can_be_filled_in_by_the_browser() {
    let samples = all_samples();
    let totp = samples.iter().find(|sample| sample.name == "sign-in-code-1").unwrap();
    let code = tags(&totp.html).unwrap().into_iter().find(|tag| tag.get("name") == "code").unwrap();
    assert_eq!((code.get("autocomplete"), code.get("inputmode")), ("one-time-code", "numeric"));
}

/// The custom properties of one block of the style sheet.
fn colours(block: &str) -> BTreeMap<String, [f64; 3]> {
    block
        .lines()
        .filter_map(|line| line.trim().strip_prefix("--")?.strip_suffix(';')?.split_once(": #"))
        .map(|(name, hex)| (name.to_owned(), colour(hex)))
        .collect()
}

fn colour(hex: &str) -> [f64; 3] {
    let channel = |at: usize| f64::from(u8::from_str_radix(&hex[at..at + 2], 16).unwrap()) / 255.0;
    [channel(0), channel(2), channel(4)]
}

/// The contrast ratio of WCAG 2.2.
fn contrast(a: [f64; 3], b: [f64; 3]) -> f64 {
    let linear = |c: f64| if c <= 0.04045 { c / 12.92 } else { ((c + 0.055) / 1.055).powf(2.4) };
    let luminance = |c: [f64; 3]| 0.2126 * linear(c[0]) + 0.7152 * linear(c[1]) + 0.0722 * linear(c[2]);
    let (a, b) = (luminance(a), luminance(b));
    (a.max(b) + 0.05) / (a.min(b) + 0.05)
}

#[test]
fn text_can_be_read_in_light_and_in_dark() {
    let css = std::str::from_utf8(assets::lookup(assets::Asset::Style.path()).unwrap().bytes).unwrap();
    let mut blocks = css.split(":root {").skip(1).map(|block| colours(block.split('}').next().unwrap()));
    let (light, dark) = (blocks.next().unwrap(), blocks.next().unwrap());
    assert_eq!(contrast([0.0; 3], [1.0; 3]).round(), 21.0);
    for (mode, colours) in [("light", light), ("dark", dark)] {
        for (text, ground) in [
            ("text", "ground"),
            ("text", "surface"),
            ("text", "tag-ground"),
            ("muted", "ground"),
            ("muted", "surface"),
            ("muted", "tag-ground"),
            ("accent", "ground"),
            ("accent", "surface"),
            ("accent-hover", "surface"),
            ("on-accent", "accent"),
            ("on-accent", "accent-hover"),
            ("problem", "problem-ground"),
            ("problem", "surface"),
            ("hint", "hint-ground"),
            ("hint", "surface"),
            ("success", "success-ground"),
            ("success", "surface"),
            ("success", "tag-ground"),
        ] {
            let ratio = contrast(colours[text], colours[ground]);
            assert!(ratio >= 4.5, "{mode}: {text} on {ground} has {ratio:.2}");
        }
        for (line, ground) in [("field", "surface"), ("focus", "ground"), ("focus", "surface")] {
            let ratio = contrast(colours[line], colours[ground]);
            assert!(ratio >= 3.0, "{mode}: {line} on {ground} has {ratio:.2}");
        }
    }
}
