//! Which of a record's members a table has as columns, and of what type.

use std::collections::BTreeMap;
use std::fmt;

use super::text::identifier;

/// A type as table metadata and table definitions write it: `array<struct<arn:string,type:string>>`.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Type {
    Plain(String),
    Array(Box<Type>),
    Struct(BTreeMap<String, Type>),
    /// Maps and whatever else is no path to a single value.
    Other,
}

/// The columns of a table, by their names in small letters.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Columns(BTreeMap<String, Type>);

/// What a question needs and the table does not have.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Missing {
    /// The selector that asks, by its name or number; nothing when the counts themselves need it.
    pub selector: Option<String>,
    /// The field of the record.
    pub field: String,
    pub reason: String,
}

impl fmt::Display for Missing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.selector {
            Some(selector) => write!(f, "selector {selector} asks for {}: ", self.field)?,
            None => write!(f, "{} is needed: ", self.field)?,
        }
        f.write_str(&self.reason)
    }
}

impl Missing {
    pub fn new(field: &str, reason: impl Into<String>) -> Self {
        Self {
            selector: None,
            field: field.to_owned(),
            reason: reason.into(),
        }
    }

    #[must_use]
    pub fn of(self, selector: String) -> Self {
        Self {
            selector: Some(selector),
            ..self
        }
    }
}

impl Columns {
    /// From names and types, as GetTableMetadata has them.
    pub fn new<'a>(columns: impl IntoIterator<Item = (&'a str, &'a str)>) -> Self {
        let columns = columns
            .into_iter()
            .map(|(name, written)| (name.to_lowercase(), Type::parse(written)));
        Self(columns.collect())
    }

    /// From the list of a table definition: `eventname STRING, resources ARRAY<…>`.
    pub fn parse(list: &str) -> Self {
        Self(Parser::new(list).members())
    }

    pub fn has(&self, column: &str) -> bool {
        self.0.contains_key(column)
    }

    /// The text of a field that a record has at most once, NULL where the record lacks it. `userIdentity.arn` is the
    /// member of a column.
    pub fn text(&self, field: &str) -> Result<String, Missing> {
        let path = field.to_lowercase();
        let mut path = path.split('.');
        let column = path.next().unwrap_or_default();
        let missing = |what: &str| {
            let reason = format!("the table has no column {what}");
            Missing::new(field, reason)
        };
        let mut found = self.0.get(column).ok_or_else(|| missing(column))?;
        let mut sql = identifier(column);
        let mut so_far = column.to_owned();
        for member in path {
            so_far = format!("{so_far}.{member}");
            let Type::Struct(members) = found else {
                return Err(missing(&so_far));
            };
            found = members.get(member).ok_or_else(|| missing(&so_far))?;
            sql = format!("{sql}.{}", identifier(member));
        }
        match found {
            Type::Plain(name) if is_text(name) => Ok(sql),
            Type::Plain(_) => Ok(format!("CAST({sql} AS VARCHAR)")),
            _ => Err(Missing::new(
                field,
                format!("the column {so_far} holds no single value"),
            )),
        }
    }

    /// Checks that the elements of `resources` have a member.
    pub fn resource(&self, field: &str, member: &str) -> Result<(), Missing> {
        let Some(resources) = self.0.get("resources") else {
            return Err(Missing::new(field, "the table has no column resources"));
        };
        let members = match resources {
            Type::Array(element) => match element.as_ref() {
                Type::Struct(members) => Some(members),
                _ => None,
            },
            _ => None,
        };
        let Some(members) = members else {
            let reason = "the column resources is no array of structures";
            return Err(Missing::new(field, reason));
        };
        match members.get(member) {
            Some(Type::Plain(name)) if is_text(name) => Ok(()),
            _ => {
                let reason = format!("the elements of the column resources have no {member}");
                Err(Missing::new(field, reason))
            }
        }
    }
}

fn is_text(name: &str) -> bool {
    ["string", "varchar", "char"]
        .iter()
        .any(|text| name == *text || name.starts_with(&format!("{text}(")))
}

impl Type {
    fn parse(written: &str) -> Self {
        Parser::new(written).one()
    }
}

/// Reads types. What it does not understand becomes a type that nothing can be read from.
struct Parser<'a> {
    rest: &'a str,
    depth: usize,
}

