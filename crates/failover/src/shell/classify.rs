//! How far a failed call came, which decides whether it may be made again elsewhere.

/// How far a call came.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Reach {
    /// It reached no handler: always repeated elsewhere.
    NotReached,
    /// It was sent, and the connection died before an answer: repeated elsewhere, because every
    /// write carries an effect key.
    Lost,
    /// It was refused for load: repeated elsewhere, and the member is not down. When all are busy,
    /// the call ends at once, because going round would multiply the load.
    Busy,
    /// The member lives, but cannot answer this now, because it has not heard of something yet or
    /// its database is away: repeated elsewhere, then there again until the deadline.
    Unable,
    /// It was refused because the member is about to stop: repeated elsewhere.
    Draining,
    /// It was answered; the error is the answer.
    Answered,
}

/// An error of a call that knows how far the call came.
pub trait Classify {
    /// How far it came.
    fn reach(&self) -> Reach;
}
