//! One Vault cluster as mounts reach it: its nodes' connections, who may ask how often, redirects, retries.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use http::{HeaderMap, HeaderName, HeaderValue};
use secrecy::{ExposeSecret, SecretString};
use tokio::sync::Semaphore;
use zeroize::Zeroizing;

use crate::class::endpoint::{Address, EndpointSpec, TlsSpec};
use crate::clock::Instant;
use crate::json::Json;
use crate::recent::Recent;
use crate::retry::{Effort, Persistence, Tried, Trouble};
use crate::settings::{ClientSettings, Limits};
use crate::vault::clusters::Rules;
use crate::vault::pace::Pace;
use crate::vault::refusal::refused;
use crate::vault::seat::Seat;
use crate::wire::tls::{TlsFileError, TlsMaterial};
use crate::wire::{Allowance, Client, Exchange, Failure, Origin, Reply, secret_header};

/// A cluster's nodes; at least one.
#[derive(Debug)]
pub struct Cluster {
    spec: EndpointSpec,
    nodes: Vec<Node>,
    // Where a login begins: the node that answered last.
    first: AtomicUsize,
    gate: Arc<Gate>,
    // Redirects lead to other nodes; kept for when they lead there again.
    elsewhere: Mutex<Recent<String, Client>>,
    material: TlsMaterial,
    rules: Arc<Rules>,
}

#[derive(Debug)]
struct Node {
    address: Address,
    base: String,
    client: Client,
    pace: Option<Arc<Pace>>,
}

/// How many may ask a cluster at once, whatever namespace or TLS settings they come with.
#[derive(Debug)]
pub struct Gate {
    requests: Semaphore,
    seats: Arc<Semaphore>,
}

impl Gate {
    /// As many as the limits say.
    pub(super) fn new(limits: Limits) -> Self {
        Self {
            requests: Semaphore::new(limits.vault_requests),
            seats: Arc::new(Semaphore::new(limits.concurrent_mounts)),
        }
    }
}

/// One request to Vault, as often as it has to be sent.
pub struct Call<'a> {
    /// The method as written.
    pub method: &'a str,
    /// Percent-encoded, without `/v1/`, with the query.
    pub target: String,
    /// The JSON body.
    pub body: Option<&'a Json>,
    /// The session's token, except for a login.
    pub token: Option<&'a SecretString>,
    /// Must not run twice.
    pub write: bool,
    /// The node that the session's login was answered by, and the state it had then.
    pub home: Option<&'a Home>,
    /// The mount's place among those that ask.
    pub seat: &'a Seat,
    /// What the mount may read in all.
    pub allowance: &'a Allowance,
}

/// Where a session was made: its reads go there first and tell how far that node's state was (`X-Vault-Index`).
#[derive(Clone, Debug, Default)]
pub struct Home {
    node: usize,
    index: Option<HeaderValue>,
}

/// An answer and when the attempt that brought it began.
pub struct Answered {
    /// The whole body of a successful answer.
    pub body: Zeroizing<Vec<u8>>,
    /// No part of the answer is older.
    pub started: Instant,
    /// Who answered.
    pub home: Home,
}

impl Cluster {
    /// Makes the nodes' clients. Blocks: it reads the system's authorities where the class names none.
    pub(super) fn build(
        spec: EndpointSpec,
        material: &TlsMaterial,
        rules: Arc<Rules>,
        gate: Arc<Gate>,
        pace_of: impl Fn(&Address) -> Option<Arc<Pace>>,
    ) -> Result<Self, TlsFileError> {
        let nodes = spec
            .addresses
            .iter()
            .map(|address| {
                let (origin, base) = origin(address);
                let client = client(&origin, &spec.tls, material, &rules.client)?;
                Ok(Node { address: address.clone(), base, client, pace: pace_of(address) })
            })
            .collect::<Result<_, TlsFileError>>()?;
        Ok(Self {
            spec,
            nodes,
            first: AtomicUsize::new(0),
            gate,
            elsewhere: Mutex::new(Recent::with_capacity(8)),
            material: material.clone(),
            rules,
        })
    }

