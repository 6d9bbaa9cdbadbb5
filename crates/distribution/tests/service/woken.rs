//! An instance that hangs while it delivers, at any await point, loses its lease to the other, and
//! wakes: a message is handed over a second time only where the first had been handed over, and not
//! written down, when the instance stopped.

use std::time::Duration;

use evergate_model::configuration::MailTls;
use evergate_process::Lifecycle;

use crate::installation::{Installation, until};
use crate::mail::{code, mail, send};
use crate::mail_server::{Mood, Server};
use crate::stall::{Progress, stop_after, stop_when};

/// An instance is stopped at these points of its first delivery, most within the dialogue with the mail
/// server; and once when the server has the message.
const POINTS: [usize; 11] = [1, 4, 7, 8, 9, 10, 11, 12, 14, 17, 25];
/// By then the mail server has read what had been sent to it when the instance stopped.
const READ: Duration = Duration::from_millis(100);

#[tokio::test(flavor = "multi_thread")]
async fn a_message_is_handed_over_twice_only_where_that_was_not_written_down() {
    let mut stopped_before = 0;
    for polls in POINTS.map(Some).into_iter().chain([None]) {
        let installation = Installation::new().await;
        let server = Server::start(&Lifecycle::new(), Mood::Takes).await;
        let servers = || mail(vec![server.settings(MailTls::None)]);
        let taking = installation.start("distribution3", None, false).await;
        send(&taking, &code("123456")).await.unwrap();

        let hung = Lifecycle::new();
        let delivery = installation.delivery("distribution1", servers(), &hung).await;
        let progress = match polls {
            Some(polls) => stop_after(polls, delivery.run()).await,
            None => stop_when(|| server.messages().len() == 1, delivery.run()).await,
        };
        let Progress::Stopped(stopped) = progress else { panic!("it ended") };
        tokio::time::sleep(READ).await;
        let before = server.messages().len();
        let was_written_down = taking.is_empty().await;

        installation.clock.advance(Duration::from_secs(61));
        let two = installation.start("distribution2", servers(), true).await;
        let delivered = async {
            until("the delivery by the other", || two.is_empty()).await;
            hung.stop("test");
        };
        stopped.meanwhile_within(Duration::from_secs(4), delivered).await;
        let messages = server.messages();
        let wanted = if before == 1 && !was_written_down { 2 } else { 1 };
        assert_eq!(messages.len(), wanted, "stopped after {polls:?} polls: {before} {was_written_down}");
        let id =
            |message: &String| message.lines().find(|line| line.starts_with("Message-ID")).map(str::to_owned);
        assert!(messages.iter().all(|message| id(message) == id(&messages[0])), "one Message-ID");
        stopped_before += usize::from(before == 0);
    }
    assert!((1..=POINTS.len()).contains(&stopped_before), "at all points: before and after handing over");
}
