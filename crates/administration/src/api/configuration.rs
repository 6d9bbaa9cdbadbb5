//! The configuration as a whole: versions, the draft, files that are applied.

use axum::extract::Path;
use axum::http::Method;
use evergate_model::Configuration;
use evergate_store::{Connection, configurations};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Answer, Call, Route, Stop};
use crate::configuration::{
    Change, ConfigurationFile, Edit, Edited, changes_between, check, edit, export as to_text, publish_draft,
    rollback as roll_back,
};
use crate::{Failure, Privilege};

const MOST: u32 = 1000;

pub(super) fn routes() -> Vec<Route> {
    let (read, write) = (Privilege::ReadConfiguration, Privilege::WriteConfiguration);
    vec![
        Route::new(Method::GET, "/configuration", read, "the published version", show).gives::<Shown>(),
        Route::new(
            Method::GET,
            "/configuration/versions",
            read,
            "published versions, latest first",
            versions,
        )
        .gives::<Versions>(),
        Route::new(Method::GET, "/configuration/versions/{number}", read, "one version", version)
            .gives::<Shown>(),
        Route::new(Method::GET, "/configuration/export", read, "a version as a file to apply", export)
            .query::<Which>()
            .gives::<File>(),
        Route::new(Method::GET, "/configuration/draft", read, "the draft", draft).gives::<Draft>(),
        Route::new(Method::DELETE, "/configuration/draft", write, "drops the draft", drop_draft),
        Route::new(Method::GET, "/configuration/diff", read, "what differs between two versions", diff)
            .query::<Between>()
            .gives::<Changes>(),
        Route::new(Method::POST, "/configuration/check", read, "whether a file could be applied", check_file)
            .takes::<File>()
            .gives::<Changes>(),
        Route::new(
            Method::POST,
            "/configuration/apply",
            write,
            "replaces the sections that a file contains",
            apply,
        )
        .takes::<Apply>()
        .gives::<Edited>(),
        Route::new(Method::POST, "/configuration/publish", write, "publishes the draft", publish)
            .takes::<Comment>()
            .gives::<Edited>(),
        Route::new(Method::POST, "/configuration/rollback", write, "publishes an old version anew", rollback)
            .takes::<Rollback>()
            .gives::<Edited>(),
    ]
}

#[derive(Serialize, JsonSchema)]
struct Shown {
    version: u64,
    configuration: Configuration,
}

#[derive(Serialize, JsonSchema)]
struct Versions {
    versions: Vec<VersionView>,
}

#[derive(Serialize, JsonSchema)]
struct VersionView {
    version: u64,
    author: String,
    comment: String,
    rollback_of: Option<u64>,
    published_at: i64,
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Which {
    /// The version; absent: the published one.
    version: Option<u64>,
}

#[derive(Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct File {
    /// The text of the file: YAML or JSON.
    file: String,
}

