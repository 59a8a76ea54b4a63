//! What the project promises, one file per promise, checked from outside.

mod calls;
mod command_line;
mod departures;
mod dev_page;
mod examples;
mod front_door;
mod instances;
mod kinds;
mod lanes;
mod layers;
mod limits;
mod live_folder;
mod manifests;
mod overload;
mod python;
mod start;
mod streams;
mod tenants;
