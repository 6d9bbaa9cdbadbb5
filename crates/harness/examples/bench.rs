//! Authorised requests per second through an access point on one core, and through Debian's nginx as a plain TLS proxy
//! on the same core, in turns. `cargo xtask bench` builds it and starts it: `bench ROUNDS SECONDS`.

#[path = "bench/nginx.rs"]
mod nginx;
#[path = "bench/wrk.rs"]
mod wrk;

use std::process::Command;

use anyhow::{Context, Result, ensure};
use evergate_harness::sign_in::sign_in;
use evergate_harness::users::Credentials;
use evergate_harness::{Installation, processes};

use crate::nginx::{Nginx, Role};
use crate::wrk::{Measured, Wrk};

/// The core of the proxies; the other has the client and the application.
const PROXY_CORE: &str = "0";

#[tokio::main]
async fn main() -> Result<()> {
    let mut arguments = std::env::args().skip(1).map(|argument| argument.parse::<u64>());
    let rounds = arguments.next().context("usage: bench ROUNDS SECONDS")??;
    let seconds = arguments.next().context("usage: bench ROUNDS SECONDS")??;

    let application = Nginx::start(Role::Application).await?;
    let plain = Nginx::start(Role::Proxy { to: application.port() }).await?;
    let mut installation = Installation::start().await?;
    let upstream = format!("http://127.0.0.1:{}", application.port());
    let add =
        ["resource", "add", "bench", "--host", "localhost", "--upstream", &upstream, "--rule", "password"];
    installation.evergate(&add).await?;
    let user = Credentials::with_password(&installation, "bench").await?;
    let mut client = installation.client()?;
    let url = format!("https://localhost:{}/", installation.base());
    let page = sign_in(&mut client, &url, &user).await?;
    ensure!(page.status.is_success() && page.body.len() == 1024, "{} {}", page.status, page.text());

    let access_point = installation.instance("access-point1")?.pid;
    pin(access_point)?;
    let cookie = client.cookie_header("localhost");
    let through_evergate =
        Wrk { port: installation.base() + 1, cookie: Some(cookie), pid: access_point, seconds };
    let through_nginx = Wrk { port: plain.port(), cookie: None, pid: plain.worker()?, seconds };

    let (mut ours, mut theirs) = (Vec::new(), Vec::new());
    for round in 1..=rounds {
        theirs.push(through_nginx.measure().await?);
        ours.push(through_evergate.measure().await?);
        println!("round {round}: nginx {}, evergate {}", last(&theirs), last(&ours));
    }
    print_table(&Measured::median(&theirs), &Measured::median(&ours));
    installation.stop().await
}

fn last(measured: &[Measured]) -> String {
    measured.last().map(ToString::to_string).unwrap_or_default()
}

/// All threads of a process on the proxies' core.
fn pin(pid: u32) -> Result<()> {
    ensure!(processes::is_running(pid), "process {pid} is gone");
    let output = Command::new("taskset").args(["-a", "-c", "-p", PROXY_CORE, &pid.to_string()]).output()?;
    ensure!(output.status.success(), "`taskset` failed: {}", String::from_utf8_lossy(&output.stderr));
    Ok(())
}

fn print_table(nginx: &Measured, evergate: &Measured) {
    println!("\nTLS keep-alive, 64 connections, 1 KiB, one core for the proxy; medians\n");
    println!("| proxy | requests/s | ratio | CPU per request | ratio |");
    println!("| --- | --- | --- | --- | --- |");
    for (name, measured) in [("nginx, plain", nginx), ("evergate, authorised", evergate)] {
        println!(
            "| {name} | {:.0} | {:.2} | {:.1} µs | {:.2} |",
            measured.rate,
            measured.rate / nginx.rate,
            measured.cpu * 1e6,
            measured.cpu / nginx.cpu
        );
    }
}
