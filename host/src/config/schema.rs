//! The JSON schemas of the files, for editors: made from the types of what is written.

use schemars::{
    JsonSchema, Schema,
    generate::SchemaSettings,
    transform::{Transform, transform_subschemas},
};
use serde_json::Value;

use super::{check_file, manifest, settings};

/// The JSON schema of `plugin.toml`. Keys that are not available yet are not offered.
pub fn manifest_schema() -> Value {
    schema::<manifest::Written>()
}

/// The JSON schema of `wasmbay.toml`. Keys that are not available yet are not offered.
pub fn settings_schema() -> Value {
    schema::<settings::Written>()
}

/// The JSON schema of the files in a plugin's `checks` folder.
pub fn checks_schema() -> Value {
    schema::<check_file::Written>()
}

fn schema<T: JsonSchema>() -> Value {
    // Draft 7 is what the editors' TOML plugins read.
    let settings = SchemaSettings::draft07().with(|settings| settings.inline_subschemas = true);
    settings.with_transform(NoNull).into_generator().into_root_schema_for::<T>().into()
}

/// Takes `null` away everywhere: a TOML key is there or it is not.
#[derive(Clone, Debug)]
struct NoNull;

impl Transform for NoNull {
    fn transform(&mut self, schema: &mut Schema) {
        // Rust's names for the sizes of integers say nothing to an author.
        schema.remove("format");
        if let Some(Value::Array(types)) = schema.get_mut("type") {
            types.retain(|name| name != "null");
            if let [only] = types.as_slice() {
                let only = only.clone();
                schema.insert("type".to_owned(), only);
            }
        }
        if let Some(Value::Array(mut choices)) = schema.remove("anyOf") {
            choices.retain(|choice| choice["type"] != "null");
            match choices.as_mut_slice() {
                [Value::Object(only)] => std::mem::take(only).into_iter().for_each(|(key, value)| {
                    schema.ensure_object().entry(key).or_insert(value);
                }),
                _ => drop(schema.insert("anyOf".to_owned(), choices.into())),
            }
        }
        transform_subschemas(self, schema);
    }
}
