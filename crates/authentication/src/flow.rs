//! What happens next in a sign-in: pure. An event comes in, one command comes out; the shell does
//! it and comes back with the event that answers it, until the command is to show a page.
//!
//! ```text
//! begun / submitted ──> identify ──> check ──> look up means ──> ask (send a code, enrol) ──> show
//!                                                  │
//!                                                  └─ all proven ──> open or step up ──> decide ──> hand over ──> show
//! ```

mod command;
mod event;
#[cfg(test)]
mod tests;

use evergate_model::factor::{ProvenFactor, WantedFactor};
use evergate_model::{Factor, Timestamp, Verdict};

pub use command::{Command, Note, View};
pub use event::{Event, Judgement, Means, Submission};

use crate::progress::{Progress, Standing, Target};

/// One course through the machine, from a request to a page.
#[derive(Debug)]
pub struct Flow {
    /// What is sealed into the next page.
    pub progress: Progress,
    submission: Option<Submission>,
    means: Option<Means>,
    checked: Option<Factor>,
}

impl Flow {
    /// A course that goes on from there.
    #[must_use]
    pub const fn new(progress: Progress) -> Self {
        Self { progress, submission: None, means: None, checked: None }
    }

    /// Takes what has happened and says what is to be done.
    pub fn handle(&mut self, event: Event, now: Timestamp) -> Command {
        match event {
            Event::Begun if self.progress.session.is_some() => Command::LookUpMeans,
            Event::Begun => self.show_name(String::new(), None),
            Event::Submitted(submission) => self.submitted(submission),
            Event::Identified(account) => {
                self.progress.account = Some(account);
                if self.asks_password() {
                    self.progress.asked = Some(Factor::Password);
                    self.answer()
                } else {
                    self.proceed()
                }
            }
            Event::Judged(judgement) => self.judged(judgement, now),
            Event::MeansFound(means) => {
                self.means = Some(means);
                self.proceed()
            }
            Event::CodeSent => self.show_factor(Factor::EmailCode, None),
            Event::EnrolmentBegun(enrolment) => {
                self.progress.enrolment = Some(enrolment);
                Command::Show(View::Enrol { note: None })
            }
            Event::SessionOpened(session) => {
                self.progress.session = Some(session);
                match &self.progress.target {
                    Target::Portal { path } => Command::Show(View::Continue { url: path.clone() }),
                    Target::Resource { .. } => Command::Decide,
                }
            }
            Event::SessionGone => Command::Show(View::Expired),
            Event::SessionRefused => denied(LOCKED),
            Event::Decided(verdict) => self.decided(verdict),
            Event::HandedOver(url) => Command::Show(View::Continue { url }),
        }
    }

    fn submitted(&mut self, submission: Submission) -> Command {
        let name = submission.name.trim().to_owned();
        self.submission = Some(submission);
        if self.progress.account.is_some() {
            self.answer()
        } else if name.is_empty() {
            self.show_name(name, Some(Note::Missing))
        } else {
            Command::Identify { name }
        }
    }

    /// Takes the answer to the factor that was asked for.
    fn answer(&mut self) -> Command {
        let Some(submission) = self.submission.take() else { return self.proceed() };
        if self.progress.enrolment.is_some() {
            let code = submission.code;
            return if code.expose().is_empty() {
                Command::Show(View::Enrol { note: Some(Note::Missing) })
            } else {
                Command::ConfirmEnrolment { code }
            };
        }
        if let Some(factor) = submission.uses.filter(|factor| self.choices().contains(factor)) {
            return self.ask(factor);
        }
        let Some(factor) = self.progress.asked.clone() else { return self.proceed() };
        let proof = if factor == Factor::Password { submission.password } else { submission.code };
        if proof.expose().is_empty() {
            return self.again(factor, Note::Missing);
        }
        self.checked = Some(factor.clone());
        Command::Check { factor, proof }
    }

    fn judged(&mut self, judgement: Judgement, now: Timestamp) -> Command {
        let enrolled = self.progress.enrolment.is_some();
        let factor = if enrolled { Factor::Totp } else { self.checked.take().unwrap_or(Factor::Password) };
        match judgement {
            Judgement::Right => {
                self.progress.proven.retain(|proven| proven.factor != factor);
                self.progress.proven.push(ProvenFactor { factor, at: now });
                (self.progress.asked, self.progress.enrolment) = (None, None);
                Command::LookUpMeans
            }
            Judgement::Paused { until } => Command::Show(View::Paused { until }),
            Judgement::Gone if enrolled => {
                self.progress.enrolment = None;
                Command::LookUpMeans
            }
            Judgement::Wrong | Judgement::Used if enrolled => {
                Command::Show(View::Enrol { note: Some(Note::WrongCode) })
            }
            Judgement::Wrong if factor == Factor::Password => self.again(factor, Note::WrongPassword),
            Judgement::Wrong | Judgement::Gone => self.again(factor, Note::WrongCode),
            Judgement::Used => self.again(factor, Note::UsedCode),
        }
    }

