//! Answers probes: ready while every driver's socket is ours, accepts and answers; alive while this process answers.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::State;
use axum::http::StatusCode;
use axum::routing::get;
use tokio::net::TcpListener;
use tokio::sync::{Mutex, watch};

use crate::clock::{Clock, Instant};
use crate::grpc::listener::{Owner, Place};
use crate::grpc::probe;

/// A verdict is asked for anew after this time, so that whoever reaches the health address cannot keep us busy.
const VERDICT_AGE: Duration = Duration::from_millis(500);

/// Where the process is in its life.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    /// The sockets are bound, nobody is answered yet.
    Starting,
    /// Calls are answered.
    Serving,
    /// No new connections; what was begun is finished.
    Draining,
}

/// What probes are told. A Vault that is away does not make us unready: no other provider on this node would do better.
#[derive(Clone, Debug)]
pub struct Health {
    phase: watch::Receiver<Phase>,
    places: Vec<Arc<Place>>,
    asked: Arc<Mutex<Option<Asked>>>,
    clock: Clock,
}

/// What the sockets answered, and when.
#[derive(Clone, Debug)]
struct Asked {
    at: Instant,
    verdict: Result<(), String>,
}

impl Health {
    /// Tells of these sockets.
    pub fn new(phase: watch::Receiver<Phase>, places: Vec<Arc<Place>>, clock: Clock) -> Self {
        Self { phase, places, asked: Arc::default(), clock }
    }

    /// Answers `GET /health/ready` and `GET /health/live` until it is dropped.
    pub async fn serve(self, listener: TcpListener) {
        let live = || async { "ok\n" };
        let router = Router::new()
            .route("/health/ready", get(ready))
            .route("/health/live", get(live))
            .with_state(self);
        if let Err(error) = axum::serve(listener, router).await {
            tracing::error!(%error, "the health address is no longer answered");
        }
    }

    async fn verdict(&self) -> Result<(), String> {
        match *self.phase.borrow() {
            Phase::Starting => return Err("starting".to_owned()),
            Phase::Draining => return Err("shutting down".to_owned()),
            Phase::Serving => {}
        }
        for place in &self.places {
            let path = place.path().display();
            match place.owner() {
                Owner::Ours => {}
                Owner::Nobody => return Err(format!("{path} is gone")),
                Owner::Another => return Err(format!("{path} is another process's now")),
            }
        }
        let mut asked = self.asked.lock().await;
        let now = self.clock.now();
        if let Some(asked) = &*asked
            && now < asked.at + VERDICT_AGE
        {
            return asked.verdict.clone();
        }
        let mut verdict = Ok(());
        for place in &self.places {
            if let Err(why) = probe::answers(place.path()).await {
                verdict = Err(format!("{} {why}", place.path().display()));
                break;
            }
        }
        *asked = Some(Asked { at: self.clock.now(), verdict: verdict.clone() });
        verdict
    }
}

async fn ready(State(health): State<Health>) -> (StatusCode, String) {
    match health.verdict().await {
        Ok(()) => (StatusCode::OK, "ok\n".to_owned()),
        Err(why) => (StatusCode::SERVICE_UNAVAILABLE, why + "\n"),
    }
}
