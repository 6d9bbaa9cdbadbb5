//! One installation grows from one machine to three engines of a swarm and an edge host outside of it, with a PostgreSQL,
//! HAProxy in front, and requests throughout. Wants root, Debian's `docker.io`, `postgresql`, `haproxy`, `nftables` and
//! `python3`, and fails without.

use anyhow::Result;
use evergate_cluster::render::POSTGRES;
use evergate_harness::swarm_scene::{Size, SwarmScene};

/// A scene that has grown.
async fn grown(size: Size) -> Result<SwarmScene> {
    let mut scene = SwarmScene::start(size).await?;
    let growth = scene.grow().await;
    let growth = scene.explained(growth).await?;
    growth.is_as_promised()?;
    Ok(scene)
}

/// Nothing here needs a scene of its own: what is changed is changed back, what is killed comes back.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_machine_grows_to_a_swarm_that_is_changed_and_struck() -> Result<()> {
    let mut scene = grown(Size::MODERATE).await?;
    let shown = async {
        scene.deploying_again_changes_nothing().await?;
        scene.a_stranger_gets_nothing().await?;
        scene.the_edge_holds_no_key().await?;
        scene.the_edge_reaches_what_is_printed_only().await?;
        scene.an_instance_is_added_moved_and_removed().await?;
        scene.the_image_is_changed_and_changed_back().await?;
        scene.machines_die_and_are_cut_off().await?;
        scene.a_machine_leaves().await
    };
    let shown = shown.await;
    scene.explained(shown).await?;
    scene.scene.end().await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_machine_goes_on_in_a_swarm_with_a_database_of_its_own() -> Result<()> {
    let mut scene = SwarmScene::start(Size::MODERATE).await?;
    let shown = scene.goes_on_with_a_database_of_its_own(POSTGRES).await;
    scene.explained(shown).await?;
    scene.scene.end().await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "soak"]
async fn deployments_lose_nothing_at_full_rate() -> Result<()> {
    let mut scene = grown(Size::FULL).await?;
    let shown = async {
        scene.deploying_again_changes_nothing().await?;
        scene.an_instance_is_added_moved_and_removed().await?;
        scene.the_image_is_changed_and_changed_back().await
    };
    let shown = shown.await;
    scene.explained(shown).await?;
    scene.scene.end().await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "soak"]
async fn the_worker_and_the_manager_die_and_the_worker_is_cut_off_at_full_rate() -> Result<()> {
    let mut scene = grown(Size::FULL).await?;
    let shown = scene.machines_die_and_are_cut_off().await;
    scene.explained(shown).await?;
    scene.scene.end().await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "soak"]
async fn the_edge_and_a_stranger_get_nothing_more_than_they_may() -> Result<()> {
    let mut scene = grown(Size::FULL).await?;
    let shown = async {
        scene.a_stranger_gets_nothing().await?;
        scene.the_edge_holds_no_key().await?;
        scene.the_edge_reaches_what_is_printed_only().await
    };
    let shown = shown.await;
    scene.explained(shown).await?;
    scene.scene.end().await
}
