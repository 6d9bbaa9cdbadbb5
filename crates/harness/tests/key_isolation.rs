//! An access point holds no internal and no authority key: not in its memory, not in its files; and it links no code
//! that could use them (`cargo xtask check layers`).

use anyhow::{Context, Result, ensure};
use data_encoding::HEXLOWER_PERMISSIVE;
use evergate_harness::Installation;
use evergate_harness::memory::{Secret, found_in_files, found_in_process};
use evergate_harness::sign_in::sign_in;
use evergate_harness::users::Credentials;
use serde_json::Value;

/// The internal keys that an instance was handed: `DATA/keys.json`.
fn internal_keys(installation: &Installation, instance: &str) -> Result<Vec<Secret>> {
    let file = installation.data().join("instances").join(instance).join("keys.json");
    let bundle: Value = serde_json::from_str(&std::fs::read_to_string(&file)?)?;
    let keys = bundle["keys"].as_array().with_context(|| format!("no keys in {}", file.display()))?;
    let secret = |key: &Value| {
        let bytes = HEXLOWER_PERMISSIVE.decode(key["secret"].as_str()?.as_bytes()).ok()?;
        Some(Secret::new(&format!("{instance} {} {}", key["purpose"], key["id"]), &bytes))
    };
    Ok(keys.iter().filter_map(secret).collect())
}

/// The key that opens the authority keys: administration's alone.
fn wrapping_key(installation: &Installation) -> Result<Secret> {
    let file = installation.data().join("instances/administration1/bootstrap.json");
    let bootstrap: Value = serde_json::from_str(&std::fs::read_to_string(file)?)?;
    let text = bootstrap["wrapping_key"].as_str().context("administration has no wrapping key")?;
    Ok(Secret::new("wrapping key", &HEXLOWER_PERMISSIVE.decode(text.as_bytes())?))
}

#[tokio::test]
async fn an_access_point_holds_no_key_but_its_listeners() -> Result<()> {
    let mut installation = Installation::start().await?;
    // All that an access point ever does has been done once.
    let user = Credentials::of_demo(&installation).await?;
    let mut client = installation.client()?;
    sign_in(&mut client, &installation.read()?.url, &user).await?;

    let mut secrets = Vec::new();
    for instance in ["policy1", "authentication1", "distribution1"] {
        let keys = internal_keys(&installation, instance)?;
        ensure!(!keys.is_empty(), "{instance} was handed no keys");
        secrets.extend(keys);
    }
    secrets.push(wrapping_key(&installation)?);

    for access_point in ["access-point1", "access-point2"] {
        let pid = installation.instance(access_point)?.pid;
        let found = found_in_process(pid, &secrets)?;
        ensure!(found.is_empty(), "in the memory of {access_point}: {found:?}");
        let found = found_in_files(&installation.data().join("instances").join(access_point), &secrets)?;
        ensure!(found.is_empty(), "in the files of {access_point}: {found:?}");
    }

    // The search finds what is there: policy's keys in policy, and only policy's.
    let policy = found_in_process(installation.instance("policy1")?.pid, &secrets)?;
    ensure!(policy.iter().any(|name| name.starts_with("policy1")), "found in policy1 only {policy:?}");
    ensure!(policy.iter().all(|name| name.starts_with("policy1")), "policy1 holds others' keys: {policy:?}");
    let files = found_in_files(&installation.data().join("instances/policy1"), &secrets)?;
    ensure!(!files.is_empty(), "nothing found in the files of policy1");
    let distribution = found_in_process(installation.instance("distribution1")?.pid, &secrets)?;
    ensure!(
        distribution.iter().all(|name| name.starts_with("distribution1")),
        "distribution1 holds others' keys: {distribution:?}"
    );
    installation.stop().await
}
