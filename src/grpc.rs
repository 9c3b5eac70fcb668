//! The driver's gRPC service: unwraps a request, parses it, asks the provider, wraps the answer; one log line a call.

pub mod accept;
pub mod authority;
pub mod caller;
pub mod listener;
pub mod probe;
pub mod stream;

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tonic::{Request, Response, Status};

use crate::budget::{Budget, parse_grpc_timeout};
use crate::class::endpoint::{ClassDefaults, Flavour};
use crate::class::restrictions::Restrictions;
use crate::class::{MountRequestText, MountSpec};
use crate::clock::Clock;
use crate::error::MountError;
use crate::grpc::caller::Callers;
use crate::mount::report::{Change, MountReport};
use crate::mount::{MountedFile, Provider};
use crate::settings::Settings;
use v1alpha1::csi_driver_provider_server::CsiDriverProvider;
use v1alpha1::{File, MountRequest, MountResponse, ObjectVersion, VersionRequest, VersionResponse};

pub use v1alpha1::csi_driver_provider_server::CsiDriverProviderServer;

/// The driver's messages. They derive `Debug` and carry tokens: never format one.
#[allow(missing_docs, unreachable_pub, unused_qualifications, clippy::all)]
pub mod v1alpha1 {
    tonic::include_proto!("v1alpha1");
}

/// The name that `Version` answers.
pub const RUNTIME_NAME: &str = "lockkeeper";

/// The version of the driver's API that `Version` answers.
const API_VERSION: &str = "v1alpha1";

/// The largest content that a Kubernetes Secret takes, for volumes that the driver syncs to one.
const SYNC_LIMIT: usize = 1 << 20;

/// The service of one socket.
#[derive(Clone)]
pub struct Service {
    provider: Arc<Provider>,
    flavour: Flavour,
    defaults: Arc<ClassDefaults>,
    restrictions: Arc<Restrictions>,
    callers: Callers,
    mount_timeout: Duration,
    // Turns true when calls in flight must be answered, for the process is about to end.
    cut: watch::Receiver<bool>,
    clock: Clock,
}

impl Service {
    /// The service of one socket. `cut` turns true shortly before the process ends.
    pub fn new(
        provider: Arc<Provider>,
        flavour: Flavour,
        settings: &Settings,
        cut: watch::Receiver<bool>,
        clock: Clock,
    ) -> Self {
        Self {
            provider,
            flavour,
            defaults: Arc::new(settings.flavour(flavour).defaults.clone()),
            restrictions: Arc::new(settings.restrictions.clone()),
            callers: Callers::new(&settings.allowed_uids),
            mount_timeout: settings.mount_timeout,
            cut,
            clock,
        }
    }

    async fn mount_once(self, request: MountRequest, budget: Budget) -> Result<MountResponse, MountError> {
        let text = MountRequestText {
            attributes: &request.attributes,
            secrets: &request.secrets,
            permission: &request.permission,
            target_path: &request.target_path,
        };
        let parsed = MountSpec::parse(&text, self.flavour, &self.defaults)
            .and_then(|spec| self.restrictions.check(&spec, &self.defaults).map(|()| spec));
        let spec = match parsed {
            Ok(spec) => spec,
            Err(error) => {
                let error = MountError::from(error);
                let pod = crate::class::pod_in(&request.attributes);
                tracing::warn!(pod, code = ?error.code(), "mount failed: {error}");
                return Err(error);
            }
        };
        let mut cut = self.cut.clone();
        let outcome = tokio::select! {
            biased;
            (report, outcome) = self.provider.mount(&spec, budget) => {
                log(&spec, &report, &outcome);
                outcome
            }
            _ = cut.wait_for(|cut| *cut) => {
                tracing::warn!(pod = spec.pod.name, namespace = spec.pod.namespace, "mount cut short by the shutdown");
                Err(MountError::ShuttingDown)
            }
        };
        outcome.map(response)
    }
}

#[tonic::async_trait]
impl CsiDriverProvider for Service {
    async fn version(&self, request: Request<VersionRequest>) -> Result<Response<VersionResponse>, Status> {
        self.callers.check(request.extensions())?;
        Ok(Response::new(VersionResponse {
            version: API_VERSION.to_owned(),
            runtime_name: RUNTIME_NAME.to_owned(),
            runtime_version: env!("CARGO_PKG_VERSION").to_owned(),
        }))
    }

    async fn mount(&self, request: Request<MountRequest>) -> Result<Response<MountResponse>, Status> {
        self.callers.check(request.extensions())?;
        let timeout = request
            .metadata()
            .get("grpc-timeout")
            .and_then(|value| value.to_str().ok())
            .and_then(parse_grpc_timeout);
        let budget = Budget::of_call(self.clock.now(), self.mount_timeout, timeout);
        // A task of its own, so that a panic is one answer and not the process; stopped when the caller hangs up.
        let mut task = tokio::task::JoinSet::new();
        task.spawn(self.clone().mount_once(request.into_inner(), budget));
        let outcome = match task.join_next().await {
            Some(Ok(outcome)) => outcome,
            Some(Err(_)) | None => Err(MountError::Internal),
        };
        outcome.map(Response::new).map_err(|error| Status::new(error.code(), error.to_string()))
    }
}

fn response(files: Vec<MountedFile>) -> MountResponse {
    let mut answer = MountResponse::default();
    for file in files {
        answer.object_version.push(ObjectVersion { id: file.path.clone(), version: file.version });
        // 0 to 0o777 fits.
        answer.files.push(File { path: file.path, mode: file.mode as i32, contents: file.contents });
    }
    answer
}

fn log(spec: &MountSpec, report: &MountReport, outcome: &Result<Vec<MountedFile>, MountError>) {
    let pod = &spec.pod;
    let elapsed_ms = u64::try_from(report.elapsed.as_millis()).unwrap_or(u64::MAX);
    macro_rules! line {
        ($level:expr, $code:expr, $($message:tt)+) => {
            tracing::event!(
                $level,
                pod = pod.name,
                namespace = pod.namespace,
                uid = pod.uid,
                service_account = pod.service_account,
                class = spec.class,
                role = spec.login.role,
                objects = report.objects,
                reads = report.reads,
                logins = report.logins,
                retries = report.retries,
                elapsed_ms,
                code = ?$code,
                $($message)+
            )
        };
    }
    if !spec.unknown_fields.is_empty() && report.change != Some(Change::Unchanged) {
        line!(
            tracing::Level::WARN,
            outcome.as_ref().err().map_or(tonic::Code::Ok, MountError::code),
            "fields of the class that nobody reads: {}; check their spelling",
            spec.unknown_fields.join(", ")
        );
    }
    let size: usize = outcome.iter().flatten().map(|file| file.contents.len()).sum();
    if size > SYNC_LIMIT && report.change != Some(Change::Unchanged) {
        line!(
            tracing::Level::WARN,
            tonic::Code::Ok,
            "the volume's files are {} together: sync to a Kubernetes Secret fails above {}",
            crate::words::size(size),
            crate::words::size(SYNC_LIMIT)
        );
    }
    match (outcome, report.change) {
        (Err(error), _) => line!(tracing::Level::WARN, error.code(), "mount failed: {error}"),
        (Ok(_), Some(Change::Unchanged)) => {
            line!(tracing::Level::DEBUG, tonic::Code::Ok, "mounted, unchanged");
        }
        (Ok(_), change) => {
            line!(tracing::Level::INFO, tonic::Code::Ok, "mounted, {}", change.map_or("first", Change::word));
        }
    }
}
