//! Metric names in one list, the request record, logs.
