//! The portal: the applications a user may reach.

use askama::Template;

use crate::components::{Notice, Viewer};
use crate::{Page, samples};

/// The list of applications.
#[derive(Debug, Clone, Template)]
#[template(path = "portal.html")]
pub struct Portal {
    /// Who is looking.
    pub viewer: Viewer,
    /// What has just happened.
    pub notice: Option<Notice>,
    /// The applications, in the order they are shown.
    pub applications: Vec<Application>,
}

/// An application's card.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Application {
    /// What it is called.
    pub title: String,
    /// Its address.
    pub url: String,
    /// Its host, as people read it.
    pub host: String,
    /// Whether it will ask for another factor first.
    pub asks_more: bool,
}

impl Application {
    /// One or two letters to tell cards apart by.
    #[must_use]
    pub fn initials(&self) -> String {
        self.title
            .split(|c: char| !c.is_alphanumeric())
            .filter_map(|word| word.chars().next())
            .take(2)
            .flat_map(char::to_uppercase)
            .collect()
    }

    /// Which of the eight card colours: steady for a title.
    #[must_use]
    pub fn colour(&self) -> u32 {
        self.title.bytes().fold(7_u32, |sum, byte| sum.wrapping_mul(31).wrapping_add(u32::from(byte))) % 8
    }
}

impl Page for Portal {
    fn samples() -> Vec<Self> {
        let application = |title: &str, host: &str, asks_more| Application {
            title: title.to_owned(),
            url: format!("https://{host}/"),
            host: host.to_owned(),
            asks_more,
        };
        let page = |applications| Self { viewer: samples::viewer(), notice: None, applications };
        vec![
            page(vec![
                application("Welcome", "welcome.example.com", false),
                application("Wiki", "wiki.example.com", false),
                application("Time sheets", "time.example.com", true),
                application("grafana", "grafana.internal.example.com", false),
                application(samples::HOSTILE, "x.example.com", false),
            ]),
            Self { notice: Some(Notice::success("Your password was changed.")), ..page(Vec::new()) },
        ]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn initials_are_the_first_letters_of_two_words() {
        let of = |title: &str| {
            Application { title: title.to_owned(), url: String::new(), host: String::new(), asks_more: false }
                .initials()
        };
        assert_eq!(of("time sheets (old)"), "TS");
        assert_eq!(of("wiki"), "W");
        assert_eq!(of("…"), "");
    }
}
