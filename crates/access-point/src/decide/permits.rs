//! The permit cache: what policy has permitted, by session and resource, for as long as policy
//! would say the same again. Denials are never kept.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use evergate_model::{Reads, RequestFacts, Timestamp};
use http::{HeaderName, HeaderValue};
use quick_cache::sync::Cache;

use super::sessions::Life;

/// Pairs of session and resource that are remembered.
const REMEMBERED: usize = 32_768;
/// Permits of one pair: rules that read paths or methods have several.
const PER_PAIR: usize = 16;
/// Denials that are remembered against permits that are still on their way; a permit on whose way
/// there were more is not kept.
const DENIALS: usize = 4096;
/// No permit lives longer (design.md section 2).
const LONGEST: Duration = Duration::from_secs(30);
/// With the revocation stream silent, permits live no longer than this.
const LONGEST_UNHEARD: Duration = Duration::from_secs(5);

/// Whose permits: a token's digest (zeros: no session) and a resource's name.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Pair {
    /// SHA-256 of the session token.
    pub(crate) token: [u8; 32],
    /// The resource.
    pub(crate) resource: evergate_model::Name,
}

/// What policy permitted, ready for use.
#[derive(Debug)]
pub(crate) struct Grant {
    /// The headers that tell the application who the user is.
    pub(crate) identity: Vec<(HeaderName, HeaderValue)>,
    /// The user's name; empty without a session.
    pub(crate) user: Arc<str>,
    /// The session's life.
    pub(crate) life: Option<Life>,
    /// When the session ends.
    pub(crate) ends_at: Timestamp,
    /// What of the request it rests on.
    pub(crate) reads: Reads,
    /// The configuration version that it rests on.
    pub(crate) version: u64,
    /// When policy said so.
    pub(crate) made_at: Timestamp,
    /// The earliest moment at which policy might say something else.
    pub(crate) valid_until: Timestamp,
    /// How long it is fresh: at most 30 s and the resource's limit, varied by a fifth.
    pub(crate) lifetime: Duration,
}

/// What is known when a permit is looked for.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Moment {
    /// The time.
    pub(crate) now: Timestamp,
    /// The configuration version in force.
    pub(crate) version: u64,
    /// Whether the revocation stream is silent.
    pub(crate) is_unheard: bool,
}

/// How long a permit may be used, its chance (0 to 255) varying it by a fifth.
#[must_use]
pub(crate) fn lifetime(limit: Duration, chance: u8) -> Duration {
    let longest = limit.min(LONGEST);
    longest - longest * u32::from(chance) / (5 * 255)
}

impl Grant {
    /// Whether it may be used now without asking.
    #[must_use]
    pub(crate) fn is_fresh(&self, moment: Moment) -> bool {
        let lifetime = if moment.is_unheard { self.lifetime.min(LONGEST_UNHEARD) } else { self.lifetime };
        self.holds(moment) && moment.now < self.made_at.plus(lifetime)
    }

    /// Whether it is near the end of its freshness, so that it should be asked for again already.
    #[must_use]
    pub(crate) fn is_aging(&self, moment: Moment) -> bool {
        moment.now >= self.made_at.plus(self.lifetime * 4 / 5)
    }

    /// Whether it may stand in for an answer that cannot be had: `grace` after its freshness, never
    /// past the session's end or a change that time was known to bring.
    #[must_use]
    pub(crate) fn is_in_grace(&self, grace: Duration, moment: Moment) -> bool {
        self.holds(moment) && moment.now < self.made_at.plus(self.lifetime).plus(grace)
    }

    fn holds(&self, moment: Moment) -> bool {
        self.version == moment.version
            && moment.now < self.valid_until.min(self.ends_at)
            && self.life.as_ref().is_none_or(|life| !life.has_ended())
    }
}

/// The permits that are remembered.
#[derive(Debug)]
pub(crate) struct Permits {
    grants: Cache<Pair, Arc<[Arc<Grant>]>>,
    /// Held while permits change, so that a denial falls either before or after a permit.
    denials: Mutex<Denials>,
}

impl Default for Permits {
    fn default() -> Self {
        Self { grants: Cache::new(REMEMBERED), denials: Mutex::default() }
    }
}

/// The last denials, in the order in which they came.
#[derive(Debug, Default)]
struct Denials {
    /// How many came before those that are remembered.
    forgotten: u64,
    recent: VecDeque<(Pair, Arc<RequestFacts>)>,
}

