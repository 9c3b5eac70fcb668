//! Puts the parts together: [`App::bind`] makes every socket ready and says where, [`Bound::run`] serves until told
//! to end.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinSet;

use crate::class::endpoint::Flavour;
use crate::clock::{Clock, Jitter};
use crate::grpc::listener::{ListenError, Listener, Place};
use crate::grpc::{CsiDriverProviderServer, Service};
use crate::health::{Health, Phase};
use crate::kubernetes::{HmacKey, Kubernetes};
use crate::mount::Provider;
use crate::settings::Settings;
use crate::vault::Vault;
use crate::vault::clusters::Rules;

/// Calls in flight are answered this long before the process ends: a call that is cut has no final code.
const CUT_BEFORE_END: Duration = Duration::from_secs(2);

/// Why the provider cannot start or had to end, as one sentence.
#[derive(Debug, thiserror::Error)]
pub enum AppError {
    /// A driver's socket.
    #[error(transparent)]
    Listen(#[from] ListenError),
    /// The health address.
    #[error("cannot listen on the health address {address}: {error}")]
    Health {
        /// As it was given.
        address: String,
        /// Why.
        error: std::io::Error,
    },
    /// A server ended by itself.
    #[error("the server of {socket} ended: {error}")]
    Serve {
        /// Which.
        socket: String,
        /// Why.
        error: String,
    },
}

/// The provider, not yet bound.
#[derive(Debug)]
pub struct App;

/// The provider with its sockets bound: drivers and probes can connect, and are answered once it runs.
pub struct Bound {
    settings: Settings,
    listeners: Vec<(Flavour, Listener)>,
    health: TcpListener,
    health_address: SocketAddr,
}

impl App {
    /// Binds every socket and the health address.
    pub async fn bind(settings: Settings) -> Result<Bound, AppError> {
        let wanted = settings.health_address.to_string();
        let host = settings.health_address.host.clone();
        let port = settings.health_address.port;
        let failed = |error| AppError::Health { address: wanted.clone(), error };
        let health = match host {
            Some(host) => TcpListener::bind((host, port)).await.map_err(failed)?,
            // Go's ":8080": both families where there are both.
            None => match TcpListener::bind((std::net::Ipv6Addr::UNSPECIFIED, port)).await {
                Ok(listener) => listener,
                Err(_) => TcpListener::bind((std::net::Ipv4Addr::UNSPECIFIED, port)).await.map_err(failed)?,
            },
        };
        let health_address = health.local_addr().map_err(failed)?;
        let mut listeners = Vec::with_capacity(settings.endpoints.len());
        for endpoint in &settings.endpoints {
            match Listener::bind(&endpoint.socket) {
                Ok(listener) => listeners.push((endpoint.flavour, listener)),
                Err(error) => {
                    listeners
                        .iter()
                        .for_each(|(_, listener): &(Flavour, Listener)| listener.place().give_up());
                    return Err(error.into());
                }
            }
        }
        Ok(Bound { settings, listeners, health, health_address })
    }
}

impl Bound {
    /// The drivers' sockets.
    pub fn sockets(&self) -> Vec<PathBuf> {
        self.listeners.iter().map(|(_, listener)| listener.place().path().to_owned()).collect()
    }

    /// Where `/health/ready` is answered.
    pub fn health_address(&self) -> SocketAddr {
        self.health_address
    }

    /// Serves until `shutdown` is done, then finishes what was begun, within `-shutdown-timeout`.
    pub async fn run(self, shutdown: impl Future<Output = ()>) -> Result<(), AppError> {
        let Self { settings, listeners, health: health_listener, .. } = self;
        let (clock, jitter) = (Clock::system(), Jitter::random());
        let kubernetes = Arc::new(Kubernetes::new(settings.kubernetes.clone(), clock, jitter.clone()));
        let places: Vec<Arc<Place>> =
            listeners.iter().map(|(_, listener)| Arc::clone(listener.place())).collect();
        let (phase, phase_seen) = watch::channel(Phase::Starting);
        let (cut, cut_seen) = watch::channel(false);
        let (drain, drain_seen) = watch::channel(false);
        let health = Health::new(phase_seen, places.clone(), clock);
        // In a set, so that it ends with this future, however that ends.
        let mut health_server = JoinSet::new();
        health_server.spawn(health.serve(health_listener));

        let mut servers = JoinSet::new();
        let mut providers: Vec<(Flavour, Arc<Provider>)> = Vec::new();
        for (flavour, listener) in listeners {
            let known = providers
                .iter()
                .find(|(known, _)| *known == flavour)
                .map(|(_, provider)| Arc::clone(provider));
            let provider = known.unwrap_or_else(|| {
                let provider = Arc::new(provider(&settings, flavour, &kubernetes, clock, &jitter));
                providers.push((flavour, Arc::clone(&provider)));
                provider
            });
            let service = Service::new(provider, flavour, &settings, cut_seen.clone(), clock);
            let socket = listener.place().path().display().to_string();
            tracing::info!(%socket, ?flavour, "serving");
            let mut drained = drain_seen.clone();
            servers.spawn(async move {
                let stop = async move {
                    let _ = drained.wait_for(|drain| *drain).await;
                };
                let server =
                    tonic::transport::Server::builder().add_service(CsiDriverProviderServer::new(service));
                let outcome = server.serve_with_incoming_shutdown(listener.incoming(), stop).await;
                outcome.map_err(|error| AppError::Serve { socket, error: error.to_string() })
            });
        }

        phase.send_replace(Phase::Serving);
        let mut failure = None;
        tokio::select! {
            () = shutdown => tracing::info!("shutting down"),
            Some(ended) = servers.join_next() => {
                // None should end before it is told to: without it pods wait, so leave and be started anew.
                let unexpected = || AppError::Serve { socket: "a driver's socket".to_owned(), error: "it stopped".to_owned() };
                failure = Some(match ended {
                    Ok(Err(error)) => error,
                    Ok(Ok(())) | Err(_) => unexpected(),
                });
            }
        }
        phase.send_replace(Phase::Draining);
        // First the files, so that nobody connects to a socket that is no longer listened on.
        places.iter().for_each(|place| place.give_up());
        drain.send_replace(true);
        let all_done = async { while servers.join_next().await.is_some() {} };
        tokio::pin!(all_done);
        let last = CUT_BEFORE_END.min(settings.shutdown_timeout);
        let before_cut = settings.shutdown_timeout.saturating_sub(last);
        if tokio::time::timeout(before_cut, &mut all_done).await.is_err() {
            cut.send_replace(true);
            let _ = tokio::time::timeout(last, &mut all_done).await;
        }
        failure.map_or(Ok(()), Err)
    }
}

fn provider(
    settings: &Settings,
    flavour: Flavour,
    kubernetes: &Arc<Kubernetes>,
    clock: Clock,
    jitter: &Jitter,
) -> Provider {
    let own = settings.flavour(flavour);
    let rules = Rules {
        client: own.client.clone(),
        limits: settings.limits,
        origins: settings.restrictions.origins(&own.defaults),
        clock,
        jitter: jitter.clone(),
    };
    let vault = Arc::new(Vault::new(rules, settings.cache_size));
    let hmac_key = HmacKey::new(own.hmac_secret_name.clone(), Arc::clone(kubernetes), clock);
    Provider::new(vault, Arc::clone(kubernetes), hmac_key, settings.max_response_bytes, clock)
}
