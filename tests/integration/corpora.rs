//! What the fuzz targets of `fuzz/` check, for each file of their corpora.

use std::path::Path;

#[path = "../../fuzz/properties.rs"]
mod properties;

#[expect(clippy::print_stdout, reason = "shown when the test fails, to name the file")]
fn each_file_of(target: &str, check: fn(&[u8])) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus").join(target);
    let mut files: Vec<_> =
        std::fs::read_dir(&folder).expect("a corpus").map(|entry| entry.expect("a file").path()).collect();
    files.sort();
    assert!(files.len() >= 20, "{} files in {}", files.len(), folder.display());
    for file in files {
        println!("{}", file.display());
        check(&std::fs::read(&file).expect("readable"));
    }
}

#[test]
fn the_authority_adapter_takes_every_connection_of_its_corpus() {
    each_file_of("authority", properties::authority);
}

#[test]
fn the_attributes_of_the_corpus_are_safe_classes_or_plain_errors() {
    each_file_of("class_attributes", properties::class_attributes);
}

#[test]
fn the_answers_of_the_corpus_are_vaults_or_said_to_be_none() {
    each_file_of("vault_response", properties::vault_response);
}