/// When a question began, counted in denials.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Beginning(u64);

impl Denials {
    fn now(&self) -> Beginning {
        Beginning(self.forgotten.saturating_add(self.recent.len() as u64))
    }

    fn add(&mut self, pair: Pair, facts: Arc<RequestFacts>) {
        if self.recent.len() >= DENIALS {
            self.recent.pop_front();
            self.forgotten = self.forgotten.saturating_add(1);
        }
        self.recent.push_back((pair, facts));
    }

    /// Whether policy has since said otherwise where the permit would be repeated; also where that is
    /// not known any more.
    fn contradict(&self, pair: &Pair, grant: &Grant, since: Beginning) -> bool {
        let Some(known) = since.0.checked_sub(self.forgotten) else { return true };
        let known = usize::try_from(known).unwrap_or(usize::MAX);
        self.recent.iter().skip(known).any(|(denied, facts)| denied == pair && grant.reads.hold_for(facts))
    }
}

impl Permits {
    /// The permit for a request that would have shown the evaluator the same.
    #[must_use]
    pub(crate) fn find(&self, pair: &Pair, facts: &RequestFacts) -> Option<Arc<Grant>> {
        let grants = self.grants.get(pair)?;
        grants.iter().find(|grant| grant.reads.hold_for(facts)).cloned()
    }

    /// To be noted before a question is asked.
    #[must_use]
    pub(crate) fn begin(&self) -> Beginning {
        self.denials().now()
    }

    /// Remembers a permit that was asked for at `begun`, in place of what was known for `facts`;
    /// unless [`Permits::forget`] would have taken it back meanwhile: the answer may be the older one.
    pub(crate) fn keep(&self, pair: Pair, facts: &RequestFacts, grant: Arc<Grant>, begun: Beginning) {
        let denials = self.denials();
        if denials.contradict(&pair, &grant, begun) {
            return;
        }
        let others = self.others(&pair, facts);
        self.grants.insert(pair, std::iter::once(grant).chain(others).take(PER_PAIR).collect());
    }

    /// Forgets what was permitted for `facts`: policy has said otherwise. That binds the permits that
    /// were asked for and are not here yet, too.
    pub(crate) fn forget(&self, pair: &Pair, facts: &Arc<RequestFacts>) {
        let mut denials = self.denials();
        denials.add(pair.clone(), Arc::clone(facts));
        let others = self.others(pair, facts);
        if others.is_empty() {
            self.grants.remove(pair);
        } else {
            self.grants.insert(pair.clone(), others.into());
        }
    }

