//! A loaded plugin: its code, its limits, and the one way to run it.

use std::{sync::Arc, time::Duration};

use http::Response;
use tokio::sync::oneshot;
use wasmtime_wasi_http::WasiBody;

use super::{
    body::{self, Pending, Verdict},
    call::{Call, Errand, Job},
    cgi,
    code::Code,
    engine::Engines,
    idle::Idle,
    instance::{Guest, Instance, WhenFull},
    outcome, p2, p3,
    shared::Shared,
    stock::Stock,
};
use crate::{
    body::Body,
    capability::Granted,
    config::{Instances, Lane, Manifest},
    failure::Failure,
};

/// What a plugin is, found from its exports.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
pub enum Kind {
    /// `wasi:http/incoming-handler@0.2`.
    #[serde(rename = "wasi:http 0.2")]
    Http02,
    /// `wasi:http/handler@0.3`.
    #[serde(rename = "wasi:http 0.3")]
    Http03,
    /// `wasi:cli/run`, or a preview1 command.
    #[serde(rename = "cgi")]
    Cgi,
}

impl Kind {
    /// As `status` names it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Http02 => "wasi:http 0.2",
            Self::Http03 => "wasi:http 0.3",
            Self::Cgi => "cgi",
        }
    }
}

/// Compiled code, linked and ready: one revision of one plugin. Clones share it.
#[derive(Clone)]
pub struct Plugin(pub(super) Arc<Loaded>);

/// What a [`Plugin`] holds.
pub(super) struct Loaded {
    pub(super) engines: Arc<Engines>,
    pub(super) code: Code,
    pub(super) lane: Lane,
    pub(super) memory: usize,
    pub(super) after_response: Duration,
    pub(super) instances: Instances,
    pub(super) shared: Shared,
    pub(super) idle: Arc<Idle>,
    pub(super) stock: Stock,
    pub(super) granted: Arc<Granted>,
    /// For instances that are made for nobody in particular.
    pub(super) manifest: Arc<Manifest>,
}

/// The way a response's head leaves the guest.
pub(super) struct Deliver {
    head: oneshot::Sender<Result<Response<Body>, Failure>>,
    limit: u64,
    verdict: Arc<Verdict>,
    /// Dropped with the response's body.
    delivered: Option<oneshot::Sender<()>>,
}

impl Deliver {
    pub(super) fn new(
        head: oneshot::Sender<Result<Response<Body>, Failure>>,
        limit: u64,
        verdict: &Arc<Verdict>,
    ) -> Self {
        Self { head, limit, verdict: Arc::clone(verdict), delivered: None }
    }

    /// The same, with a receiver that fails once the response's body has ended or been dropped.
    pub(super) fn watched(
        head: oneshot::Sender<Result<Response<Body>, Failure>>,
        limit: u64,
        verdict: &Arc<Verdict>,
    ) -> (Self, oneshot::Receiver<()>) {
        let (sender, delivered) = oneshot::channel();
        (Self { delivered: Some(sender), ..Self::new(head, limit, verdict) }, delivered)
    }

    /// Where the guest's failure is said, for those who must say it before they let go of the body's other end.
    pub(super) fn verdict(&self) -> Arc<Verdict> {
        Arc::clone(&self.verdict)
    }

    /// Sends the head. A receiver that is gone means a client that is gone; the guest's driver is dropped soon.
    pub(super) fn response(self, response: Response<WasiBody>) {
        let _ = self.head.send(Ok(body::response_from_guest(response, self.limit, self.verdict, self.delivered)));
    }

    /// Sends the guest's refusal to answer.
    pub(super) fn refuse(self, failure: Failure) {
        let _ = self.head.send(Err(failure));
    }
}

impl Plugin {
    /// What it is.
    pub fn kind(&self) -> Kind {
        self.0.kind()
    }

    /// What its author should know of it, in sentences: interfaces that this host does not have.
    pub fn notes(&self) -> Vec<String> {
        self.0.notes()
    }

    /// Runs one request to the very end of the guest's work for it.
    ///
    /// The head leaves through [`Call::head`] as soon as the guest gives it; the future goes on while the body streams
    /// and while the guest works after it. Run it through [`crate::lanes::Lanes::run`] with the call's task.
    ///
    /// # Errors
    /// How the guest failed. A body that is still being read breaks off with the same failure.
    ///
    /// # Cancel safety
    /// Dropping the future drops the guest's store; a body still being read breaks off.
    pub async fn run(self, call: Call) -> Result<(), Failure> {
        let plugin = self.0;
        if plugin.instances.max_concurrent > 1 {
            return Shared::serve(&plugin, Job::from(call)).await;
        }
        let Job { errand, request, head } = Job::from(call);
        let mut instance = plugin.instance(&errand).await?;
        Stock::replenish(&plugin, &errand);
        let verdict = Arc::new(Verdict::default());
        let deliver = Deliver::new(head, errand.caller.limits().response_body.0, &verdict);
        // After the instance, so that on cancellation the verdict falls before the store does.
        let pending = Pending::new(Arc::clone(&verdict));
        let ended = match &instance.guest {
            Guest::Http02(proxy) => p2::serve(&mut instance.store, proxy, request, deliver).await,
            Guest::Http03(service) => p3::serve(&mut instance.store, service, request, deliver).await,
            Guest::Cgi(command) => cgi::serve(&mut instance.store, command, request, deliver).await,
        };
        if let Some(limit) = errand.fuel() {
            errand.meter.set_fuel(limit.saturating_sub(instance.store.get_fuel().unwrap_or(limit)));
        }
        match ended {
            Ok(()) => {
                pending.settle();
                if instance.done(plugin.instances.max_requests) {
                    plugin.idle.put(instance);
                }
                Ok(())
            }
            Err(error) => {
                let failure = outcome::failure(&error, Some(&instance.store.data().limiter));
                verdict.fail(failure.clone());
                Err(failure)
            }
        }
    }
}

impl Loaded {
    pub(super) fn new(engines: Arc<Engines>, code: Code, granted: Granted, manifest: &Manifest) -> Self {
        let limits = &manifest.limits;
        let idle = Arc::new(Idle::new(manifest.instances.warm));
        if manifest.instances.max_requests > 1 || manifest.instances.warm > 0 {
            engines.lane(manifest.lane).idles.watch(&idle);
        }
        Self {
            engines,
            code,
            lane: manifest.lane,
            memory: usize::try_from(limits.memory.0).unwrap_or(usize::MAX),
            after_response: limits.after_response,
            instances: manifest.instances,
            shared: Shared::default(),
            idle,
            stock: Stock::default(),
            granted: Arc::new(granted),
            manifest: Arc::new(manifest.clone()),
        }
    }

    /// What it is.
    pub(super) fn kind(&self) -> Kind {
        self.code.kind()
    }

    async fn instance(&self, errand: &Arc<Errand>) -> Result<Instance, Failure> {
        match self.idle.take() {
            Some(mut instance) => match instance.reassign(Arc::clone(errand)) {
                Ok(()) => Ok(instance),
                Err(error) => Err(outcome::failure(&error, None)),
            },
            None => Instance::create(self, Arc::clone(errand), WhenFull::Evict).await,
        }
    }
}
