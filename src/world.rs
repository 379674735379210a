//! All that a run may touch beside AWS: where it stands, what it prints to, what it knows of the environment.

use std::io::{self, IsTerminal, Write};
use std::path::PathBuf;

use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use crate::error::Error;
use crate::render::{Doc, Style, Terminal};

pub struct World {
    pub out: Terminal,
    pub err: Terminal,
    pub quiet: bool,
    /// Where journals and sandboxes live.
    pub data_dir: PathBuf,
}

/// `--color`
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum ColorChoice {
    #[default]
    Auto,
    Always,
    Never,
}

impl World {
    pub fn new(color: ColorChoice, quiet: bool) -> Self {
        let terminal = |tty: bool| Terminal {
            color: use_color(color, tty),
            width: width(tty),
        };
        Self {
            out: terminal(io::stdout().is_terminal()),
            err: terminal(io::stderr().is_terminal()),
            quiet,
            data_dir: PathBuf::from(".orgtrail"),
        }
    }

    /// A result.
    pub fn print(&self, text: &str) -> Result<(), Error> {
        write_all(io::stdout(), text)
    }

    pub fn print_doc(&self, doc: &Doc) -> Result<(), Error> {
        self.print(&doc.text(self.out))
    }

    /// Progress and diagnostics. A stderr that is closed is not an error of the run.
    pub fn tell(&self, text: &str) {
        let _ = writeln!(io::stderr(), "{text}");
    }

    /// Progress that `--quiet` leaves out.
    pub fn progress(&self, text: &str) {
        if !self.quiet {
            self.tell(&self.err.paint(Style::Dim, text));
        }
    }

    pub fn tell_error(&self, what: &str, fix: Option<&str>) {
        let head = self.err.paint(Style::Error, "error:");
        self.tell(&format!("{head} {what}"));
        if let Some(fix) = fix {
            let head = self.err.paint(Style::Dim, "  fix:");
            self.tell(&format!("{head} {fix}"));
        }
    }

    pub fn warn(&self, what: &str) {
        let head = self.err.paint(Style::Warning, "warning:");
        self.tell(&format!("{head} {what}"));
    }
}

/// A reader that closes early, such as `head`, ends the program quietly.
fn write_all(mut stream: impl Write, text: &str) -> Result<(), Error> {
    match stream
        .write_all(text.as_bytes())
        .and_then(|()| stream.flush())
    {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        Err(error) => Err(Error::failed(format!("cannot write the result: {error}"))),
        Ok(()) => Ok(()),
    }
}

/// `NO_COLOR` (if not empty) wins over everything but `--color always`; see no-color.org.
fn use_color(choice: ColorChoice, tty: bool) -> bool {
    let set = |name: &str| std::env::var_os(name).is_some_and(|value| !value.is_empty());
    match choice {
        ColorChoice::Always => true,
        ColorChoice::Never => false,
        ColorChoice::Auto if set("NO_COLOR") => false,
        ColorChoice::Auto if set("CLICOLOR_FORCE") || set("FORCE_COLOR") => true,
        ColorChoice::Auto => tty && std::env::var("TERM").is_ok_and(|term| term != "dumb"),
    }
}

/// Files and pipes are not wrapped for anybody's screen, but stay readable at 100 columns.
fn width(tty: bool) -> Option<usize> {
    let columns = std::env::var("COLUMNS").ok();
    let columns = columns.and_then(|columns| columns.parse().ok());
    let terminal = || terminal_size::terminal_size().map(|(width, _)| usize::from(width.0));
    let width = match tty {
        true => terminal().or(columns),
        false => columns,
    };
    Some(width.unwrap_or(100).clamp(40, 140))
}

/// Now, in RFC 3339 with whole seconds.
pub fn now() -> String {
    let now = OffsetDateTime::now_utc();
    let whole = now.replace_nanosecond(0).unwrap_or(now);
    whole.format(&Rfc3339).unwrap_or_default()
}

/// `user@host`, for the lock.
pub fn user_at_host() -> String {
    let user = std::env::var("USER").or_else(|_| std::env::var("USERNAME"));
    let host = std::fs::read_to_string("/proc/sys/kernel/hostname");
    let host = host.ok().or_else(|| std::env::var("HOSTNAME").ok());
    format!(
        "{}@{}",
        user.unwrap_or_else(|_| "someone".to_owned()),
        host.map_or_else(|| "somewhere".to_owned(), |host| host.trim().to_owned())
    )
}
