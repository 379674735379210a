//! The command line: one file per subcommand, each with its arguments and `run`.

mod apply;
mod check;
mod completions;
mod cost;
mod cost_inputs;
mod coverage;
mod drift;
mod explain;
mod init;
mod logs;
mod plan;
mod policies;
mod prices;
mod prices_refresh;
mod progress;
mod reconcile;
mod sandbox;
mod schema;
mod session;
mod show;
mod unlock;
mod volumes;
mod volumes_athena;

use std::ffi::OsString;
use std::path::PathBuf;

use clap::{CommandFactory, FromArgMatches, Parser, Subcommand};

use crate::error::{Error, Outcome};
use crate::world::{ColorChoice, World};

/// Where `--sandbox` keeps its state.
const SANDBOX: &str = ".orgtrail/sandbox";

const AFTER_HELP: &str = "\
Exit codes: 0 done or nothing to do · 1 error, wrong usage included · 2 changes or drift (with --detailed-exitcode) · \
3 refused (a risk without consent, a policy that fails, a stale plan, a budget) · 4 something could not be read or priced \
(with --strict)";

/// Plan, prove and apply an AWS organization's CloudTrail audit log from one YAML spec
#[derive(Debug, Parser)]
#[command(name = "orgtrail", version, after_help = AFTER_HELP)]
struct Cli {
    #[command(flatten)]
    globals: Globals,
    #[command(subcommand)]
    command: Command,
}

#[derive(Clone, Debug, clap::Args)]
pub struct Globals {
    /// The spec: a file, or a folder whose *.yaml files are merged
    #[arg(
        short = 'f',
        long = "spec",
        global = true,
        default_value = "orgtrail.yaml",
        value_name = "PATH"
    )]
    spec: Vec<PathBuf>,
    /// Work on the embedded sandbox, not on AWS; its state is kept in DIR
    #[arg(long, global = true, value_name = "DIR", num_args = 0..=1, require_equals = true, default_missing_value = SANDBOX)]
    sandbox: Option<PathBuf>,
    /// Colour the output
    #[arg(long, global = true, value_enum, default_value_t, value_name = "WHEN")]
    color: ColorChoice,
    /// No progress on stderr
    #[arg(short, long, global = true)]
    quiet: bool,
    /// Where journals are kept
    #[arg(
        long,
        global = true,
        env = "ORGTRAIL_DATA_DIR",
        default_value = ".orgtrail",
        value_name = "DIR",
        hide_env_values = true
    )]
    data_dir: PathBuf,
}

impl Globals {
    /// A command line that does `command` on the same spec and in the same place as this one.
    pub fn command(&self, command: &str) -> String {
        let mut words = vec!["orgtrail".to_owned()];
        for spec in &self.spec {
            if spec.as_os_str() != "orgtrail.yaml" {
                words.push(format!("-f {}", quoted(&spec.display().to_string())));
            }
        }
        match &self.sandbox {
            Some(folder) if folder.as_os_str() == SANDBOX => words.push("--sandbox".to_owned()),
            Some(folder) => {
                words.push(format!(
                    "--sandbox={}",
                    quoted(&folder.display().to_string())
                ));
            }
            None => {}
        }
        words.push(command.to_owned());
        words.join(" ")
    }
}

/// For a shell.
fn quoted(text: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "/._-+:=@".contains(c);
    match text.chars().all(plain) && !text.is_empty() {
        true => text.to_owned(),
        false => format!("'{}'", text.replace('\'', "'\\''")),
    }
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Write a commented spec to begin with
    Init(init::Args),
    /// Check a spec, offline
    Check(check::Args),
    /// Show what apply would change
    Plan(plan::Args),
    /// Estimate what a spec costs, offline
    Cost(Box<cost::Args>),
    /// List or refresh the prices that estimates use
    Prices(prices::Args),
    /// Count the events in CloudTrail log files, for estimates
    Volumes(Box<volumes::Args>),
    /// Show what a change of a spec no longer records
    Coverage(Box<coverage::Args>),
    /// Say which trails record an event, and why
    Explain(explain::Args),
    /// Show a saved plan
    Show(show::Args),
    /// Make what is live match the spec
    Apply(apply::Args),
    /// Show what was changed behind the spec's back
    Drift(drift::Args),
    /// Remove the lock that an apply left behind
    Unlock(unlock::Args),
    /// Print the JSON Schema of a spec or a plan
    Schema(schema::Args),
    /// Print the policies that orgtrail writes or needs
    Policies(policies::Args),
    /// Look after the embedded sandbox
    Sandbox(sandbox::Args),
    /// Print a shell completion script
    Completions(completions::Args),
}

