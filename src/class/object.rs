//! The class's `objects`: a YAML list of the files to make.

use crate::class::yaml::{Document, Node, Problem};
use crate::class::{FilePath, ReadRequest, SpecError, shown};
use crate::json::Json;

/// The parameter that holds the list.
const FIELD: &str = "objects";

/// How many unknown fields are named: they are for a log line.
const MOST_UNKNOWN: usize = 20;

/// One file: where its bytes come from and how they are written.
#[derive(Clone, Debug)]
pub struct ObjectSpec {
    /// The file's path in the volume.
    pub name: FilePath,
    /// As the class wrote it; part of the object's version.
    pub secret_path: String,
    /// The key in the answer; the whole answer without one.
    pub secret_key: Option<String>,
    /// As the class wrote it, empty when it wrote none; part of the object's version.
    pub method: String,
    /// The request's arguments, always a JSON object; part of the object's version.
    pub secret_args: Option<Json>,
    /// The object's own `filePermission`, 0 when unset; part of the object's version.
    pub own_mode: u32,
    /// The mode of the file: the object's own, else the driver's.
    pub mode: FileMode,
    /// How the value of a key is decoded.
    pub encoding: Encoding,
    /// As the class wrote it, empty when it wrote none; part of the object's version.
    pub encoding_text: String,
    /// What to ask Vault for.
    pub request: ReadRequest,
}

/// Permission bits of a file, at most 0777.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct FileMode(u32);

/// How the text of a key's value becomes bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Encoding {
    /// As it is.
    #[default]
    Utf8,
    /// Standard base64, padded; line breaks allowed.
    Base64,
    /// Hexadecimal.
    Hex,
}

impl FileMode {
    /// Read and write for the owner, read for others: where a driver sends no permission.
    const DEFAULT: Self = Self(0o644);

    /// The bits, 0 to 0o777.
    pub fn bits(self) -> u32 {
        self.0
    }

    /// A mode, unless it is above 0o777.
    fn from_bits(bits: u32) -> Option<Self> {
        (bits <= 0o777).then_some(Self(bits))
    }

    /// The driver's `permission`: JSON of a whole number. What is no JSON number counts as absent, and then it is 0644.
    pub(super) fn parse_permission(text: &str) -> Result<Self, SpecError> {
        let Ok(number @ Json::Number(_)) = Json::parse(text.as_bytes()) else {
            return Ok(Self::DEFAULT);
        };
        number.as_u64().and_then(|bits| Self::from_bits(u32::try_from(bits).ok()?)).ok_or_else(|| {
            SpecError::field("permission", format!("{} is no whole number from 0 to 511", shown(text)))
        })
    }
}

impl Encoding {
    /// Any case; empty is UTF-8.
    fn parse(text: &str) -> Option<Self> {
        match text.to_ascii_lowercase().as_str() {
            "" | "utf-8" => Some(Self::Utf8),
            "base64" => Some(Self::Base64),
            "hex" => Some(Self::Hex),
            _ => None,
        }
    }
}

/// The objects of a class and the fields among them that nobody reads.
#[derive(Debug)]
pub(super) struct ObjectList {
    /// Never empty, in the order of the list.
    pub(super) objects: Vec<ObjectSpec>,
    /// Such as `objects[0].secretkey`.
    pub(super) unknown_fields: Vec<String>,
}

/// Reads the parameter `objects`. `permission` is the mode of objects without one of their own.
pub(super) fn parse_list(text: &str, permission: FileMode) -> Result<ObjectList, SpecError> {
    let missing =
        || SpecError::field(FIELD, "lists no object; list at least one with objectName and secretPath");
    let document = Document::parse(text).map_err(|problem| at(FIELD, &problem))?;
    let Some(root) = document.root() else {
        return Err(missing());
    };
    let mut list = ObjectList { objects: Vec::new(), unknown_fields: Vec::new() };
    let items = root.items().map_err(|problem| at(FIELD, &problem))?;
    for (index, item) in items.into_iter().enumerate() {
        let place = format!("{FIELD}[{index}]");
        if let Some(fields) = Fields::collect(item, &place, &mut list.unknown_fields)? {
            list.objects.push(fields.into_object(&place, permission)?);
        }
    }
    if list.objects.is_empty() { Err(missing()) } else { Ok(list) }
}

