//! Admission: its decisions against a model, and waiting with paused time.

mod model;
mod waiting;

use std::time::Duration;

use super::{super::TenantId, *};

fn who(tenant: u32, plugin: u32) -> Who {
    Who { tenant: TenantId(tenant), plugin: PluginId(tenant * 100 + plugin) }
}

/// A claim that no limit of its own holds.
fn claim(who: Who) -> Claim {
    Claim {
        who,
        lane: Lane::Io,
        plugin_max: 100,
        tenant_max: 100,
        tenant_weight: 1,
        queue: 100,
        queue_timeout: Duration::from_secs(1),
        per_instance: 1,
    }
}

/// This many slots for everyone.
fn slots(direct: u32, nested: u32) -> Slots {
    Slots { direct, nested: [nested; HOPS as usize] }
}
