//! What the project promises, one file per promise, checked from outside.

mod absent;
mod calls;
mod command_line;
mod config;
mod departures;
mod dev_page;
mod examples;
mod files;
mod front_door;
mod instances;
mod keys;
mod kinds;
mod lanes;
mod languages;
mod layers;
mod limits;
mod live_folder;
mod manifests;
mod outbound;
mod overload;
mod python;
mod sdk;
mod sql;
mod start;
mod streams;
mod tenants;