fn at(field: &str, problem: &Problem) -> SpecError {
    SpecError::field(field, problem.to_string())
}

/// An object's fields before they are read.
#[derive(Default)]
struct Fields<'a> {
    object_name: Option<Node<'a>>,
    secret_path: Option<Node<'a>>,
    secret_key: Option<Node<'a>>,
    method: Option<Node<'a>>,
    secret_args: Option<Node<'a>>,
    file_permission: Option<Node<'a>>,
    encoding: Option<Node<'a>>,
}

impl<'a> Fields<'a> {
    /// The fields of one list item, merges included; `None` for a null item, which Go drops.
    fn collect(item: Node<'a>, place: &str, unknown: &mut Vec<String>) -> Result<Option<Self>, SpecError> {
        let Some(entries) = item.entries().map_err(|problem| at(place, &problem))? else {
            return Ok(None);
        };
        let mut fields = Self::default();
        for (key, value) in entries {
            let slot = match key.as_str() {
                "objectName" => &mut fields.object_name,
                "secretPath" => &mut fields.secret_path,
                "secretKey" => &mut fields.secret_key,
                "method" => &mut fields.method,
                "secretArgs" => &mut fields.secret_args,
                "filePermission" => &mut fields.file_permission,
                "encoding" => &mut fields.encoding,
                _ => {
                    if unknown.len() < MOST_UNKNOWN {
                        unknown.push(format!("{place}.{}", shown(&key).trim_matches('"')));
                    }
                    continue;
                }
            };
            *slot = Some(value);
        }
        Ok(Some(fields))
    }

    fn into_object(self, place: &str, permission: FileMode) -> Result<ObjectSpec, SpecError> {
        let name_field = format!("{place}.objectName");
        let name = self
            .object_name
            .map(|node| node.text())
            .transpose()
            .map_err(|problem| at(&name_field, &problem))?;
        let name = FilePath::parse(&name.unwrap_or_default(), &name_field)?;
        let object = format!("object {}", shown(name.as_str()));
        let text = |node: Option<Node<'a>>, field: &str| {
            let text = node.map(|node| node.text()).transpose();
            text.map(Option::unwrap_or_default).map_err(|problem| at(&format!("{object}: {field}"), &problem))
        };
        let secret_path = text(self.secret_path, "secretPath")?;
        let secret_key = Some(text(self.secret_key, "secretKey")?).filter(|key| !key.is_empty());
        let method = text(self.method, "method")?;
        let encoding_text = text(self.encoding, "encoding")?;
        let encoding = Encoding::parse(&encoding_text).ok_or_else(|| {
            let problem =
                format!("encoding {} is unknown; write utf-8, base64 or hex", shown(&encoding_text));
            SpecError::field(&object, problem)
        })?;
        let args = self.secret_args.map(|node| node.arguments()).transpose();
        let secret_args = args.map_err(|problem| at(&format!("{object}: secretArgs"), &problem))?.flatten();
        let own_mode = own_mode(self.file_permission, &object)?;
        let request = ReadRequest::parse(&secret_path, &method, secret_args.clone(), &object)?;
        Ok(ObjectSpec {
            name,
            secret_path,
            secret_key,
            method,
            secret_args,
            own_mode,
            mode: if own_mode == 0 { permission } else { FileMode(own_mode) },
            encoding,
            encoding_text,
            request,
        })
    }
}

fn own_mode(node: Option<Node<'_>>, object: &str) -> Result<u32, SpecError> {
    let field = format!("{object}: filePermission");
    let number = node.map(|node| node.whole_number()).transpose().map_err(|problem| at(&field, &problem))?;
    let bits = u32::try_from(number.unwrap_or(0)).ok().and_then(FileMode::from_bits);
    bits.map(FileMode::bits).ok_or_else(|| {
        let shown = number.unwrap_or(0);
        SpecError::field(
            field,
            format!("{shown} ({shown:#o}) is above 0777; write an octal number such as 0640"),
        )
    })
}
