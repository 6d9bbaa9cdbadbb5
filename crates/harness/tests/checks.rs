//! What `evergate cluster check` sees of a port that a firewall drops, and of one that it refuses.

use std::net::SocketAddr;

use anyhow::{Result, ensure};
use evergate_cluster::checks::doors::Seen;
use evergate_cluster::checks::probe;
use evergate_harness::namespace::{BlackHole, Dropped, apart};
use tokio::net::TcpListener;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_port_that_a_firewall_drops_is_silent_and_answers_without_it() -> Result<()> {
    apart("a_port_that_a_firewall_drops_is_silent_and_answers_without_it", async {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let open = listener.local_addr()?;
        ensure!(probe::connect(open).await == Seen::Answer, "it listens");
        let hole = BlackHole::open(open.port(), Dropped::ToIt)?;
        ensure!(probe::connect(open).await == Seen::Silence, "what is sent is dropped");
        ensure!(hole.dropped()? > 0, "nothing was dropped: the test shows nothing");
        drop(hole);
        ensure!(probe::connect(open).await == Seen::Answer, "it listens again");
        drop(listener);
        ensure!(probe::connect(open).await == Seen::Refusal, "nobody listens any more");
        Ok(())
    })
    .await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_machine_that_no_way_leads_to_is_told_apart_from_a_silent_one() -> Result<()> {
    apart("a_machine_that_no_way_leads_to_is_told_apart_from_a_silent_one", async {
        // The namespace has a loopback interface alone.
        let elsewhere: SocketAddr = "192.0.2.1:2377".parse()?;
        for seen in [probe::connect(elsewhere).await, probe::send(elsewhere).await] {
            ensure!(matches!(seen, Seen::Unreachable(_)), "{seen:?}");
        }
        Ok(())
    })
    .await
}
