use std::path::{Path, PathBuf};

use comfy_table::{CellAlignment, Table, presets};

use super::cost_inputs::read;
use super::prices_refresh;
use crate::cost::{Confidence, Price, PriceBook};
use crate::error::{Error, Outcome};
use crate::world::World;

/// List the prices that estimates use, with date, source and confidence
#[derive(Debug, clap::Args)]
#[command(args_conflicts_with_subcommands = true)]
pub struct Args {
    #[command(subcommand)]
    pub command: Option<Command>,
    /// Only prices whose service, usage or Region contains this
    #[arg(value_name = "TEXT")]
    filter: Option<String>,
    /// A price book to use instead of the embedded one
    #[arg(long, value_name = "FILE")]
    prices: Option<PathBuf>,
    /// Where each price comes from, and what is to be known about it
    #[arg(long)]
    explain: bool,
}

#[derive(Debug, clap::Subcommand)]
pub enum Command {
    Refresh(prices_refresh::Args),
}

pub fn run(args: &Args, world: &World) -> Result<Outcome, Error> {
    let book = book(args.prices.as_deref())?;
    let wanted = |price: &&Price| {
        args.filter.as_ref().is_none_or(|text| {
            let fields = [&price.service, &price.usage, &price.region];
            fields
                .iter()
                .any(|field| field.to_lowercase().contains(&text.to_lowercase()))
        })
    };
    let list: Vec<&Price> = book.list().into_iter().filter(wanted).collect();
    if list.is_empty() {
        return Err(
            Error::failed("no price has that in its service, usage or Region")
                .fix("orgtrail prices lists them all"),
        );
    }
    world.print(&table(&list, world))?;
    if args.explain {
        world.print(&explanations(&list, &book))?;
    }
    world.print(&age(&book))?;
    Ok(Outcome::Done)
}

/// The price book of a file, or the embedded one.
pub fn book(path: Option<&Path>) -> Result<PriceBook, Error> {
    let Some(path) = path else {
        return Ok(PriceBook::embedded());
    };
    let text = read(path, "the price book")?;
    PriceBook::parse(&text).map_err(|error| Error::failed(format!("{}: {error}", path.display())))
}

fn table(list: &[&Price], world: &World) -> String {
    let mut table = Table::new();
    table.load_style(presets::NOTHING);
    if let Some(width) = world.out.width {
        table.set_width(u16::try_from(width).unwrap_or(u16::MAX));
    }
    table.set_header(["service", "usage", "Region", "price", "as of", "confidence"]);
    for price in list {
        table.add_row([
            price.service.clone(),
            price.usage.clone(),
            price.region.clone(),
            price.describe(),
            price.as_of.clone().unwrap_or_else(|| "undated".to_owned()),
            confidence(price),
        ]);
    }
    if let Some(column) = table.column_mut(3) {
        column.set_cell_alignment(CellAlignment::Right);
    }
    format!("{}\n", table.trim_fmt())
}

fn confidence(price: &Price) -> String {
    let word = match price.confidence {
        Confidence::High => "high",
        Confidence::Medium => "medium",
        Confidence::Low => "low",
    };
    match price.assumed {
        true => format!("{word}, assumed"),
        false => word.to_owned(),
    }
}

fn explanations(list: &[&Price], book: &PriceBook) -> String {
    let mut text = String::new();
    for price in list {
        text.push_str(&format!(
            "\n{} {} in {}\n",
            price.service, price.usage, price.region
        ));
        if let Some(note) = &price.note {
            text.push_str(&format!("  {note}\n"));
        }
        for source in &price.source {
            let known = book.sources().get(source);
            text.push_str(&format!("  source: {}\n", known.unwrap_or(source)));
        }
    }
    text
}

fn age(book: &PriceBook) -> String {
    let age = book.age(time::OffsetDateTime::now_utc().date());
    let date = |date: Option<String>| date.unwrap_or_else(|| "an unknown day".to_owned());
    format!(
        "\nPrices in USD, seen between {} and {}, the newest {} days ago; {} without a date.\n\
         `orgtrail prices refresh` reads AWS's price list.\n",
        date(age.oldest),
        date(age.newest),
        age.days
            .map_or("an unknown number of".to_owned(), |days| days.to_string()),
        age.undated
    )
}
