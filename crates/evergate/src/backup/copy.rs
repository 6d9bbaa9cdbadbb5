//! A copy of the database with attached files.

use std::path::Path;

use anyhow::{Context, bail};
use evergate_model::Timestamp;
use evergate_store::{Settings, Store, audit, copies, integrity};

/// An open copy.
pub(super) struct Copy(Store);

impl Copy {
    /// Makes a copy of the database at `url` with these files.
    pub(super) async fn make(url: &str, file: &Path, files: &[(String, Vec<u8>)]) -> anyhow::Result<()> {
        let text = file.to_str().with_context(|| format!("`{}` is not a name in UTF-8", file.display()))?;
        let original = Store::open(url, Settings::default()).await.context("cannot open the database")?;
        let copied = copies::copy_to(&mut *original.read().await?, text).await;
        original.close().await;
        copied.with_context(|| format!("cannot write `{}`", file.display()))?;
        let copy = Self(open(file).await?);
        let attached = copy.attach(files).await;
        copy.close().await;
        attached.with_context(|| format!("cannot write `{}`", file.display()))?;
        std::fs::File::open(file)?.sync_all().with_context(|| format!("cannot write `{}`", file.display()))
    }

    /// Opens a backup.
    pub(super) async fn open(file: &Path) -> anyhow::Result<Self> {
        let copy = Self(open(file).await?);
        match copy.has_files().await {
            Ok(true) => Ok(copy),
            Ok(false) => bail!("`{}` is not a backup", file.display()),
            Err(error) => Err(error).with_context(|| format!("`{}` is not a backup", file.display())),
        }
    }

    /// What is wrong with it; empty where nothing is.
    pub(super) async fn problems(&self, needed: &str) -> anyhow::Result<Vec<String>> {
        let mut reading = self.0.read().await?;
        let mut problems = integrity::check(&mut reading).await?.problems;
        if let audit::Verification::Broken { number } = audit::verify(&mut reading).await? {
            problems.push(format!("the audit log is broken at record {number}"));
        }
        let files = copies::attached(&mut reading).await?.unwrap_or_default();
        if !files.iter().any(|(name, _)| name == needed) {
            problems.push(format!("`{needed}` is missing in it"));
        }
        Ok(problems)
    }

    /// The files that it brings along.
    pub(super) async fn files(&self) -> anyhow::Result<Vec<(String, Vec<u8>)>> {
        Ok(copies::attached(&mut *self.0.read().await?).await?.unwrap_or_default())
    }

    /// Makes it a living database, and closes it.
    pub(super) async fn revive(self, now: Timestamp) -> anyhow::Result<()> {
        let mut tx = self.0.begin().await?;
        copies::revive(&mut tx, now).await?;
        tx.commit().await?;
        self.close().await;
        Ok(())
    }

    /// Closes it, so that it is one file again.
    pub(super) async fn close(&self) {
        self.0.close().await;
    }

    async fn attach(&self, files: &[(String, Vec<u8>)]) -> anyhow::Result<()> {
        let mut tx = self.0.begin().await?;
        copies::attach(&mut tx, files).await?;
        Ok(tx.commit().await?)
    }

    async fn has_files(&self) -> anyhow::Result<bool> {
        Ok(copies::attached(&mut *self.0.read().await?).await?.is_some())
    }
}

async fn open(file: &Path) -> anyhow::Result<Store> {
    let url = format!("sqlite:{}", file.display());
    Store::open(&url, Settings::default()).await.with_context(|| format!("cannot open `{}`", file.display()))
}
