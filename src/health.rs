//! Answers probes: ready while every driver's socket is ours and served, else 503 with the reason.

use axum::Router;
use axum::extract::State;
use axum::http::StatusCode;
use axum::routing::get;
use tokio::net::TcpListener;
use tokio::sync::watch;

use crate::grpc::listener::Place;

/// Where the process is in its life.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    /// Calls are answered.
    Serving,
    /// No new connections; what was begun is finished.
    Draining,
}

/// What probes are told.
#[derive(Clone, Debug)]
pub struct Health {
    phase: watch::Receiver<Phase>,
    places: Vec<Place>,
}

impl Health {
    /// Tells of these sockets.
    pub fn new(phase: watch::Receiver<Phase>, places: Vec<Place>) -> Self {
        Self { phase, places }
    }

    /// Answers `GET /health/ready` until it is dropped.
    pub async fn serve(self, listener: TcpListener) {
        let router = Router::new().route("/health/ready", get(ready)).with_state(self);
        if let Err(error) = axum::serve(listener, router).await {
            tracing::error!(%error, "the health address is no longer answered");
        }
    }

    fn verdict(&self) -> Result<(), String> {
        if *self.phase.borrow() == Phase::Draining {
            return Err("shutting down".to_owned());
        }
        match self.places.iter().find(|place| !place.is_ours()) {
            None => Ok(()),
            Some(place) => Err(format!("{} is gone or another process's", place.path().display())),
        }
    }
}

async fn ready(State(health): State<Health>) -> (StatusCode, String) {
    match health.verdict() {
        Ok(()) => (StatusCode::OK, "ok\n".to_owned()),
        Err(why) => (StatusCode::SERVICE_UNAVAILABLE, why + "\n"),
    }
}