/// Terraform spells long flags with one dash; fingers remember that.
const ONE_DASH: [&str; 8] = [
    "-out",
    "-auto-approve",
    "-target",
    "-detailed-exitcode",
    "-json",
    "-no-color",
    "-lock",
    "-lock-timeout",
];

pub fn main(args: impl Iterator<Item = OsString>) -> u8 {
    let args = args.map(two_dashes);
    let matches = match Cli::command().try_get_matches_from(args) {
        Ok(matches) => matches,
        Err(error) => return usage(&error),
    };
    let cli = match Cli::from_arg_matches(&matches) {
        Ok(cli) => cli,
        Err(error) => return usage(&error),
    };
    let mut world = World::new(cli.globals.color, cli.globals.quiet);
    world.data_dir.clone_from(&cli.globals.data_dir);
    match run(cli, &world) {
        Ok(outcome) => outcome.exit_code(),
        Err(error) => {
            report(&error, &world);
            error.exit_code()
        }
    }
}

fn two_dashes(arg: OsString) -> OsString {
    let Some(text) = arg.to_str() else {
        return arg;
    };
    let flag = text.split('=').next().unwrap_or_default();
    match flag {
        "-json" => "--format=json".into(),
        "-no-color" => "--color=never".into(),
        flag if ONE_DASH.contains(&flag) => format!("-{text}").into(),
        _ => arg,
    }
}

/// clap's exit code for wrong usage is 2, which would read as "changes".
fn usage(error: &clap::Error) -> u8 {
    let _ = error.print();
    match error.use_stderr() {
        true => 1,
        false => 0,
    }
}

fn run(cli: Cli, world: &World) -> Result<Outcome, Error> {
    let globals = &cli.globals;
    match cli.command {
        Command::Init(args) => init::run(&args, globals, world),
        Command::Check(args) => check::run(&args, globals, world),
        Command::Plan(args) => wait(plan::run(&args, globals, world)),
        Command::Cost(args) => wait(cost::run(&args, globals, world)),
        Command::Prices(args) => match &args.command {
            Some(prices::Command::Refresh(args)) => wait(prices_refresh::run(args, globals, world)),
            None => prices::run(&args, world),
        },
        Command::Volumes(args) => wait(volumes::run(&args, globals, world)),
        Command::Coverage(args) => wait(coverage::run(&args, globals, world)),
        Command::Explain(args) => wait(explain::run(&args, globals, world)),
        Command::Show(args) => show::run(&args, world),
        Command::Apply(args) => wait(apply::run(&args, globals, world)),
        Command::Drift(args) => wait(drift::run(&args, globals, world)),
        Command::Unlock(args) => wait(unlock::run(&args, globals, world)),
        Command::Schema(args) => schema::run(&args, world),
        Command::Policies(args) => policies::run(&args, globals, world),
        Command::Sandbox(args) => sandbox::run(&args, globals, world),
        Command::Completions(args) => completions::run(&args, world),
    }
}

/// One thread is enough: the program waits for AWS, side by side.
fn wait<T>(future: impl Future<Output = Result<T, Error>>) -> Result<T, Error> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(Error::failed)?;
    let result = runtime.block_on(future);
    // A thread that still waits for standard input must not keep the program from ending.
    runtime.shutdown_background();
    result
}

fn report(error: &Error, world: &World) {
    match error {
        Error::InvalidSpec => {}
        Error::Failed { what, fix } | Error::Refused { what, fix } => {
            world.tell_error(what, fix.as_deref());
        }
        Error::Aws(errors) => {
            for error in errors {
                world.tell_error(&error.to_string(), error.fix().as_deref());
            }
        }
    }
}
