//! Over TLS: the certificate of the host that is asked for, HTTP/1.1 and HTTP/2.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use evergate_model::snapshot::ListenerCertificate;
use evergate_process::identity::provider;
use http::{Request, StatusCode};
use http_body_util::{BodyExt, Empty};
use hyper::client::conn::http2;
use hyper_util::rt::{TokioExecutor, TokioIo};
use rustls::{ClientConfig, RootCertStore};
use rustls_pki_types::ServerName;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tokio::runtime::Handle;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use super::application::Application;
use super::kit::{AccessPoint, Plan};
use crate::settings::Settings;

async fn start(application: &Application) -> (AccessPoint, RootCertStore) {
    start_with(application, Settings::default().stall).await
}

async fn start_with(application: &Application, stall: Duration) -> (AccessPoint, RootCertStore) {
    let mut plan = Plan::new(&[&application.url()]);
    plan.settings.stall = stall;
    let roots = certify(&mut plan);
    (plan.start(), roots)
}

/// Makes a certificate for `wiki.example.com`; what believes it.
pub(super) fn certify(plan: &mut Plan) -> RootCertStore {
    let certified = rcgen::generate_simple_self_signed(["wiki.example.com".to_owned()]).unwrap();
    let mut roots = RootCertStore::empty();
    roots.add(certified.cert.der().clone()).unwrap();
    plan.certificates = vec![ListenerCertificate {
        hosts: vec!["wiki.example.com".parse().unwrap()],
        chain: certified.cert.pem(),
        key: certified.signing_key.serialize_pem(),
    }];
    roots
}

/// Connects, and sends `first` before the handshake.
pub(super) async fn connect(
    access_point: &AccessPoint,
    roots: RootCertStore,
    host: &'static str,
    protocol: &[u8],
    first: &[u8],
) -> std::io::Result<TlsStream<TcpStream>> {
    let mut config = ClientConfig::builder_with_provider(provider())
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.alpn_protocols = vec![protocol.to_vec()];
    let mut stream = TcpStream::connect(access_point.address).await?;
    stream.write_all(first).await?;
    TlsConnector::from(Arc::new(config)).connect(ServerName::try_from(host).unwrap(), stream).await
}

#[tokio::test(flavor = "multi_thread")]
async fn http2_passes_and_hears_of_the_end() {
    let application = Application::start().await;
    let (access_point, roots) = start(&application).await;
    let stream = connect(&access_point, roots, "wiki.example.com", b"h2", b"").await.unwrap();
    assert_eq!(stream.get_ref().1.alpn_protocol(), Some(&b"h2"[..]));
    let (mut sender, connection) =
        http2::handshake(TokioExecutor::new(), TokioIo::new(stream)).await.unwrap();
    let connection = Handle::current().spawn(connection);
    let request = Request::get("https://wiki.example.com/a")
        .header("cookie", "a=1")
        .header("cookie", format!("__Host-evergate={}", access_point.token(1)))
        .header("cookie", "b=2")
        .body(Empty::<Bytes>::new())
        .unwrap();
    let answer = sender.send_request(request).await.unwrap();
    assert_eq!(answer.status(), StatusCode::OK);
    assert_eq!(answer.into_body().collect().await.unwrap().to_bytes(), "ok ");
    let head = application.last().head.to_lowercase();
    assert!(head.contains("cookie: a=1; b=2\r\n") && head.contains("x-evergate-user: alice\r\n"), "{head}");
    access_point.lifecycle.stop("test");
    connection.await.unwrap().unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_takes_nothing_of_an_answer_on_http2_is_let_go() {
    let application = Application::start().await;
    let (access_point, roots) = start_with(&application, Duration::from_millis(20)).await;
    let stream = connect(&access_point, roots, "wiki.example.com", b"h2", b"").await.unwrap();
    let mut builder = http2::Builder::new(TokioExecutor::new());
    let connection = builder.initial_stream_window_size(0).handshake(TokioIo::new(stream));
    let (mut sender, connection) = connection.await.unwrap();
    let connection = Handle::current().spawn(connection);
    let cookie = format!("__Host-evergate={}", access_point.token(1));
    let request = Request::get("https://wiki.example.com/a").header("cookie", cookie);
    let unread = sender.send_request(request.body(Empty::<Bytes>::new()).unwrap()).await.unwrap();
    assert_eq!(unread.status(), StatusCode::OK);
    // However it is told: the connection ends though the answer is still held.
    let ended = tokio::time::timeout(Duration::from_secs(10), connection).await;
    assert!(ended.is_ok(), "the connection stands");
    drop(unread);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_host_without_a_certificate_is_shown_anothers_which_its_users_do_not_take() {
    let application = Application::start().await;
    let (access_point, roots) = start(&application).await;
    let error =
        connect(&access_point, roots.clone(), "other.example.com", b"http/1.1", b"").await.unwrap_err();
    assert!(error.to_string().contains("not valid for name"), "{error}");
    assert!(connect(&access_point, roots, "wiki.example.com", b"http/1.1", b"").await.is_ok());
}
