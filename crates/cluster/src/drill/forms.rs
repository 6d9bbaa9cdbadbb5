//! As much of HTML as a plain client of the sign-in pages needs: hidden inputs, and pages that
//! continue by themselves.

/// The hidden inputs of a page, as they are to be posted back.
pub(super) fn hidden_inputs(page: &str) -> Vec<(String, String)> {
    tags(page, "input")
        .filter(|tag| attribute(tag, "type").as_deref() == Some("hidden"))
        .filter_map(|tag| Some((attribute(tag, "name")?, attribute(tag, "value").unwrap_or_default())))
        .collect()
}

/// Where the page's first form goes; nothing: to the page itself.
pub(super) fn action(page: &str) -> Option<String> {
    tags(page, "form").find_map(|tag| attribute(tag, "action")).filter(|action| !action.is_empty())
}

/// Whether a person is asked for this.
pub(super) fn asks_for(page: &str, field: &str) -> bool {
    tags(page, "input").any(|tag| attribute(tag, "name").as_deref() == Some(field))
}

/// Where the page continues by itself: `<meta http-equiv="refresh" content="0; url=...">`.
pub(super) fn continues_at(page: &str) -> Option<String> {
    let refresh = tags(page, "meta")
        .find(|tag| attribute(tag, "http-equiv").is_some_and(|name| name.eq_ignore_ascii_case("refresh")))?;
    let content = attribute(refresh, "content")?;
    let (_, address) = content.split_once('=')?;
    Some(address.trim().trim_matches('\'').to_owned())
}

/// The insides of all tags of that name. Our pages quote every attribute and escape `<` and `>`.
fn tags<'a>(page: &'a str, name: &'a str) -> impl Iterator<Item = &'a str> {
    page.split('<').filter_map(move |text| {
        let inside = text.strip_prefix(name)?.split('>').next()?;
        inside.starts_with(char::is_whitespace).then_some(inside)
    })
}

fn attribute(tag: &str, name: &str) -> Option<String> {
    let mut rest = tag;
    while let Some((before, after)) = rest.split_once("=\"") {
        let (value, next) = after.split_once('"')?;
        if before.split_whitespace().last() == Some(name) {
            return Some(unescaped(value));
        }
        rest = next;
    }
    None
}

fn unescaped(text: &str) -> String {
    let mut plain = String::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('&') {
        plain.push_str(before);
        let known = after.split_once(';').and_then(|(entity, next)| Some((character(entity)?, next)));
        rest = match known {
            Some((character, next)) => {
                plain.push(character);
                next
            }
            None => {
                plain.push('&');
                after
            }
        };
    }
    plain + rest
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
            let code = match digits.strip_prefix(['x', 'X']) {
                Some(hex) => u32::from_str_radix(hex, 16).ok()?,
                None => digits.parse().ok()?,
            };
            char::from_u32(code)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hidden_inputs_are_read_unescaped_and_others_not() {
        let page = r#"<form method="post" action="/a?b=1&amp;c=2"><input type="hidden" name="progress" value="x&#x2B;&quot;y">
            <input name="name"><inputs type="hidden" name="no"></form>"#;
        assert_eq!(hidden_inputs(page), [("progress".to_owned(), "x+\"y".to_owned())]);
        assert_eq!(action(page).unwrap(), "/a?b=1&c=2");
        assert!(asks_for(page, "name") && !asks_for(page, "password"));
    }

    #[test]
    fn a_page_that_continues_by_itself_says_where() {
        let page =
            r#"<meta charset="utf-8"><meta http-equiv="refresh" content="0; url=https://a/b?c=d&amp;e=f">"#;
        assert_eq!(continues_at(page).unwrap(), "https://a/b?c=d&e=f");
        assert_eq!(continues_at("<meta charset=\"utf-8\">"), None);
    }
}
