use std::collections::BTreeSet;
use std::fs;
use std::path::PathBuf;

use super::Globals;
use super::cost_inputs::volumes_of;
use super::prices::book;
use super::session::Session;
use crate::aws;
use crate::cost::usage_types;
use crate::error::{Error, Outcome};
use crate::price_list::{self, Answers, Refreshed};
use crate::spec::Spec;
use crate::world::World;

/// Read AWS's price list into a price book, for `prices:` of a spec or `--prices`
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Only this Region; repeatable. Default: those of the spec and its volumes, or all where there is no spec
    #[arg(long, value_name = "REGION")]
    region: Vec<String>,
    /// Write the price book to a file
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
    /// The price book to refresh, instead of the embedded one
    #[arg(long, value_name = "FILE")]
    prices: Option<PathBuf>,
}

pub async fn run(args: &Args, globals: &Globals, world: &World) -> Result<Outcome, Error> {
    if globals.sandbox.is_some() {
        return Err(Error::failed("the sandbox has no price list")
            .fix("leave out --sandbox: the price list is AWS's, and reading it costs nothing"));
    }
    let book = book(args.prices.as_deref())?;
    let regions = regions(args, globals, world)?;
    world.progress(&format!(
        "Reading AWS's price list for {} …",
        named(&regions)
    ));
    let (client, place) = aws::price_list().await;
    let answers = price_list::read(&client, &place, &regions).await;
    tell_failures(&answers, world)?;
    let today = time::OffsetDateTime::now_utc().date();
    let refreshed = price_list::refresh(book, &answers.products, &answers.asked, today);
    tell(&answers, &refreshed, world);
    let text = format!("{}\n", refreshed.book.to_text());
    match &args.out {
        None => world.print(&text)?,
        Some(path) => {
            fs::write(path, text).map_err(|error| {
                Error::failed(format!("{} cannot be written: {error}", path.display()))
            })?;
            let file = path.display();
            world.progress(&format!(
                "{file} is written; use it with `prices: {file}` in the spec, or with --prices {file}"
            ));
        }
    }
    Ok(Outcome::Done)
}

fn regions(args: &Args, globals: &Globals, world: &World) -> Result<Vec<String>, Error> {
    if !args.region.is_empty() {
        return Ok(args.region.clone());
    }
    if !globals.spec.iter().any(|path| path.exists()) {
        return Ok(usage_types::regions()
            .into_iter()
            .map(str::to_owned)
            .collect());
    }
    let spec = Session::load(globals, world)?.spec;
    let (volumes, _) = volumes_of(&spec, globals)?;
    let recorded = volumes
        .accounts
        .values()
        .flat_map(|regions| regions.keys().cloned());
    let all: BTreeSet<String> = regions_of(&spec).chain(recorded).collect();
    Ok(all.into_iter().collect())
}

fn regions_of(spec: &Spec) -> impl Iterator<Item = String> {
    let accounts = spec.accounts.keys();
    let accounts = accounts.map(|name| spec.region_of_account(name));
    let keys = spec.keys.keys().filter_map(|name| spec.region_of_key(name));
    let buckets = spec
        .buckets
        .keys()
        .filter_map(|name| spec.region_of_bucket(name));
    let trails = spec
        .trails
        .keys()
        .filter_map(|name| spec.region_of_trail(name));
    let all = accounts.chain(keys).chain(buckets).chain(trails);
    all.map(str::to_owned)
}

/// `eu-central-1 and us-east-1`, or how many there are.
fn named(regions: &[String]) -> String {
    match regions {
        [] => "no Region".to_owned(),
        [one] => one.clone(),
        [one, other] => format!("{one} and {other}"),
        many => format!("{} Regions", many.len()),
    }
}

/// Where nothing at all could be read, there is nothing to write.
fn tell_failures(answers: &Answers, world: &World) -> Result<(), Error> {
    if answers.asked.is_empty() {
        let error = answers
            .failures
            .first()
            .map(|failure| failure.error.clone());
        return Err(error.map_or_else(
            || Error::failed("the price list was asked for nothing"),
            Error::from,
        ));
    }
    for failure in &answers.failures {
        world.warn(&format!(
            "{} in {} could not be read, its prices stay as they were: {}",
            failure.service, failure.region, failure.error
        ));
        if let Some(fix) = failure.error.fix() {
            world.tell(&format!("  {fix}"));
        }
    }
    Ok(())
}

fn tell(answers: &Answers, refreshed: &Refreshed, world: &World) {
    for problem in &answers.problems {
        world.warn(&format!("left out, its price stays as it was: {problem}"));
    }
    for several in &refreshed.ambiguous {
        world.warn(&format!("several prices, so the old one stays: {several}"));
    }
    world.progress(&format!(
        "Refreshed {} prices; {} differ from before; {} products are of other usage types.",
        refreshed.prices,
        refreshed.changes.len(),
        answers.others
    ));
    for change in &refreshed.changes {
        let old = change.old.as_deref().unwrap_or("no price");
        world.progress(&format!(
            "  {} in {}: {old} → {}",
            change.meter, change.region, change.new
        ));
    }
    for (meter, regions) in &refreshed.unanswered {
        world.progress(&format!(
            "Not in the list, as it was before: {meter} in {}",
            regions.join(", ")
        ));
    }
    let unnamed: Vec<String> = refreshed.unnamed.iter().map(ToString::to_string).collect();
    world.progress(&format!(
        "Not asked for, because it is not known what the list calls them: {}",
        unnamed.join(", ")
    ));
}
