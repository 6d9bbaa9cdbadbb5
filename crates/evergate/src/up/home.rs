//! The installation that this machine runs or belongs to: made, completed, or joined.

use std::path::PathBuf;

use anyhow::Context;
use evergate_administration::setup::{self, LOCAL_CA_FILE, SetUp, sqlite_url};
use evergate_cluster::network::Network;
use evergate_model::{Host, Name};
use evergate_process::Clock;

use super::directory::Directory;
use super::layout::Layout;
use super::up_file::Administrator;
use super::{UpArguments, network, protect};
use crate::failure::{Usage, hinted};
use crate::joining;

/// The installation, as this machine knows it.
#[derive(Debug)]
pub(super) struct Home {
    /// The certificate of the CA that browsers should believe.
    pub(super) local_ca: PathBuf,
    /// Who may administer, where this machine made the installation.
    pub(super) administrator: Option<Administrator>,
    /// The host of sign-in, portal and account pages.
    pub(super) portal_host: Host,
    /// The console's host, if it is published.
    pub(super) console_host: Option<Host>,
    /// The API's addresses on other machines, where none of it is here.
    pub(super) servers: Vec<String>,
    /// The SQLite database that the instances share, if that is what they share.
    pub(super) sqlite: Option<PathBuf>,
    /// The applications that the command line names, each a line for people.
    pub(super) protected: Vec<String>,
}

impl Home {
    /// Makes the installation or brings it up to date; or joins one, where a token file is given, or was.
    pub(super) async fn make(
        arguments: &UpArguments,
        network: &Network,
        layout: &Layout,
        directory: &Directory,
    ) -> anyhow::Result<Self> {
        let member = joining::membership(directory.path())?;
        match &layout.node {
            Some(node) if member.is_some() || arguments.join.is_some() => {
                Self::join(arguments, layout, directory, node, member).await
            }
            _ if member.is_some() => Err(hinted(
                format!(
                    "`{}` is the state of a machine that has joined an installation",
                    directory.path().display()
                ),
                "say which node it is, with --network and --node",
            )),
            _ => Self::found(arguments, network, layout, directory).await,
        }
    }

    async fn found(
        arguments: &UpArguments,
        network: &Network,
        layout: &Layout,
        directory: &Directory,
    ) -> anyhow::Result<Self> {
        let database = network::database(network, directory.path())?;
        let is_sqlite = database == sqlite_url(directory.path());
        let wanted = SetUp {
            directory: directory.path().to_owned(),
            database,
            database_from_here: None,
            topology: layout.topology.clone(),
            node: layout.node.clone(),
            listeners: layout.listeners.clone(),
            domain: arguments.domain.clone(),
            public_port: layout.public_port,
            resources: protect::resources(arguments)?,
            demo: protect::demo(arguments, &layout.demo)?,
        };
        let made = setup::set_up(&wanted, &Clock::system())
            .await
            .with_context(|| format!("cannot set the installation in `{}` up", directory.path().display()))?;
        Ok(Self {
            protected: protect::addresses(arguments, &made, layout.public_port),
            local_ca: made.local_ca,
            administrator: Some(Administrator {
                name: made.administrator,
                password_file: made.password_file,
            }),
            portal_host: made.portal_host,
            console_host: made.console_host,
            servers: Vec::new(),
            sqlite: is_sqlite.then(|| directory.path().join("evergate.db")),
        })
    }

    async fn join(
        arguments: &UpArguments,
        layout: &Layout,
        directory: &Directory,
        node: &Name,
        member: Option<joining::Membership>,
    ) -> anyhow::Result<Self> {
        if !arguments.protect.is_empty() {
            let text =
                "--protect is for the machine that began the installation; use `evergate resource add`";
            return Err(Usage(text.to_owned()).into());
        }
        if let Some(other) = member.as_ref().filter(|member| member.node != *node) {
            let text = format!("`{}` is the state of node `{}`", directory.path().display(), other.node);
            return Err(hinted(text, format!("choose another directory for `{node}` with --data")));
        }
        let lacks_any = joining::lacks_any(directory.path(), layout.here().map(|instance| &instance.name));
        let member = match (member, &arguments.join) {
            (Some(member), _) if !lacks_any => member,
            (_, Some(file)) => joining::join(directory.path(), node, file).await?,
            (_, None) => {
                return Err(hinted(
                    format!("an instance of node `{node}` has no bootstrap file here"),
                    format!(
                        "make a token with `evergate cluster join-token {node} -o FILE`, and give it with --join"
                    ),
                ));
            }
        };
        if joining::lacks_any(directory.path(), layout.here().map(|instance| &instance.name)) {
            return Err(hinted(
                format!("the installation gave node `{node}` fewer instances than the network file says"),
                "start the machine that began the installation with this network file first",
            ));
        }
        Ok(Self {
            local_ca: directory.path().join(LOCAL_CA_FILE),
            administrator: None,
            portal_host: member.portal_host,
            console_host: member.console_host,
            servers: member.servers,
            sqlite: None,
            protected: Vec::new(),
        })
    }
}
