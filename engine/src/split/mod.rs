//! The layout `split`: a gateway thread and a trading thread, each on its own core, with rings and
//! book slots between them.

pub(crate) mod barrier;
pub(crate) mod doorbell;
