//! Which timeline of the database others have seen, as administration tells it: an instance that was away
//! when a server was replaced hears of it before it asks one.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use evergate_model::DatabaseTimeline;
use tokio::sync::watch;

/// So long a process that starts waits to be told; where administration is away it goes by what it
/// remembers itself.
const TOLD_WITHIN: Duration = Duration::from_secs(1);

/// What this instance has seen, and what it is told. Cheap to clone; all clones are the same.
#[derive(Clone)]
pub struct Timelines(Arc<Inner>);

struct Inner {
    memory: Mutex<Option<Memory>>,
    /// What administration said; `None` before it said anything.
    told: watch::Sender<Option<Option<DatabaseTimeline>>>,
}

struct Memory {
    remembered: Box<dyn Fn() -> Option<DatabaseTimeline> + Send>,
    believe: Box<dyn Fn(DatabaseTimeline) + Send>,
}

impl std::fmt::Debug for Timelines {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Timelines").field(&*self.0.told.borrow()).finish()
    }
}

impl Default for Timelines {
    fn default() -> Self {
        Self(Arc::new(Inner { memory: Mutex::new(None), told: watch::Sender::new(None) }))
    }
}

impl Timelines {
    /// From now on reports say what is `remembered`, and what others have seen is handed to `believe`.
    /// Returns when administration has said once what that is, or could not for a while: to be called before
    /// the database is opened.
    pub async fn share(
        &self,
        remembered: impl Fn() -> Option<DatabaseTimeline> + Send + 'static,
        believe: impl Fn(DatabaseTimeline) + Send + 'static,
    ) {
        let memory = Memory { remembered: Box::new(remembered), believe: Box::new(believe) };
        {
            let mut shared = self.0.memory.lock().unwrap_or_else(PoisonError::into_inner);
            if let Some(seen) = (*self.0.told.borrow()).flatten() {
                (memory.believe)(seen);
            }
            *shared = Some(memory);
        }
        let mut told = self.0.told.subscribe();
        // Elapsed: nobody is there to say it.
        drop(tokio::time::timeout(TOLD_WITHIN, told.wait_for(Option::is_some)).await);
    }

    /// What this instance has seen itself.
    pub(super) fn remembered(&self) -> Option<DatabaseTimeline> {
        let memory = self.0.memory.lock().unwrap_or_else(PoisonError::into_inner);
        memory.as_ref().and_then(|memory| (memory.remembered)())
    }

    /// Takes in what administration says.
    pub(super) fn told(&self, seen: Option<DatabaseTimeline>) {
        let memory = self.0.memory.lock().unwrap_or_else(PoisonError::into_inner);
        if let (Some(memory), Some(seen)) = (&*memory, seen) {
            (memory.believe)(seen);
        }
        self.0.told.send_replace(Some(seen));
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use tokio::time::Instant;

    use super::*;

    const SEEN: DatabaseTimeline = DatabaseTimeline { system_identifier: 1, timeline: 2 };

    #[tokio::test(start_paused = true)]
    async fn what_others_saw_is_heard_before_the_database_is_opened() {
        let (timelines, began) = (Timelines::default(), Instant::now());
        let (believe, believed) = mpsc::channel();
        let teller = timelines.clone();
        let sharing = timelines.share(|| Some(SEEN), move |seen| believe.send(seen).unwrap());
        let ((), ()) = tokio::join!(sharing, async {
            tokio::time::sleep(Duration::from_millis(20)).await;
            teller.told(Some(SEEN));
        });
        assert!(began.elapsed() < TOLD_WITHIN / 2);
        assert_eq!(believed.try_recv(), Ok(SEEN));
        assert_eq!(timelines.remembered(), Some(SEEN));
    }

    #[tokio::test(start_paused = true)]
    async fn what_was_said_before_anybody_listened_is_not_lost() {
        let timelines = Timelines::default();
        timelines.told(None);
        timelines.told(Some(SEEN));
        let (believe, believed) = mpsc::channel();
        timelines.share(|| None, move |seen| believe.send(seen).unwrap()).await;
        assert_eq!(believed.try_recv(), Ok(SEEN));
    }

    #[tokio::test(start_paused = true)]
    async fn an_instance_starts_also_while_administration_is_away() {
        let began = Instant::now();
        Timelines::default().share(|| None, |_| panic!("nothing was said")).await;
        assert_eq!(began.elapsed(), TOLD_WITHIN);
    }
}
