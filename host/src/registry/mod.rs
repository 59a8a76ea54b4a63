//! Which plugins are live: the routing table, load, reconcile, watch.
