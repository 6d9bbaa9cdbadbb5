//! One world: members and callers on a simulated network, in a time that stands still between
//! events.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use evergate_failover::shell::{Beat, BeatError, CallKind, DialError};
use evergate_failover::{Classify, Dial, Member, Reach};
use tokio::sync::oneshot;
use tokio::time::Instant;

use super::faults::{Fault, Spell};
use super::member::{Effects, Instance};
use super::network::{Connection, Network, Way, silence, wait};
use super::planted::Bug;
use super::record::{Asked, End, Entry, Record};
use super::seeded::Seeded;
use super::{Ms, Shape};

pub struct World {
    began: Instant,
    pub shape: Shape,
    pub bug: Option<Bug>,
    pub random: Mutex<Seeded>,
    pub members: Vec<Instance>,
    pub network: Network,
    connections: Mutex<Vec<Arc<Connection>>>,
    pub effects: Effects,
    pub record: Record,
    /// Until when each caller gets no processor.
    pub starved: Mutex<Vec<Instant>>,
}

/// What travels to a member.
#[derive(Debug, Clone, Copy)]
pub enum Question {
    Beat,
    Call(usize, CallKind),
}

/// Why there is no answer: how far the question came.
#[derive(Debug)]
pub struct Broken(pub Reach);

impl std::fmt::Display for Broken {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:?}", self.0)
    }
}

impl Classify for Broken {
    fn reach(&self) -> Reach {
        self.0
    }
}

impl World {
    pub fn new(shape: Shape, random: Seeded, bug: Option<Bug>) -> Self {
        let began = Instant::now();
        Self {
            began,
            members: (0..shape.members).map(|_| Instance::default()).collect(),
            network: Network::new(&shape),
            connections: Mutex::default(),
            effects: Effects::default(),
            record: Record::default(),
            starved: Mutex::new(vec![began; shape.callers]),
            random: Mutex::new(random),
            shape,
            bug,
        }
    }

    pub fn now(&self) -> Ms {
        u64::try_from(self.began.elapsed().as_millis()).unwrap()
    }

    pub fn moment(&self, at: Ms) -> Instant {
        self.began + Duration::from_millis(at)
    }

    pub fn add(&self, entry: Entry) {
        self.record.add(self.now(), entry);
    }

    pub fn chance<T>(&self, draw: impl FnOnce(&mut Seeded) -> T) -> T {
        draw(&mut self.random.lock().unwrap())
    }

    fn passes(&self, caller: usize, member: usize, way: Way) -> bool {
        self.network.passes(caller, member, way, &self.random)
    }

    /// Makes a connection: the kernel of the member accepts or refuses, its process shakes hands.
    async fn connect(&self, caller: usize, member: usize) -> Result<Arc<Connection>, DialError> {
        wait(self.chance(|random| random.between(1, 3))).await;
        if !self.passes(caller, member, Way::Requests) {
            silence().await;
        }
        let instance = &self.members[member];
        let life = *instance.life();
        if life.silent > 0 {
            silence().await;
        }
        let is_accepted = life.gone == 0 && instance.runs(life.incarnation).await;
        wait(1).await;
        if !self.passes(caller, member, Way::Answers) {
            silence().await;
        }
        match (life.gone, is_accepted) {
            (0, true) => {
                let connection = Arc::new(Connection::new(caller, member, life.incarnation));
                self.connections.lock().unwrap().push(Arc::clone(&connection));
                Ok(connection)
            }
            (0, false) => Err(DialError::Dropped("reset".to_owned())),
            _ => Err(DialError::Refused("refused".to_owned())),
        }
    }

    /// Asks, and waits for the answer or for the connection's end.
    async fn ask(self: &Arc<Self>, connection: &Arc<Connection>, question: Question) -> Result<End, Broken> {
        if connection.is_reset() {
            return Err(Broken(Reach::NotReached));
        }
        let (answer, answered) = oneshot::channel();
        tokio::spawn(Arc::clone(self).serve(Arc::clone(connection), question, answer));
        let answered = async {
            match answered.await {
                Ok(end) => end,
                Err(_) => silence().await,
            }
        };
        tokio::select! {
            biased;
            end = answered => Ok(end),
            () = connection.until_reset() => Err(Broken(Reach::Lost)),
        }
    }

    /// A question's way to the member, through it, and back; whether or not anybody still waits.
    async fn serve(
        self: Arc<Self>,
        connection: Arc<Connection>,
        question: Question,
        to: oneshot::Sender<End>,
    ) {
        self.network.carry(&connection, Way::Requests, &self.random).await;
        let Some(end) = self.answer(&connection, question).await else {
            self.break_off(&connection).await;
            return;
        };
        self.network.carry(&connection, Way::Answers, &self.random).await;
        // Whoever asked may be gone.
        let _: Result<(), End> = to.send(end);
    }

