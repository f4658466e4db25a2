//! What the desk wants sent, in the caller's hands. It must be emptied after every call.

use arrayvec::ArrayVec;
use enigma_types::VenueRequest;

/// Requests in the order they are to be handed to sessions.
///
/// When it is full no new order is approved, and cancels and questions wait for the timer.
#[derive(Clone, Debug, Default)]
pub struct Actions {
    pub requests: ArrayVec<VenueRequest, { Self::CAPACITY }>,
}

impl Actions {
    pub const CAPACITY: usize = 256;

    pub fn new() -> Self {
        Self::default()
    }

    pub fn is_full(&self) -> bool {
        self.requests.is_full()
    }

    pub fn clear(&mut self) {
        self.requests.clear();
    }

    /// Adds a request; `false` when there is no room and it must be tried again.
    #[must_use]
    pub(super) fn push(&mut self, request: VenueRequest) -> bool {
        self.requests.try_push(request).is_ok()
    }
}
