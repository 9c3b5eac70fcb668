//! A YAML node read as the type that a field wants, by the rules of yaml.v3's decoder.

use std::borrow::Cow;
use std::collections::{HashMap, HashSet};

use super::resolve::{Scalar, resolve};
use super::{Content, Document, MAX_DEPTH, Problem};
use crate::class::shown;
use crate::json::{Json, Object};

/// A node of a document; an alias is followed wherever it stands.
#[derive(Clone, Copy)]
pub(in crate::class) struct Node<'a> {
    document: &'a Document,
    index: usize,
}

impl<'a> Node<'a> {
    pub(super) fn new(document: &'a Document, index: usize) -> Self {
        Self { document, index }
    }

    /// The items of a list; none of `null`.
    pub(in crate::class) fn items(self) -> Result<Vec<Self>, Problem> {
        match self.content()? {
            Content::List(items) => Ok(items.iter().map(|item| self.at(*item)).collect()),
            _ if self.is_null()? => Ok(Vec::new()),
            _ => Err(self.wrong("expected a list")),
        }
    }

    /// The entries of a map, each key once, merges (`<<`) included; `None` for `null`.
    pub(in crate::class) fn entries(self) -> Result<Option<Vec<(String, Self)>>, Problem> {
        match self.content()? {
            Content::Map(_) => self.merged_entries(0).map(Some),
            _ if self.is_null()? => Ok(None),
            _ => Err(self.wrong("expected a map of fields")),
        }
    }

    /// The text of a scalar whatever its type: `123` is `"123"`, `null` is empty.
    pub(in crate::class) fn text(self) -> Result<String, Problem> {
        match self.scalar("expected text")? {
            (_, Scalar::Null) => Ok(String::new()),
            (_, Scalar::Binary(text)) => Ok(text),
            (text, _) => Ok(text.to_owned()),
        }
    }

    /// A whole number that is not negative and not quoted; 0 for `null`.
    pub(in crate::class) fn whole_number(self) -> Result<u64, Problem> {
        const EXPECTED: &str = "expected a whole number without quotes, such as 0640";
        let outside = || self.wrong("a number that is negative or far too large; write one such as 0640");
        match self.scalar(EXPECTED)?.1 {
            Scalar::Null => Ok(0),
            Scalar::Integer(number) => u64::try_from(number).map_err(|_| outside()),
            // As in Go, `420.0` counts, and a fraction is cut off.
            Scalar::Float(number) if number > -1.0 && number < 1e19 => Ok(number as u64),
            Scalar::Float(_) => Err(outside()),
            _ => Err(self.wrong(EXPECTED)),
        }
    }

    /// A map as the JSON object that Go makes of it; `None` for `null`.
    pub(in crate::class) fn arguments(self) -> Result<Option<Json>, Problem> {
        match self.content()? {
            Content::Map(_) => self.json(0).map(Some),
            _ if self.is_null()? => Ok(None),
            _ => Err(self.wrong("expected a map of arguments")),
        }
    }

    fn json(self, depth: usize) -> Result<Json, Problem> {
        self.limit(depth)?;
        match self.content()? {
            Content::List(items) => {
                let items = items.iter().map(|item| self.at(*item).json(depth + 1));
                Ok(Json::Array(items.collect::<Result<_, _>>()?))
            }
            Content::Map(_) => {
                let entries = self.merged_entries(depth)?.into_iter();
                let entries = entries.map(|(key, value)| Ok((key, value.json(depth + 1)?)));
                Ok(Json::Object(Object::from_entries(entries.collect::<Result<_, _>>()?)))
            }
            _ => {
                let (text, scalar) = self.scalar("expected a value")?;
                scalar.into_json(text).ok_or_else(|| self.wrong("no number that JSON can hold"))
            }
        }
    }

    fn merged_entries(self, depth: usize) -> Result<Vec<(String, Self)>, Problem> {
        let mut entries = Vec::new();
        self.merge_into(depth, &mut entries, &mut HashSet::new())?;
        Ok(entries)
    }

    /// A map's own keys come first and win; then those of its merges, the first merge's before the second's.
    fn merge_into(
        self,
        depth: usize,
        entries: &mut Vec<(String, Self)>,
        seen: &mut HashSet<String>,
    ) -> Result<(), Problem> {
        self.limit(depth)?;
        let Content::Map(pairs) = self.content()? else {
            return Err(self.wrong("a merge (<<) takes a map or a list of maps"));
        };
        let mut own = HashMap::new();
        let mut merges = None;
        for (key, value) in pairs.iter().map(|(key, value)| (self.at(*key), self.at(*value))) {
            let (text, scalar) = key.scalar("expected text as a key")?;
            let text = if let Scalar::Binary(text) = &scalar { text } else { text };
            if let Some(line) = own.insert(text.to_owned(), key.place().0) {
                return Err(key.wrong(format!("mapping key {} already defined at line {line}", shown(text))));
            }
            match scalar {
                Scalar::Merge => merges = Some(value),
                // Go has no place for it in a map of texts and drops the entry.
                Scalar::Null => {}
                _ if !seen.contains(text) => {
                    seen.insert(text.to_owned());
                    entries.push((text.to_owned(), value));
                }
                _ => {}
            }
        }
        match merges.map(|merge| (merge, merge.direct())) {
            None => Ok(()),
            Some((merge, Content::List(maps))) => {
                maps.iter().try_for_each(|map| merge.at(*map).merge_into(depth + 1, entries, seen))
            }
            Some((merge, _)) => merge.merge_into(depth + 1, entries, seen),
        }
    }

    /// A scalar's text and what it means.
    fn scalar(self, expected: &'static str) -> Result<(&'a str, Scalar), Problem> {
        match self.content()? {
            Content::Scalar { text, plain, tag } => {
                let scalar = resolve(text, *plain, tag.as_deref())
                    .map_err(|kind| self.wrong(format!("a value that is no {kind}, as its tag says")))?;
                Ok((text, scalar))
            }
            Content::List(_) => Err(self.wrong(format!("{expected}, found a list"))),
            _ => Err(self.wrong(format!("{expected}, found a map"))),
        }
    }

    fn is_null(self) -> Result<bool, Problem> {
        Ok(match self.content()? {
            Content::Scalar { .. } => matches!(self.scalar("")?.1, Scalar::Null),
            _ => false,
        })
    }

    /// The content, aliases followed, paid for.
    fn content(self) -> Result<&'a Content, Problem> {
        let content = match self.direct() {
            Content::Alias(target) => self.at(*target).direct(),
            content => content,
        };
        let bytes = if let Content::Scalar { text, .. } = content { text.len() } else { 0 };
        self.document.spend(bytes)?;
        Ok(content)
    }

    /// The content as it stands, an alias as an alias.
    fn direct(self) -> &'a Content {
        &self.document.entries[self.index].content
    }

    fn at(self, index: usize) -> Self {
        Self { document: self.document, index }
    }

    fn place(self) -> (usize, usize) {
        self.document.entries[self.index].place
    }

    fn limit(self, depth: usize) -> Result<(), Problem> {
        if depth < MAX_DEPTH {
            return Ok(());
        }
        Err(self.wrong(format!("an anchor that contains itself, or nesting deeper than {MAX_DEPTH} levels")))
    }

    fn wrong(self, message: impl Into<Cow<'static, str>>) -> Problem {
        Problem { place: Some(self.place()), message: message.into() }
    }
}
