//! The routing table that is live at this instant, replaced by one pointer store.

use std::sync::Arc;

use arc_swap::ArcSwap;

use super::{table::Table, tenants::TenantSpec};
use crate::guest;

/// Where the live table is found. Clones see the same one; it begins empty.
///
/// It stands by itself because what runs plugins needs the table, and what loads them needs what runs them.
pub struct Current<G = guest::Plugin>(Arc<ArcSwap<Table<G>>>);

impl<G> Clone for Current<G> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<G> Current<G> {
    /// No plugin of these tenants is live yet.
    pub fn new(tenants: &[TenantSpec]) -> Self {
        Self(Arc::new(ArcSwap::from_pointee(Table::new(tenants, []))))
    }

    /// The table; whoever holds it keeps its plugins alive.
    pub fn table(&self) -> Arc<Table<G>> {
        self.0.load_full()
    }

    /// Takes every plugin out of the table.
    pub fn clear(&self) {
        self.0.store(Arc::new(Table::new(&[], [])));
    }

    pub(super) fn swap(&self, next: Arc<Table<G>>) -> Arc<Table<G>> {
        self.0.swap(next)
    }
}
