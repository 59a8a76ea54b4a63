//! Rows and how they are run: each once in a process, on one runtime that outlives them all.

use std::{
    any::Any,
    pin::Pin,
    sync::{
        LazyLock, OnceLock,
        atomic::{AtomicBool, Ordering},
    },
};

use tokio::runtime::{Builder, Runtime};
use wasmbay_tests::soak;

/// A row's attack and what has to hold.
type Attack = fn() -> Pin<Box<dyn Future<Output = ()> + Send>>;

/// One row of the table.
pub(crate) struct Row {
    /// Its test's name, which begins with its id.
    pub(crate) name: &'static str,
    attack: Attack,
    /// Why it failed, once it was run.
    outcome: OnceLock<Result<(), String>>,
}

/// Its threads never end, and with the thread that started it a host would.
static THEATRE: LazyLock<Runtime> =
    LazyLock::new(|| Builder::new_multi_thread().enable_all().build().expect("a runtime"));

/// Whether a row was left out: a soak that goes on where it broke off does not run again what has passed.
static SKIPPED: AtomicBool = AtomicBool::new(false);

/// Whether this process runs every row.
pub(crate) fn are_whole() -> bool {
    !SKIPPED.load(Ordering::Relaxed)
}

tokio::task_local! {
    static NAME: &'static str;
}

/// Whether attacks are to be repeated as often as the threat model says.
pub(crate) fn soak() -> bool {
    soak::is_on()
}

/// The name of the row that is being run.
pub(crate) fn name() -> &'static str {
    NAME.try_with(|name| *name).unwrap_or("no row")
}

impl Row {
    pub(crate) const fn new(name: &'static str, attack: Attack) -> Self {
        Self { name, attack, outcome: OnceLock::new() }
    }

    /// Runs it, unless that was done.
    ///
    /// # Panics
    /// When it fails, or has failed.
    pub(crate) fn run(&self) {
        let outcome = self.outcome.get_or_init(|| {
            let Some(row) = soak::begin(self.name) else {
                SKIPPED.store(true, Ordering::Relaxed);
                return Ok(());
            };
            let running = THEATRE.spawn(NAME.scope(self.name, (self.attack)()));
            let ended = THEATRE.block_on(running);
            let ended = ended
                .map_err(|error| error.try_into_panic().map_or_else(|error| error.to_string(), |panic| said(&*panic)));
            ended.map(|()| row.passed())
        });
        if let Err(why) = outcome {
            panic!("{}: {why}", self.name);
        }
    }
}

/// Runs something besides the rows.
pub(crate) fn aside(what: impl Future<Output = ()> + Send + 'static) {
    if let Err(error) = THEATRE.block_on(THEATRE.spawn(what)) {
        panic!("{}", error.try_into_panic().map_or_else(|error| error.to_string(), |panic| said(&*panic)));
    }
}

fn said(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<String>().map(String::as_str).or(panic.downcast_ref::<&str>().copied());
    text.unwrap_or("it panicked").to_owned()
}
