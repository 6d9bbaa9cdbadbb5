//! A real TLS server that tells the time.

use evergate_process::clock::ManualClock;
use hyper::Response;
use hyper::server::conn::http1 as server;
use hyper::service::service_fn;
use rustls::ServerConfig;
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;

use super::*;

/// The example of RFC 9110 section 5.6.7.
const DATE: &str = "Sun, 06 Nov 1994 08:49:37 GMT";
const MOMENT: i64 = 784_111_777_000;

/// What one who asks is told by a server whose answers have that date; `knows_ca`: whether its CA is given.
async fn told(date: Option<&'static str>, ahead: i64, ca: Option<&str>) -> Result<Asked, Error> {
    let own = rcgen::generate_simple_self_signed(["127.0.0.1".to_owned()]).unwrap();
    let key = rustls_pki_types::PrivateKeyDer::try_from(own.signing_key.serialize_der()).unwrap();
    let config = ServerConfig::builder_with_provider(provider())
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![own.cert.der().clone()], key)
        .unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let serving = async {
        let (stream, _) = listener.accept().await.unwrap();
        let Ok(stream) = TlsAcceptor::from(Arc::new(config)).accept(stream).await else {
            return std::future::pending::<()>().await;
        };
        let service = service_fn(|_| async move {
            let answer = Response::builder().status(401).header(header::CONNECTION, "close");
            let answer = date.iter().fold(answer, |answer, date| answer.header(header::DATE, *date));
            answer.body(Empty::<Bytes>::new())
        });
        let mut builder = server::Builder::new();
        builder.auto_date_header(false);
        // How it ends is seen by who asks.
        drop(builder.serve_connection(TokioIo::new(stream), service).await);
        std::future::pending::<()>().await;
    };
    let clock = ManualClock::new(Timestamp::from_milliseconds(MOMENT + ahead)).clock();
    let certificate = own.cert.pem();
    let ca = ca.map(|ca| if ca == "own" { certificate.as_bytes() } else { ca.as_bytes() });
    tokio::select! {
        told = ask_time(address, ca, &clock) => told,
        () = serving => Err(ErrorKind::Other.into()),
    }
}

#[tokio::test]
async fn clocks_are_compared_by_the_date_of_an_answer() {
    let asked = told(Some(DATE), 20_500, None).await.unwrap();
    let error = i64::try_from(asked.within).unwrap();
    assert!((asked.ahead - 20_000).abs() <= error && error >= HALF_A_SECOND, "{asked:?}");
    let asked = told(Some(DATE), -60_000, Some("own")).await.unwrap();
    assert!(asked.ahead < -59_000, "{asked:?}");
}

#[tokio::test]
async fn who_has_a_ca_believes_no_other() {
    let other = rcgen::generate_simple_self_signed(["127.0.0.1".to_owned()]).unwrap().cert.pem();
    let error = told(Some(DATE), 0, Some(&other)).await.unwrap_err();
    assert!(error.to_string().contains("certificate"), "{error}");
}

#[tokio::test]
async fn an_answer_without_a_date_that_is_one_tells_nothing() {
    let long = "Sun, 06 Nov 1994 08:49:37 GMT (and a comment that is longer than a date ever is)";
    for date in [None, Some("tomorrow"), Some(long)] {
        assert_eq!(told(date, 0, None).await.unwrap_err().kind(), ErrorKind::InvalidData);
    }
}

#[test]
fn what_the_answer_leaves_out_is_counted_in() {
    let asked = compared(
        Timestamp::from_milliseconds(10_000),
        Duration::from_millis(200),
        Timestamp::from_seconds(9),
    );
    assert_eq!(asked, Asked { ahead: 600, within: 600 });
}

proptest::proptest! {
    #[test]
    fn no_bytes_break_the_reading_of_a_date(date in proptest::collection::vec(proptest::num::u8::ANY, 0..80)) {
        if let Some(moment) = moment(&date) {
            proptest::prop_assert!(date.len() <= LONGEST && moment > Timestamp::MIN);
        }
    }
}
