//! orgtrail: plan, prove and apply an AWS organization's CloudTrail audit log from one YAML spec.
//!
//! The way of a spec: [`spec`] reads and checks it → [`desired`] asks the [`kinds`] what it wants → [`live`] reads what is
//! there → [`plan`] compares → [`prove`] evaluates the policies-to-be → [`render`] shows it → [`apply`] carries it out.
//! [`planner`] ties these together, [`cli`] calls it. The pure core ([`spec`], [`selectors`], [`policy`], [`lifecycle`],
//! [`plan`], [`render`], [`model`]) does no I/O; docs/architecture.md has the map and its invariants, and
//! tests/architecture.rs holds the modules to it.
#![forbid(unsafe_code)]

pub mod apply;
pub mod athena;
pub mod aws;
pub mod bill;
pub mod cli;
pub mod cost;
pub mod costing;
pub mod coverage;
pub mod desired;
pub mod diag;
pub mod error;
pub mod explain;
pub mod fetch;
pub mod finding;
pub mod kinds;
pub mod lifecycle;
pub mod live;
pub mod live_spec;
pub mod measured;
pub mod model;
pub mod other_trails;
pub mod plan;
pub mod planner;
pub mod policy;
pub mod price_list;
pub mod proposals;
pub mod prove;
pub mod render;
pub mod sandbox;
pub mod selectors;
pub mod spec;
pub mod sql;
pub mod table_counts;
pub mod volumes;
pub mod world;
