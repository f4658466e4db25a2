//! The risk book from outside: what it stops, and what stays true under any history.

mod checks;
mod invariants;
