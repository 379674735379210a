//! A small XML tree: what S3 bodies are parsed into and XML answers are built from.

use std::fmt::Write as _;

/// How deep a body may nest; S3's own documents stay below ten.
const MAX_DEPTH: usize = 32;

#[derive(Clone, Debug, Default, PartialEq)]
pub struct Element {
    pub name: String,
    pub attributes: Vec<(String, String)>,
    pub text: String,
    pub children: Vec<Element>,
}

/// An element with neither text nor children.
pub fn el(name: &str) -> Element {
    Element {
        name: name.to_owned(),
        ..Element::default()
    }
}

impl Element {
    pub fn text(mut self, text: impl ToString) -> Self {
        self.text = text.to_string();
        self
    }

    pub fn attribute(mut self, name: &str, value: &str) -> Self {
        self.attributes.push((name.to_owned(), value.to_owned()));
        self
    }

    pub fn child(mut self, child: Element) -> Self {
        self.children.push(child);
        self
    }

    pub fn children(mut self, children: impl IntoIterator<Item = Element>) -> Self {
        self.children.extend(children);
        self
    }

    /// A child holding text: `.with("Status", "Enabled")`.
    pub fn with(self, name: &str, text: impl ToString) -> Self {
        self.child(el(name).text(text))
    }

    pub fn get(&self, name: &str) -> Option<&Element> {
        self.children.iter().find(|c| c.name == name)
    }

    pub fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a Element> {
        self.children.iter().filter(move |c| c.name == name)
    }

    /// The text of the element at `path`, a list of child names.
    pub fn value(&self, path: &[&str]) -> Option<&str> {
        let mut at = self;
        for name in path {
            at = at.get(name)?;
        }
        Some(at.text.as_str())
    }

    pub fn has(&self, name: &str) -> bool {
        self.get(name).is_some()
    }

    pub fn render(&self) -> String {
        let mut out = String::new();
        self.write(&mut out);
        out
    }

    fn write(&self, out: &mut String) {
        let _ = write!(out, "<{}", self.name);
        for (name, value) in &self.attributes {
            let _ = write!(out, " {name}=\"{}\"", escape(value));
        }
        if self.text.is_empty() && self.children.is_empty() {
            out.push_str("/>");
            return;
        }
        out.push('>');
        out.push_str(&escape(&self.text));
        for child in &self.children {
            child.write(out);
        }
        let _ = write!(out, "</{}>", self.name);
    }

    /// A whole document, in the namespace `xmlns`.
    pub fn document(self, xmlns: &str) -> Vec<u8> {
        let mut body = String::from("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n");
        let mut root = self;
        root.attributes
            .insert(0, ("xmlns".to_owned(), xmlns.to_owned()));
        root.write(&mut body);
        body.into_bytes()
    }
}

/// Parses a document, forgetting namespaces. `None` when it is not XML.
pub fn parse(body: &[u8]) -> Option<Element> {
    let text = std::str::from_utf8(body).ok()?;
    let document = roxmltree::Document::parse(text).ok()?;
    convert(document.root_element(), 0)
}

fn convert(node: roxmltree::Node<'_, '_>, depth: usize) -> Option<Element> {
    if depth > MAX_DEPTH {
        return None;
    }
    let mut element = el(node.tag_name().name());
    for child in node.children() {
        if child.is_element() {
            element.children.push(convert(child, depth + 1)?);
        } else if let Some(text) = child.text().filter(|_| child.is_text()) {
            element.text.push_str(text);
        }
    }
    if !element.children.is_empty() {
        element.text.clear();
    }
    Some(element)
}

fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\r' => out.push_str("&#13;"),
            // XML 1.0 cannot carry other control characters at all.
            c if c.is_control() && c != '\n' && c != '\t' => out.push('\u{fffd}'),
            c => out.push(c),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_parsed_renders_the_same() {
        let text = "<A><B>x &amp; y</B><C/><B>z</B></A>";
        assert_eq!(parse(text.as_bytes()).unwrap().render(), text);
        assert_eq!(parse(b"<A>"), None);
        assert_eq!(parse(&[0xff]), None);
        assert_eq!(parse("<a>".repeat(99).as_bytes()), None);
    }
}
