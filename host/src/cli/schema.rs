//! `wasmbay schema`: JSON schemas, so that editors complete.

use super::Schema;
use crate::config::{manifest_schema, settings_schema};

/// The schema as text, ending in a newline.
pub fn schema(of: Schema) -> String {
    let schema = match of {
        Schema::Manifest => manifest_schema(),
        Schema::Settings => settings_schema(),
    };
    format!("{schema:#}\n")
}
