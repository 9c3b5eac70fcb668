//! What each secret was and when, and whether a volume's files are one answer of the right time.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use devkit::driver::MountedFile;
use devkit::vault::Vault;
use serde_json::{Value, json};

/// How old a refresh's answer may be (`refreshInterval`).
const REFRESH: Duration = Duration::from_secs(60);

/// A volume's files by path.
pub type Files = BTreeMap<String, MountedFile>;

/// Every generation of every secret. A clone of a value here is never compared: the numbers in the values are.
#[derive(Default)]
pub struct Ledger {
    secrets: Mutex<BTreeMap<String, Vec<Generation>>>,
}

/// One value of a secret: it may be read from `from` on, and no longer after `until`.
#[derive(Clone, Copy)]
struct Generation {
    from: Instant,
    until: Option<Instant>,
}

/// When the driver asked and had the answer.
#[derive(Clone, Copy)]
pub struct Asked {
    /// When kubelet asked, before the first try.
    pub at: Instant,
    /// When the volume was written.
    pub answered: Instant,
    /// The pod runs already.
    pub is_refresh: bool,
}

impl Ledger {
    /// Writes the next generation of a secret, both of its keys at once; the first one, too.
    pub fn rotate(&self, vault: &Vault, name: &str, payload: usize) {
        let number = {
            let mut secrets = self.secrets();
            let generations = secrets.entry(name.to_owned()).or_default();
            generations.push(Generation { from: Instant::now(), until: None });
            generations.len()
        };
        let path = name.rsplit('/').next().expect("split gives one at least");
        let value = |side: &str| format!("{name}#{number}#{side}#{}#end", "x".repeat(payload));
        vault.kv2("secret").put(path, json!({ "left": value("left"), "right": value("right") }));
        self.end(name, number - 1);
    }

    /// Deletes the secret's current generation.
    pub fn delete(&self, vault: &Vault, name: &str) {
        let number = self.secrets().get(name).map_or(0, Vec::len);
        vault.kv2("secret").delete(name.rsplit('/').next().expect("split gives one at least"));
        self.end(name, number);
    }

    fn end(&self, name: &str, number: usize) {
        let mut secrets = self.secrets();
        let generation = number.checked_sub(1).and_then(|index| secrets.get_mut(name)?.get_mut(index));
        if let Some(generation) = generation {
            generation.until.get_or_insert_with(Instant::now);
        }
    }

    /// The generation of each secret in a volume, or why its files are not one good answer. `secrets` are the names that
    /// the class reads into folders called by their last part; `leased` says that it has database credentials, too.
    pub fn check(
        &self,
        files: &Files,
        secrets: &[String],
        leased: bool,
        asked: Asked,
    ) -> Result<BTreeMap<String, usize>, String> {
        let wanted = secrets.len() * 3 + if leased { 3 } else { 0 };
        if files.len() != wanted {
            return Err(format!("{} files instead of {wanted}: {:?}", files.len(), files.keys()));
        }
        if leased {
            check_lease(files)?;
        }
        let generations =
            secrets.iter().map(|name| Ok((name.clone(), self.check_secret(files, name, asked)?)));
        generations.collect()
    }

    fn check_secret(&self, files: &Files, name: &str, asked: Asked) -> Result<usize, String> {
        let folder = name.rsplit('/').next().expect("split gives one at least");
        let left = text(files, &format!("{folder}/left"))?;
        let right = text(files, &format!("{folder}/right"))?;
        let whole = json(files, &format!("{folder}/whole.json"))?;
        let number = generation(left, name, "left")?;
        if generation(right, name, "right")? != number {
            return Err(format!("{name}: two generations in one volume: {left:.40} and {right:.40}"));
        }
        let data = &whole["data"]["data"];
        if data["left"] != *left || data["right"] != *right {
            return Err(format!("{name}: the whole answer is another than the one of its keys"));
        }
        let secrets = self.secrets();
        let known = number.checked_sub(1).and_then(|index| secrets.get(name)?.get(index));
        let Generation { from, until } = *known.ok_or_else(|| format!("{name}: nobody wrote {number}"))?;
        let patience = if asked.is_refresh { REFRESH } else { Duration::ZERO };
        if from > asked.answered {
            return Err(format!("{name}: generation {number} before it was written"));
        }
        match until {
            Some(until) if until + patience < asked.at => {
                let late = asked.at - until;
                Err(format!("{name}: generation {number} ended {late:?} before the mount was asked for"))
            }
            _ => Ok(number),
        }
    }

