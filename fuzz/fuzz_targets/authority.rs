//! What a driver's connection says, on its way to h2.

#![no_main]

#[path = "../properties.rs"]
#[allow(dead_code, reason = "each target has one of them")]
mod properties;

libfuzzer_sys::fuzz_target!(|data: &[u8]| properties::authority(data));
