//! The simulated network: a cable each way between every caller and every member, on which
//! messages take their time, are lost or do not pass, and connections that remember what they
//! went through.

use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::sleep;

use super::seeded::Seeded;
use super::{Ms, Shape};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Way {
    Requests,
    Answers,
}

/// How many faults are upon one way of one cable.
#[derive(Debug, Clone, Copy, Default)]
struct Cable {
    cut: u32,
    loss: u64,
}

#[derive(Debug)]
pub struct Network {
    cables: Mutex<Vec<Cable>>,
    members: usize,
    changed: Notify,
}

/// A connection, which many calls share.
#[derive(Debug)]
pub struct Connection {
    pub caller: usize,
    pub member: usize,
    /// The process at its other end.
    pub incarnation: u32,
    /// What a cut did to it: `Some(true)` if it leads nowhere ever after.
    fate: Mutex<Option<bool>>,
    is_reset: AtomicBool,
    reset: Notify,
}

impl Connection {
    pub fn new(caller: usize, member: usize, incarnation: u32) -> Self {
        let (fate, is_reset, reset) = (Mutex::new(None), AtomicBool::new(false), Notify::new());
        Self { caller, member, incarnation, fate, is_reset, reset }
    }

    pub fn is_reset(&self) -> bool {
        self.is_reset.load(Ordering::SeqCst)
    }

    pub fn break_off(&self) {
        self.is_reset.store(true, Ordering::SeqCst);
        self.reset.notify_waiters();
    }

    pub async fn until_reset(&self) {
        let mut reset = std::pin::pin!(self.reset.notified());
        reset.as_mut().enable();
        if !self.is_reset() {
            reset.await;
        }
    }

    fn leads_nowhere(&self, random: &Mutex<Seeded>) -> bool {
        *self.fate.lock().unwrap().get_or_insert_with(|| random.lock().unwrap().percent(50))
    }
}

pub async fn wait(milliseconds: Ms) {
    sleep(Duration::from_millis(milliseconds)).await;
}

pub async fn silence() -> ! {
    std::future::pending::<()>().await;
    unreachable!("silence has no end")
}

impl Network {
    pub fn new(shape: &Shape) -> Self {
        let cables = vec![Cable::default(); shape.callers * shape.members * 2];
        Self { cables: Mutex::new(cables), members: shape.members, changed: Notify::new() }
    }

    fn index(&self, caller: usize, member: usize, way: Way) -> usize {
        (caller * self.members + member) * 2 + usize::from(way == Way::Answers)
    }

    pub fn cut(&self, caller: usize, member: usize, way: Way) {
        self.cables.lock().unwrap()[self.index(caller, member, way)].cut += 1;
    }

    pub fn mend(&self, caller: usize, member: usize, way: Way) {
        self.cables.lock().unwrap()[self.index(caller, member, way)].cut -= 1;
        self.changed.notify_waiters();
    }

    pub fn lose(&self, caller: usize, member: usize, change: impl Fn(u64) -> u64) {
        for way in [Way::Requests, Way::Answers] {
            let cable = &mut self.cables.lock().unwrap()[self.index(caller, member, way)];
            cable.loss = change(cable.loss);
        }
    }

    fn cable(&self, caller: usize, member: usize, way: Way) -> Cable {
        self.cables.lock().unwrap()[self.index(caller, member, way)]
    }

    /// Whether a single packet, which nobody repeats, passes now.
    pub fn passes(&self, caller: usize, member: usize, way: Way, random: &Mutex<Seeded>) -> bool {
        let cable = self.cable(caller, member, way);
        cable.cut == 0 && !random.lock().unwrap().percent(cable.loss)
    }

    /// Carries a message over a connection; what a cut holds up is sent again after it, unless the
    /// cut was the connection's end; what is lost, is lost.
    pub async fn carry(&self, connection: &Connection, way: Way, random: &Mutex<Seeded>) {
        let latency = random.lock().unwrap().between(1, 3);
        wait(latency).await;
        loop {
            let mut changed = std::pin::pin!(self.changed.notified());
            changed.as_mut().enable();
            if *connection.fate.lock().unwrap() == Some(true) {
                silence().await;
            }
            if self.cable(connection.caller, connection.member, way).cut == 0 {
                break;
            }
            if connection.leads_nowhere(random) {
                silence().await;
            }
            changed.await;
            let again = random.lock().unwrap().between(5, 400);
            wait(again).await;
        }
        if !self.passes(connection.caller, connection.member, way, random) {
            silence().await;
        }
    }
}
