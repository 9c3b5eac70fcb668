//! The body of an answer of Vault's, and the files made of it.

#![no_main]

#[path = "../properties.rs"]
#[allow(dead_code, reason = "each target has one of them")]
mod properties;

libfuzzer_sys::fuzz_target!(|data: &[u8]| properties::vault_response(data));
