//! What `-version` prints.

use serde::Serialize;

use super::{Named, SettingsError};

/// Field names are the Go provider's where it has them; there is no `goVersion` to tell.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Version {
    version: &'static str,
    build_date: &'static str,
    revision: &'static str,
    runtime: &'static str,
}

const VERSION: Version = Version {
    version: env!("CARGO_PKG_VERSION"),
    build_date: match option_env!("LOCKKEEPER_BUILD_DATE") {
        Some(date) => date,
        None => "",
    },
    revision: match option_env!("LOCKKEEPER_REVISION") {
        Some(revision) => revision,
        None => "",
    },
    runtime: "lockkeeper",
};

/// The version in the format of `-output`, with a newline at its end.
pub(super) fn text(output: Option<&Named>) -> Result<String, SettingsError> {
    let failed = |error: serde_json::Error| SettingsError::of("-version", error);
    match output.map_or("json", |output| output.text.as_str()) {
        "json" => serde_json::to_string(&VERSION).map(|text| text + "\n").map_err(failed),
        "json-pretty" => serde_json::to_string_pretty(&VERSION).map(|text| text + "\n").map_err(failed),
        "yaml" => {
            let Version { version, build_date, revision, runtime } = VERSION;
            // A quoted string of Rust's for such plain text is one of YAML's.
            Ok(format!(
                "version: {version:?}\nbuildDate: {build_date:?}\nrevision: {revision:?}\nruntime: {runtime:?}\n"
            ))
        }
        other => {
            Err(SettingsError::of("-output", format!("{other:?} is none of json, json-pretty and yaml")))
        }
    }
}
