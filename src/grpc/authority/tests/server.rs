//! h2's own server behind a [`DriverStream`], to say what comes through.

use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixStream;

use crate::grpc::stream::DriverStream;

/// What h2 made of a connection.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Served {
    /// Each request's `:authority` and its other headers, in the order of their arrival.
    pub(super) requests: Vec<(String, Vec<(String, String)>)>,
    /// Why the connection ended, if not because the client had no more to say.
    pub(super) error: Option<String>,
}

impl Served {
    pub(super) fn authorities(&self) -> Vec<&str> {
        self.requests.iter().map(|(authority, _)| authority.as_str()).collect()
    }
}

/// Sends these bytes, each piece by itself, and then the end.
pub(super) fn serve(pieces: &[&[u8]]) -> Served {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let (client, server) = UnixStream::pair().unwrap();
        let (mut answers, mut calls) = client.into_split();
        let client = async {
            for piece in pieces {
                // The server may have had enough.
                if calls.write_all(piece).await.is_err() {
                    break;
                }
                tokio::task::yield_now().await;
            }
            drop(calls);
            let mut ignored = Vec::new();
            let _ = answers.read_to_end(&mut ignored).await;
        };
        let both = async { tokio::join!(client, accept_all(DriverStream::new(server))).1 };
        tokio::time::timeout(Duration::from_secs(20), both).await.expect("the server comes to an end")
    })
}

async fn accept_all(stream: DriverStream) -> Served {
    let mut served = Served::default();
    let mut connection = match h2::server::handshake(stream).await {
        Ok(connection) => connection,
        Err(error) => return Served { error: Some(error.to_string()), ..served },
    };
    // Kept, for a dropped responder resets its stream.
    let mut responders = Vec::new();
    while let Some(accepted) = connection.accept().await {
        match accepted {
            Ok((request, responder)) => {
                responders.push(responder);
                let text = |value: &http::HeaderValue| String::from_utf8_lossy(value.as_bytes()).into_owned();
                let headers = request.headers().iter().map(|(name, value)| (name.to_string(), text(value)));
                let authority = request.uri().authority().map(ToString::to_string).unwrap_or_default();
                served.requests.push((authority, headers.collect()));
            }
            Err(error) => {
                served.error = Some(error.to_string());
                break;
            }
        }
    }
    served
}
