//! Users made for a test, with all they need to sign in.

use anyhow::{Context, Result};

use crate::codes;
use crate::installation::Installation;

/// A user and what only that user knows.
#[derive(Debug, Clone)]
pub struct Credentials {
    /// The name to sign in by.
    pub name: String,
    /// The password.
    pub password: String,
    /// The soft token's secret, base32, where there is one.
    pub secret: Option<String>,
}

impl Credentials {
    /// The demo user.
    ///
    /// # Errors
    /// When there is no demo.
    pub async fn of_demo(installation: &Installation) -> Result<Self> {
        let demo = installation.evergate_json(&["demo"]).await?;
        let field =
            |name| demo.get(name).and_then(|value| value.as_str()).context("not in `evergate demo --json`");
        let secret = Some(codes::secret(field("otpauth")?)?);
        Ok(Self { name: field("name")?.to_owned(), password: field("password")?.to_owned(), secret })
    }

    /// A new user with a password and an address, in no group.
    ///
    /// # Errors
    /// When the command fails.
    pub async fn with_password(installation: &Installation, name: &str) -> Result<Self> {
        let password = format!("correct horse {name} staple 9");
        let file = installation.scratch().join(format!("{name}.password"));
        std::fs::write(&file, &password)?;
        let file = file.display().to_string();
        let email = format!("{name}@example.com");
        installation.evergate(&["user", "add", name, "--password-file", &file, "--email", &email]).await?;
        Ok(Self { name: name.to_owned(), password, secret: None })
    }

    /// A new user with a password and a soft token.
    ///
    /// # Errors
    /// When a command fails.
    pub async fn with_token(installation: &Installation, name: &str) -> Result<Self> {
        let user = Self::with_password(installation, name).await?;
        let otpauth = installation.evergate(&["user", "totp", name, "--otpauth"]).await?;
        let address = otpauth.split_whitespace().find(|word| word.starts_with("otpauth://"));
        let secret = codes::secret(address.context("`evergate user totp --otpauth` printed no address")?)?;
        Ok(Self { secret: Some(secret), ..user })
    }

    /// The code of the soft token now.
    ///
    /// # Errors
    /// When there is no soft token.
    pub fn code(&self) -> Result<String> {
        codes::totp(self.secret.as_deref().context("a user without a soft token")?)
    }
}
