//! The JSON Schema of a spec, from its types. Editors read the published copy; [`super::shape`] reads the same value.

use schemars::generate::SchemaSettings;
use serde_json::Value;

use super::types::Spec;

/// JSON Schema (draft 2020-12) of a spec.
pub fn schema() -> Value {
    let schema = SchemaSettings::draft2020_12()
        .into_generator()
        .into_root_schema_for::<Spec>();
    let mut schema = schema.to_value();
    join_lines(&mut schema);
    if let Some(members) = schema.as_object_mut() {
        members.insert("title".to_owned(), "orgtrail spec".into());
    }
    schema
}

/// Comments are broken into lines for their readers here; paragraphs are all that readers of the schema need.
fn join_lines(schema: &mut Value) {
    match schema {
        Value::Object(members) => {
            for (key, value) in members {
                match value {
                    Value::String(text) if key == "description" => {
                        let paragraphs: Vec<String> =
                            text.split("\n\n").map(|p| p.replace('\n', " ")).collect();
                        *text = paragraphs.join("\n\n");
                    }
                    other => join_lines(other),
                }
            }
        }
        Value::Array(items) => items.iter_mut().for_each(join_lines),
        _ => {}
    }
}
