//! The demo's one page.

use std::fmt::Write;

use axum::http::HeaderMap;

const STYLE: &str = "
:root{color-scheme:light dark;--ink:#17212b;--soft:#5b6875;--paper:#f6f7f9;--card:#fff;--line:#dde2e8;--good:#0f766e}
@media(prefers-color-scheme:dark){:root{--ink:#e8edf2;--soft:#9aa7b4;--paper:#11161c;--card:#1a2129;--line:#2c3641;--good:#5eead4}}
*{box-sizing:border-box}
body{margin:0;background:var(--paper);color:var(--ink);font:16px/1.55 system-ui,sans-serif}
main{max-width:46rem;margin:0 auto;padding:3.5rem 1.25rem}
p.mark{color:var(--good);font-weight:600;margin:0 0 .25rem}
h1{font-size:2rem;line-height:1.2;margin:0 0 .5rem}
p{color:var(--soft);margin:.25rem 0 1.75rem}
.card{background:var(--card);border:1px solid var(--line);border-radius:12px;overflow:hidden}
table{width:100%;border-collapse:collapse}
th,td{text-align:left;padding:.8rem 1.1rem;border-top:1px solid var(--line);vertical-align:top}
tr:first-child>*{border-top:0}
th{font-weight:500;color:var(--soft);width:12rem}
td{font-family:ui-monospace,monospace;font-size:.9rem;overflow-wrap:anywhere}
nav{margin-top:1.5rem;display:flex;gap:1.25rem;flex-wrap:wrap}
a{color:var(--good)}
form{margin:0}button{font:inherit;color:var(--good);background:none;border:0;padding:0;text-decoration:underline;cursor:pointer}
@media(max-width:32rem){th,td{display:block;width:auto;padding:.3rem 1rem}th{padding-top:.8rem}td{border-top:0;padding-bottom:.8rem}}
";

/// What is told of a caller: header and what it means.
const TOLD: [(&str, &str); 5] = [
    ("x-evergate-user", "User"),
    ("x-evergate-email", "E-mail"),
    ("x-evergate-groups", "Groups"),
    ("x-evergate-session", "Session, known to this application only"),
    ("x-evergate-assertion", "Signed assertion"),
];

/// The page for a caller with these headers, from the server of this name.
pub(super) fn welcome(server: &str, headers: &HeaderMap) -> String {
    let value =
        |name: &str| headers.get(name).map(|value| escape(&String::from_utf8_lossy(value.as_bytes())));
    let user = value("x-evergate-user").unwrap_or_else(|| "nobody in particular".to_owned());
    let mut rows = String::new();
    for (name, meaning) in TOLD {
        let text = value(name).filter(|text| !text.is_empty()).unwrap_or_else(|| "\u{2013}".to_owned());
        // Writing to a string does not fail.
        let _ = write!(rows, "<tr><th scope=\"row\">{meaning}</th><td id=\"{name}\">{text}</td></tr>");
    }
    format!(
        "<!doctype html><html lang=\"en\"><head><meta charset=\"utf-8\">\
         <meta name=\"viewport\" content=\"width=device-width,initial-scale=1\"><title>Welcome, {user}</title>\
         <style>{STYLE}</style></head><body><main><p class=\"mark\">Behind Evergate</p>\
         <h1>Welcome, <span id=\"user\">{user}</span></h1>\
         <p>This application has no sign-in of its own. Evergate let you through, and told it:</p>\
         <div class=\"card\"><table>{rows}<tr><th scope=\"row\">Answered by</th><td id=\"server\">{server}</td></tr></table></div>\
         <nav><a href=\"/headers\">All headers</a>\
         <form method=\"post\" action=\"/.evergate/sign-out\"><button>Sign out</button></form></nav>\
         </main></body></html>",
        server = escape(server),
    )
}

fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&#39;"),
            other => escaped.push(other),
        }
    }
    escaped
}
