//! The load generator: one process, one thread, any number of groups of requests at once.
//!
//! The groups of a measurement share one thread on purpose. On few cores a second generator process would compete with
//! the first and with the server; here the groups that load (tens of replies a second) cost the probing group
//! microseconds. What disturbs least is one thread that mostly sleeps.

mod check;
mod closed;
mod hold;
mod open;
mod plan;
mod run;
mod schedule;
mod tally;
#[cfg(test)]
mod tests;

pub(crate) use plan::{Body, Group, Plan, Shape};
pub(crate) use run::{Marker, run};
pub(crate) use tally::{GroupReport, LoadReport};
