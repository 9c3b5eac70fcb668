//! Brings arguments in the grammar of Go's `flag` package into the one form `--name=value`.

use std::ffi::OsString;

use super::SettingsError;

/// What the grammar must know of a flag: whether it takes the next argument as its value.
pub(super) trait Known {
    /// `Some(true)` for a boolean, `Some(false)` for a flag with a value, `None` for a flag that does not exist.
    fn is_switch(&self, name: &str) -> Option<bool>;
    /// The names of all flags, for suggestions.
    fn names(&self) -> Vec<&str>;
}

/// The arguments as `--name=value` each; `None` when help is asked for.
///
/// One dash or two; `-name=value` or `-name value`, whatever the next argument looks like; a boolean bare or with
/// `=word`; `--` ends the flags. Stricter than Go, which drops the rest silently: an argument that is no flag is an
/// error.
pub(super) fn normalise(
    args: impl IntoIterator<Item = OsString>,
    known: &impl Known,
) -> Result<Option<Vec<String>>, SettingsError> {
    let mut out = Vec::new();
    let mut args = args.into_iter().enumerate().map(|(index, arg)| (index + 1, arg));
    while let Some((position, arg)) = args.next() {
        let arg = utf8(position, arg)?;
        if arg == "--" {
            return match args.next() {
                Some((position, rest)) => Err(no_flag(position, &utf8(position, rest)?)),
                None => Ok(Some(out)),
            };
        }
        let Some(flag) = arg.strip_prefix("--").or_else(|| arg.strip_prefix('-')) else {
            return Err(no_flag(position, &arg));
        };
        let (name, value) = match flag.split_once('=') {
            Some((name, value)) => (name, Some(value)),
            None => (flag, None),
        };
        if name.is_empty() || name.starts_with('-') {
            return Err(no_flag(position, &arg));
        }
        if matches!(name, "h" | "help") {
            return Ok(None);
        }
        let shown = format!("-{name}");
        match (known.is_switch(name), value) {
            (None, _) => return Err(unknown(name, &known.names())),
            (Some(true), None) => out.push(format!("--{name}=true")),
            (Some(true), Some(word)) => match parse_bool(word) {
                Some(on) => out.push(format!("--{name}={on}")),
                None => return Err(SettingsError::of(&shown, NOT_A_BOOLEAN)),
            },
            (Some(false), Some(value)) => out.push(format!("--{name}={value}")),
            (Some(false), None) => match args.next() {
                Some((_, value)) => match value.into_string() {
                    Ok(value) => out.push(format!("--{name}={value}")),
                    Err(_) => return Err(SettingsError::of(&shown, "is not UTF-8 text")),
                },
                None => return Err(SettingsError::of(&shown, "needs a value")),
            },
        }
    }
    Ok(Some(out))
}

/// Exactly the words of Go's `strconv.ParseBool`; `None` for any other.
pub(crate) fn parse_bool(word: &str) -> Option<bool> {
    match word {
        "1" | "t" | "T" | "true" | "TRUE" | "True" => Some(true),
        "0" | "f" | "F" | "false" | "FALSE" | "False" => Some(false),
        _ => None,
    }
}

/// The problem of a text that [`parse_bool`] refuses.
pub(crate) const NOT_A_BOOLEAN: &str = "is neither true nor false; expected one of true, false, 1, 0, t, f";

fn utf8(position: usize, arg: OsString) -> Result<String, SettingsError> {
    arg.into_string().map_err(|arg| {
        // The name of a flag may be shown, its value not.
        let text = arg.to_string_lossy();
        match text.split_once('=') {
            Some((flag, _)) if flag.starts_with('-') => SettingsError::of(flag, "is not UTF-8 text"),
            _ => SettingsError(format!("argument {position} is not UTF-8 text")),
        }
    })
}

fn no_flag(position: usize, arg: &str) -> SettingsError {
    let hint = "flags start with a dash and there are no subcommands";
    // An address out of its place may hold a password.
    if arg.contains('@') || arg.contains("://") {
        return SettingsError(format!("argument {position} is no flag: {hint}"));
    }
    SettingsError(format!("argument {position} ({arg:?}) is no flag: {hint}"))
}

fn unknown(name: &str, names: &[&str]) -> SettingsError {
    let near = names
        .iter()
        .map(|candidate| (distance(name, candidate), candidate))
        .filter(|(edits, _)| *edits <= 1 + name.len() / 5)
        .min_by_key(|(edits, _)| *edits);
    let shown = format!("-{name}");
    match near {
        Some((_, candidate)) => {
            SettingsError::of(&shown, format!("there is no such flag; did you mean -{candidate}?"))
        }
        None => SettingsError::of(&shown, "there is no such flag; -help lists them"),
    }
}

/// Levenshtein's distance in bytes: flags are ASCII.
fn distance(a: &str, b: &str) -> usize {
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.bytes().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, y) in b.bytes().enumerate() {
            let replaced = diagonal + usize::from(x != y);
            diagonal = row[j + 1];
            row[j + 1] = replaced.min(diagonal + 1).min(row[j] + 1);
        }
    }
    row[b.len()]
}

