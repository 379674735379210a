//! What the commands share: the spec as read from its files, and the accounts signed in to.

use std::fs;
use std::path::{Path, PathBuf};

use super::Globals;
use crate::aws::{self, Aws, Connector};
use crate::diag;
use crate::error::Error;
use crate::plan::Consent;
use crate::planner;
use crate::sandbox::Sandbox;
use crate::spec::{self, Loaded, Sources, Spec};
use crate::world::World;

/// A spec without errors.
pub struct Session {
    pub spec: Spec,
    pub sources: Sources,
}

impl Session {
    /// Reads and checks the spec. Warnings are told; errors are told and end the command.
    pub fn load(globals: &Globals, world: &World) -> Result<Self, Error> {
        let loaded = load(globals)?;
        if !loaded.diagnostics.is_empty() {
            world.tell(text(&loaded, world.err.color).trim_end());
        }
        match loaded.spec {
            Some(spec) => Ok(Self {
                spec,
                sources: loaded.sources,
            }),
            None => Err(Error::InvalidSpec),
        }
    }

    pub async fn connect(&self, globals: &Globals) -> Result<Aws, Error> {
        let connector = match &globals.sandbox {
            Some(folder) => Connector::Sandbox(open_sandbox(folder)?.http_client()),
            None => Connector::Network,
        };
        let logins = planner::logins(&self.spec);
        Ok(aws::connect(&logins, &connector).await?)
    }

    /// Consents of the spec that are still valid today, and those of the command line.
    pub fn consents(&self, allowed: &[crate::model::Risk]) -> Vec<Consent> {
        let today = crate::world::now();
        let today = today.get(..10).unwrap_or_default();
        let in_spec = self
            .spec
            .allow
            .iter()
            .filter(|allow| today <= allow.until.as_str());
        let in_spec = in_spec.map(|allow| Consent {
            risk: allow.risk,
            target: allow.target.as_ref().and_then(|target| target.parse().ok()),
        });
        let by_flag = allowed.iter().map(|risk| Consent {
            risk: *risk,
            target: None,
        });
        in_spec.chain(by_flag).collect()
    }
}

pub fn open_sandbox(folder: &Path) -> Result<Sandbox, Error> {
    Sandbox::open(folder).map_err(|error| {
        let what = format!(
            "the sandbox in {} cannot be opened: {error}",
            folder.display()
        );
        Error::failed(what).fix("remove the folder to start afresh, or name another: --sandbox=DIR")
    })
}

/// The files of the spec, read but not yet checked for use.
pub fn load(globals: &Globals) -> Result<Loaded, Error> {
    let mut files = Vec::new();
    for path in &globals.spec {
        for file in spec_files(path)? {
            let bytes = fs::read(&file).map_err(|error| unreadable(&file, &error))?;
            files.push((file.display().to_string(), bytes));
        }
    }
    let today = time::OffsetDateTime::now_utc().date();
    Ok(spec::load(files, &|name| std::env::var(name).ok(), today))
}

/// The diagnostics with snippets and a closing line.
pub fn text(loaded: &Loaded, color: bool) -> String {
    let style = match color {
        true => diag::Style::Color,
        false => diag::Style::Plain,
    };
    diag::text(&loaded.diagnostics, &loaded.sources, style)
}

fn spec_files(path: &Path) -> Result<Vec<PathBuf>, Error> {
    if !path.is_dir() {
        return Ok(vec![path.to_owned()]);
    }
    let entries = fs::read_dir(path).map_err(|error| unreadable(path, &error))?;
    let mut files: Vec<PathBuf> = entries
        .filter_map(|entry| entry.ok().map(|entry| entry.path()))
        .filter(|file| {
            let extension = file.extension().and_then(|extension| extension.to_str());
            file.is_file() && matches!(extension, Some("yaml" | "yml"))
        })
        .collect();
    files.sort();
    match files.is_empty() {
        true => Err(
            Error::failed(format!("{} holds no *.yaml file", path.display()))
                .fix("name the spec: orgtrail -f PATH …"),
        ),
        false => Ok(files),
    }
}

fn unreadable(path: &Path, error: &std::io::Error) -> Error {
    let what = format!("{} cannot be read: {error}", path.display());
    Error::failed(what).fix("name the spec's file or folder: orgtrail -f PATH …")
}
