//! `evergate cluster image`: the images of the programs on this machine, made without a registry and loaded into this
//! engine.

use std::path::PathBuf;

use anyhow::Context;
use clap::Args;
use evergate_cluster::image::{Image, Variant, build};
use evergate_cluster::network::Network;
use evergate_cluster::render::access_point_image;
use evergate_cluster::swarm::Engine;
use serde_json::json;

use super::{Common, tell};
use crate::failure::{Hinted, hinted};

const ABOUT: &str = "Make the images of the programs on this machine, and load them into this engine

Nothing is fetched and nothing is run: an image holds the program, the libraries that its file names, and the
certificates that this machine believes. `init` and `join` do the same; say this on every machine before the name of a
newer image is written into network.yml.";

const EXAMPLES: &str = "Examples:
  evergate cluster image
  evergate cluster image --tag evergate:1.0.1";

/// The arguments of `evergate cluster image`.
#[derive(Debug, Args)]
#[command(long_about = ABOUT, after_help = EXAMPLES)]
pub(super) struct ImageArguments {
    /// The name and tag of the image of inner services; that of access points follows from it
    #[arg(long, value_name = "NAME:TAG")]
    tag: Option<String>,
}

pub(super) async fn image(arguments: &ImageArguments, common: &Common) -> anyhow::Result<()> {
    let reference = arguments.tag.clone().unwrap_or_else(own_reference);
    if reference.contains('/') && !is_of_own_registry(&reference) {
        return Err(hinted(
            format!(
                "the engines of a swarm would ask the public registry for `{reference}`, whoever has that name there"
            ),
            "choose a name without `/`, or one of a registry of your own, HOST/NAME:TAG",
        ));
    }
    let loaded = load(&common.engine().await?, &reference).await?;
    let text = match loaded.is_empty() {
        true => format!("nothing to change: this engine has the images of `{reference}`"),
        false => format!("loaded {}", loaded.join(" and ")),
    };
    common.target.done(&json!({ "loaded": loaded, "image": reference }), &text)
}

/// What the images of this program are called where the network file says nothing else.
pub(super) fn own_reference() -> String {
    format!("evergate:{}", env!("CARGO_PKG_VERSION"))
}

/// What they are called by a network; none where it names those of a registry, which engines fetch by themselves.
pub(super) fn made_here(network: &Network) -> Option<String> {
    let Some(named) = network.image() else { return Some(own_reference()) };
    // Engines ask the public registry for every other name with a `/`, before they take what they have.
    (!named.contains('/')).then(|| named.to_owned())
}

/// Whether a name begins with the host of a registry, as engines see it.
fn is_of_own_registry(name: &str) -> bool {
    name.split_once('/').is_some_and(|(host, _)| host.contains(['.', ':']) || host == "localhost")
}

/// Makes both and loads those that this engine lacks; answers their names.
pub(super) async fn load(engine: &Engine, reference: &str) -> anyhow::Result<Vec<String>> {
    let mut loaded = Vec::new();
    for (variant, reference) in
        [(Variant::Inner, reference.to_owned()), (Variant::AccessPoint, access_point_image(reference))]
    {
        let program = program(variant)?;
        let image = tokio::task::spawn_blocking(move || build(&program, variant, &reference)).await?;
        let image: Image = image?;
        if engine.load(&image).await? {
            let megabytes = image.archive().len() / 1_000_000;
            tell(&format!("loaded the image `{}` ({megabytes} MB)", image.reference()));
            loaded.push(image.reference().to_owned());
        }
    }
    Ok(loaded)
}

/// This program, and the lean one beside it.
fn program(variant: Variant) -> anyhow::Result<PathBuf> {
    let own = std::env::current_exe().context("cannot find this executable")?;
    match variant {
        Variant::Inner => Ok(own),
        Variant::AccessPoint => {
            let path = own.with_file_name(variant.program());
            if path.exists() {
                return Ok(path);
            }
            let hint = "build it (cargo build --release -p evergate-edge), and put it beside this program";
            Err(Hinted { text: format!("there is no `{}`", path.display()), hint: hint.to_owned() }.into())
        }
    }
}
