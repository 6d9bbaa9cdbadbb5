//! What is accepted is delivered once, in order of preference, by whichever instance lives.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use evergate_keys::random;
use evergate_model::configuration::{Mail, MailServer, MailTls};
use evergate_process::Lifecycle;
use evergate_store::outbox;
use evergate_wire::proto::distribution_server::Distribution;
use evergate_wire::proto::{MailKind, SendMailRequest};
use futures_util::future::join_all;
use tonic::{Code, Request, Status};

use crate::installation::{Installation, Instance, until};
use crate::mail_server::{Mood, Server, dead_port, settings};

fn fields(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
    pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

pub fn code(code: &str) -> SendMailRequest {
    SendMailRequest {
        effect_key: random::bytes::<32>().to_vec().into(),
        to: "alice@example.com".to_owned(),
        kind: MailKind::SignInCode.into(),
        fields: fields(&[("code", code), ("user", "alice"), ("minutes", "10")]).into_iter().collect(),
    }
}

pub async fn send(instance: &Instance, request: &SendMailRequest) -> Result<String, Status> {
    let reply = instance.service.send_mail(Request::new(request.clone())).await?;
    Ok(reply.into_inner().message)
}

pub fn mail(servers: Vec<MailServer>) -> Option<Mail> {
    Some(Mail { from: "Evergate <noreply@example.com>".to_owned(), servers })
}

/// The codes in these messages.
fn codes(messages: &[String]) -> Vec<String> {
    let code =
        |message: &String| message.lines().find(|line| line.starts_with("    ")).unwrap().trim().to_owned();
    messages.iter().map(code).collect()
}

#[tokio::test]
async fn without_a_server_a_message_becomes_one_file_however_often_it_is_sent() {
    let installation = Installation::new().await;
    let one = installation.start("distribution1", None, true).await;
    let two = installation.start("distribution2", None, true).await;
    let request = code("123456");
    let id = send(&one, &request).await.unwrap();
    assert_eq!(send(&two, &request).await.unwrap(), id, "the other instance knows the effect");
    until("delivery", || one.is_empty()).await;
    let files: Vec<_> = std::fs::read_dir(installation.mail_directory()).unwrap().collect();
    assert_eq!(files.len(), 1);
    let text = std::fs::read_to_string(installation.mail_directory().join(format!("{id}.eml"))).unwrap();
    assert!(text.contains(&format!("Message-ID: <{id}@localhost>")), "{text}");
    assert!(text.contains("To: alice@example.com") && text.contains("123456"), "{text}");
    assert!(text.contains("Date: Fri, 15 Jan 2027 08:00:00 +0000"), "{text}");
}

#[tokio::test]
async fn the_same_effect_key_for_another_address_is_a_mistake() {
    let installation = Installation::new().await;
    let one = installation.start("distribution1", None, false).await;
    let mut request = code("1");
    send(&one, &request).await.unwrap();
    request.to = "mallory@example.com".to_owned();
    assert_eq!(send(&one, &request).await.unwrap_err().code(), Code::AlreadyExists);
}

#[tokio::test]
async fn the_first_server_that_answers_takes_it() {
    let installation = Installation::new().await;
    let lifecycle = Lifecycle::new();
    let first = Server::start(&lifecycle, Mood::Takes).await;
    let second = Server::start(&lifecycle, Mood::Takes).await;
    let dead = settings(dead_port().await, MailTls::None);
    let servers = vec![dead, first.settings(MailTls::None), second.settings(MailTls::None)];
    let one = installation.start("distribution1", mail(servers), true).await;
    let id = send(&one, &code("123456")).await.unwrap();
    until("delivery", || one.is_empty()).await;
    assert_eq!(codes(&first.messages()), ["123456"]);
    assert!(first.messages()[0].contains(&format!("Message-ID: <{id}@example.com>")));
    assert!(second.messages().is_empty());
}

#[tokio::test]
async fn two_instances_send_each_of_many_messages_once() {
    let installation = Installation::new().await;
    let server = Server::start(&Lifecycle::new(), Mood::Takes).await;
    let one = installation.start("distribution1", mail(vec![server.settings(MailTls::None)]), true).await;
    let two = installation.start("distribution2", mail(vec![server.settings(MailTls::None)]), true).await;
    let requests: Vec<_> = (0..300).map(|number| code(&format!("{number:06}"))).collect();
    let sent = requests.iter().enumerate().map(|(number, request)| {
        let instance = if number % 2 == 0 { &one } else { &two };
        send(instance, request)
    });
    let ids: BTreeSet<_> = join_all(sent).await.into_iter().map(Result::unwrap).collect();
    assert_eq!(ids.len(), 300);
    until("delivery", || one.is_empty()).await;
    let mut got = codes(&server.messages());
    got.sort();
    let wanted: Vec<_> = (0..300).map(|number| format!("{number:06}")).collect();
    assert_eq!(got, wanted);
}

#[tokio::test]
async fn what_a_dead_instance_leased_is_sent_when_its_lease_is_over() {
    let installation = Installation::new().await;
    let taking = installation.start("distribution1", None, false).await;
    send(&taking, &code("123456")).await.unwrap();
    let now = installation.clock.clock().now();
    let mut tx = taking.store.begin().await.unwrap();
    let dead = "distribution1".parse().unwrap();
    let until_then = now.plus(Duration::from_secs(60));
    assert_eq!(outbox::lease(&mut tx, now, &dead, until_then, 10).await.unwrap().len(), 1);
    tx.commit().await.unwrap();

    let server = Server::start(&Lifecycle::new(), Mood::Takes).await;
    let two = installation.start("distribution2", mail(vec![server.settings(MailTls::None)]), true).await;
    // another message shows that the second instance works, and leaves the leased one alone
    send(&two, &code("222222")).await.unwrap();
    until("the second message", || async { !server.messages().is_empty() }).await;
    assert_eq!(codes(&server.messages()), ["222222"]);
    installation.clock.advance(Duration::from_secs(61));
    until("the leased message", || two.is_empty()).await;
    assert_eq!(codes(&server.messages()), ["222222", "123456"]);
}

#[tokio::test]
async fn a_server_that_refuses_for_now_is_tried_again_later() {
    let installation = Installation::new().await;
    let server = Server::start(&Lifecycle::new(), Mood::RefusesForNow).await;
    let one = installation.start("distribution1", mail(vec![server.settings(MailTls::None)]), true).await;
    send(&one, &code("123456")).await.unwrap();
    let tried = || async { server.commands().iter().any(|command| command.starts_with("RCPT")) };
    until("the first try", tried).await;
    server.set_mood(Mood::Takes);
    assert!(!one.is_empty().await && server.messages().is_empty());
    installation.clock.advance(Duration::from_secs(6));
    until("delivery", || one.is_empty()).await;
    assert_eq!(codes(&server.messages()), ["123456"]);
}

#[tokio::test]
async fn an_address_that_is_refused_for_good_is_given_up_at_once() {
    let installation = Installation::new().await;
    let server = Server::start(&Lifecycle::new(), Mood::RefusesForGood).await;
    let one = installation.start("distribution1", mail(vec![server.settings(MailTls::None)]), true).await;
    send(&one, &code("123456")).await.unwrap();
    until("the end", || one.is_empty()).await;
    assert!(server.messages().is_empty());
}

#[tokio::test]
async fn a_server_without_tls_gets_nothing_where_tls_is_wanted() {
    let installation = Installation::new().await;
    let plain = Server::start(&Lifecycle::new(), Mood::Takes).await;
    let fallback = Server::start(&Lifecycle::new(), Mood::Takes).await;
    let servers = vec![plain.settings(MailTls::Starttls), fallback.settings(MailTls::None)];
    let one = installation.start("distribution1", mail(servers), true).await;
    send(&one, &code("123456")).await.unwrap();
    until("delivery", || one.is_empty()).await;
    assert_eq!(codes(&fallback.messages()), ["123456"]);
    assert!(!plain.commands().is_empty(), "it was asked");
    assert!(plain.commands().iter().all(|command| !command.starts_with("MAIL")), "{:?}", plain.commands());
}

#[tokio::test]
async fn a_probe_passes_through_the_outbox_and_goes_nowhere() {
    let installation = Installation::new().await;
    let one = installation.start("distribution1", None, true).await;
    let probe = SendMailRequest {
        effect_key: random::bytes::<32>().to_vec().into(),
        to: String::new(),
        kind: MailKind::Probe.into(),
        ..SendMailRequest::default()
    };
    send(&one, &probe).await.unwrap();
    until("the end", || one.is_empty()).await;
    assert!(!installation.mail_directory().exists());
}

#[tokio::test]
async fn a_code_cannot_be_read_in_the_database() {
    let installation = Installation::new().await;
    let one = installation.start("distribution1", None, false).await;
    send(&one, &code("not-to-be-seen-918273")).await.unwrap();
    for entry in std::fs::read_dir(installation.directory.path()).unwrap() {
        let bytes = std::fs::read(entry.unwrap().path()).unwrap();
        let holds = |text: &[u8]| bytes.windows(text.len()).any(|window| window == text);
        assert!(!holds(b"not-to-be-seen-918273"));
    }
    let files = std::fs::read_dir(installation.directory.path()).unwrap();
    let is_written = files.map(|entry| std::fs::read(entry.unwrap().path()).unwrap());
    assert!(is_written.flatten().collect::<Vec<_>>().windows(17).any(|w| w == b"alice@example.com"));
}

#[tokio::test]
async fn what_cannot_be_sent_is_refused_before_it_is_accepted() {
    let installation = Installation::new().await;
    let one = installation.start("distribution1", None, false).await;
    let wrong = |change: fn(&mut SendMailRequest)| {
        let mut request = code("1");
        change(&mut request);
        request
    };
    for request in [
        wrong(|request| request.to = "nobody".to_owned()),
        wrong(|request| request.to = format!("{}@example.com", "a".repeat(400))),
        wrong(|request| request.kind = 77),
        wrong(|request| request.fields.clear()),
        wrong(|request| request.effect_key = Vec::new().into()),
        wrong(|request| drop(request.fields.insert("user".to_owned(), "a\r\nBcc: b@c.d".to_owned()))),
    ] {
        assert_eq!(send(&one, &request).await.unwrap_err().code(), Code::InvalidArgument, "{request:?}");
    }
    assert!(one.is_empty().await);
}

#[tokio::test]
async fn an_instance_that_stops_leaves_nothing_leased_behind() {
    let installation = Installation::new().await;
    let one = installation.start("distribution1", None, true).await;
    for number in 0..20 {
        send(&one, &code(&number.to_string())).await.unwrap();
    }
    one.lifecycle.stop("test");
    let Instance { service, store, lifecycle } = one;
    drop(service);
    assert!(lifecycle.finish(Duration::from_secs(10)).await, "writer and delivery end by themselves");
    let now = installation.clock.clock().now();
    let mut reading = store.read().await.unwrap();
    let waiting = outbox::waiting(&mut reading).await.unwrap().messages;
    assert_eq!(outbox::is_due(&mut reading, now).await.unwrap(), waiting > 0, "what is left is free");
}
