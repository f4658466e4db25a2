//! Who may ask: the sign-in token, sessions, the CLI's and the scraper's tokens. Tokens are kept
//! as SHA-256 of 256 random bits and compared in constant time; none is ever logged.
//!
//! One user, `owner`, holds every role until users exist. Time is an argument.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;
use zeroize::{Zeroize, ZeroizeOnDrop};

/// A token in plain text: shown or written once, then wiped.
#[derive(Zeroize, ZeroizeOnDrop)]
pub(crate) struct Token(String);

/// Everything that opens the API.
pub(crate) struct Access {
    cli: TokenHash,
    metrics: TokenHash,
    sign_in: Mutex<SignIn>,
    sessions: Mutex<BTreeMap<TokenHash, Session>>,
}

/// How a request proved who sends it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Caller {
    /// A browser: its unsafe requests need to come from our own pages.
    Session,
    /// A program with the CLI's token.
    Bearer,
    /// A scraper: nothing but `/metrics`.
    Scraper,
}

/// Why a sign-in failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum SignInError {
    #[error("the sign-in token is wrong, used already, or older than 15 minutes")]
    Refused,
    #[error("too many failed sign-ins: wait a minute")]
    TooMany,
    #[error("the system gives no randomness")]
    Entropy,
}

type TokenHash = [u8; 32];

#[derive(Clone, Copy)]
struct Session {
    opened: Instant,
    used: Instant,
}

struct SignIn {
    token: Option<(TokenHash, Instant)>,
    failures: u32,
    window_began: Option<Instant>,
}

impl Access {
    /// How long the printed token opens a session.
    pub(crate) const SIGN_IN_LIFETIME: Duration = Duration::from_secs(15 * 60);
    pub(crate) const SESSION_LIFETIME: Duration = Duration::from_secs(8 * 60 * 60);
    const IDLE: Duration = Duration::from_secs(15 * 60);
    const MOST_SESSIONS: usize = 64;
    const MOST_FAILURES: u32 = 20;
    const FAILURE_WINDOW: Duration = Duration::from_secs(60);

    pub(crate) fn new(cli: &Token, metrics: &Token, sign_in: &Token, now: Instant) -> Self {
        let token = Some((hash(&sign_in.0), now + Self::SIGN_IN_LIFETIME));
        Self {
            cli: hash(&cli.0),
            metrics: hash(&metrics.0),
            sign_in: Mutex::new(SignIn { token, failures: 0, window_began: None }),
            sessions: Mutex::new(BTreeMap::new()),
        }
    }

    /// Whom a bearer token belongs to.
    pub(crate) fn bearer(&self, token: &str) -> Option<Caller> {
        let given = hash(token);
        let is_cli = given.ct_eq(&self.cli);
        let is_metrics = given.ct_eq(&self.metrics);
        if bool::from(is_cli) {
            Some(Caller::Bearer)
        } else if bool::from(is_metrics) {
            Some(Caller::Scraper)
        } else {
            None
        }
    }

    /// Whether a cookie's session is alive; if so it counts as used.
    pub(crate) fn session(&self, token: &str, now: Instant) -> Option<Caller> {
        let mut sessions = lock(&self.sessions);
        sessions.retain(|_, session| session.is_alive(now));
        let session = sessions.get_mut(&hash(token))?;
        session.used = now;
        Some(Caller::Session)
    }

    /// Trades the single-use token for a session.
    pub(crate) fn sign_in(&self, token: &str, now: Instant) -> Result<Token, SignInError> {
        let session = Token::random().map_err(|_| SignInError::Entropy)?;
        self.spend_sign_in(token, now)?;
        let mut sessions = lock(&self.sessions);
        sessions.retain(|_, session| session.is_alive(now));
        if sessions.len() >= Self::MOST_SESSIONS {
            let oldest = sessions.iter().min_by_key(|(_, session)| session.used);
            if let Some(oldest) = oldest.map(|(token, _)| *token) {
                sessions.remove(&oldest);
            }
        }
        sessions.insert(hash(&session.0), Session { opened: now, used: now });
        Ok(session)
    }

    pub(crate) fn sign_out(&self, token: &str) {
        lock(&self.sessions).remove(&hash(token));
    }

