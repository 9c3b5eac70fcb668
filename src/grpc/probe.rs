//! Asks a socket as the driver does: whether it accepts and answers `Version`.

use std::path::Path;
use std::time::Duration;

use tonic::transport::Endpoint;

use crate::grpc::v1alpha1::VersionRequest;
use crate::grpc::v1alpha1::csi_driver_provider_client::CsiDriverProviderClient;

/// An answer takes a millisecond; a probe's own patience is a second or more.
const PATIENCE: Duration = Duration::from_millis(900);

/// Connects and asks for `Version`; the error is for a probe's reader.
pub async fn answers(socket: &Path) -> Result<(), String> {
    let asked = async {
        let endpoint = Endpoint::from_shared(format!("unix://{}", socket.display()))
            .map_err(|_| "is no socket".to_owned())?;
        let channel = endpoint.connect().await.map_err(|_| "does not accept".to_owned())?;
        let mut client = CsiDriverProviderClient::new(channel);
        let answer = client.version(VersionRequest::default()).await;
        answer.map(|_| ()).map_err(|status| format!("answers {:?} to Version", status.code()))
    };
    let outcome = tokio::time::timeout(PATIENCE, asked).await;
    outcome.unwrap_or_else(|_| Err("does not answer Version in time".to_owned()))
}
