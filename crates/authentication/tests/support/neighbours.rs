//! Policy and distribution as far as authentication can tell: sessions in memory, effects once.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Mutex;

use evergate_authentication::neighbours::{
    Answer, Confirmation, Mail, NeighbourError, Neighbours, NewSession, Reachable, SessionSummary, Token,
};
use evergate_keys::{SigningKey, new_id};
use evergate_model::factor::{ProvenFactor, WantedFactor};
use evergate_model::id::{Session, User};
use evergate_model::{Factor, Host, Id, RequestFacts, SessionFacts, Verdict};
use evergate_process::Clock;
use evergate_tokens::Claims;

/// The code that confirms every enrolment.
pub const ENROLMENT_CODE: &str = "424242";

#[derive(Debug)]
pub struct Fake {
    clock: Clock,
    signer: SigningKey,
    sequences: Vec<Vec<Factor>>,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    names: BTreeMap<Id<User>, String>,
    sessions: BTreeMap<Id<Session>, SessionFacts>,
    opened: BTreeMap<Vec<u8>, Id<Session>>,
    hand_overs: Vec<(Vec<u8>, String)>,
    mails: BTreeMap<Vec<u8>, Mail>,
    bound: Vec<Id<User>>,
    revoked: BTreeSet<Vec<u8>>,
}

impl Fake {
    pub fn new(clock: Clock, signer: SigningKey, sequences: &[&[&str]]) -> Self {
        let factors = |sequence: &&[&str]| sequence.iter().map(|factor| factor.parse().unwrap()).collect();
        Self { clock, signer, sequences: sequences.iter().map(factors).collect(), state: Mutex::default() }
    }

    pub fn know(&self, user: Id<User>, name: &str) {
        self.state.lock().unwrap().names.insert(user, name.to_owned());
    }

    pub fn sessions(&self) -> usize {
        self.state.lock().unwrap().sessions.len()
    }

    pub fn sessions_of(&self, user: Id<User>) -> usize {
        self.state.lock().unwrap().sessions.values().filter(|facts| facts.user == user).count()
    }

    pub fn hand_overs(&self) -> usize {
        self.state.lock().unwrap().hand_overs.len()
    }

    pub fn end_all(&self) {
        self.state.lock().unwrap().sessions.clear();
    }

    pub fn mails(&self) -> Vec<Mail> {
        self.state.lock().unwrap().mails.values().cloned().collect()
    }

    pub fn has_bound(&self, user: Id<User>) -> bool {
        self.state.lock().unwrap().bound.contains(&user)
    }

    fn token(&self, session: Id<Session>) -> Result<Token, NeighbourError> {
        let state = self.state.lock().unwrap();
        let facts = state.sessions.get(&session).ok_or(NeighbourError::SessionGone)?.clone();
        let claims = Claims {
            host: "portal.example.com".parse().unwrap(),
            issued_at: self.clock.now(),
            expires_at: facts.ends_at,
            log_position: 0,
            groups_left_out: false,
            facts,
        };
        Ok(Token { text: self.signer.sign_session_token(&claims).unwrap(), session })
    }

    /// The session that a token is of. The id is found by the token's own bytes: it is one of ours.
    fn session(&self, token: &str) -> Result<SessionFacts, NeighbourError> {
        let found = |facts: &SessionFacts| {
            let bytes = data_encoding::BASE64URL_NOPAD.decode(token.strip_prefix("v1.")?.as_bytes()).ok()?;
            bytes.windows(16).any(|window| window == facts.session.as_bytes()).then(|| facts.clone())
        };
        let state = self.state.lock().unwrap();
        state.sessions.values().find_map(found).ok_or(NeighbourError::SessionGone)
    }

    fn verdict(&self, token: &str) -> Verdict {
        let proven = self.session(token).map(|facts| facts.factors).unwrap_or_default();
        let missing = |sequence: &Vec<Factor>| -> Vec<WantedFactor> {
            let is_missing = |factor: &&Factor| !proven.iter().any(|proven| proven.factor == **factor);
            let wanted = |factor: &Factor| WantedFactor { factor: factor.clone(), within: None };
            sequence.iter().filter(is_missing).map(wanted).collect()
        };
        let sequences: Vec<_> = self.sequences.iter().map(missing).collect();
        if sequences.iter().any(Vec::is_empty) { Verdict::Permit } else { Verdict::SignIn { sequences } }
    }
}

fn now<'a, T: Send + 'a>(answer: Result<T, NeighbourError>) -> Answer<'a, T> {
    Box::pin(async move { answer })
}