    fn denials(&self) -> std::sync::MutexGuard<'_, Denials> {
        self.denials.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn others(&self, pair: &Pair, facts: &RequestFacts) -> Vec<Arc<Grant>> {
        let known = self.grants.get(pair);
        known
            .iter()
            .flat_map(|grants| grants.iter())
            .filter(|grant| !grant.reads.hold_for(facts))
            .cloned()
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use evergate_model::NormalPath;
    use evergate_model::reads::PathRead;

    use super::*;

    fn grant(reads: Reads) -> Grant {
        Grant {
            identity: Vec::new(),
            user: "".into(),
            life: None,
            ends_at: Timestamp::from_seconds(1000),
            reads,
            version: 3,
            made_at: Timestamp::from_seconds(100),
            valid_until: Timestamp::MAX,
            lifetime: Duration::from_secs(30),
        }
    }

    fn at(seconds: i64) -> Moment {
        Moment { now: Timestamp::from_seconds(seconds), version: 3, is_unheard: false }
    }

    fn facts(path: &str) -> Arc<RequestFacts> {
        Arc::new(RequestFacts {
            method: "GET".to_owned(),
            host: "wiki.example.com".parse().unwrap(),
            path: NormalPath::new(path).unwrap(),
            client: "192.0.2.1".parse().unwrap(),
            access_point: "access-point1".parse().unwrap(),
            headers: BTreeMap::new(),
        })
    }

    fn pair() -> Pair {
        Pair { token: [1; 32], resource: "wiki".parse().unwrap() }
    }

    #[test]
    fn a_permit_is_fresh_for_its_lifetime_and_then_in_grace() {
        let grant = grant(Reads::default());
        let grace = Duration::from_secs(900);
        assert!(grant.is_fresh(at(129)) && !grant.is_fresh(at(130)));
        assert!(!grant.is_aging(at(123)) && grant.is_aging(at(124)));
        assert!(
            grant.is_in_grace(grace, at(999)) && !grant.is_in_grace(grace, at(1000)),
            "past the session's end"
        );
        assert!(!grant.is_in_grace(Duration::ZERO, at(130)));
    }

    #[test]
    fn a_permit_lives_five_seconds_where_revocations_are_not_heard() {
        let unheard = |seconds| Moment { is_unheard: true, ..at(seconds) };
        let grant = grant(Reads::default());
        assert!(grant.is_fresh(unheard(104)) && !grant.is_fresh(unheard(105)));
    }

    #[test]
    fn a_permit_ends_with_its_configuration_and_with_what_time_brings() {
        let other = Moment { version: 4, ..at(101) };
        let permit = grant(Reads::default());
        assert!(!permit.is_fresh(other) && !permit.is_in_grace(Duration::from_secs(900), other));
        let timed = Grant { valid_until: Timestamp::from_seconds(110), ..grant(Reads::default()) };
        assert!(timed.is_fresh(at(109)) && !timed.is_fresh(at(110)));
        assert!(!timed.is_in_grace(Duration::from_secs(900), at(110)));
    }

    #[test]
    fn a_permit_is_found_by_what_it_rests_on() {
        let permits = Permits::default();
        let reads = |is_under| Reads {
            paths: vec![PathRead { prefix: "/admin".to_owned(), is_under }],
            ..Reads::default()
        };
        permits.keep(pair(), &facts("/a"), Arc::new(grant(reads(false))), permits.begin());
        assert!(permits.find(&pair(), &facts("/b")).is_some());
        assert!(permits.find(&pair(), &facts("/admin/x")).is_none());
        permits.keep(pair(), &facts("/admin"), Arc::new(grant(reads(true))), permits.begin());
        permits.forget(&pair(), &facts("/b"));
        assert!(permits.find(&pair(), &facts("/a")).is_none());
        assert!(permits.find(&pair(), &facts("/admin/x")).is_some());
        permits.forget(&pair(), &facts("/admin"));
        assert!(permits.find(&pair(), &facts("/admin")).is_none());
    }

    #[test]
    fn a_permit_that_lands_after_a_newer_denial_is_not_kept() {
        let permits = Permits::default();
        let begun = permits.begin();
        permits.forget(&pair(), &facts("/b"));
        permits.keep(pair(), &facts("/a"), Arc::new(grant(Reads::default())), begun);
        assert!(permits.find(&pair(), &facts("/a")).is_none());
        permits.keep(pair(), &facts("/a"), Arc::new(grant(Reads::default())), permits.begin());
        assert!(permits.find(&pair(), &facts("/a")).is_some(), "it was asked for after the denial");
    }

    #[test]
    fn a_denial_meanwhile_binds_only_what_it_would_have_taken_back() {
        let permits = Permits::default();
        let begun = permits.begin();
        permits.forget(&pair(), &facts("/admin"));
        permits.forget(&Pair { token: [2; 32], ..pair() }, &facts("/a"));
        let paths = vec![PathRead { prefix: "/admin".to_owned(), is_under: false }];
        let elsewhere = Reads { paths, ..Reads::default() };
        permits.keep(pair(), &facts("/a"), Arc::new(grant(elsewhere)), begun);
        assert!(permits.find(&pair(), &facts("/a")).is_some());
    }

    #[test]
    fn a_permit_that_lands_after_more_denials_than_are_remembered_is_not_kept() {
        let permits = Permits::default();
        let (begun, other) = (permits.begin(), Pair { token: [2; 32], ..pair() });
        (0..DENIALS).for_each(|_| permits.forget(&other, &facts("/")));
        permits.keep(pair(), &facts("/a"), Arc::new(grant(Reads::default())), begun);
        assert!(permits.find(&pair(), &facts("/a")).is_some());
        permits.forget(&pair(), &facts("/a"));
        permits.keep(pair(), &facts("/a"), Arc::new(grant(Reads::default())), begun);
        assert!(permits.find(&pair(), &facts("/a")).is_none());
    }

    #[test]
    fn lifetimes_vary_by_a_fifth() {
        let limit = Duration::from_secs(10);
        assert_eq!(lifetime(limit, 0), limit);
        assert_eq!(lifetime(limit, 255), Duration::from_secs(8));
        assert_eq!(lifetime(Duration::from_secs(900), 0), LONGEST);
    }
}
