//! How the demo looks.

use std::io::{self, Write};
use std::path::Path;
use std::time::Duration;

use super::example::Example;
use crate::driver::{MountFailure, Mounted};
use crate::pod::Pod;

/// Longer values are cut; only a whole response is.
const SHOWN_BYTES: usize = 72;

/// Text on its way to the reader.
pub(super) struct Page<'a> {
    out: &'a mut dyn Write,
}

impl<'a> Page<'a> {
    pub(super) fn new(out: &'a mut dyn Write) -> Self {
        Self { out }
    }

    pub(super) fn title(&mut self, text: &str) -> io::Result<()> {
        writeln!(self.out, "\n{text}\n{}", "─".repeat(text.chars().count()))
    }

    pub(super) fn paragraph(&mut self, lines: &[&str]) -> io::Result<()> {
        lines.iter().try_for_each(|line| writeln!(self.out, "  {line}"))
    }

    pub(super) fn facts(&mut self, facts: &[(&str, &str)]) -> io::Result<()> {
        facts.iter().try_for_each(|(name, value)| writeln!(self.out, "  {name:<16}{value}"))
    }

    /// The class of an example: its file, and when `whole` its parameters.
    pub(super) fn class(&mut self, example: &Example, whole: bool) -> io::Result<()> {
        writeln!(self.out, "  {}  {}", example.file, example.about)?;
        if !whole {
            return Ok(());
        }
        for (name, value) in &example.parameters {
            let value = value.trim_end();
            if value.contains('\n') {
                writeln!(self.out, "    │ {name}: |")?;
                value.lines().try_for_each(|line| writeln!(self.out, "    │   {line}"))?;
            } else {
                writeln!(self.out, "    │ {name}: {value}")?;
            }
        }
        Ok(())
    }

    pub(super) fn mounted(&mut self, mounted: &Mounted, elapsed: Duration) -> io::Result<()> {
        writeln!(self.out, "    mounted in {elapsed:.1?}:")?;
        for (path, file) in &mounted.files {
            let content = shown(&file.contents);
            writeln!(self.out, "      {path:<16}{:04o}  {content}", file.mode)?;
        }
        writeln!(self.out)
    }

    /// The first volume as it lies on disk.
    pub(super) fn tree(&mut self, folder: &Path) -> io::Result<()> {
        writeln!(self.out, "  On disk each volume is swapped as a whole, by one rename:")?;
        let mut names: Vec<_> = folder
            .read_dir()?
            .map(|entry| entry.map(|entry| entry.file_name().to_string_lossy().into_owned()))
            .collect::<Result<_, _>>()?;
        names.sort();
        for name in names {
            match folder.join(&name).read_link() {
                Ok(target) => writeln!(self.out, "      {name} -> {}", target.display())?,
                Err(_) => writeln!(self.out, "      {name}/")?,
            }
        }
        Ok(())
    }

    /// What a republish changed, file by file.
    pub(super) fn difference(
        &mut self,
        example: &Example,
        before: &Mounted,
        after: &Mounted,
    ) -> io::Result<()> {
        writeln!(self.out, "  {}", example.file)?;
        for path in after.files.keys() {
            let (old, new) = (short(before.version(path)), short(after.version(path)));
            let version = if old == new { format!("{old} (the same)") } else { format!("{old} -> {new}") };
            if before.files.get(path) == after.files.get(path) {
                writeln!(self.out, "      {path:<16}same       version {version}")?;
                continue;
            }
            writeln!(self.out, "      {path:<16}changed    version {version}")?;
            writeln!(self.out, "      {:<16}{}", "", shown(before.bytes(path)))?;
            writeln!(self.out, "      {:<13}-> {}", "", shown(after.bytes(path)))?;
        }
        writeln!(self.out)
    }

    /// A failed mount as `kubectl describe pod` shows it.
    pub(super) fn event(&mut self, pod: &Pod, failure: &MountFailure) -> io::Result<()> {
        let message = format!(
            "MountVolume.SetUp failed for volume \"secrets\" : rpc error: code = {:?} desc = failed to mount secrets \
             store objects for pod {}/{}, err: {failure}",
            failure.code(),
            pod.namespace,
            pod.name,
        );
        writeln!(self.out, "  Type     Reason       Age  From     Message")?;
        writeln!(self.out, "  ----     ------       ---  ----     -------")?;
        writeln!(self.out, "  Warning  FailedMount  0s   kubelet  {message}")
    }
}

fn shown(content: &[u8]) -> String {
    let text = String::from_utf8_lossy(content);
    match text.char_indices().nth(SHOWN_BYTES) {
        None => text.into_owned(),
        Some((end, _)) => format!("{}…", &text[..end]),
    }
}

/// The first characters of a version, enough to tell two apart.
fn short(version: &str) -> &str {
    version.get(..8).unwrap_or(version)
}
