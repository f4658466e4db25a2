//! Venue sessions as sans-IO state machines.