    /// What the member answers; `None` if the process that was asked ended before it could.
    async fn answer(&self, connection: &Connection, question: Question) -> Option<End> {
        let instance = &self.members[connection.member];
        let runs = || async { instance.runs(connection.incarnation).await.then_some(()) };
        runs().await?;
        let life = *instance.life();
        let Question::Call(call, kind) = question else {
            wait(1 + life.slow_beats).await;
            runs().await?;
            return Some(if instance.life().drains { End::Draining } else { End::Answered(0) });
        };
        if life.refuses {
            return Some(End::Draining);
        }
        let is_too_much = life.overloaded > 0 && self.chance(|random| random.percent(50));
        if life.busy > 0 || is_too_much {
            return Some(End::Busy);
        }
        if life.unable > 0 {
            return Some(End::Unable);
        }
        wait(self.chance(|random| random.between(1, 8)) + life.slow).await;
        runs().await?;
        if kind == CallKind::Read {
            return Some(End::Answered(0));
        }
        if self.bug == Some(Bug::AnswersBeforeItHasDoneIt) && self.chance(|random| random.percent(20)) {
            return Some(End::Answered(u64::MAX));
        }
        let has_key = kind == CallKind::Write && self.bug != Some(Bug::ForgetsEffectKeys);
        let (outcome, is_new) = self.effects.take(call, has_key);
        if is_new {
            self.add(Entry::Took { member: connection.member, call, outcome });
        }
        // The moment in which it has done it and has not yet said so.
        wait(self.chance(|random| random.between(0, 3))).await;
        runs().await?;
        Some(End::Answered(outcome))
    }

    /// Tells a caller that a connection is no more, if that can be told.
    async fn break_off(&self, connection: &Connection) {
        if self.members[connection.member].life().silent > 0 {
            return;
        }
        wait(1).await;
        if self.passes(connection.caller, connection.member, Way::Answers) {
            connection.break_off();
        }
    }

    /// Makes a spell's fault, and heals it when its time is over.
    pub async fn suffer(self: Arc<Self>, spell: Spell) {
        self.add(Entry::Begins(spell));
        let healed = || tokio::time::sleep_until(self.moment(spell.to));
        match spell.fault {
            Fault::Crash { member } => {
                self.kill(member).await;
                healed().await;
                self.members[member].start(0);
            }
            Fault::PowerLoss { member } => {
                self.members[member].end(1);
                healed().await;
                self.members[member].start(1);
            }
            Fault::Hang { member, killed } => self.hang(member, killed, spell.to).await,
            Fault::Stop { member } => self.stop(member, spell.to).await,
            Fault::Slow { member, by, beats } => {
                let beats = if beats { by } else { 0 };
                self.members[member].change(|life| {
                    life.slow += by;
                    life.slow_beats += beats;
                });
                healed().await;
                self.members[member].change(|life| {
                    life.slow -= by;
                    life.slow_beats -= beats;
                });
            }
            Fault::Busy { member } => {
                self.members[member].change(|life| life.busy += 1);
                healed().await;
                self.members[member].change(|life| life.busy -= 1);
            }
            Fault::Overload { by } => {
                for member in &self.members {
                    member
                        .change(|life| (life.overloaded, life.slow) = (life.overloaded + 1, life.slow + by));
                }
                healed().await;
                for member in &self.members {
                    member
                        .change(|life| (life.overloaded, life.slow) = (life.overloaded - 1, life.slow - by));
                }
            }
            Fault::Unable { member } => {
                self.members[member].change(|life| life.unable += 1);
                healed().await;
                self.members[member].change(|life| life.unable -= 1);
            }
            Fault::Cut { caller, member, requests, answers } => {
                let ways = [(Way::Requests, requests), (Way::Answers, answers)];
                let ways = || ways.into_iter().filter(|(_, is)| *is).map(|(way, _)| way);
                let callers =
                    || (0..self.shape.callers).filter(move |c| caller.is_none_or(|caller| caller == *c));
                ways().for_each(|way| callers().for_each(|c| self.network.cut(c, member, way)));
                healed().await;
                ways().for_each(|way| callers().for_each(|c| self.network.mend(c, member, way)));
            }
            Fault::Loss { caller, member, percent } => {
                self.network.lose(caller, member, |loss| loss + percent);
                healed().await;
                self.network.lose(caller, member, |loss| loss - percent);
            }
            Fault::Starve { caller: Some(caller) } => {
                let mut starved = self.starved.lock().unwrap();
                starved[caller] = starved[caller].max(self.moment(spell.to));
            }
            Fault::Starve { caller: None } => {
                tokio::time::advance(Duration::from_millis(spell.to - spell.from)).await;
            }
            // The callers see to that.
            Fault::Restart { .. } => {}
        }
        self.add(Entry::Ends(spell));
    }

    async fn kill(&self, member: usize) {
        self.members[member].end(0);
        let connections = self.connections_to(member);
        futures_util::future::join_all(connections.iter().map(|each| self.break_off(each))).await;
    }

