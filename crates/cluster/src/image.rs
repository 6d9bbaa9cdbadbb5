//! Images of the programs that are on this machine, for engines that reach no registry.
//!
//! An image has what the program needs and nothing else: the program, its loader and shared libraries as they are here,
//! the certificates that this machine believes, a user. It has no shell, its first process is the supervisor, and it
//! works with a root that nothing can write to. What is in it is found by reading; nothing is run. The same files make
//! the same image, byte for byte, so that its id tells versions apart.
//!
//! [`build`], then [`Image::load`].

mod archive;
pub mod elf;
mod files;
mod libraries;

use std::path::{Path, PathBuf};

use aws_lc_rs::digest::{SHA256, digest};
use bytes::Bytes;
use data_encoding::HEXLOWER;
use futures_util::StreamExt;
use serde_json::json;

use self::archive::Archive;
use crate::render::USER;

/// The program of every image: it stands beside its own name at this one, so that a command fits both images.
pub const PROGRAM: &str = "/usr/bin/evergate-instance";
/// The words of the command that the health check of both images runs, followed by a URL
/// ([`crate::render::Inputs::live`]).
pub const LIVE: [&str; 2] = [PROGRAM, "live"];
/// The word by which the program is the supervisor of one instance, and with it an image's first process.
pub const SUPERVISE: &str = "supervise";
/// When every file was changed, and the image made: the same always.
const MADE: &str = "1970-01-01T00:00:00Z";

/// Which program an image is of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Variant {
    /// `evergate`: any service.
    Inner,
    /// `evergate-access-point`: nothing but an access point.
    AccessPoint,
}

impl Variant {
    /// The name of the program's file.
    #[must_use]
    pub const fn program(self) -> &'static str {
        match self {
            Self::Inner => "evergate",
            Self::AccessPoint => "evergate-access-point",
        }
    }
}

/// Why there is no image, or it could not be loaded.
#[derive(Debug, thiserror::Error)]
pub enum ImageError {
    /// A file cannot be read.
    #[error("cannot read `{}`", path.display())]
    Read {
        /// Which.
        path: PathBuf,
        /// What the system says.
        #[source]
        source: std::io::Error,
    },
    /// The program, or a library of it, is none.
    #[error("`{}` is no program for this machine", path.display())]
    Program {
        /// Which.
        path: PathBuf,
        /// What is wrong with it.
        #[source]
        source: elf::ElfError,
    },
    /// A library is not where loaders look.
    #[error("`{library}`, which `{}` needs, is in no directory of libraries", program.display())]
    Library {
        /// Its name.
        library: String,
        /// Who needs it.
        program: PathBuf,
    },
    /// The image's name is none.
    #[error("`{0}` is no name of an image; write `NAME:TAG`, without a digest")]
    Reference(String),
    /// A file does not fit an archive.
    #[error("`{0}` is too long a path, or too large")]
    Unfit(String),
    /// The engine does not take it.
    #[error("the engine does not load `{reference}`: {said}")]
    Refused {
        /// The image's name.
        reference: String,
        /// What the engine says.
        said: String,
    },
    /// The engine does not answer.
    #[error("cannot load `{reference}` into the engine")]
    Engine {
        /// The image's name.
        reference: String,
        /// What went wrong.
        #[source]
        source: bollard::errors::Error,
    },
}

/// An image, as `docker load` takes it.
#[derive(Debug, Clone)]
pub struct Image {
    reference: String,
    id: String,
    archive: Bytes,
}

impl Image {
    /// Its name and tag.
    #[must_use]
    pub fn reference(&self) -> &str {
        &self.reference
    }

    /// Its id, `sha256:` and 64 digits: what an engine calls it that has loaded it.
    #[must_use]
    pub fn id(&self) -> &str {
        &self.id
    }

    /// A tar archive of the form that `docker save` writes, uncompressed: its length is the image's size.
    #[must_use]
    pub const fn archive(&self) -> &Bytes {
        &self.archive
    }

