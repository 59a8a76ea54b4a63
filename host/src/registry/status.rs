//! What is live and what is not, for operators and tests.

use serde::{Deserialize, Serialize};

/// The state of the registry after its last look at the folders.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Status {
    /// Whether every plugin of the first scan is live or refused.
    pub ready: bool,
    /// Goes up with each swap of the routing table.
    pub generation: u64,
    /// What is wrong with no plugin in particular.
    pub faults: Vec<String>,
    /// One for each folder that holds or held a plugin, in the order of the folders.
    pub plugins: Vec<PluginStatus>,
}

/// The state of one folder.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PluginStatus {
    /// Whose it is.
    pub tenant: String,
    /// The name in the manifest; the folder's name while there is no manifest to read.
    pub name: String,
    /// Where it lies.
    pub folder: String,
    /// Whether it serves.
    pub state: State,
    /// What serves, if anything does.
    pub live: Option<LiveStatus>,
    /// Why the newest state of the folder does not serve; empty when it does.
    pub faults: Vec<String>,
    /// Values that the operator's caps lowered, and what the component imports that this host does not have.
    pub notes: Vec<String>,
}

/// Whether a folder's plugin serves.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum State {
    /// Its newest state serves.
    Live,
    /// An earlier state serves because the newest was refused.
    Outdated,
    /// Nothing serves: its only state was refused.
    Refused,
    /// It is being built, or waits for its turn. What served before serves on.
    Building,
    /// Its files have not come to rest yet.
    Waiting,
    /// Its manifest is gone. What served before serves on for a moment, in case this is a save.
    Leaving,
}

/// The revision that serves.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LiveStatus {
    /// The author's version.
    pub version: String,
    /// The start of the digest over manifest and component.
    pub digest: String,
    /// `io` or `compute`.
    pub lane: String,
    /// What the guest is, by its exports.
    pub kind: String,
    /// Its routes, as `GET,POST host/path`.
    pub routes: Vec<String>,
    /// Its schedules, as `cron path`.
    #[serde(default)]
    pub schedules: Vec<String>,
}
