//! The venues as servers on loopback.
