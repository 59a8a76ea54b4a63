//! What the project promises, one file per promise, checked from outside.

mod calls;
mod command_line;
mod front_door;
mod instances;
mod kinds;
mod lanes;
mod layers;
mod limits;
mod manifests;
mod streams;