    fn secrets(&self) -> MutexGuard<'_, BTreeMap<String, Vec<Generation>>> {
        self.secrets.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The number in a value that is whole.
fn generation(value: &str, name: &str, side: &str) -> Result<usize, String> {
    let parts: Vec<&str> = value.split('#').collect();
    match parts.as_slice() {
        [of, number, which, _, "end"] if *of == name && *which == side => {
            number.parse().map_err(|_| format!("{name}: {number:?} is no number"))
        }
        _ => Err(format!("{name}: {side} holds {value:.60}")),
    }
}

/// User and password are of the one answer that is there as a whole.
fn check_lease(files: &Files) -> Result<(), String> {
    let whole = json(files, "db/whole.json")?;
    for (file, key) in [("db/user", "username"), ("db/password", "password")] {
        let value = text(files, file)?;
        if value.is_empty() || whole["data"][key] != *value {
            return Err(format!("{file} is not of the answer in db/whole.json"));
        }
    }
    Ok(())
}

fn text<'a>(files: &'a Files, path: &str) -> Result<&'a str, String> {
    let file = files.get(path).ok_or_else(|| format!("no file {path}"))?;
    std::str::from_utf8(&file.contents).map_err(|_| format!("{path} is no text"))
}

fn json(files: &Files, path: &str) -> Result<Value, String> {
    serde_json::from_str(text(files, path)?).map_err(|error| format!("{path} is no JSON: {error}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    const NAME: &str = "plain/app0";

    fn files(left: usize, right: usize, whole: usize) -> Files {
        let value = |side: &str, number| format!("{NAME}#{number}#{side}#x#end");
        let of_one = json!({ "left": value("left", whole), "right": value("right", whole) });
        let whole = json!({ "data": { "data": of_one } }).to_string();
        let files = [
            ("app0/left", value("left", left)),
            ("app0/right", value("right", right)),
            ("app0/whole.json", whole),
        ];
        let file = |text: String| MountedFile { mode: 0o644, contents: text.into_bytes() };
        files.map(|(path, text)| (path.to_owned(), file(text))).into()
    }

    fn check(ledger: &Ledger, files: &Files, at: Instant) -> Result<BTreeMap<String, usize>, String> {
        ledger.check(
            files,
            &[NAME.to_owned()],
            false,
            Asked { at, answered: Instant::now(), is_refresh: false },
        )
    }

    #[tokio::test]
    async fn what_is_not_one_answer_of_the_right_time_is_seen() {
        let (ledger, vault) = (Ledger::default(), Vault::start().await);
        ledger.rotate(&vault, NAME, 1);
        let before = Instant::now();
        ledger.rotate(&vault, NAME, 1);
        let after = Instant::now();
        for (number, at) in [(1, before), (2, before), (2, after)] {
            let generations = check(&ledger, &files(number, number, number), at).expect("whole");
            assert_eq!(generations[NAME], number);
        }
        for (wrong, at, why) in [
            (files(1, 1, 1), after, "ended"),
            (files(1, 2, 2), before, "two generations"),
            (files(2, 2, 1), before, "another than"),
            (files(3, 3, 3), after, "nobody wrote 3"),
            (Files::new(), after, "0 files instead of 3"),
        ] {
            let said = check(&ledger, &wrong, at).expect_err(why);
            assert!(said.contains(why), "{said}");
        }
        let mut cut = files(2, 2, 2);
        cut.get_mut("app0/left").expect("there").contents.truncate(20);
        assert!(check(&ledger, &cut, after).expect_err("cut").contains("holds"));
        ledger.delete(&vault, NAME);
        let said = check(&ledger, &files(2, 2, 2), Instant::now()).expect_err("deleted");
        assert!(said.contains("ended"), "{said}");
    }
}
