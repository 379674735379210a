//! What the commands share: the spec as read from its files, and the accounts signed in to.

use std::fs;
use std::path::{Path, PathBuf};

use super::Globals;
use super::cost_inputs::Inputs;
use crate::aws::{self, Aws, Connector};
use crate::costing;
use crate::diag;
use crate::error::Error;
use crate::live::Live;
use crate::live_spec::live_spec;
use crate::model::Risk;
use crate::plan::{Consent, Plan, unconsented};
use crate::planner;
use crate::sandbox::Sandbox;
use crate::spec::types::Allow;
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

    /// A plan of what is live now, with what it changes of the bill where the spec names volumes.
    pub async fn plan(&self, globals: &Globals, aws: &Aws) -> Result<(Plan, Live), Error> {
        let (mut plan, live) = planner::plan(aws, &self.spec, &self.sources).await;
        if self.spec.volumes.is_some() {
            let inputs = Inputs::load(&self.spec, globals, None, None)?;
            let before = live_spec(&self.spec, &live.state);
            let Inputs {
                volumes,
                note,
                book,
            } = &inputs;
            let others = &live.others;
            plan.cost = Some(costing::plan_cost(
                &self.spec, &before, volumes, note, others, book,
            ));
        }
        Ok((plan, live))
    }

    /// Consents of the spec that are still valid today, and those of the command line.
    pub fn consents(&self, allowed: &[Risk]) -> Vec<Consent> {
        let in_spec = self.valid_allows().map(consent);
        let by_flag = allowed.iter().map(|risk| Consent {
            risk: *risk,
            target: None,
        });
        in_spec.chain(by_flag).collect()
    }

    /// Says which risks of the plan the spec's owner has accepted, and why.
    pub fn tell_consents(&self, plan: &Plan, world: &World) {
        for allow in self.valid_allows() {
            let only = [consent(allow)];
            let open = unconsented(plan, &[]).len() - unconsented(plan, &only).len();
            if open > 0 {
                world.warn(&format!(
                    "{} is allowed by the spec until {}: {}",
                    allow.risk, allow.until, allow.reason
                ));
            }
        }
    }

    fn valid_allows(&self) -> impl Iterator<Item = &Allow> {
        let today = crate::world::now();
        let today = today.get(..10).unwrap_or_default().to_owned();
        let allows = self.spec.allow.iter();
        allows.filter(move |allow| today.as_str() <= allow.until.as_str())
    }
}

fn consent(allow: &Allow) -> Consent {
    Consent {
        risk: allow.risk,
        target: allow.target.as_ref().and_then(|target| target.parse().ok()),
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

/// Written beside its place and then moved, so that a file is never half there.
pub fn save(path: &Path, text: &str) -> Result<(), Error> {
    let draft = draft(path);
    fs::write(&draft, text)
        // What a link leads to is written, not the link.
        .and_then(|()| fs::rename(&draft, fs::canonicalize(path).unwrap_or(path.to_owned())))
        .map_err(|error| unwritable(path, &error))
}

/// Whether [`save`] could write there.
pub fn try_save(path: &Path) -> Result<(), Error> {
    let draft = draft(path);
    fs::write(&draft, "")
        .and_then(|()| fs::remove_file(&draft))
        .map_err(|error| unwritable(path, &error))
}

/// Beside the file that a link leads to, for a file can only be moved within a file system.
fn draft(path: &Path) -> PathBuf {
    let real = fs::canonicalize(path).unwrap_or(path.to_owned());
    let mut draft = real.into_os_string();
    draft.push(".part");
    PathBuf::from(draft)
}

fn unwritable(path: &Path, error: &std::io::Error) -> Error {
    Error::failed(format!("{} cannot be written: {error}", path.display()))
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

/// A spec beside that of the command. What is wrong with it is told, not hidden.
pub fn load_other(path: &Path, globals: &Globals, world: &World) -> Result<Spec, Error> {
    let other = Globals {
        spec: vec![path.to_owned()],
        ..globals.clone()
    };
    let loaded = load(&other)?;
    loaded.spec.clone().ok_or_else(|| {
        world.tell(text(&loaded, world.err.color).trim_end());
        Error::InvalidSpec
    })
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
