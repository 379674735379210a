//! Names and sentences come from specs and accounts of strangers. Here they are made harmless, once for each form.

use std::fmt::Write as _;

/// Characters that are not seen but change what is seen: direction marks and what has no width.
fn invisible(c: char) -> bool {
    matches!(c,
        '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}'
        | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}')
}

fn spelled_out(text: &str, which: impl Fn(char) -> bool) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match which(c) {
            true => {
                let _ = write!(out, "{}", c.escape_unicode());
            }
            false => out.push(c),
        }
    }
    out
}

/// For a terminal: what is not seen, and control characters, are spelled out.
pub fn visible(text: &str) -> String {
    spelled_out(text, |c| c.is_control() || invisible(c))
}

/// For a whole text with lines and colours, whose names have no control characters any more.
pub fn visible_lines(text: &str) -> String {
    spelled_out(text, invisible)
}

/// For HTML, in text and in double-quoted attributes.
pub fn html(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in visible(text).chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            c => out.push(c),
        }
    }
    out
}

/// A name in Markdown, as code: neither forges nor readers make a mention, a link or an emoji of it.
pub fn markdown_code(name: &str) -> String {
    let name = shortened(&visible(name));
    let plain = |c: char| c.is_alphanumeric() || " .,:;/_-+=()*…".contains(c);
    if !name.is_empty() && name.chars().all(plain) && name.trim() == name {
        return format!("`{name}`");
    }
    let mut out = String::from("<code>");
    for c in name.chars() {
        if c.is_alphanumeric() || " .,/-…".contains(c) {
            out.push(c);
        } else {
            let _ = write!(out, "&#{};", u32::from(c));
        }
    }
    out.push_str("</code>");
    out
}

/// A sentence in Markdown, which may quote names. References are also split by a word joiner: forges look for them in the
/// rendered text, where an entity is a plain character again.
pub fn markdown_text(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let text = visible(text);
    let mut rest = text.chars().peekable();
    while let Some(c) = rest.next() {
        let next = rest.peek().copied();
        match c {
            '@' if next.is_some_and(char::is_alphanumeric) => out.push_str("&#64;&#8288;"),
            '#' | '!' if next.is_some_and(|next| next.is_ascii_digit()) => {
                let _ = write!(out, "&#{};&#8288;", u32::from(c));
            }
            ':' if next == Some('/') => out.push_str("&#58;"),
            '.' if out.ends_with("www") => out.push_str("&#46;"),
            '&' | '<' | '>' | '|' | '`' | '*' | '_' | '~' | '[' | ']' | '\\' | '#' | '@' => {
                let _ = write!(out, "&#{};", u32::from(c));
            }
            c => out.push(c),
        }
    }
    out
}

const LONGEST: usize = 64;

/// Names longer than 64 characters lose their middle, as in Infracost's comments.
fn shortened(name: &str) -> String {
    let count = name.chars().count();
    if count <= LONGEST {
        return name.to_owned();
    }
    let half = (LONGEST - 1) / 2;
    let head: String = name.chars().take(half + 1).collect();
    let tail: String = name.chars().skip(count - half).collect();
    format!("{head}…{tail}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hidden_characters_are_spelled_out() {
        assert_eq!(
            visible("a\u{1b}[2Jb\u{202e}c\u{200b}"),
            "a\\u{1b}[2Jb\\u{202e}c\\u{200b}"
        );
    }

    #[test]
    fn html_cannot_be_left() {
        assert_eq!(
            html("<img src=\"x\" onerror='y'>&"),
            "&lt;img src=&quot;x&quot; onerror=&#39;y&#39;&gt;&amp;"
        );
    }

    #[test]
    fn plain_names_are_plain_code() {
        assert_eq!(markdown_code("trail.org"), "`trail.org`");
        assert_eq!(markdown_code("a|b`c"), "<code>a&#124;b&#96;c</code>");
        assert_eq!(
            markdown_code("x\n## y"),
            "<code>x&#92;u&#123;a&#125;&#35;&#35; y</code>"
        );
    }

    #[test]
    fn long_names_lose_their_middle() {
        let name = format!("{}end", "a".repeat(100));
        let short = markdown_code(&name);
        assert_eq!(short.chars().count(), LONGEST + 2);
        assert!(short.ends_with("end`") && short.contains('…'));
    }

    #[test]
    fn sentences_mention_nobody() {
        let text = markdown_text("ask @octocat about #12 at https://x.test or www.x.test");
        assert!(
            !text.contains("@o")
                && !text.contains("#1")
                && !text.contains("://")
                && !text.contains("www.")
        );
        assert_eq!(
            markdown_text("a <b> | `c`"),
            "a &#60;b&#62; &#124; &#96;c&#96;"
        );
        assert_eq!(
            markdown_text("costs 12% more: a lot"),
            "costs 12% more: a lot"
        );
    }
}
