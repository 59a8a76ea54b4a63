//! How many requests plugins may send out at once: `[outbound]` for all tenants, `[tenant.NAME.outbound]` for one.

use schemars::JsonSchema;

use crate::config::{
    checks,
    fault::{At, Faults},
    leaf::Count,
    tree::Section,
};

/// How many requests the plugins of one tenant may have under way to other servers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OutboundQuota {
    /// In all.
    pub requests: u32,
    /// To one origin, which is also the most connections there.
    pub per_origin: u32,
}

impl OutboundQuota {
    /// What one tenant holds is never all there is, and a server that falls silent holds no more than a quarter of it.
    const DEFAULT: Self = Self { requests: 256, per_origin: 64 };
}

impl Default for OutboundQuota {
    fn default() -> Self {
        Self::DEFAULT
    }
}

/// How many requests may be under way to other servers.
#[derive(Default, JsonSchema)]
#[schemars(inline, deny_unknown_fields)]
pub(super) struct WrittenOutbound {
    /// Requests of one tenant to other servers at once; of several tenants each has half at most of what open files allow.
    #[schemars(extend("default" = OutboundQuota::DEFAULT.requests, "minimum" = 1))]
    requests: Option<At<Count>>,
    /// Requests of one tenant to one origin at once, which is also the most connections there.
    #[schemars(extend("default" = OutboundQuota::DEFAULT.per_origin, "minimum" = 1))]
    per_origin: Option<At<Count>>,
}

impl WrittenOutbound {
    /// Takes every key of the table.
    pub(super) fn read(mut table: Section<'_>, faults: &mut Faults) -> Self {
        let written = Self { requests: table.leaf(faults, "requests"), per_origin: table.leaf(faults, "per_origin") };
        table.finish(faults, &[]);
        written
    }

    /// Checks everything. What is not said is as in `rest`. `table` is the table's name.
    pub(super) fn meant(self, faults: &mut Faults, table: &str, rest: OutboundQuota) -> OutboundQuota {
        let mut count = |name: &str, written: Option<At<Count>>, rest| {
            written.map_or(rest, |written| checks::above_zero(faults, &format!("{table}.{name}"), &written))
        };
        OutboundQuota {
            requests: count("requests", self.requests, rest.requests),
            per_origin: count("per_origin", self.per_origin, rest.per_origin),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Settings;

    #[test]
    fn a_tenant_has_what_the_host_says_but_for_what_it_is_given_itself() {
        let text = "[outbound]\nrequests = \"1k\"\n[tenant.a]\nfolder = \"a\"\nprefix = \"/a\"\n\
                    outbound = { per_origin = 7 }\n";
        let tenants = Settings::parse(text, "wasmbay.toml").expect("good settings").tenants();
        assert_eq!(tenants["a"].outbound, OutboundQuota { requests: 1000, per_origin: 7 });
        let plain = Settings::parse("[outbound]\nper_origin = 8", "wasmbay.toml").expect("good settings").tenants();
        assert_eq!(plain["default"].outbound, OutboundQuota { per_origin: 8, ..OutboundQuota::DEFAULT });
    }

    #[test]
    fn every_fault_has_its_line() {
        let text = "[outbound]\nrequests = 0\nper_origin = 0\norigins = 1\n";
        let faults = Settings::parse(text, "wasmbay.toml").expect_err("it has faults");
        let faults: Vec<_> = faults.iter().map(ToString::to_string).collect();
        for (line, key) in (2..).zip(["requests", "per_origin", "origins"]) {
            let start = format!("wasmbay.toml:{line}: `outbound.{key}` ");
            assert!(faults.iter().any(|fault| fault.starts_with(&start)), "{start}: {faults:#?}");
        }
        assert_eq!(faults.len(), 3, "{faults:#?}");
    }
}