    fn connections_to(&self, member: usize) -> Vec<Arc<Connection>> {
        let mut connections = self.connections.lock().unwrap();
        connections.retain(|each| !each.is_reset());
        connections.iter().filter(|each| each.member == member).map(Arc::clone).collect()
    }

    async fn hang(&self, member: usize, killed: bool, to: Ms) {
        let instance = &self.members[member];
        instance.change(|life| life.hung += 1);
        let incarnation = instance.life().incarnation;
        tokio::time::sleep_until(self.moment(to)).await;
        if instance.life().incarnation != incarnation {
            return;
        }
        if killed {
            self.kill(member).await;
            instance.start(0);
        } else {
            // One that is killed meanwhile counts anew.
            instance.change(|life| life.hung = life.hung.saturating_sub(1));
        }
    }

    /// Drains for a second, refuses calls, ends, and is started again.
    async fn stop(&self, member: usize, to: Ms) {
        let instance = &self.members[member];
        let incarnation = instance.life().incarnation;
        let said = |change: fn(&mut super::member::Life)| {
            instance.change(|life| {
                if life.incarnation == incarnation {
                    change(life)
                }
            });
        };
        said(|life| life.drains = true);
        wait(700).await;
        said(|life| life.refuses = true);
        wait(300).await;
        if instance.life().incarnation == incarnation {
            self.kill(member).await;
            tokio::time::sleep_until(self.moment(to)).await;
            instance.start(0);
        } else {
            tokio::time::sleep_until(self.moment(to)).await;
        }
    }
}

/// What one caller's pool is given: it dials and asks in that world.
pub struct Simulated {
    pub world: Arc<World>,
    pub caller: usize,
}

/// Writes down how something that was asked ended, also when nobody waits for it any more.
struct Noted<'a> {
    world: &'a World,
    caller: usize,
    member: usize,
    asked: Asked,
    since: Ms,
    end: End,
}

impl<'a> Noted<'a> {
    fn new(world: &'a World, caller: usize, member: usize, asked: Asked) -> Self {
        world.add(Entry::Asked { caller, member, asked });
        Self { world, caller, member, asked, since: world.now(), end: End::Left }
    }
}

impl Drop for Noted<'_> {
    fn drop(&mut self) {
        let Self { caller, member, asked, since, end, .. } = *self;
        self.world.add(Entry::Ended { caller, member, asked, since, end });
    }
}

impl Dial for Simulated {
    type Link = Arc<Connection>;

    async fn dial(&self, member: &Member) -> Result<Arc<Connection>, DialError> {
        let member = super::index_of(&member.id);
        let mut noted = Noted::new(&self.world, self.caller, member, Asked::Dial);
        let result = self.world.connect(self.caller, member).await;
        noted.end = match &result {
            Ok(_) => End::Answered(0),
            Err(DialError::Refused(_)) => End::Refused,
            Err(_) => End::Unsent,
        };
        result
    }

    async fn beat(&self, link: &Arc<Connection>) -> Result<Beat, BeatError> {
        if self.world.bug == Some(Bug::SlowHeartbeats) {
            wait(300).await;
        }
        let mut noted = Noted::new(&self.world, self.caller, link.member, Asked::Beat);
        let result = self.world.ask(link, Question::Beat).await;
        noted.end = result.as_ref().map_or(End::Reset, |end| *end);
        match result {
            Ok(End::Draining) => Ok(Beat::Draining),
            Ok(_) => Ok(Beat::Serving),
            Err(error) => Err(BeatError::Lost(error.to_string())),
        }
    }

    fn is_closed(&self, link: &Arc<Connection>) -> bool {
        link.is_reset() || self.world.bug == Some(Bug::TakesBusyForLost)
    }
}

/// One attempt of a call at the member that the pool chose.
pub async fn attempt(
    world: Arc<World>,
    connection: Arc<Connection>,
    (call, number): (usize, usize),
    kind: CallKind,
) -> Result<u64, Broken> {
    let asked = Asked::Call(call, number);
    let mut noted = Noted::new(&world, connection.caller, connection.member, asked);
    let result = world.ask(&connection, Question::Call(call, kind)).await;
    let (end, result) = match result {
        Ok(End::Answered(outcome)) => (End::Answered(outcome), Ok(outcome)),
        Ok(End::Busy) => (End::Busy, Err(Broken(Reach::Busy))),
        Ok(End::Unable) => (End::Unable, Err(Broken(Reach::Unable))),
        Ok(other) => (other, Err(Broken(Reach::Draining))),
        Err(Broken(Reach::NotReached)) => (End::Unsent, Err(Broken(Reach::NotReached))),
        Err(error) => (End::Reset, Err(error)),
    };
    noted.end = end;
    result.map_err(|error| Broken(world.bug.map_or(error.0, |bug| bug.misread(error.0))))
}
