//! Chromium meets the sign-in page, signs in as the demo user, opens the portal, signs out, and is asked again.

use std::time::Duration;

use anyhow::Result;
use evergate_harness::Installation;
use evergate_harness::browser::Browser;
use evergate_harness::until::until;
use evergate_harness::users::Credentials;
use thirtyfour::By;

#[tokio::test]
async fn chromium_signs_in_as_the_demo_user_and_out_again() -> Result<()> {
    let mut installation = Installation::start().await?;
    let up = installation.read()?;
    let user = Credentials::of_demo(&installation).await?;
    let browser = Browser::start(&installation.client()?, &[up.url.clone(), up.portal.clone()]).await?;

    browser.driver().goto(&up.url).await?;
    browser.type_into("name", &user.name).await?;
    browser.type_into("password", &user.password).await?;
    browser.enter("password").await?;
    browser.type_into("code", &user.code()?).await?;
    browser.enter("code").await?;
    browser.shows(&user.name).await?;
    anyhow::ensure!(browser.driver().current_url().await?.as_str() == up.url, "the demo is not where we are");

    browser.driver().goto(&up.portal).await?;
    browser.shows(&user.name).await?;
    browser.driver().find(By::Css("form[action*='sign-out'] button")).await?.click().await?;
    browser.shows("Signed out").await?;

    // Of two access points the other one may hear of it a moment later.
    until("asked for the name again", Duration::from_secs(20), async || {
        browser.driver().goto(&up.url).await.ok()?;
        browser.driver().find(By::Name("name")).await.ok()
    })
    .await?;
    browser.quit().await?;
    installation.stop().await
}
