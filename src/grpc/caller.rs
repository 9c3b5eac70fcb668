//! Who may call: root, whom the operator lists, and this process itself for its own probe.

use std::sync::Arc;

use tonic::Status;
use tonic::transport::server::UdsConnectInfo;

/// The user ids that may call, by what the kernel says of the connection (SO_PEERCRED).
#[derive(Clone, Debug)]
pub struct Callers {
    allowed: Arc<[u32]>,
}

impl Callers {
    /// Root and `listed`.
    pub fn new(listed: &[u32]) -> Self {
        Self { allowed: [0].iter().chain(listed).copied().collect() }
    }

    /// Turns away whoever is neither; `extensions` are the request's.
    pub fn check(&self, extensions: &tonic::Extensions) -> Result<(), Status> {
        let peer = extensions.get::<UdsConnectInfo>().and_then(|info| info.peer_cred);
        let Some(peer) = peer else {
            tracing::warn!("a caller whose user is not known was turned away");
            return Err(Status::permission_denied("the caller's user is not known"));
        };
        let is_self = peer.pid().and_then(|pid| u32::try_from(pid).ok()) == Some(std::process::id());
        if is_self || self.allowed.contains(&peer.uid()) {
            return Ok(());
        }
        let (uid, pid) = (peer.uid(), peer.pid());
        tracing::warn!(
            uid,
            pid,
            "a caller was turned away: its user is neither root nor listed in -allowed-uids"
        );
        Err(Status::permission_denied(format!("user {uid} may not call this provider (-allowed-uids)")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn seen_by(callers: &Callers) -> Result<(), Status> {
        use tonic::transport::server::Connected;

        let (ours, _theirs) = tokio::net::UnixStream::pair().expect("a pair");
        let mut extensions = tonic::Extensions::default();
        extensions.insert(crate::grpc::stream::DriverStream::new(ours).connect_info());
        callers.check(&extensions)
    }

    #[tokio::test]
    async fn this_process_may_call_itself_and_who_is_not_known_may_not() {
        let callers = Callers::new(&[]);
        seen_by(&callers).await.expect("our own probe");
        let status = callers.check(&tonic::Extensions::default()).expect_err("unknown");
        assert_eq!(status.code(), tonic::Code::PermissionDenied);
    }
}
