//! The slow half of the network: name look-ups, TCP connects, TLS handshakes, WebSocket upgrades
//! and HTTP calls, on a few threads of its own.
//!
//! It hands ready sockets and answers to the gateway, which never waits for it. It must not log or
//! show a path, a query or a header: they hold listen keys, signatures and API keys.

mod call;
mod dial;
mod link;

use std::fmt;
use std::io;
use std::sync::{Arc, OnceLock};
use std::thread;
use std::time::{Duration, Instant};

use crossbeam::channel::{Receiver, Sender, TrySendError, bounded};
use enigma_venues::session::{Answer, CallId, CallRequest, ConnectionId};

use crate::connection::Connection;
use crate::settings::HostAddress;
use crate::tls::TlsTrust;

pub use dial::DialError;
use link::IdleLinks;

/// The threads that dial and call. Dropping it stops them once they have finished their job.
#[derive(Debug)]
pub struct Connector {
    jobs: Sender<Job>,
    threads: usize,
}

/// One caller's end: jobs in, outcomes out. Never blocks.
pub struct ConnectorPort {
    jobs: Sender<Job>,
    outcomes: Receiver<Outcome>,
    reply: Reply,
    outstanding: usize,
    refused: u64,
}

/// Where to reach one of a venue's hosts, and whom to believe that it is.
#[derive(Debug)]
pub struct Host {
    pub address: HostAddress,
    pub trust: TlsTrust,
}

/// What became of a job.
#[derive(Debug)]
pub enum Outcome {
    Dialed { id: ConnectionId, result: Result<Box<Connection>, DialError> },
    Answered { id: ConnectionId, call: CallId, answer: OwnedAnswer },
}

/// How an HTTP call ended, with its body.
#[derive(Debug, PartialEq, Eq)]
pub enum OwnedAnswer {
    Http {
        status: u16,
        retry_after_seconds: Option<u32>,
        body: Vec<u8>,
    },
    /// Certainly not sent.
    NotSent,
    /// Sent in whole or in part, and no readable answer came.
    Lost,
}

/// As many jobs wait as may.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the connector has too many jobs already")]
pub struct ConnectorBusy;

#[expect(clippy::large_enum_variant, reason = "a box would be an allocation on the pinned thread")]
enum Job {
    Dial { id: ConnectionId, host: Arc<Host>, path: String, deadline: Instant, reply: Reply },
    Call { id: ConnectionId, host: Arc<Host>, call: Call, reply: Reply },
    Stop,
}

/// A call with the instant it was asked for.
struct Call {
    request: CallRequest,
    deadline: Instant,
}

/// Where an outcome goes, and who is woken by it.
#[derive(Clone)]
struct Reply {
    outcomes: Sender<Outcome>,
    waker: Arc<OnceLock<Arc<mio::Waker>>>,
}

impl Connector {
    /// Threads that work side by side; a name look-up that hangs holds one of them.
    pub const THREADS: usize = 4;
    /// Most jobs of one port that are unanswered.
    pub const OUTSTANDING: usize = 64;

    pub fn start() -> io::Result<Self> {
        let (jobs, waiting) = bounded(JOBS);
        let links = Arc::new(IdleLinks::default());
        for number in 0..Self::THREADS {
            let (waiting, links) = (waiting.clone(), Arc::clone(&links));
            thread::Builder::new()
                .name(format!("connector-{number}"))
                .spawn(move || work(&waiting, &links))?;
        }
        Ok(Self { jobs, threads: Self::THREADS })
    }

    /// A port whose owner polls it, or is woken through `ConnectorPort::wake`.
    #[must_use]
    pub fn port(&self) -> ConnectorPort {
        let (sender, outcomes) = bounded(Self::OUTSTANDING);
        let reply = Reply { outcomes: sender, waker: Arc::default() };
        ConnectorPort { jobs: self.jobs.clone(), outcomes, reply, outstanding: 0, refused: 0 }
    }

    /// Makes one call and waits for it: for the start, before there is a gateway.
    #[must_use]
    pub fn call(&self, host: &Arc<Host>, request: CallRequest) -> OwnedAnswer {
        let mut port = self.port();
        let patience = Duration::from_nanos(request.timeout.0).saturating_add(GRACE);
        let id = ConnectionId { slot: 0, generation: 0 };
        if port.call(id, host, request).is_err() {
            return OwnedAnswer::NotSent;
        }
        match port.outcomes.recv_timeout(patience) {
            Ok(Outcome::Answered { answer, .. }) => answer,
            Ok(Outcome::Dialed { .. }) | Err(_) => OwnedAnswer::Lost,
        }
    }
}

