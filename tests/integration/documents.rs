//! The documents say what is there: the tests they name exist, their links lead somewhere.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

const ROOT: &str = env!("CARGO_MANIFEST_DIR");

fn text(path: &Path) -> String {
    fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// All files below a folder whose names end so.
fn files(folder: &Path, ending: &str) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).expect("our folder").flatten() {
        let path = entry.path();
        if path.is_dir() {
            found.extend(files(&path, ending));
        } else if path.to_str().is_some_and(|path| path.ends_with(ending)) {
            found.push(path);
        }
    }
    found
}

/// The names of all functions that carry a test attribute.
fn tests() -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    let sources = ["src", "tests"].map(|folder| files(&Path::new(ROOT).join(folder), ".rs"));
    for source in sources.iter().flatten() {
        let mut attributes = 0;
        for line in text(source).lines().map(str::trim) {
            let code = line.trim_start_matches("pub ").trim_start_matches("async ");
            match code.strip_prefix("fn ").and_then(|rest| rest.split(['(', '<']).next()) {
                Some(name) if attributes > 0 => {
                    names.insert(name.to_owned());
                    attributes = 0;
                }
                Some(_) => {}
                None if line.starts_with("#[") => {
                    attributes += usize::from(line.contains("test]") || line.contains("test("));
                }
                None if line.starts_with("//") => {}
                None => attributes = 0,
            }
        }
    }
    names
}

/// What stands between backticks and looks like a function's name.
fn names_in(text: &str) -> Vec<&str> {
    let fits = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_';
    text.split('`').skip(1).step_by(2).filter(|name| name.contains('_') && name.chars().all(fits)).collect()
}

/// Each line of the page that names tests: behind `test:`, or in the last column of a table that is headed `test`.
fn claims(page: &str) -> Vec<(&str, Vec<&str>)> {
    let mut claims = Vec::new();
    let mut in_table = false;
    for line in page.lines() {
        let last_cell = line.strip_suffix('|').and_then(|row| row.rsplit('|').next()).map(str::trim);
        match (last_cell, line.split_once("test:")) {
            (Some("test"), _) => in_table = true,
            (Some(cell), _) if in_table && !cell.starts_with('-') => claims.push((line, names_in(cell))),
            (Some(_), _) => {}
            (None, Some((_, rest))) => claims.push((line, names_in(rest))),
            (None, None) => in_table = false,
        }
    }
    claims
}

#[test]
fn every_test_that_the_compatibility_page_names_exists() {
    let (page, tests) = (text(&Path::new(ROOT).join("docs/compatibility.md")), tests());
    let claims = claims(&page);
    assert!(claims.len() > 50, "{} lines with tests", claims.len());
    let unproven: Vec<&str> =
        claims.iter().filter(|(_, names)| names.is_empty()).map(|(line, _)| *line).collect();
    assert!(unproven.is_empty(), "lines that name no test: {unproven:#?}");
    let named: BTreeSet<&str> = claims.into_iter().flat_map(|(_, names)| names).collect();
    let missing: Vec<&str> = named.into_iter().filter(|name| !tests.contains(*name)).collect();
    assert!(missing.is_empty(), "no such tests: {missing:#?}");
}

/// A heading as links name it.
fn anchor(heading: &str) -> String {
    let kept = |c: &char| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_');
    heading.to_lowercase().chars().filter(kept).collect::<String>().replace(' ', "-")
}

#[test]
fn every_link_of_the_documents_leads_to_a_file_and_a_heading() {
    let root = Path::new(ROOT);
    let mut documents = files(&root.join("docs"), ".md");
    documents.extend(["README.md", "CHANGELOG.md", "tests/README.md"].map(|name| root.join(name)));
    let mut links = 0;
    for document in documents {
        for rest in text(&document).split("](").skip(1) {
            let target = rest.split(')').next().unwrap_or_default();
            if target.contains("://") {
                continue;
            }
            links += 1;
            let (file, heading) = target.split_once('#').unwrap_or((target, ""));
            let there = match file {
                "" => document.clone(),
                file => document.parent().expect("a folder").join(file),
            };
            assert!(there.exists(), "{}: {target}", document.display());
            if !heading.is_empty() {
                let page = text(&there);
                let headings = page.lines().filter_map(|line| line.strip_prefix('#'));
                let mut anchors = headings.map(|line| anchor(line.trim_start_matches('#').trim()));
                assert!(anchors.any(|found| found == heading), "{}: {target}", document.display());
            }
        }
    }
    assert!(links > 10, "{links} links");
}
