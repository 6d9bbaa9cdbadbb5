//! An application of two servers, of which the first is killed, and then hangs for 10 s, behind HAProxy, nginx and
//! Evergate: what one client that never retries loses and waits for. `cargo run -p evergate-harness --example comparison`
//! prints one table; `EVERGATE_PROGRAMS=target/release` takes release builds of Evergate and the application.

#[path = "comparison/proxies.rs"]
mod proxies;

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Result, ensure};
use evergate_harness::Answer;
use evergate_harness::application::Application;
use evergate_harness::load::{Connections, Load, Plan, Report};
use evergate_harness::processes;
use evergate_harness::scene::{Cache, Hung, Scene};
use http::Request;

use crate::proxies::{Proxy, Setting};

/// Requests a second.
const RATE: u32 = 200;
/// Before the fault, during it, and after it.
const BEFORE: Duration = Duration::from_secs(2);
const DURING: Duration = Duration::from_secs(10);
const AFTER: Duration = Duration::from_secs(3);

/// What is done to the first server.
#[derive(Clone, Copy)]
enum Fault {
    Killed,
    Hung,
}

#[tokio::main(flavor = "multi_thread", worker_threads = 2)]
async fn main() -> Result<()> {
    let program = processes::built("evergate")?;
    let build = if program.components().any(|part| part.as_os_str() == "release") {
        "release"
    } else {
        "development"
    };
    println!(
        "Evergate is a {build} build; {RATE} requests/s over TLS on kept connections, none repeated by the client\n"
    );
    println!("| proxy | first server | sent | lost | median | 99 % | slowest |");
    println!("| --- | --- | --- | --- | --- | --- | --- |");
    for setting in Setting::ALL {
        for fault in [Fault::Killed, Fault::Hung] {
            let [mut first, second] = [Application::start().await?, Application::start().await?];
            let proxy = Proxy::start(setting, [first.address().port(), second.address().port()]).await?;
            let url = format!("https://localhost:{}/", proxy.port());
            let make =
                move |_: u64| Request::builder().uri(&url).body(Default::default()).expect("constants");
            let judge = |answer: &Answer| (!is_good(answer)).then(|| answer.status.to_string());
            let plan = Plan {
                rate: RATE,
                connections: Connections::Kept,
                make: Arc::new(make),
                judge: Arc::new(judge),
            };
            let load = Load::start(&proxy.certificate(), plan)?;
            tokio::time::sleep(BEFORE).await;
            ensure!(first.served().await? > 0, "the first server serves nothing behind {setting}");
            match fault {
                Fault::Killed => first.kill(),
                Fault::Hung => {
                    let hung = Hung::hang(first.pid()).await?;
                    tokio::time::sleep(DURING).await;
                    drop(hung);
                }
            }
            tokio::time::sleep(AFTER).await;
            row(&setting.to_string(), fault, &load.stop().await?);
        }
    }
    for fault in [Fault::Killed, Fault::Hung] {
        evergate(fault).await?;
    }
    Ok(())
}

/// The same behind Evergate, which besides asks who the user is.
async fn evergate(fault: Fault) -> Result<()> {
    let scene = Scene::start(Cache::Default).await?;
    let loads = scene.requests(RATE)?;
    tokio::time::sleep(BEFORE).await;
    match fault {
        Fault::Killed => {
            let (pid, _) = scene.application_that_serves().await?;
            scene.kill_the_application(pid).await;
        }
        Fault::Hung => {
            let (pid, _) = scene.application_that_serves().await?;
            let hung = Hung::hang(pid).await?;
            tokio::time::sleep(DURING).await;
            drop(hung);
        }
    }
    tokio::time::sleep(AFTER).await;
    let reports = loads.stop().await?;
    row("Evergate", fault, reports.first());
    scene.end().await
}

fn is_good(answer: &Answer) -> bool {
    answer.status.is_success() && answer.body.len() == 1024
}

fn row(proxy: &str, fault: Fault, report: &Report) {
    let fault = match fault {
        Fault::Killed => "killed",
        Fault::Hung => "hung for 10 s",
    };
    println!(
        "| {proxy} | {fault} | {} | {} | {:.1?} | {:.1?} | {:.1?} |",
        report.sent, report.lost, report.median, report.nearly_all, report.slowest
    );
    for (reason, count) in &report.reasons {
        eprintln!("{proxy}, {fault}: {count} lost: {reason:.200}");
    }
}
