//! The operator's listener, on a thread and runtime of its own.
