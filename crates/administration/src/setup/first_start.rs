//! What the first start puts into the database: lineage, keys, authorities, the administrator, the
//! API token of the local command line, the first version. One transaction.

use std::collections::BTreeMap;

use anyhow::Context;
use evergate_keys::{KeyBundle, Purpose, api_token, new_id, password};
use evergate_model::{Configuration, Secret, Service, Timestamp};
use evergate_store::groups::ADMINISTRATORS;
use evergate_store::keys::Role;
use evergate_store::{
    Actor, Store, Tx, api_tokens, configurations, credentials, groups, installation, users,
};

use super::{SetUp, demo, files};
use crate::vault::Vault;
use crate::{Failure, Privilege, authorities, bundles};

/// Makes the installation if there is none; whether it did.
pub(super) async fn make_if_absent(
    store: &Store,
    vault: &Vault,
    wanted: &SetUp,
    now: Timestamp,
) -> anyhow::Result<bool> {
    if installation::get(&mut *store.read().await?).await?.is_some() {
        return Ok(false);
    }
    // Hashed before the transaction begins: it takes a while.
    let administrator = files::password(&wanted.directory, files::PASSWORD_FILE)?;
    let administrator = password::hash(&administrator).context("cannot hash the administrator's password")?;
    let token = files::api_token(&wanted.directory)?;
    let demo = wanted.demo.as_ref().map(|_| demo::prepare(&wanted.directory)).transpose()?;
    let mut tx = store.begin().await?;
    add_installation(&mut tx, wanted, now).await?;
    add_keys(&mut tx, vault, now).await?;
    let admin = add_user(&mut tx, now, files::ADMINISTRATOR, &administrator).await?;
    groups::add(&mut tx, &Actor::System, now, ADMINISTRATORS).await?;
    groups::add_member(&mut tx, &Actor::System, now, ADMINISTRATORS, admin).await?;
    add_token(&mut tx, now, &token).await?;
    if let Some(demo) = demo {
        demo.add(&mut tx, vault, now).await?;
    }
    add_configuration(&mut tx, wanted, now).await?;
    tx.commit().await.context("cannot write the database")?;
    Ok(true)
}

async fn add_installation(tx: &mut Tx, wanted: &SetUp, now: Timestamp) -> Result<(), Failure> {
    let new = installation::Installation {
        lineage: new_id(now),
        epoch: 1,
        revision: 0,
        topology: wanted.topology.clone(),
        made_at: now,
    };
    installation::add(tx, &new).await?;
    Ok(())
}

async fn add_keys(tx: &mut Tx, vault: &Vault, now: Timestamp) -> Result<(), Failure> {
    authorities::create(tx, vault, now, Role::Identity, "Evergate identity CA").await?;
    authorities::create(tx, vault, now, Role::Local, "Evergate local CA").await?;
    for service in Service::ALL.into_iter().filter(|service| !Purpose::of(*service).is_empty()) {
        bundles::save(tx, vault, &Actor::System, now, &KeyBundle::generate(service, now)).await?;
    }
    Ok(())
}

/// Adds an active user with this password's hash.
pub(super) async fn add_user(
    tx: &mut Tx,
    now: Timestamp,
    name: &str,
    phc: &str,
) -> Result<evergate_model::Id<evergate_model::id::User>, Failure> {
    let user = users::User {
        id: new_id(now),
        name: name.to_owned(),
        email: None,
        state: users::State::Active,
        created_at: now,
        invited_at: None,
    };
    users::add(tx, &Actor::System, now, &user).await?;
    credentials::set_password(tx, &Actor::System, now, user.id, new_id(now), phc).await?;
    Ok(user.id)
}

async fn add_token(tx: &mut Tx, now: Timestamp, token: &Secret<String>) -> Result<(), Failure> {
    let hash = api_token::hash(token.expose())
        .ok_or_else(|| Failure::Conflict(format!("`{}` holds no API token", files::API_TOKEN_FILE)))?;
    let new = api_tokens::ApiToken {
        id: new_id(now),
        name: "local command line".to_owned(),
        privileges: Privilege::ALL.iter().map(ToString::to_string).collect(),
        made_at: now,
        used_at: None,
    };
    api_tokens::add(tx, &Actor::System, now, &new, &data_encoding::HEXLOWER.encode(&hash)).await?;
    Ok(())
}

async fn add_configuration(tx: &mut Tx, wanted: &SetUp, now: Timestamp) -> anyhow::Result<()> {
    let host = |name: &str| format!("{name}.{}", wanted.domain).parse();
    let configuration = Configuration {
        portal_host: host("portal")?,
        console_host: Some(host("console")?),
        public_port: Some(wanted.public_port),
        certificates: Vec::new(),
        global_rule: None,
        rules: BTreeMap::new(),
        resources: wanted.resources.clone().into_iter().chain(wanted.demo.clone()).collect(),
        sessions: Default::default(),
        sign_in: Default::default(),
        mail: None,
        pools: BTreeMap::new(),
    };
    crate::configuration::check(&configuration).map_err(Failure::Invalid)?;
    let new = configurations::NewVersion {
        base: 0,
        configuration: &configuration,
        comment: "the first start",
        rollback_of: None,
    };
    configurations::publish(tx, &Actor::System, now, &new).await?;
    Ok(())
}
