//! Paths of files in a volume: relative, clean, unique, one tree.

use std::collections::BTreeSet;
use std::fmt;

use crate::class::{ObjectSpec, SpecError, shown};

/// A file's path in the volume. Relative and clean, no element starts at `..`; the driver accepts it.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct FilePath(String);

impl FilePath {
    /// Checks an `objectName`; `field` is what the error names.
    pub fn parse(text: &str, field: &str) -> Result<Self, SpecError> {
        let wrong = |why: &str| Err(SpecError::field(field, format!("{} {why}", shown(text))));
        if text.is_empty() {
            return Err(SpecError::field(field, "is missing; name the file, for example db-password"));
        }
        if text.contains('\0') {
            return wrong("holds a NUL character; remove it");
        }
        if text.starts_with('/') {
            return wrong("is absolute; write a path relative to the volume, without the leading slash");
        }
        if text.len() > 4096 {
            return wrong("is longer than 4096 bytes; shorten it");
        }
        for element in text.split('/') {
            match element {
                "" => return wrong("holds an empty element; write single slashes, none at the end"),
                "." => return wrong("holds the element `.`; leave it out"),
                ".." => return wrong("holds the element `..`; a file cannot lie outside the volume"),
                long if long.len() > 255 => return wrong("holds an element over 255 bytes; shorten it"),
                _ => {}
            }
        }
        // The driver's atomic writer keeps names that begin so for itself.
        if text.starts_with("..") {
            return wrong("starts with `..`, which the driver keeps for itself; choose another name");
        }
        Ok(Self(text.to_owned()))
    }

    /// The path as the class wrote it.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for FilePath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Refuses two objects of one name, and a file that is also another's folder.
pub(super) fn check_tree(objects: &[ObjectSpec]) -> Result<(), SpecError> {
    let wrong = |name: &str, why: String| Err(SpecError::field(format!("object {}", shown(name)), why));
    let mut names = BTreeSet::new();
    for object in objects {
        if !names.insert(object.name.as_str()) {
            let why = "objectName stands twice in the list; give each file its own name";
            return wrong(object.name.as_str(), why.to_owned());
        }
    }
    for name in &names {
        let folder = format!("{name}/");
        // Sorted by bytes, what lies in a folder stands together.
        if let Some(inside) = names.range(folder.as_str()..).next().filter(|next| next.starts_with(&folder)) {
            return wrong(
                inside,
                format!("objectName lies in {}, which another object makes a file; rename one", shown(name)),
            );
        }
    }
    Ok(())
}