impl Neighbours for Fake {
    fn decide<'a>(&'a self, token: &'a str, facts: &'a RequestFacts) -> Answer<'a, Verdict> {
        assert_eq!(facts.host.as_str(), "wiki.example.com");
        now(Ok(self.verdict(token)))
    }

    fn open_session(&self, effect: Vec<u8>, _: &Host, new: NewSession) -> Answer<'_, Token> {
        let mut state = self.state.lock().unwrap();
        let id = match state.opened.get(&effect) {
            Some(id) => *id,
            None => {
                let at = self.clock.now();
                let id = new_id(at);
                let facts = SessionFacts {
                    session: id,
                    user: new.user,
                    user_name: state.names.get(&new.user).cloned().unwrap_or_default(),
                    email: Some("someone@example.com".to_owned()),
                    groups: Vec::new(),
                    factors: new.factors,
                    opened_at: at,
                    ends_at: at.plus(std::time::Duration::from_secs(43_200)),
                };
                state.sessions.insert(id, facts);
                state.opened.insert(effect, id);
                id
            }
        };
        drop(state);
        now(self.token(id))
    }

    fn add_factors(
        &self,
        _: Vec<u8>,
        _: &Host,
        token: &str,
        factors: Vec<ProvenFactor>,
    ) -> Answer<'_, Token> {
        let session = match self.session(token) {
            Ok(session) => session.session,
            Err(error) => return now(Err(error)),
        };
        let mut state = self.state.lock().unwrap();
        let facts = state.sessions.get_mut(&session).unwrap();
        facts.factors.retain(|old| factors.iter().all(|new| new.factor != old.factor));
        facts.factors.extend(factors);
        drop(state);
        now(self.token(session))
    }

    fn create_hand_over(
        &self,
        effect: Vec<u8>,
        token: &str,
        host: &Host,
        nonce: Vec<u8>,
    ) -> Answer<'_, String> {
        assert_eq!((host.as_str(), nonce.len()), ("wiki.example.com", 32));
        if let Err(error) = self.session(token) {
            return now(Err(error));
        }
        let mut state = self.state.lock().unwrap();
        if let Some((_, id)) = state.hand_overs.iter().find(|(key, _)| *key == effect) {
            return now(Ok(id.clone()));
        }
        let id = format!("handover_{}", state.hand_overs.len());
        state.hand_overs.push((effect, id.clone()));
        now(Ok(id))
    }

    fn end_session(&self, _: &Host, token: &str) -> Answer<'_, i64> {
        if let Ok(session) = self.session(token) {
            self.state.lock().unwrap().sessions.remove(&session.session);
        }
        now(Ok(1))
    }

    fn list_sessions(&self, _: &Host, token: &str) -> Answer<'_, Vec<SessionSummary>> {
        let own = match self.session(token) {
            Ok(own) => own,
            Err(error) => return now(Err(error)),
        };
        let summary = |facts: &SessionFacts| SessionSummary {
            id: facts.session,
            opened_at: facts.opened_at,
            ends_at: facts.ends_at,
            last_seen_at: facts.opened_at,
            client: "192.0.2.1".to_owned(),
            factors: facts.factors.clone(),
        };
        let state = self.state.lock().unwrap();
        now(Ok(state.sessions.values().filter(|facts| facts.user == own.user).map(summary).collect()))
    }

    fn revoke_session(
        &self,
        effect: Vec<u8>,
        _: &Host,
        token: &str,
        session: Option<Id<Session>>,
    ) -> Answer<'_, i64> {
        if !self.state.lock().unwrap().revoked.insert(effect) {
            return now(Ok(2));
        }
        let own = match self.session(token) {
            Ok(own) => own,
            Err(error) => return now(Err(error)),
        };
        let is_other = |facts: &SessionFacts| facts.user == own.user && facts.session != own.session;
        let is_meant = |facts: &SessionFacts| session.is_none_or(|session| session == facts.session);
        self.state.lock().unwrap().sessions.retain(|_, facts| !(is_other(facts) && is_meant(facts)));
        now(Ok(2))
    }

    fn reachable<'a>(
        &'a self,
        _: &'a Host,
        token: &'a str,
        _: &'a RequestFacts,
    ) -> Answer<'a, Vec<Reachable>> {
        let url = "https://wiki.example.com/".to_owned();
        now(Ok(vec![Reachable { title: "Wiki".to_owned(), url, verdict: self.verdict(token) }]))
    }

    fn send_mail(&self, effect: Vec<u8>, mail: Mail) -> Answer<'_, ()> {
        self.state.lock().unwrap().mails.entry(effect).or_insert(mail);
        now(Ok(()))
    }

    fn begin_enrolment(&self, _: Vec<u8>, _: Id<User>, account: &str) -> Answer<'_, (String, String)> {
        let otpauth = format!("otpauth://totp/Evergate:{account}?secret=JBSWY3DPEHPK3PXP&issuer=Evergate");
        now(Ok(("enrolment_1".to_owned(), otpauth)))
    }

    fn confirm_enrolment(
        &self,
        _: Vec<u8>,
        user: Id<User>,
        id: &str,
        code: &str,
    ) -> Answer<'_, Confirmation> {
        assert_eq!(id, "enrolment_1");
        if code != ENROLMENT_CODE {
            return now(Ok(Confirmation::WrongCode));
        }
        self.state.lock().unwrap().bound.push(user);
        now(Ok(Confirmation::Bound))
    }
}