    fn spend_sign_in(&self, token: &str, now: Instant) -> Result<(), SignInError> {
        let mut state = lock(&self.sign_in);
        if state.window_began.is_none_or(|began| now - began >= Self::FAILURE_WINDOW) {
            state.window_began = Some(now);
            state.failures = 0;
        }
        if state.failures >= Self::MOST_FAILURES {
            return Err(SignInError::TooMany);
        }
        let matches = state.token.is_some_and(|(expected, expires)| {
            now < expires && bool::from(hash(token).ct_eq(&expected))
        });
        if !matches {
            state.failures += 1;
            return Err(SignInError::Refused);
        }
        state.token = None;
        Ok(())
    }
}

impl Token {
    /// 256 bits of the operating system's randomness.
    pub(crate) fn random() -> Result<Self, getrandom::Error> {
        let mut bytes = [0; 32];
        getrandom::fill(&mut bytes)?;
        let token = Self(format!("enigma_{}", hex::encode(bytes)));
        bytes.zeroize();
        Ok(token)
    }

    /// The plain text, for the one place that hands it to its owner.
    pub(crate) fn reveal(&self) -> &str {
        &self.0
    }
}

impl Session {
    fn is_alive(&self, now: Instant) -> bool {
        now - self.opened < Access::SESSION_LIFETIME && now - self.used < Access::IDLE
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Token(redacted)")
    }
}

impl fmt::Debug for Access {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Access(redacted)")
    }
}

fn hash(token: &str) -> TokenHash {
    Sha256::digest(token.as_bytes()).into()
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test may stop here")]
mod tests {
    use super::*;

    fn tokens() -> (Token, Token, Token) {
        (Token::random().unwrap(), Token::random().unwrap(), Token::random().unwrap())
    }

    #[test]
    fn the_sign_in_token_works_once_and_for_fifteen_minutes() {
        let (cli, metrics, sign_in) = tokens();
        let now = Instant::now();
        let access = Access::new(&cli, &metrics, &sign_in, now);
        assert_eq!(access.sign_in("enigma_00", now).err(), Some(SignInError::Refused));
        let session = access.sign_in(sign_in.reveal(), now).unwrap();
        assert_eq!(access.session(session.reveal(), now), Some(Caller::Session));
        assert_eq!(access.sign_in(sign_in.reveal(), now).err(), Some(SignInError::Refused));

        let late = Access::new(&cli, &metrics, &sign_in, now);
        let after = now + Access::SIGN_IN_LIFETIME;
        assert_eq!(late.sign_in(sign_in.reveal(), after).err(), Some(SignInError::Refused));
    }

    #[test]
    fn sessions_end_when_idle_when_old_and_when_signed_out() {
        let (cli, metrics, sign_in) = tokens();
        let mut now = Instant::now();
        let access = Access::new(&cli, &metrics, &sign_in, now);
        let session = access.sign_in(sign_in.reveal(), now).unwrap();
        let began = now;
        while now - began < Access::SESSION_LIFETIME {
            assert!(access.session(session.reveal(), now).is_some());
            now += Access::IDLE - Duration::from_secs(1);
        }
        assert!(access.session(session.reveal(), now).is_none());

        let access = Access::new(&cli, &metrics, &sign_in, now);
        let session = access.sign_in(sign_in.reveal(), now).unwrap();
        assert!(access.session(session.reveal(), now + Access::IDLE).is_none());

        let access = Access::new(&cli, &metrics, &sign_in, now);
        let session = access.sign_in(sign_in.reveal(), now).unwrap();
        access.sign_out(session.reveal());
        assert!(access.session(session.reveal(), now).is_none());
    }

    #[test]
    fn guessing_is_slowed_down_and_nothing_shows_in_debug() {
        let (cli, metrics, sign_in) = tokens();
        let now = Instant::now();
        let access = Access::new(&cli, &metrics, &sign_in, now);
        for _ in 0..Access::MOST_FAILURES {
            assert_eq!(access.sign_in("guess", now).err(), Some(SignInError::Refused));
        }
        assert_eq!(access.sign_in(sign_in.reveal(), now).err(), Some(SignInError::TooMany));
        let later = now + Access::FAILURE_WINDOW;
        assert!(access.sign_in(sign_in.reveal(), later).is_ok());
        assert_eq!(access.bearer(cli.reveal()), Some(Caller::Bearer));
        assert_eq!(access.bearer(metrics.reveal()), Some(Caller::Scraper));
        assert_eq!(access.bearer(sign_in.reveal()), None);
        let shown = format!("{cli:?} {access:?}");
        assert!(!shown.contains(cli.reveal()));
    }
}
