//! The one way in to a plugin: route, admit, run, meter, answer or fail.
