//! What the project promises, one file per promise, checked from outside.

mod front_door;
mod kinds;
mod layers;
mod manifests;