    /// Loads it into an engine, under its name.
    ///
    /// # Errors
    /// When the engine does not answer or does not take it.
    pub async fn load(&self, engine: &bollard::Docker) -> Result<(), ImageError> {
        let options = bollard::query_parameters::ImportImageOptionsBuilder::default().quiet(true).build();
        let body = bollard::body_full(self.archive.clone());
        let mut told = std::pin::pin!(engine.import_image(options, body, None));
        while let Some(line) = told.next().await {
            let reference = self.reference.clone();
            let line = line.map_err(|source| ImageError::Engine { reference, source })?;
            if let Some(said) = line.error_detail.and_then(|detail| detail.message) {
                return Err(ImageError::Refused { reference: self.reference.clone(), said });
            }
        }
        Ok(())
    }
}

/// Makes the image of a program that is on this machine, under `reference` (`evergate:1.0.0`; the tag is `latest` where
/// there is none). Reads the program and its libraries: 100 MB of memory, and no time to speak of.
///
/// # Errors
/// When the program or a library cannot be read or is not for this machine.
pub fn build(program: &Path, variant: Variant, reference: &str) -> Result<Image, ImageError> {
    let reference = tagged(reference)?;
    let content = read(program)?;
    let needs =
        elf::needs(&content).map_err(|source| ImageError::Program { path: program.to_owned(), source })?;
    let mut layer = Archive::default();
    files::skeleton(&mut layer)?;
    for (path, library) in libraries::of(program, &needs)? {
        layer.file(&path, 0o755, &library)?;
    }
    let name = variant.program();
    layer.file(&format!("usr/bin/{name}"), 0o755, &content)?;
    drop(content);
    layer.link(PROGRAM.trim_start_matches('/'), name)?;
    let layer = layer.end();
    let config = config(needs.architecture, &sha256(&layer)).to_string();
    let id = sha256(config.as_bytes());
    let manifest = json!([{
        "Config": format!("{id}.json"), "RepoTags": [reference.as_str()], "Layers": ["layer.tar"],
    }]);
    let mut archive = Archive::default();
    archive.file("layer.tar", 0o644, &layer)?;
    drop(layer);
    archive.file(&format!("{id}.json"), 0o644, config.as_bytes())?;
    archive.file("manifest.json", 0o644, manifest.to_string().as_bytes())?;
    Ok(Image { reference, id: format!("sha256:{id}"), archive: archive.end().into() })
}

/// How it is run, unless the engine is told otherwise (OCI image specification, `config.md`).
fn config(architecture: elf::Architecture, layer: &str) -> serde_json::Value {
    json!({
        "architecture": architecture.name(),
        "os": "linux",
        "created": MADE,
        "config": {
            "User": format!("{USER}:{USER}"),
            "Env": ["PATH=/usr/bin"],
            "Entrypoint": [PROGRAM, SUPERVISE],
            "WorkingDir": "/",
            "StopSignal": "SIGTERM",
        },
        "rootfs": { "type": "layers", "diff_ids": [format!("sha256:{layer}")] },
        "history": [{ "created": MADE, "created_by": "evergate" }],
    })
}

fn tagged(reference: &str) -> Result<String, ImageError> {
    let is_fit = |letter: char| letter.is_ascii_alphanumeric() || "._-/:".contains(letter);
    if reference.is_empty() || reference.len() > 255 || !reference.chars().all(is_fit) {
        return Err(ImageError::Reference(reference.to_owned()));
    }
    let name = reference.rsplit('/').next().unwrap_or_default();
    Ok(if name.contains(':') { reference.to_owned() } else { format!("{reference}:latest") })
}

fn sha256(bytes: &[u8]) -> String {
    HEXLOWER.encode(digest(&SHA256, bytes).as_ref())
}

fn read(path: &Path) -> Result<Vec<u8>, ImageError> {
    std::fs::read(path).map_err(|source| ImageError::Read { path: path.to_owned(), source })
}

#[cfg(test)]
mod tests;