impl Drop for Connector {
    fn drop(&mut self) {
        for _ in 0..self.threads {
            // Full means that the threads are busy for longer than the process will live.
            let _ = self.jobs.try_send(Job::Stop);
        }
    }
}

impl ConnectorPort {
    /// Whom to wake when an outcome is there. Only the first call counts.
    pub fn wake(&self, waker: Arc<mio::Waker>) {
        let _ = self.reply.waker.set(waker);
    }

    /// Asks for a connection. `path` begins with a slash and holds the query too.
    pub fn dial(
        &mut self,
        id: ConnectionId,
        host: &Arc<Host>,
        path: String,
        timeout: Duration,
    ) -> Result<(), ConnectorBusy> {
        let (host, reply) = (Arc::clone(host), self.reply.clone());
        let job = Job::Dial { id, host, path, deadline: Instant::now() + timeout, reply };
        self.submit(job).map_err(|_| ConnectorBusy)
    }

    /// Asks for an HTTP call.
    pub fn call(
        &mut self,
        id: ConnectionId,
        host: &Arc<Host>,
        request: CallRequest,
    ) -> Result<(), ConnectorBusy> {
        let deadline = Instant::now() + Duration::from_nanos(request.timeout.0);
        let call = Call { request, deadline };
        let (host, reply) = (Arc::clone(host), self.reply.clone());
        self.submit(Job::Call { id, host, call, reply }).map_err(|_| ConnectorBusy)
    }

    /// What has become of a job since, if anything.
    #[inline]
    pub fn next_outcome(&mut self) -> Option<Outcome> {
        if self.outstanding == 0 {
            return None;
        }
        let outcome = self.outcomes.try_recv().ok()?;
        self.outstanding -= 1;
        Some(outcome)
    }

    /// Jobs without an outcome so far.
    #[must_use]
    pub fn outstanding(&self) -> usize {
        self.outstanding
    }

    /// How many jobs found no room.
    #[must_use]
    pub fn refused(&self) -> u64 {
        self.refused
    }

    fn submit(&mut self, job: Job) -> Result<(), ConnectorBusy> {
        // No more than the outcomes' queue holds, so that a worker never waits for its reader.
        if self.outstanding == Connector::OUTSTANDING {
            self.refused += 1;
            return Err(ConnectorBusy);
        }
        match self.jobs.try_send(job) {
            Ok(()) => {
                self.outstanding += 1;
                Ok(())
            }
            Err(TrySendError::Full(_) | TrySendError::Disconnected(_)) => {
                self.refused += 1;
                Err(ConnectorBusy)
            }
        }
    }
}

impl fmt::Debug for ConnectorPort {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ConnectorPort")
            .field("outstanding", &self.outstanding)
            .finish_non_exhaustive()
    }
}

impl OwnedAnswer {
    pub fn borrow(&self) -> Answer<'_> {
        match self {
            Self::Http { status, retry_after_seconds, body } => Answer::Http {
                status: *status,
                retry_after_seconds: *retry_after_seconds,
                body: body.as_slice(),
            },
            Self::NotSent => Answer::NotSent,
            Self::Lost => Answer::Lost,
        }
    }
}

impl Reply {
    fn send(&self, outcome: Outcome) {
        // A port that is gone has nobody to tell, and an open one always has room.
        if self.outcomes.try_send(outcome).is_ok()
            && let Some(waker) = self.waker.get()
            && let Err(error) = waker.wake()
        {
            tracing::warn!(%error, "the gateway can't be woken");
        }
    }
}

/// One thread's life: a job at a time.
fn work(jobs: &Receiver<Job>, links: &IdleLinks) {
    while let Ok(job) = jobs.recv() {
        match job {
            Job::Dial { id, host, path, deadline, reply } => {
                let result = dial::dial(&host, &path, deadline).map(Box::new);
                reply.send(Outcome::Dialed { id, result });
            }
            Job::Call { id, host, call, reply } => {
                let answer = call::call(&host, &call, links);
                reply.send(Outcome::Answered { id, call: call.request.call, answer });
            }
            Job::Stop => return,
        }
    }
}

const JOBS: usize = 256;
const GRACE: Duration = Duration::from_secs(5);

#[cfg(test)]
mod tests;
