//! Every door is closed to a stranger: each operation that the API describes, each internal listener, each host.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use evergate_harness::api::Api;
use evergate_harness::application::Application;
use evergate_harness::{Client, Installation};
use http::{Method, StatusCode};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

/// Every operation of the API, with something in place of the variable parts of its path.
fn operations(description: &Value) -> Result<Vec<(Method, String)>> {
    let mut operations = Vec::new();
    for (path, methods) in description["paths"].as_object().context("no paths in the API's description")? {
        let filled: Vec<&str> =
            path.split('/').map(|part| if part.starts_with('{') { "something" } else { part }).collect();
        for method in methods.as_object().context("a path without methods")?.keys() {
            operations.push((method.to_uppercase().parse()?, filled.join("/")));
        }
    }
    Ok(operations)
}

/// The status of a request with that token, or without one.
async fn status(client: &mut Client, method: &Method, url: &str, token: Option<&str>) -> Result<StatusCode> {
    let mut request = client.request(method.clone(), url)?.header("content-type", "application/json");
    if let Some(token) = token {
        request = request.header("authorization", format!("Bearer {token}"));
    }
    Ok(client.send(request.body("{}".into())?).await?.status)
}

#[tokio::test]
async fn every_operation_of_the_api_wants_a_token_and_its_privilege() -> Result<()> {
    let mut installation = Installation::start().await?;
    let mut api = Api::of_instance(&installation, 0)?;
    let description = api.call(Method::GET, "/openapi.json", None).await?;
    let operations = operations(&description)?;
    ensure!(operations.len() > 30, "only {} operations are described", operations.len());
    let weak = json!({"name": "weak", "privileges": []});
    let weak = api.call(Method::POST, "/api-tokens", Some(&weak)).await?;
    let weak = weak["token"].as_str().context("no token was made")?;
    let mut client = installation.client()?;
    let origin = installation.read()?.api[0].trim_end_matches("/api/v1").to_owned();
    let mut problems = Vec::new();
    for (method, path) in operations.into_iter().filter(|(_, path)| !path.ends_with("/openapi.json")) {
        let url = format!("{origin}{path}");
        for (who, token, wanted) in [
            ("nobody", None, StatusCode::UNAUTHORIZED),
            ("a made-up token", Some("evergate_0123456789abcdef0123456789abcdef"), StatusCode::UNAUTHORIZED),
            ("a token without privileges", Some(weak), StatusCode::FORBIDDEN),
        ] {
            let status = status(&mut client, &method, &url, token).await?;
            if status != wanted {
                problems.push(format!("{method} {path} by {who}: {status}"));
            }
        }
    }
    ensure!(problems.is_empty(), "{}", problems.join("\n"));
    installation.stop().await
}

#[tokio::test]
async fn internal_listeners_answer_nobody_without_a_certificate() -> Result<()> {
    let mut installation = Installation::start().await?;
    let up = installation.read()?;
    for instance in up.instances.iter().filter(|instance| instance.service != "access-point") {
        let mut plain = TcpStream::connect(&instance.address).await?;
        plain.write_all(b"GET /heartbeat HTTP/1.1\r\nHost: x\r\n\r\n").await?;
        let mut answer = Vec::new();
        _ = tokio::time::timeout(Duration::from_secs(10), plain.read_to_end(&mut answer)).await?;
        let text = String::from_utf8_lossy(&answer);
        ensure!(!text.contains("HTTP/1.1 2"), "{} answers without TLS: {text}", instance.name);

        let port: u16 = instance.address.rsplit(':').next().context("no port")?.parse()?;
        let mut client = installation.client()?.through(port);
        let answer = client.get("https://localhost/heartbeat").await;
        ensure!(answer.is_err(), "{} answers without a client certificate", instance.name);
    }
    installation.stop().await
}

#[tokio::test]
async fn a_request_reaches_no_application_without_a_session() -> Result<()> {
    let application = Application::start().await?;
    let protect = format!("wiki={}", application.url());
    let mut installation = Installation::start_with(&["--protect", &protect]).await?;
    let before = application.served().await?;
    let mut client = installation.client()?;
    let url = installation.url("wiki");
    let forged = [
        ("cookie", "__Host-evergate=v1.AAAA".to_owned()),
        ("cookie", format!("__Host-evergate={}", "A".repeat(3000))),
        ("x-evergate-user", "admin".to_owned()),
        ("authorization", "Bearer evergate_x".to_owned()),
    ];
    for (name, value) in forged {
        let request = client.request(Method::GET, &url)?.header(name, value).header("accept", "text/html");
        let answer = client.send(request.body(Default::default())?).await?;
        ensure!(answer.status == StatusCode::FOUND, "with {name}: {}", answer.status);
    }
    for path in ["%2f..%2fadmin", "a%5cb", "%2e%2e/x", "a%00b"] {
        let answer = client.get(&format!("{url}{path}")).await?;
        ensure!(answer.status == StatusCode::BAD_REQUEST, "{path}: {}", answer.status);
    }
    let request = client.request(Method::GET, &url)?.header("host", "unknown.example");
    let answer = client.send(request.body(Default::default())?).await?;
    ensure!(answer.status.is_client_error(), "an unknown host: {}", answer.status);
    ensure!(application.served().await? == before, "the application was asked");
    installation.stop().await
}

#[tokio::test]
async fn two_readings_of_one_request_are_refused() -> Result<()> {
    let mut installation = Installation::start().await?;
    let client = installation.client()?;
    let url = installation.read()?.url;
    let host = format!("welcome.localhost:{}", installation.base());
    let requests = [
        format!(
            "POST / HTTP/1.1\r\nHost: {host}\r\nContent-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"
        ),
        "GET / HTTP/1.1\r\n\r\n".to_owned(),
        format!("GET / HTTP/1.1\r\nHost: {host}\r\nHost: other.localhost\r\n\r\n"),
        format!("GET https://other.localhost/ HTTP/1.1\r\nHost: {host}\r\n\r\n"),
        format!("POST / HTTP/1.1\r\nHost: {host}\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab"),
    ];
    for request in requests {
        let mut stream = client.connect(&url.parse()?).await?;
        stream.write_all(request.as_bytes()).await?;
        stream.flush().await?;
        let mut answer = Vec::new();
        // The end may come as a reset, which is as good.
        _ = tokio::time::timeout(Duration::from_secs(5), stream.read_to_end(&mut answer)).await;
        let text = String::from_utf8_lossy(&answer);
        ensure!(text.starts_with("HTTP/1.1 4"), "{request:?} was answered {text:?}");
    }
    installation.stop().await
}

#[tokio::test]
async fn who_says_nothing_to_the_console_is_not_waited_for() -> Result<()> {
    let mut installation = Installation::start().await?;
    let console = installation.read()?.api.first().context("no API")?.parse()?;
    let mut silent = installation.client()?.connect(&console).await?;
    let mut byte = [0];
    let read = tokio::time::timeout(Duration::from_secs(20), silent.read(&mut byte)).await;
    ensure!(matches!(read.context("it is waited for")?, Ok(0) | Err(_)), "it was answered");
    installation.stop().await
}
