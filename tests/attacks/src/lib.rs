//! Clients that mean harm, byte by byte. The hostile tests look at what becomes of them; the bench at what they cost.

pub mod frames;
mod list;
pub mod manifests;
pub mod requests;
pub mod slow;
mod socket;

use std::{net::SocketAddr, time::Duration};

pub use self::{
    list::{ATTACKS, Attack},
    socket::{End, Socket, Spent, spent},
};

/// After this an attack hangs: generous, for no deadline of the host's is half as long.
pub const HANG: Duration = Duration::from_secs(60);

/// What is attacked: a plugin of the tests' 0.2 guest.
#[derive(Clone, Copy, Debug)]
pub struct Mark {
    /// The public listener.
    pub addr: SocketAddr,
    /// The path the plugin's routes begin with, such as `/a/p0`.
    pub plugin: &'static str,
}

impl Mark {
    /// The path of one of the guest's behaviours.
    pub fn path(&self, behaviour: &str) -> String {
        format!("{}/{behaviour}", self.plugin)
    }
}
