//! What the project promises, one file per promise, checked from outside.

mod command_line;
mod front_door;
mod kinds;
mod layers;
mod manifests;
