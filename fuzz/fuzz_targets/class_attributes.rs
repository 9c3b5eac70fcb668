//! A mount request's attributes, secrets, permission and target path; and the YAML of a class's objects.

#![no_main]

#[path = "../properties.rs"]
#[allow(dead_code, reason = "each target has one of them")]
mod properties;

libfuzzer_sys::fuzz_target!(|data: &[u8]| properties::class_attributes(data));