    /// A place for one mount among those that ask this cluster.
    pub fn seat(&self) -> Seat {
        Seat::among(&self.gate.seats)
    }

    /// The addresses as an error names them.
    pub fn addresses(&self) -> String {
        let texts: Vec<String> = self.spec.addresses.iter().map(Address::to_string).collect();
        texts.join(", ")
    }

    /// The namespace that requests carry.
    pub fn namespace(&self) -> Option<&str> {
        self.spec.namespace.as_deref()
    }

    /// Sends a request until it is answered with success, cannot be, or nobody waits any longer.
    pub async fn call(&self, call: &Call<'_>, effort: &Effort) -> Result<Answered, Tried> {
        let client = &self.rules.client;
        let persistence = Persistence {
            clock: self.rules.clock,
            jitter: self.rules.jitter.clone(),
            attempt_timeout: client.attempt_timeout,
            attempts: client.max_retries.map(|retries| retries.saturating_add(1)),
            write: call.write,
        };
        let begin = call.home.map_or_else(|| self.first.load(Ordering::Relaxed), |home| home.node);
        let failed = AtomicUsize::new(0);
        let failed = &failed;
        persistence
            .run(effort, |_| async move {
                let index = (begin + failed.load(Ordering::Relaxed)) % self.nodes.len();
                let outcome = self.attempt(index, call, effort).await;
                match &outcome {
                    Ok(_) => self.first.store(index, Ordering::Relaxed),
                    Err(trouble) if trouble.is_the_nodes_own() => {
                        failed.fetch_add(1, Ordering::Relaxed);
                    }
                    Err(_) => {}
                }
                outcome
            })
            .await
    }

    async fn attempt(&self, index: usize, call: &Call<'_>, effort: &Effort) -> Result<Answered, Trouble> {
        let node = &self.nodes[index];
        let clock = self.rules.clock;
        // Waiting for a turn takes from the call's time, not from the attempt's.
        let turn = async {
            let seated = call.seat.take().await?;
            if let Some(pace) = &node.pace {
                pace.turn(clock).await;
            }
            Some((seated, self.gate.requests.acquire().await.ok()?))
        };
        let turn = tokio::time::timeout_at(effort.ends(), turn).await.ok().flatten();
        let _turn = turn.ok_or(Trouble::NoTurn)?;
        let started = clock.now();
        let ends = effort.ends().min(started + self.rules.client.attempt_timeout);
        let left = || ends.saturating_duration_since(clock.now());
        let target = format!("{}/v1/{}", node.base, call.target);
        let reply = node.client.send(self.exchange(call, &target)?, left()).await?;
        let reply = match reply.status {
            301 | 302 | 307 => {
                let (client, target) = self.follow(node, &reply)?;
                let elsewhere = |what: &str| {
                    Trouble::Redirect(format!(
                        "Vault answered {} to another address, and there {what}",
                        reply.status
                    ))
                };
                let there = client.send(self.exchange(call, &target)?, left()).await;
                let there = there.map_err(|failure| elsewhere(&failure.to_string()))?;
                match there.status {
                    301 | 302 | 307 => {
                        let again =
                            format!("{} again; a redirect is followed once; check the address", there.status);
                        return Err(elsewhere(&again));
                    }
                    412 | 429 | 500..=599 => return Err(elsewhere(&refused(&there).to_string())),
                    _ => there,
                }
            }
            _ => reply,
        };
        if (200..300).contains(&reply.status) {
            let home = Home { node: index, index: reply.headers.get("x-vault-index").cloned() };
            return Ok(Answered { body: reply.body, started, home });
        }
        call.allowance.give_back(reply.body.len());
        Err(refused(&reply))
    }