/// CloudTrail's records nest five deep.
const MAX_DEPTH: usize = 32;

impl<'a> Parser<'a> {
    fn new(text: &'a str) -> Self {
        Self {
            rest: text,
            depth: 0,
        }
    }

    /// What stands before the next of these characters.
    fn until(&mut self, ends: &[char]) -> String {
        let text = self.rest.trim_start();
        let end = text.find(ends).unwrap_or(text.len());
        let (word, rest) = text.split_at(end);
        self.rest = rest;
        word.trim().trim_matches('`').to_lowercase()
    }

    fn eat(&mut self, wanted: char) -> bool {
        let rest = self.rest.trim_start().strip_prefix(wanted);
        self.rest = rest.unwrap_or(self.rest);
        rest.is_some()
    }

    fn one(&mut self) -> Type {
        let name = self.until(&['<', '>', ',', '(']);
        if self.eat('(') {
            // `decimal(10,2)`, `varchar(20)`
            let size = self.until(&[')']);
            self.eat(')');
            return Type::Plain(format!("{name}({size})"));
        }
        if !self.eat('<') {
            return Type::Plain(name);
        }
        self.depth += 1;
        if self.depth > MAX_DEPTH {
            self.rest = "";
        }
        let found = match name.as_str() {
            "array" => Type::Array(Box::new(self.one())),
            "struct" => Type::Struct(self.members()),
            _ => {
                while !self.rest.is_empty() {
                    self.one();
                    if !self.eat(',') {
                        break;
                    }
                }
                Type::Other
            }
        };
        self.eat('>');
        self.depth = self.depth.saturating_sub(1);
        found
    }

    /// `name:type,name:type`, or with spaces between name and type.
    fn members(&mut self) -> BTreeMap<String, Type> {
        let mut members = BTreeMap::new();
        while !self.rest.trim_start().is_empty() && !self.rest.trim_start().starts_with('>') {
            let name = self.until(&[':', ' ', '\n', '\t', '>', ',']);
            self.eat(':');
            members.insert(name, self.one());
            if !self.eat(',') {
                break;
            }
        }
        members
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn types_of_metadata_and_of_definitions_are_read() {
        let metadata = Columns::new([
            (
                "useridentity",
                "struct<type:string,arn:string,s:struct<m:map<string,array<int>>,x:string>>",
            ),
            ("resources", "array<struct<ARN:string,type:varchar(20)>>"),
            ("readOnly", "boolean"),
            ("tags", "map<string,string>"),
        ]);
        let defined = Columns::parse(
            "useridentity STRUCT<type: STRING, arn:STRING,\n s:STRUCT<m:MAP<STRING,ARRAY<INT>>,x:STRING>>,
             `resources` ARRAY<STRUCT<arn:STRING,type:VARCHAR(20)>>, readonly BOOLEAN,\ttags MAP<STRING,STRING>",
        );
        assert_eq!(metadata, defined);
        let text = |field| metadata.text(field).map_err(|missing| missing.to_string());
        assert_eq!(
            text("userIdentity.arn").unwrap(),
            "\"useridentity\".\"arn\""
        );
        assert_eq!(
            text("userIdentity.s.x").unwrap(),
            "\"useridentity\".\"s\".\"x\""
        );
        assert_eq!(text("readOnly").unwrap(), "CAST(\"readonly\" AS VARCHAR)");
        assert_eq!(
            text("tags.x").unwrap_err(),
            "tags.x is needed: the table has no column tags.x"
        );
        assert_eq!(
            text("userIdentity").unwrap_err(),
            "userIdentity is needed: the column useridentity holds no single value"
        );
        assert_eq!(metadata.resource("resources.type", "type"), Ok(()));
        let missing = metadata.resource("resources.ARN", "arnprefix").unwrap_err();
        assert_eq!(
            missing.of("payments".to_owned()).to_string(),
            "selector payments asks for resources.ARN: the elements of the column resources have no arnprefix"
        );
    }

    #[test]
    fn odd_types_end() {
        let deep = "array<".repeat(100_000);
        for odd in [
            deep.as_str(),
            "struct<",
            "struct<a",
            "array<array<",
            "map<string",
            "struct<a:>>>",
            "<",
            ",,",
            "a<b,c",
            "",
            "decimal(",
        ] {
            Columns::new([("x", odd)]);
            Columns::parse(odd);
        }
    }
}
