//! What stands between the edge host and the nodes: the list that `evergate cluster deploy` prints, and nothing else; and,
//! for the time of one machine, the way in from outside of it. Docker's own rules are left alone.

use std::collections::BTreeSet;

use anyhow::{Context, Result};
use serde::Deserialize;
use serde_json::Value;

use super::SwarmScene;
use crate::hosts::Host;

/// How many ports from its base on `evergate up` uses at most.
const USED: u16 = 90;

/// A line of the list.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub(super) struct Opening {
    /// The node in the dmz.
    pub(super) from: String,
    /// The node that is called.
    pub(super) to: String,
    /// Its address.
    pub(super) address: String,
    /// The port, TCP.
    pub(super) port: u16,
    /// Who is reached there.
    pub(super) instance: String,
}

impl SwarmScene {
    /// Takes over the list that a plan or a deployment has printed, and lets through what it says.
    pub(super) async fn open_what_is_printed(&mut self, printed: &Value) -> Result<()> {
        let openings = printed["openings"].clone();
        self.openings = serde_json::from_value(openings)
            .with_context(|| format!("the list for the firewall is not as promised: {printed}"))?;
        self.guard_all().await
    }

    /// The same, and what was open stays open.
    pub(super) async fn open_also_what_is_printed(&mut self, printed: &Value) -> Result<()> {
        let before = self.openings.clone();
        self.open_what_is_printed(printed).await?;
        self.openings.extend(before);
        self.guard_all().await
    }

    async fn guard_all(&self) -> Result<()> {
        for node in self.nodes.engines() {
            self.guard(node).await?;
        }
        Ok(())
    }

    /// The ports of a node that the list has.
    pub(super) fn printed(&self, node: &Host) -> BTreeSet<u16> {
        let of_node = self.openings.iter().filter(|opening| opening.to == node.name());
        of_node.map(|opening| opening.port).collect()
    }

    /// The node's firewall as of now: anew after the node was off.
    pub(super) async fn guard(&self, node: &Host) -> Result<()> {
        let edge = self.nodes.edge.address();
        let ports: Vec<String> = self.printed(node).iter().map(ToString::to_string).collect();
        let mut rules = String::from(
            "add table ip edge\ndelete table ip edge\nadd table ip edge\nadd chain ip edge from { }\n\
             add rule ip edge from ct state established,related accept\n",
        );
        if !ports.is_empty() {
            // Published ports are another address's by now.
            rules += &format!(
                "add rule ip edge from meta l4proto tcp ct original proto-dst {{ {} }} accept\n",
                ports.join(", ")
            );
        }
        rules += "add rule ip edge from meta l4proto tcp reject with tcp reset\nadd rule ip edge from drop\n";
        for hook in ["input", "forward"] {
            rules += &format!(
                "add chain ip edge {hook} {{ type filter hook {hook} priority -10; }}\n\
                 add rule ip edge {hook} ip saddr {edge} jump from\n"
            );
        }
        nft(node, &rules).await
    }
}

/// Leads the ports from a listen base on to the loopback interface of a host, where alone `evergate up` listens.
pub(super) async fn lead_to_loopback(host: &Host, base: u16) -> Result<()> {
    host.run("sh", &["-c", "echo 1 > /proc/sys/net/ipv4/conf/eth0/route_localnet"]).await?;
    let (address, last) = (host.address(), base + USED);
    let rules = format!(
        "add table ip door\nadd chain ip door in {{ type nat hook prerouting priority -100; }}\n\
         add rule ip door in ip daddr {address} tcp dport {base}-{last} dnat to 127.0.0.1\n"
    );
    nft(host, &rules).await
}

/// No more.
pub(super) async fn lead_no_more(host: &Host) -> Result<()> {
    nft(host, "delete table ip door\n").await
}

async fn nft(host: &Host, rules: &str) -> Result<()> {
    let outcome = host.run("nft", &[rules]).await;
    outcome.map(drop).with_context(|| format!("nftables do not take\n{rules}"))
}
