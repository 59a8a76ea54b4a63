//! Bytes to requests for any listener: accept, deadlines, drain.
