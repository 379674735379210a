//! What estimates are made from: event volumes and prices, named by the spec or by flags.

use std::fs;
use std::path::{Path, PathBuf};

use super::Globals;
use super::session::Session;
use crate::cost::types::VolumesSource;
use crate::cost::{PriceBook, Volumes, typical_volumes};
use crate::error::Error;
use crate::other_trails::{self, OtherTrails};
use crate::spec::Spec;
use crate::world::World;

pub struct Inputs {
    pub volumes: Volumes,
    /// Where the volumes come from, in a sentence.
    pub note: String,
    pub book: PriceBook,
}

impl Inputs {
    /// Flags go before the spec.
    pub fn load(
        spec: &Spec,
        globals: &Globals,
        volumes: Option<&Path>,
        prices: Option<&Path>,
    ) -> Result<Self, Error> {
        let folder = folder_of(globals);
        let (volumes, note) = self::volumes(volumes, spec, &folder)?;
        Ok(Self {
            volumes,
            note,
            book: price_book(prices, spec, &folder)?,
        })
    }

    /// The prices alone.
    pub fn book(spec: &Spec, globals: &Globals, prices: Option<&Path>) -> Result<PriceBook, Error> {
        price_book(prices, spec, &folder_of(globals))
    }
}

/// In the place of a file: what is there now.
pub const LIVE: &str = "live";

/// Trails of others: from a file, as they are live, or none that are known.
pub async fn other_trails(
    path: Option<&Path>,
    session: &Session,
    globals: &Globals,
    world: &World,
) -> Result<OtherTrails, Error> {
    let Some(path) = path else {
        return Ok(OtherTrails::default());
    };
    if path.as_os_str() == LIVE {
        let aws = session.connect(globals).await?;
        let others = other_trails::read_all(&aws, &session.spec).await;
        world.progress(&others.summary(&session.spec));
        return Ok(others);
    }
    let trails = serde_json::from_str(&read(path, "the list of other trails")?)
        .map_err(|error| Error::failed(format!("{}: {error}", path.display())))?;
    Ok(OtherTrails {
        trails,
        ..OtherTrails::default()
    })
}

/// The volumes that a spec names, and where they come from.
pub fn volumes_of(spec: &Spec, globals: &Globals) -> Result<(Volumes, String), Error> {
    volumes(None, spec, &folder_of(globals))
}

/// Paths in a spec are relative to it.
pub fn folder_of(globals: &Globals) -> PathBuf {
    let spec = &globals.spec[0];
    match spec.is_dir() {
        true => spec.to_owned(),
        false => spec.parent().map(Path::to_owned).unwrap_or_default(),
    }
}

pub fn read(path: &Path, what: &str) -> Result<String, Error> {
    fs::read_to_string(path).map_err(|error| {
        Error::failed(format!("{what} {} cannot be read: {error}", path.display()))
    })
}

fn volumes(flag: Option<&Path>, spec: &Spec, folder: &Path) -> Result<(Volumes, String), Error> {
    let file = match (flag, &spec.volumes) {
        (Some(path), _) => path.to_owned(),
        (None, Some(VolumesSource::File(path))) => folder.join(path),
        (None, Some(VolumesSource::Inline(volumes))) => {
            volumes.check().map_err(Error::failed)?;
            return Ok(((**volumes).clone(), "declared in the spec".to_owned()));
        }
        (None, Some(VolumesSource::Typical(typical))) => {
            let accounts = spec.accounts.values();
            let known: Vec<String> = accounts.map(|account| account.id.clone()).collect();
            let home = spec
                .trails
                .keys()
                .find_map(|name| spec.region_of_trail(name));
            let home = home.unwrap_or(crate::spec::DEFAULT_REGION);
            let volumes = typical_volumes(typical, &known, home);
            let note = volumes.note.clone().unwrap_or_default();
            return Ok((volumes, format!("assumed: {note}")));
        }
        (None, None) => {
            let note = "unknown: the spec names no `volumes`";
            return Ok((Volumes::none(), note.to_owned()));
        }
    };
    let volumes = Volumes::parse(&read(&file, "the volumes file")?)
        .map_err(|error| Error::failed(format!("{}: {error}", file.display())))?;
    let provenance = format!("{:?}", volumes.provenance).to_lowercase();
    let note = format!("{provenance}, from {}", file.display());
    Ok((volumes, note))
}

fn price_book(flag: Option<&Path>, spec: &Spec, folder: &Path) -> Result<PriceBook, Error> {
    let file = match (flag, &spec.prices) {
        (Some(path), _) => Some(path.to_owned()),
        (None, Some(path)) => Some(folder.join(path)),
        (None, None) => None,
    };
    let book = match file {
        None => PriceBook::embedded(),
        Some(path) => PriceBook::parse(&read(&path, "the price book")?)
            .map_err(|error| Error::failed(format!("{}: {error}", path.display())))?,
    };
    book.with_discounts(&spec.discounts.0)
        .map_err(Error::failed)
}
