//! Signing in as a person does: read the page, fill in its one form, go where it leads.

use anyhow::{Context, Result, bail};

use crate::client::{Answer, Client};
use crate::markup::Form;
use crate::users::Credentials;

/// Asks for `url` and does what the pages ask for, until a page asks for nothing more.
///
/// # Errors
/// When a page cannot be satisfied, or shows the same form twice.
pub async fn sign_in(client: &mut Client, url: &str, user: &Credentials) -> Result<Answer> {
    let answer = client.get(url).await?;
    let mut answer = client.follow(answer).await?;
    let mut last = "nothing";
    for _ in 0..4 {
        let (asked, values) = match asked(&answer) {
            None => return Ok(answer),
            Some("password") => {
                ("password", vec![("name", user.name.clone()), ("password", user.password.clone())])
            }
            Some(field) => (field, vec![(field, user.code()?)]),
        };
        if asked == last {
            bail!("asked for {asked} again at {}: {}", answer.url, answer.text());
        }
        last = asked;
        answer = submit(client, &answer, asked, &values).await?;
    }
    bail!("asked on and on, last at {}: {}", answer.url, answer.text())
}

/// The field that the page's form asks for.
fn asked(answer: &Answer) -> Option<&'static str> {
    ["password", "code"].into_iter().find(|field| answer.form(field).is_some())
}

/// Fills in the form that asks for `field`, posts it, goes where it leads.
///
/// # Errors
/// When there is no such form, or no answer.
pub async fn submit(
    client: &mut Client,
    page: &Answer,
    field: &str,
    values: &[(&str, String)],
) -> Result<Answer> {
    let answer = submit_once(client, page, field, values).await?;
    client.follow(answer).await
}

/// The same, but goes nowhere.
///
/// # Errors
/// When there is no such form, or no answer.
pub async fn submit_once(
    client: &mut Client,
    page: &Answer,
    field: &str,
    values: &[(&str, String)],
) -> Result<Answer> {
    let form: Form =
        page.form(field).with_context(|| format!("no form asks for {field}: {}", page.text()))?;
    let target = page.resolve(&form.action).context("a form that leads nowhere")?;
    let values: Vec<(&str, &str)> = values.iter().map(|(name, value)| (*name, value.as_str())).collect();
    client.post(&target.to_string(), &form.filled(&values)).await
}