#[cfg(test)]
mod tests {
    use std::os::unix::ffi::OsStringExt;

    use super::*;

    struct Two;

    impl Known for Two {
        fn is_switch(&self, name: &str) -> Option<bool> {
            match name {
                "on" => Some(true),
                "address" => Some(false),
                _ => None,
            }
        }
        fn names(&self) -> Vec<&str> {
            vec!["on", "address"]
        }
    }

    fn run(args: &[&str]) -> Result<Option<Vec<String>>, String> {
        normalise(args.iter().map(OsString::from), &Two).map_err(|error| error.to_string())
    }

    #[test]
    fn one_dash_or_two_and_both_ways_to_write_a_value_are_the_same() {
        let form = Ok(Some(vec!["--address=x".to_owned()]));
        for args in [&["-address=x"][..], &["--address=x"], &["-address", "x"], &["--address", "x"]] {
            assert_eq!(run(args), form, "{args:?}");
        }
    }

    #[test]
    fn the_next_argument_is_the_value_whatever_it_looks_like() {
        for value in ["-on", "--", "a=b", "", "-h"] {
            assert_eq!(run(&["-address", value]), Ok(Some(vec![format!("--address={value}")])));
        }
    }

    #[test]
    fn a_value_keeps_what_follows_its_first_equals_sign() {
        assert_eq!(run(&["-address=a=b="]), Ok(Some(vec!["--address=a=b=".to_owned()])));
        assert_eq!(run(&["-address="]), Ok(Some(vec!["--address=".to_owned()])));
    }

    #[test]
    fn a_boolean_takes_each_of_gos_words_and_no_other() {
        for (words, on) in [
            (["1", "t", "T", "true", "TRUE", "True"], true),
            (["0", "f", "F", "false", "FALSE", "False"], false),
        ] {
            for word in words {
                assert_eq!(run(&[&format!("-on={word}")]), Ok(Some(vec![format!("--on={on}")])));
            }
        }
        for word in ["", "yes", "on", "tRUE", " true", "2"] {
            assert_eq!(run(&[&format!("--on={word}")]), Err(format!("-on: {NOT_A_BOOLEAN}")));
        }
    }

    #[test]
    fn a_bare_boolean_never_eats_the_next_argument() {
        assert_eq!(
            run(&["-on", "false"]),
            Err("argument 2 (\"false\") is no flag: flags start with a dash and there are no subcommands"
                .to_owned())
        );
        assert_eq!(run(&["-on", "-address", "x"]).map(|out| out.map(|out| out.len())), Ok(Some(2)));
    }

    #[test]
    fn two_dashes_end_the_flags_and_nothing_may_follow() {
        assert_eq!(run(&["-on", "--"]), Ok(Some(vec!["--on=true".to_owned()])));
        assert!(run(&["--", "-on"]).is_err_and(|error| error.contains("argument 2 (\"-on\") is no flag")));
    }

    #[test]
    fn what_is_no_flag_is_named_unless_it_may_hold_a_password() {
        for arg in ["", "-", "serve", "---on", "-=x", "--=x"] {
            assert!(
                run(&[arg])
                    .is_err_and(|error| error.starts_with(&format!("argument 1 ({arg:?}) is no flag")))
            );
        }
        for arg in ["http://user:hunter2@proxy", "user:hunter2@proxy"] {
            assert!(run(&[arg]).is_err_and(|error| !error.contains("hunter2")));
        }
    }

    #[test]
    fn an_unknown_flag_is_named_with_its_nearest_neighbour() {
        assert_eq!(
            run(&["-adress=x"]),
            Err("-adress: there is no such flag; did you mean -address?".to_owned())
        );
        assert_eq!(run(&["--kubelet"]), Err("-kubelet: there is no such flag; -help lists them".to_owned()));
    }

    #[test]
    fn a_flag_at_the_end_without_its_value_is_an_error() {
        assert_eq!(run(&["-address"]), Err("-address: needs a value".to_owned()));
    }

    #[test]
    fn help_wins_over_what_follows_it() {
        for arg in ["-h", "--h", "-help", "--help", "-help=false"] {
            assert_eq!(run(&["-on", arg, "serve"]), Ok(None));
        }
    }

    #[test]
    fn text_that_is_not_utf8_is_named_and_never_shown() {
        let bytes = |bytes: &[u8]| OsString::from_vec(bytes.to_vec());
        let error = |args: Vec<OsString>| normalise(args, &Two).unwrap_err().to_string();
        assert_eq!(error(vec![bytes(b"-address=pw\xff")]), "-address: is not UTF-8 text");
        assert_eq!(error(vec!["-address".into(), bytes(b"pw\xff")]), "-address: is not UTF-8 text");
        assert_eq!(error(vec![bytes(b"pw\xff")]), "argument 1 is not UTF-8 text");
    }
}
