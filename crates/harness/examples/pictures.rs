//! Takes the pictures of the README from a real run: `pictures DIRECTORY`.

use std::path::PathBuf;

use anyhow::{Context, Result};
use evergate_harness::Installation;
use evergate_harness::browser::Browser;
use evergate_harness::users::Credentials;

#[tokio::main]
async fn main() -> Result<()> {
    let directory = PathBuf::from(std::env::args().nth(1).context("usage: pictures DIRECTORY")?);
    std::fs::create_dir_all(&directory)?;
    let mut installation = Installation::start().await?;
    let up = installation.read()?;
    let user = Credentials::of_demo(&installation).await?;
    let addresses = [up.url.clone(), up.portal.clone(), up.console.clone()];
    let browser = Browser::start(&installation.client()?, &addresses).await?;

    browser.driver().goto(&up.url).await?;
    browser.type_into("name", &user.name).await?;
    browser.screenshot(&directory.join("sign-in.png")).await?;
    browser.type_into("password", &user.password).await?;
    browser.enter("password").await?;
    browser.type_into("code", &user.code()?).await?;
    browser.enter("code").await?;
    browser.shows(&user.name).await?;
    browser.screenshot(&directory.join("welcome.png")).await?;

    browser.driver().goto(&up.console).await?;
    let administrator = up.administrator.context("nobody may administer")?;
    browser.type_into("name", &administrator.name).await?;
    let password = std::fs::read_to_string(&administrator.password_file)?;
    browser.type_into("password", password.trim()).await?;
    browser.enter("password").await?;
    browser.shows("policy1").await?;
    browser.screenshot(&directory.join("console.png")).await?;
    browser.quit().await?;
    installation.stop().await
}
