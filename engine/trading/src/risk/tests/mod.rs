//! The risk book from outside: what it stops, and what stays true under any history.

mod case;
mod gates;
mod invariants;
mod limits;
mod messages;
mod open_orders;
mod order_size;
mod position;
mod price;
mod usage;
mod venue_rules;
