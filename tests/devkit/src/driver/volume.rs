//! A volume on disk, written as Kubernetes' atomic writer does: a new folder, one swap of `..data`, links to it.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;

use time::OffsetDateTime;
use time::macros::format_description;

use super::answer::MountedFile;

const DATA: &str = "..data";
const NEW_DATA: &str = "..data_tmp";

/// Makes `folder` hold exactly these files; false when it did already. A change of mode alone is none.
pub(super) fn write(folder: &Path, files: &BTreeMap<String, MountedFile>) -> io::Result<bool> {
    fs::create_dir_all(folder)?;
    let current = fs::read_link(folder.join(DATA)).ok();
    let before = match &current {
        Some(name) => walk(&folder.join(name))?,
        None => BTreeMap::new(),
    };
    let same = before.len() == files.len()
        && files.iter().all(|(path, file)| before.get(path).is_some_and(|old| old.contents == file.contents));
    if same && current.is_some() {
        return Ok(false);
    }
    let name = new_name(folder)?;
    for (path, file) in files {
        let path = folder.join(&name).join(path);
        fs::create_dir_all(path.parent().expect("a file lies in a folder"))?;
        fs::write(&path, &file.contents)?;
        fs::set_permissions(&path, fs::Permissions::from_mode(file.mode))?;
    }
    symlink(&name, folder.join(NEW_DATA))?;
    fs::rename(folder.join(NEW_DATA), folder.join(DATA))?;
    link(folder, files)?;
    if let Some(old) = current {
        fs::remove_dir_all(folder.join(old))?;
    }
    Ok(true)
}

/// All files of a volume as a pod reads them: through the links.
pub(super) fn read(folder: &Path) -> io::Result<BTreeMap<String, MountedFile>> {
    walk(folder)
}

/// A new folder named by the time, as `..2026_11_12_13_04_05.123456789`.
fn new_name(folder: &Path) -> io::Result<String> {
    let format = format_description!("..[year]_[month]_[day]_[hour]_[minute]_[second].[subsecond digits:9]");
    let name = OffsetDateTime::now_utc().format(&format).map_err(io::Error::other)?;
    fs::create_dir(folder.join(&name))?;
    fs::set_permissions(folder.join(&name), fs::Permissions::from_mode(0o755))?;
    Ok(name)
}

/// Links each first element of the paths into `..data`, and removes links to what is gone.
fn link(folder: &Path, files: &BTreeMap<String, MountedFile>) -> io::Result<()> {
    let wanted: BTreeSet<&str> =
        files.keys().map(|path| path.split('/').next().expect("split gives one at least")).collect();
    for name in &wanted {
        if fs::symlink_metadata(folder.join(name)).is_err() {
            symlink(Path::new(DATA).join(name), folder.join(name))?;
        }
    }
    for entry in fs::read_dir(folder)? {
        let name = entry?.file_name();
        let name = name.to_string_lossy();
        if !name.starts_with("..") && !wanted.contains(name.as_ref()) {
            fs::remove_file(folder.join(name.as_ref()))?;
        }
    }
    Ok(())
}

fn walk(folder: &Path) -> io::Result<BTreeMap<String, MountedFile>> {
    let mut files = BTreeMap::new();
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let name = entry.file_name().to_string_lossy().into_owned();
        if name.starts_with("..") {
            continue;
        }
        let path = entry.path();
        if fs::metadata(&path)?.is_dir() {
            files.extend(walk(&path)?.into_iter().map(|(below, file)| (format!("{name}/{below}"), file)));
        } else {
            let mode = fs::metadata(&path)?.permissions().mode() & 0o777;
            files.insert(name, MountedFile { mode, contents: fs::read(&path)? });
        }
    }
    Ok(files)
}