    fn exchange<'e>(&self, call: &'e Call<'_>, target: &'e str) -> Result<Exchange<'e>, Trouble> {
        let unsendable = |what: &str| Trouble::Wire(Failure::Unsendable(what.to_owned()));
        let mut headers = HeaderMap::new();
        headers.insert(HeaderName::from_static("x-vault-request"), HeaderValue::from_static("true"));
        if let Some(namespace) = self.namespace() {
            let value =
                HeaderValue::from_bytes(namespace.as_bytes()).map_err(|_| unsendable("the namespace"))?;
            headers.insert(HeaderName::from_static("x-vault-namespace"), value);
        }
        if let Some(token) = call.token {
            let value = secret_header(token.expose_secret()).ok_or_else(|| unsendable("the token"))?;
            headers.insert(HeaderName::from_static("x-vault-token"), value);
        }
        if let Some(index) = call.home.and_then(|home| home.index.clone()) {
            headers.insert(HeaderName::from_static("x-vault-index"), index);
        }
        if call.body.is_some() {
            headers.insert(http::header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
        }
        Ok(Exchange {
            method: call.method,
            target,
            headers,
            body: call.body.map(Json::to_bytes),
            allowance: call.allowance,
        })
    }

    /// Where a redirect leads: once, with the token, as Go's client does; never from https to http.
    fn follow(&self, node: &Node, reply: &Reply) -> Result<(Client, String), Trouble> {
        let wrong = |why: &str| Trouble::Redirect(format!("Vault answered {} and {why}", reply.status));
        let location = reply.header("location").ok_or_else(|| wrong("names no Location"))?;
        if location.starts_with('/') && !location.starts_with("//") {
            return Ok((node.client.clone(), location.to_owned()));
        }
        let uri: http::Uri = location.parse().map_err(|_| wrong("its Location is no address"))?;
        let target = uri.path_and_query().map_or("/", |target| target.as_str()).to_owned();
        let place = uri
            .authority()
            .map(|authority| format!("{}://{authority}", uri.scheme_str().unwrap_or_default()));
        let address = place.and_then(|place| Address::parse(&place, "Location").ok());
        let address = address.ok_or_else(|| wrong("its Location is no address"))?;
        let is_tls = |address: &Address| matches!(address, Address::Http { tls: true, .. });
        if is_tls(&node.address) && !is_tls(&address) {
            return Err(wrong(&format!(
                "leads from https to {address}, which would send the token in clear; not followed"
            )));
        }
        if self.rules.origins.as_ref().is_some_and(|allowed| !allowed.contains(&address.origin())) {
            return Err(Trouble::Forbidden(format!(
                "Vault answered {} and leads to {address}, which is not among the addresses that the operator allows \
                 (-allowed-vault-addresses)",
                reply.status
            )));
        }
        if address.origin() == node.address.origin() {
            return Ok((node.client.clone(), target));
        }
        let mut elsewhere = self.elsewhere.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(client) = elsewhere.touch(&address.origin()) {
            return Ok((client.clone(), target));
        }
        let built = client(&origin(&address).0, &self.spec.tls, &self.material, &self.rules.client);
        let built = built.map_err(|error| wrong(&format!("leads to {address}, but {error}")))?;
        elsewhere.insert(address.origin(), built.clone());
        Ok((built, target))
    }
}

fn client(
    origin: &Origin,
    tls: &TlsSpec,
    material: &TlsMaterial,
    settings: &ClientSettings,
) -> Result<Client, TlsFileError> {
    let proxy = settings.proxy.as_ref().map(|proxy| proxy.expose_url());
    Client::build(origin, material, tls.skip_verify, tls.server_name.as_deref(), proxy)
}

fn origin(address: &Address) -> (Origin, String) {
    match address {
        Address::Http { tls, host, port, base } => {
            (Origin::Tcp { tls: *tls, host: host.clone(), port: *port }, base.clone())
        }
        Address::Unix(path) => (Origin::Unix(path.clone()), String::new()),
    }
}
