//! `wasmbay schema`: JSON schemas, so that editors complete.

use super::Schema;
use crate::config::{checks_schema, manifest_schema, settings_schema};

/// The schema as text, ending in a newline.
pub fn schema(of: Schema) -> String {
    let schema = match of {
        Schema::Manifest => manifest_schema(),
        Schema::Settings => settings_schema(),
        Schema::Checks => checks_schema(),
    };
    format!("{schema:#}\n")
}
