//! What the host promises, each promise tested from outside.

mod front_door;