    /// The same page once more. The name may be changed as long as nothing has been proven.
    fn again(&mut self, factor: Factor, note: Note) -> Command {
        let is_first = self.progress.proven.is_empty() && self.progress.session.is_none();
        if is_first && factor == Factor::Password && self.asks_password() {
            let name = self.progress.account.take().map_or_else(String::new, |account| account.name);
            self.progress.asked = None;
            return self.show_name(name, Some(note));
        }
        self.show_factor(factor, Some(note))
    }

    /// Finishes, or asks for what is still missing.
    fn proceed(&mut self) -> Command {
        if self.means.is_some_and(|means| means.is_locked) {
            return denied(LOCKED);
        }
        if self.progress.sequences.iter().any(|sequence| self.remaining(sequence).next().is_none()) {
            return Command::Finish { factors: self.progress.proven.clone() };
        }
        if let Some(factor) = self.choices().into_iter().next() {
            return self.ask(factor);
        }
        let wants_totp = self.next_factors().contains(&Factor::Totp);
        let may_enrol = self.means.is_some_and(|means| means.may_enrol_totp);
        if wants_totp && may_enrol && self.has_proven_something() {
            return Command::BeginEnrolment;
        }
        denied(NO_MEANS)
    }

    fn ask(&mut self, factor: Factor) -> Command {
        self.progress.asked = Some(factor.clone());
        if factor == Factor::EmailCode { Command::SendCode } else { self.show_factor(factor, None) }
    }

    fn decided(&mut self, verdict: Verdict) -> Command {
        match verdict {
            Verdict::Permit => Command::HandOver,
            Verdict::Deny { reason } => Command::Show(View::Denied { reason }),
            Verdict::SignIn { sequences } => {
                // What the session has is left out of these: now the user's groups are known, and
                // a rule may want more of this user than of one unknown.
                self.progress.sequences = sequences;
                self.progress.proven.clear();
                if self.means.is_some() { self.proceed() } else { Command::LookUpMeans }
            }
        }
    }

    fn show_name(&self, name: String, note: Option<Note>) -> Command {
        if self.choices().is_empty() {
            return denied(NO_MEANS);
        }
        Command::Show(View::Name { name, asks_password: self.asks_password(), note })
    }

    fn show_factor(&self, factor: Factor, note: Option<Note>) -> Command {
        let others = self.choices().into_iter().filter(|other| *other != factor).collect();
        Command::Show(View::Factor { factor, others, note })
    }

    /// Whether the first page asks for the password: where that is the first factor of the best
    /// sequence.
    fn asks_password(&self) -> bool {
        self.choices().first() == Some(&Factor::Password)
    }

    /// The factors of which the user may prove one next, best first.
    fn choices(&self) -> Vec<Factor> {
        let means = self.means.filter(|_| self.has_proven_something()).unwrap_or(Means::EVERYTHING);
        self.next_factors().into_iter().filter(|factor| means.allow(factor)).collect()
    }

    /// The next factor of each sequence that does not begin otherwise than what was proven.
    fn next_factors(&self) -> Vec<Factor> {
        let mut factors: Vec<Factor> = Vec::new();
        for sequence in &self.progress.sequences {
            if let Some(next) = self.remaining(sequence).next().filter(|next| !factors.contains(next)) {
                factors.push(next.clone());
            }
        }
        factors
    }

    fn remaining<'a>(&'a self, sequence: &'a [WantedFactor]) -> impl Iterator<Item = &'a Factor> {
        let is_proven = |factor: &Factor| self.progress.proven.iter().any(|proven| proven.factor == *factor);
        sequence.iter().map(|wanted| &wanted.factor).filter(move |factor| !is_proven(factor))
    }

    fn has_proven_something(&self) -> bool {
        !self.progress.proven.is_empty() || self.progress.session.is_some()
    }

    /// Whether the account is a user's.
    #[must_use]
    pub fn is_user(&self) -> bool {
        self.progress.account.as_ref().is_some_and(|account| account.standing == Standing::User)
    }
}

/// What a locked user is told, once the password was right.
const LOCKED: &str = "This account is locked.";
/// What is said where no sequence can be followed.
const NO_MEANS: &str = "This application asks for a way of signing in that your account does not have.";

fn denied(reason: &str) -> Command {
    Command::Show(View::Denied { reason: reason.to_owned() })
}
