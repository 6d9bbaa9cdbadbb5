//! Which installation a command works on, and the client that asks it.

use std::path::PathBuf;

use anyhow::Context;
use evergate_cluster::api_client::{ApiClient, ApiError};
use evergate_model::Secret;
use serde_json::Value;

use crate::failure::{Usage, hinted};
use crate::{joining, output};

/// Which installation is meant, and how the answer is printed.
#[derive(Debug, Clone, clap::Args)]
#[command(next_help_heading = "Installation")]
pub struct Target {
    /// The directory of the local installation
    #[arg(long, global = true, value_name = "DIR", default_value = "./evergate-data")]
    pub data: PathBuf,
    /// The API of another installation, such as `https://admin.example.com:8443/api/v1`; the token is read from the
    /// file that the environment variable EVERGATE_API_TOKEN_FILE names
    #[arg(long, global = true, value_name = "URL", value_delimiter = ',', requires = "ca")]
    pub server: Vec<String>,
    /// The certificate (PEM) of the CA that the servers' certificates are from
    #[arg(long, global = true, value_name = "FILE")]
    pub ca: Option<PathBuf>,
    /// The file with the API token
    #[arg(long, global = true, value_name = "FILE", env = "EVERGATE_API_TOKEN_FILE", hide = true)]
    pub token_file: Option<PathBuf>,
    /// Print JSON
    #[arg(long, global = true)]
    pub json: bool,
}

impl Target {
    /// A client of that installation.
    ///
    /// # Errors
    /// When nothing runs there, or a file that is needed cannot be read.
    pub fn client(&self) -> anyhow::Result<ApiClient> {
        if self.server.is_empty() {
            let local = ApiClient::local(&self.data);
            return match local {
                Err(ApiError::Read { .. }) if joining::membership(&self.data)?.is_some() => Err(hinted(
                    "this machine joined an installation, and has no API token of its own",
                    "run the command on the machine that began it, or make a token there with \
                     `evergate api-token create` and use --server, --ca and EVERGATE_API_TOKEN_FILE here",
                )),
                local => Ok(local?),
            };
        }
        let missing = |what: &str| Usage(format!("--server needs {what}"));
        let ca = self.ca.as_ref().ok_or_else(|| missing("--ca FILE"))?;
        let token = self.token_file.as_ref().ok_or_else(|| missing("EVERGATE_API_TOKEN_FILE"))?;
        let token = std::fs::read_to_string(token)
            .with_context(|| format!("cannot read the API token in `{}`", token.display()))?;
        let ca = std::fs::read(ca).with_context(|| format!("cannot read `{}`", ca.display()))?;
        Ok(ApiClient::new(self.server.clone(), &ca, Secret::new(token.trim().to_owned()))?)
    }

    /// Prints an answer: as it is, or as `people` put it.
    ///
    /// # Errors
    /// When standard output cannot be written.
    pub fn show(&self, answer: &Value, people: impl FnOnce(&Value) -> String) -> anyhow::Result<()> {
        if self.json { output::print_json(answer) } else { output::print(&people(answer)) }
    }

    /// Prints that something was done.
    ///
    /// # Errors
    /// When standard output cannot be written.
    pub fn done(&self, answer: &Value, text: &str) -> anyhow::Result<()> {
        self.show(answer, |_| text.to_owned())
    }
}
