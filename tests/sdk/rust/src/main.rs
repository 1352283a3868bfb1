// SPDX-License-Identifier: MIT

//! The scenarios of the SDK matrix with the Azure SDK for Rust: runs those named, or all, against the account that the
//! environment describes, and prints for each one line of JSON with the answers and results that the SDK saw.
//!
//! The SDK has no SharedKey and makes no SAS from a key, no batches, no synchronous copy and no listing by folders: what
//! of the scenarios needs these is not here.

mod account;
mod blobs;
mod containers;
mod leases;
mod record;
mod tags;
mod transfers;
mod values;

use account::Account;
use futures::future::LocalBoxFuture;
use serde_json::{json, Map, Value};
use std::{env, process::ExitCode};

/// An error that no step of a scenario asked for.
pub type Failure = Box<dyn std::error::Error>;
pub type Outcome = Result<(), Failure>;

/// What an application sees in a scenario.
#[derive(Default)]
pub struct Results(Map<String, Value>);

impl Results {
    pub fn set(&mut self, name: impl Into<String>, value: impl Into<Value>) {
        self.0.insert(name.into(), value.into());
    }
}

type Steps = for<'a> fn(&'a Account, &'a mut Results) -> LocalBoxFuture<'a, Outcome>;

macro_rules! scenarios {
    ($($name:literal: $steps:path),+ $(,)?) => {
        vec![$(($name, (|account, results| Box::pin($steps(account, results))) as Steps)),+]
    };
}

fn all() -> Vec<(&'static str, Steps)> {
    scenarios! {
        "containers": containers::containers,
        "block_blobs": blobs::block_blobs,
        "append_blobs": blobs::append_blobs,
        "page_blobs": blobs::page_blobs,
        "parallel_upload": transfers::parallel_upload,
        "downloads": transfers::downloads,
        "leases": leases::leases,
        "conditions": leases::conditions,
        "snapshots": leases::snapshots,
        "tags": tags::tags,
        "copy": transfers::copies,
        "sas": tags::signatures,
        "errors": tags::faults,
        "retries": transfers::retries,
        "listings": containers::listings,
        "service": containers::service,
    }
}

fn describe(error: &Failure) -> String {
    match error.downcast_ref::<azure_core::Error>() {
        Some(known) => match known.http_status() {
            Some(status) => format!("azure_core::Error: {}", u16::from(status)),
            None => format!("azure_core::Error: {known}"),
        },
        None => format!("error: {error}"),
    }
}

async fn run(account: &Account, name: &str, steps: Steps) -> Value {
    let mut results = Results::default();
    let outcome = steps(account, &mut results).await;
    let mut line = json!({"scenario": name, "responses": account.recorder.take(), "results": results.0});
    if let Err(error) = outcome {
        eprintln!("{name}: {error}");
        line["error"] = describe(&error).into();
    }
    line
}

fn main() -> ExitCode {
    rustls::crypto::ring::default_provider().install_default().expect("the first to choose");
    let account = match Account::from_environment() {
        Ok(account) => account,
        Err(error) => {
            eprintln!("{error}");
            return ExitCode::from(2);
        }
    };
    let chosen: Vec<String> = env::args().skip(1).collect();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    for (name, steps) in all() {
        if chosen.is_empty() || chosen.iter().any(|one| one == name) {
            println!("{}", runtime.block_on(run(&account, name, steps)));
        }
    }
    ExitCode::SUCCESS
}
