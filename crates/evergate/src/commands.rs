//! The operator's commands: each is a client of the administration services' REST API.

mod api_token;
mod audit;
mod bootstrap;
mod cluster;
mod config;
mod database;
pub(crate) mod drill;
mod group;
mod instance;
mod keys;
mod people;
mod resource;
mod rule;
mod session;
mod status;
mod user;

use clap::Subcommand;

/// What operators do.
#[derive(Debug, Subcommand)]
pub enum OperatorCommand {
    /// Show the instances, the links between them, and which of them are active
    Status(status::StatusArguments),
    /// Add, change and remove users
    User(user::UserArguments),
    /// Add and remove groups and their members
    Group(group::GroupArguments),
    /// Publish applications, and test who may reach them
    Resource(resource::ResourceArguments),
    /// Name access rules that resources share
    Rule(rule::RuleArguments),
    /// Change the configuration as a whole: files, drafts, versions
    Config(config::ConfigArguments),
    /// See and end users' sessions
    Session(session::SessionArguments),
    /// Make and revoke tokens of the API
    ApiToken(api_token::ApiTokenArguments),
    /// See and rotate keys
    Keys(keys::KeysArguments),
    /// Drain, resume and restart instances
    Instance(instance::InstanceArguments),
    /// Run one installation on several machines
    Cluster(cluster::ClusterArguments),
    /// Make a new bootstrap file for an instance
    Bootstrap(bootstrap::BootstrapArguments),
    /// Read and verify the audit log
    Audit(audit::AuditArguments),
    /// Check the database of the local installation, or bring it up to this program
    Database(database::DatabaseArguments),
    /// Kill or stop the instance that serves, under load, and count what that costs
    Drill(drill::DrillArguments),
}

/// Does what the command says.
///
/// # Errors
/// When that fails; the error says what the user is told.
pub async fn run(command: OperatorCommand) -> anyhow::Result<()> {
    match command {
        OperatorCommand::Status(arguments) => status::status(&arguments).await,
        OperatorCommand::User(arguments) => user::user(&arguments).await,
        OperatorCommand::Group(arguments) => group::group(&arguments).await,
        OperatorCommand::Resource(arguments) => resource::resource(&arguments).await,
        OperatorCommand::Rule(arguments) => rule::rule(&arguments).await,
        OperatorCommand::Config(arguments) => config::config(&arguments).await,
        OperatorCommand::Session(arguments) => session::session(&arguments).await,
        OperatorCommand::ApiToken(arguments) => api_token::api_token(&arguments).await,
        OperatorCommand::Keys(arguments) => keys::keys(&arguments).await,
        OperatorCommand::Instance(arguments) => instance::instance(&arguments).await,
        OperatorCommand::Cluster(arguments) => cluster::cluster(&arguments).await,
        OperatorCommand::Bootstrap(arguments) => bootstrap::bootstrap(&arguments).await,
        OperatorCommand::Audit(arguments) => audit::audit(&arguments).await,
        OperatorCommand::Database(arguments) => database::database(&arguments).await,
        OperatorCommand::Drill(arguments) => drill::drill(&arguments).await,
    }
}