#[derive(Serialize, JsonSchema)]
struct Draft {
    /// The version that it was made from.
    base: u64,
    configuration: Configuration,
    author: String,
    changed_at: i64,
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Between {
    /// Absent: the published version.
    from: Option<u64>,
    /// Absent: the draft.
    to: Option<u64>,
}

#[derive(Serialize, JsonSchema)]
struct Changes {
    changes: Vec<Change>,
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Apply {
    /// The text of the file.
    file: String,
    #[serde(default)]
    comment: String,
    /// Whether changes of others since the file's `base` are overwritten.
    #[serde(default)]
    force: bool,
    /// Whether it stays in the draft.
    #[serde(default)]
    draft: bool,
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Comment {
    #[serde(default)]
    comment: String,
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Rollback {
    version: u64,
    #[serde(default)]
    comment: String,
}

async fn show(call: Call) -> Result<Answer, Stop> {
    let (version, configuration) = latest(&mut *call.read().await?).await?;
    Ok(Answer::ok(&Shown { version, configuration }))
}

async fn versions(call: Call) -> Result<Answer, Stop> {
    let all = configurations::list(&mut *call.read().await?, MOST).await?;
    let view = |version: configurations::Version| VersionView {
        version: version.number,
        author: version.author,
        comment: version.comment,
        rollback_of: version.rollback_of,
        published_at: version.published_at.as_milliseconds(),
    };
    Ok(Answer::ok(&Versions { versions: all.into_iter().map(view).collect() }))
}

async fn version(Path(number): Path<u64>, call: Call) -> Result<Answer, Stop> {
    let configuration = find(&mut *call.read().await?, number).await?;
    Ok(Answer::ok(&Shown { version: number, configuration }))
}

async fn export(call: Call) -> Result<Answer, Stop> {
    let Which { version } = call.query()?;
    let mut reading = call.read().await?;
    let (number, configuration) = match version {
        Some(number) => (number, find(&mut reading, number).await?),
        None => latest(&mut reading).await?,
    };
    Ok(Answer::ok(&File { file: to_text(number, &configuration)? }))
}

async fn draft(call: Call) -> Result<Answer, Stop> {
    let draft = find_draft(&mut *call.read().await?).await?;
    Ok(Answer::ok(&Draft {
        base: draft.based_on,
        configuration: draft.configuration,
        author: draft.author,
        changed_at: draft.changed_at.as_milliseconds(),
    }))
}

async fn drop_draft(call: Call) -> Result<Answer, Stop> {
    let mut write = call.begin().await?;
    configurations::drop_draft(&mut write).await?;
    write.finish(Answer::nothing()).await
}

async fn diff(call: Call) -> Result<Answer, Stop> {
    let Between { from, to } = call.query()?;
    let mut reading = call.read().await?;
    let before = match from {
        Some(number) => find(&mut reading, number).await?,
        None => latest(&mut reading).await?.1,
    };
    let after = match to {
        Some(number) => find(&mut reading, number).await?,
        None => find_draft(&mut reading).await?.configuration,
    };
    Ok(Answer::ok(&Changes { changes: changes_between(&before, &after) }))
}

async fn check_file(call: Call) -> Result<Answer, Stop> {
    let File { file } = call.json()?;
    let file = ConfigurationFile::parse(&file)?;
    let (_, present) = latest(&mut *call.read().await?).await?;
    let after = file.apply_to(&present)?;
    check(&after).map_err(Failure::Invalid)?;
    Ok(Answer::ok(&Changes { changes: changes_between(&present, &after) }))
}

async fn apply(call: Call) -> Result<Answer, Stop> {
    let apply: Apply = call.json()?;
    let file = ConfigurationFile::parse(&apply.file)?;
    let mut write = call.begin().await?;
    if let Some(base) = file.base.filter(|_| !apply.force) {
        let old = find(&mut write, base).await?;
        let (latest, present) = latest(&mut write).await?;
        let changes = file.overlap(&old, &present);
        if !changes.is_empty() {
            return Err(Failure::Stale { base, latest, changes }.into());
        }
    }
    let (actor, now, vault) = (write.actor.clone(), write.now, write.vault.clone());
    let how = Edit { actor: &actor, comment: &apply.comment, as_draft: apply.draft, base: None };
    let edited = edit(&mut write, &vault, now, &how, |configuration| {
        *configuration = file.apply_to(configuration)?;
        Ok(())
    })
    .await?;
    write.finish(Answer::ok(&edited)).await
}

async fn publish(call: Call) -> Result<Answer, Stop> {
    let Comment { comment } = call.json()?;
    let mut write = call.begin().await?;
    let (actor, now, vault) = (write.actor.clone(), write.now, write.vault.clone());
    let how = Edit { actor: &actor, comment: &comment, as_draft: false, base: None };
    let edited = publish_draft(&mut write, &vault, now, &how).await?;
    write.finish(Answer::ok(&edited)).await
}

async fn rollback(call: Call) -> Result<Answer, Stop> {
    let Rollback { version, comment } = call.json()?;
    let mut write = call.begin().await?;
    let (actor, now, vault) = (write.actor.clone(), write.now, write.vault.clone());
    let how = Edit { actor: &actor, comment: &comment, as_draft: false, base: None };
    let edited = roll_back(&mut write, &vault, now, &how, version).await?;
    write.finish(Answer::ok(&edited)).await
}

async fn latest(connection: &mut Connection) -> Result<(u64, Configuration), Failure> {
    configurations::latest(connection).await?.ok_or(Failure::Missing("configuration"))
}

async fn find(connection: &mut Connection, number: u64) -> Result<Configuration, Failure> {
    let found = configurations::get(connection, number).await?;
    found.ok_or_else(|| Failure::NotFound(format!("version `{number}`")))
}

async fn find_draft(connection: &mut Connection) -> Result<configurations::Draft, Failure> {
    configurations::draft(connection).await?.ok_or_else(|| Failure::NotFound("draft".to_owned()))
}
