//! The recorded cases of the Go provider: what it asked Vault for, and what it made of each object's fields.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::*;

fn cases() -> Vec<Value> {
    let golden: Value =
        serde_json::from_str(include_str!("../../../tests/golden/go-provider.json")).expect("JSON");
    golden["cases"].as_array().expect("cases").clone()
}

fn parse_case(case: &Value) -> Result<MountSpec, SpecError> {
    let attributes = attributes(&json!({ "objects": case["objects"] }));
    let permission = case["permission"].as_str().expect("permission");
    let text = MountRequestText { attributes: &attributes, secrets: "{}", permission, target_path: "/mount" };
    MountSpec::parse(&text, Flavour::Vault, &defaults())
}

#[test]
fn every_recorded_class_asks_vault_for_what_the_go_provider_asked() {
    let mut seen = 0;
    for case in cases() {
        let name = case["name"].as_str().expect("a name");
        let Some(request) = case.get("request") else {
            continue;
        };
        let spec = parse_case(&case).unwrap_or_else(|error| panic!("{name}: {error}"));
        for object in &spec.objects {
            let asked = &object.request;
            assert_eq!(asked.method, case["vault"]["method"].as_str().expect("a method"), "{name}");
            assert_eq!(
                format!("/v1/{}", asked.url_path()),
                request["path"].as_str().expect("a path"),
                "{name}"
            );
            let mut query: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
            for (key, value) in &asked.query {
                query.entry(key).or_default().push(value);
            }
            assert_eq!(json!(query), request["query"], "{name}");
            let body = asked
                .body
                .as_ref()
                .map_or(Value::Null, |body| serde_json::from_slice(&body.to_bytes()).expect("JSON"));
            assert_eq!(body, request["body"], "{name}");
        }
        seen += 1;
    }
    assert_eq!(seen, 67, "cases with a request");
}

#[test]
fn every_recorded_file_has_the_name_and_mode_that_the_go_provider_gave_it() {
    for case in cases() {
        let name = case["name"].as_str().expect("a name");
        let Some(files) = case.get("files").and_then(Value::as_object) else {
            continue;
        };
        let spec = parse_case(&case).unwrap_or_else(|error| panic!("{name}: {error}"));
        let modes: BTreeMap<&str, u32> =
            spec.objects.iter().map(|object| (object.name.as_str(), object.mode.bits())).collect();
        let recorded: BTreeMap<&str, u32> = files
            .iter()
            .map(|(file, made)| {
                (file.as_str(), u32::try_from(made["mode"].as_u64().expect("a mode")).expect("u32"))
            })
            .collect();
        assert_eq!(modes, recorded, "{name}");
    }
}

#[test]
fn a_recorded_class_with_a_mode_that_is_text_or_negative_is_refused() {
    for case in cases() {
        let name = case["name"].as_str().expect("a name");
        let expected = match name {
            "error: mode as text" => {
                "object \"o\": filePermission: line 4, column 19: expected a whole number without quotes, such as 0640"
            }
            "error: mode negative" => {
                "object \"o\": filePermission: line 4, column 19: a number that is negative or far too large; \
                 write one such as 0640"
            }
            _ => continue,
        };
        assert_eq!(error_of(parse_case(&case)), expected);
    }
}

#[test]
fn the_scalars_of_secret_args_are_sent_as_go_sends_them() {
    let case = cases().into_iter().find(|case| case["name"] == "secretArgs: scalars").expect("the case");
    let spec = parse_case(&case).expect("a spec");
    let body = spec.objects[0].request.body.as_ref().expect("a body").to_bytes();
    let expected =
        r#"{"b":true,"d":"2026-01-02T00:00:00Z","f":1.5,"i":3,"n":null,"o":420,"s":"text","x":31}"#;
    assert_eq!(String::from_utf8_lossy(&body), expected);
}
