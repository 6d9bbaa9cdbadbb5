//! As much of HTML as a plain client needs: forms, their fields, and pages that continue by themselves.

use std::collections::BTreeMap;

/// A form of a page.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Form {
    /// Where it goes; empty: to the page itself.
    pub action: String,
    /// The inputs that are sent back as they are.
    pub hidden: Vec<(String, String)>,
    /// The names of the fields that a person fills in.
    pub fields: Vec<String>,
}

impl Form {
    /// Whether a person is asked for `name`.
    #[must_use]
    pub fn asks(&self, name: &str) -> bool {
        self.fields.iter().any(|field| field == name)
    }

    /// What is sent: the hidden inputs and these.
    #[must_use]
    pub fn filled(&self, values: &[(&str, &str)]) -> Vec<(String, String)> {
        let values = values.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        self.hidden.iter().cloned().chain(values).collect()
    }
}

/// The forms of a page, in order.
#[must_use]
pub fn forms(page: &str) -> Vec<Form> {
    let mut forms: Vec<Form> = Vec::new();
    let mut is_open = false;
    for tag in tags(page) {
        match tag.name.as_str() {
            "form" => {
                is_open = true;
                let action = tag.get("action").unwrap_or_default().to_owned();
                forms.push(Form { action, hidden: Vec::new(), fields: Vec::new() });
            }
            "/form" => is_open = false,
            "input" | "button" | "textarea" | "select" if is_open => {
                if let (Some(form), Some(name)) = (forms.last_mut(), tag.get("name")) {
                    match tag.get("type") {
                        Some("hidden") => {
                            form.hidden
                                .push((name.to_owned(), tag.get("value").unwrap_or_default().to_owned()));
                        }
                        _ => form.fields.push(name.to_owned()),
                    }
                }
            }
            _ => {}
        }
    }
    forms
}

/// Where a page continues by itself, if it does: `<meta http-equiv="refresh" content="0; url=...">`.
#[must_use]
pub fn continues_at(page: &str) -> Option<String> {
    let metas = tags(page).into_iter().filter(|tag| tag.name == "meta");
    let refresh = metas
        .into_iter()
        .find(|tag| tag.get("http-equiv").is_some_and(|v| v.eq_ignore_ascii_case("refresh")))?;
    let (_, address) = refresh.get("content")?.split_once('=')?;
    Some(address.trim().trim_matches('\'').to_owned())
}

struct Tag {
    name: String,
    attributes: BTreeMap<String, String>,
}

impl Tag {
    fn get(&self, name: &str) -> Option<&str> {
        self.attributes.get(name).map(String::as_str)
    }
}

/// All tags of a page. Our pages always quote attributes and never write `<` or `>` in them.
fn tags(page: &str) -> Vec<Tag> {
    page.split('<').skip(1).filter_map(|rest| tag(rest.split('>').next()?)).collect()
}

fn tag(text: &str) -> Option<Tag> {
    let end = text.find(|c: char| c.is_whitespace()).unwrap_or(text.len());
    let (name, mut rest) = text.split_at(end);
    let mut attributes = BTreeMap::new();
    while let Some((before, after)) = rest.split_once("=\"") {
        let (value, next) = after.split_once('"')?;
        let key = before.split_whitespace().last()?;
        attributes.insert(key.to_ascii_lowercase(), unescape(value));
        rest = next;
    }
    Some(Tag { name: name.to_ascii_lowercase(), attributes })
}

/// Text without the escapes that template engines write.
#[must_use]
pub fn unescape(text: &str) -> String {
    let mut out = String::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('&') {
        out.push_str(before);
        let (entity, next) = after.split_once(';').unwrap_or((after, ""));
        match character(entity) {
            Some(character) => out.push(character),
            None => out.push_str(&format!("&{entity};")),
        }
        rest = next;
    }
    out + rest
}

fn character(entity: &str) -> Option<char> {
    match entity {
        "amp" => Some('&'),
        "lt" => Some('<'),
        "gt" => Some('>'),
        "quot" => Some('"'),
        "apos" => Some('\''),
        number => {
            let digits = number.strip_prefix('#')?;
            let value = match digits.strip_prefix(['x', 'X']) {
                Some(hex) => u32::from_str_radix(hex, 16).ok()?,
                None => digits.parse().ok()?,
            };
            char::from_u32(value)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_form_gives_its_hidden_inputs_and_its_fields() {
        let page = r#"<p>x</p><form method="post" action="/sign-in?a=1&amp;b=2"><input type="hidden" name="progress"
            value="a&#x2B;b&quot;"><input name="name" required><input type="password" name="password"></form>"#;
        let forms = forms(page);
        assert_eq!(forms.len(), 1);
        assert_eq!(forms[0].action, "/sign-in?a=1&b=2");
        assert_eq!(forms[0].hidden, [("progress".to_owned(), "a+b\"".to_owned())]);
        assert!(forms[0].asks("name") && forms[0].asks("password") && !forms[0].asks("code"));
    }

    #[test]
    fn a_page_that_continues_by_itself_says_where() {
        let page =
            r#"<meta charset="utf-8"><meta http-equiv="refresh" content="0; url=https://a/b?c=d&amp;e=f">"#;
        assert_eq!(continues_at(page).unwrap(), "https://a/b?c=d&e=f");
        assert!(continues_at("<meta name=\"x\" content=\"y\">").is_none());
    }
}
