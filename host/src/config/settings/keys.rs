//! What the stores of keys may hold: `[kv]` for all tenants, `[tenant.NAME.kv]` for one.

use schemars::JsonSchema;

use crate::{
    config::{
        fault::{At, Faults, Wrong},
        leaf::Count,
        tree::Section,
    },
    units::ByteSize,
};

/// What the stores of one tenant may hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KeyQuota {
    /// Stores of the tenant.
    pub stores: u64,
    /// Keys of one store.
    pub keys: u64,
    /// Bytes of one store: keys and values together.
    pub bytes: u64,
    /// Bytes of one value.
    pub value: u64,
}

impl KeyQuota {
    /// More stores than a tenant has plugins, each of the size of a large table; values that fit a request.
    const DEFAULT: Self = Self { stores: 16, keys: 100_000, bytes: 256 << 20, value: 1 << 20 };
}

impl Default for KeyQuota {
    fn default() -> Self {
        Self::DEFAULT
    }
}

/// The largest value: half of what a guest may hand to the host in one call.
const MAX_VALUE: ByteSize = ByteSize(4 << 20);

/// What the stores of keys may hold.
#[derive(Default, JsonSchema)]
#[schemars(inline, deny_unknown_fields)]
pub(super) struct WrittenKeys {
    /// Stores of one tenant; 0 is none.
    #[schemars(extend("default" = KeyQuota::DEFAULT.stores))]
    stores: Option<At<Count>>,
    /// Keys of one store.
    #[schemars(extend("default" = KeyQuota::DEFAULT.keys))]
    keys: Option<At<Count>>,
    /// The size of one store: keys and values together.
    #[schemars(extend("default" = ByteSize(KeyQuota::DEFAULT.bytes)))]
    bytes: Option<At<ByteSize>>,
    /// The size of one value.
    #[schemars(extend("default" = ByteSize(KeyQuota::DEFAULT.value)))]
    value: Option<At<ByteSize>>,
}

impl WrittenKeys {
    /// Takes every key of the table.
    pub(super) fn read(mut table: Section<'_>, faults: &mut Faults) -> Self {
        let written = Self {
            stores: table.leaf(faults, "stores"),
            keys: table.leaf(faults, "keys"),
            bytes: table.leaf(faults, "bytes"),
            value: table.leaf(faults, "value"),
        };
        table.finish(faults, &[]);
        written
    }

    /// Checks everything. What is not said is as in `rest`. `key` is the table's name.
    pub(super) fn meant(self, faults: &mut Faults, key: &str, rest: KeyQuota) -> KeyQuota {
        if let Some(At { value, place }) = &self.value
            && *value > MAX_VALUE
        {
            let wrong = Wrong::new(format!("= {value} is more than a guest can hand over in one call"));
            faults.add(place, &format!("{key}.value"), wrong.remedy(format!("{MAX_VALUE} at most")));
        }
        let count = |written: Option<At<Count>>, rest| written.map_or(rest, |count| u64::from(count.value.0));
        let size = |written: Option<At<ByteSize>>, rest| written.map_or(rest, |size| size.value.0);
        KeyQuota {
            stores: count(self.stores, rest.stores),
            keys: count(self.keys, rest.keys),
            bytes: size(self.bytes, rest.bytes),
            value: size(self.value, rest.value),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Settings;

    #[test]
    fn a_tenant_has_what_the_host_says_but_for_what_it_is_given_itself() {
        let text = "[kv]\nkeys = \"1k\"\nbytes = \"1MiB\"\n[tenant.a]\nfolder = \"a\"\nprefix = \"/a\"\nkv = { stores = 0, bytes = \"2MiB\" }\n";
        let tenants = Settings::parse(text, "wasmbay.toml").expect("good settings").tenants();
        let quota = KeyQuota { stores: 0, keys: 1000, bytes: 2 << 20, value: KeyQuota::DEFAULT.value };
        assert_eq!(tenants["a"].kv, quota);
        let plain = Settings::parse("[kv]\nvalue = \"4KiB\"", "wasmbay.toml").expect("good settings").tenants();
        assert_eq!(plain["default"].kv, KeyQuota { value: 4 << 10, ..KeyQuota::DEFAULT });
    }

    #[test]
    fn a_value_has_to_fit_a_call() {
        let faults = Settings::parse("[kv]\nvalue = \"5MiB\"\nkey = 1", "wasmbay.toml").expect_err("both are wrong");
        let faults: Vec<_> = faults.iter().map(ToString::to_string).collect();
        assert_eq!(
            faults[0],
            "wasmbay.toml:2: `kv.value` = 5MiB is more than a guest can hand over in one call (4MiB at most)"
        );
        assert!(faults[1].starts_with("wasmbay.toml:3: `kv.key` is an unknown key"), "{faults:?}");
    }
}
