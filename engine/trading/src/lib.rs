//! The trading core as a sans-IO state machine.
