//! Hand-made frames in every form that HPACK allows, read by h2 itself behind the rewriter.

mod forms;
mod frames;
mod properties;
mod server;
mod wire;

use super::{MOST_HELD, Nonsense, PREFACE, Rewriter};

/// What drivers up to 1.5.6 send.
const SOCKET: &str = "/etc/kubernetes/secrets-store-csi-providers/vault.sock";

/// What comes out when all bytes go in at once.
fn rewritten(input: &[u8]) -> Result<Vec<u8>, Nonsense> {
    let mut output = Vec::new();
    Rewriter::new().push(input, &mut output).map(|()| output)
}

/// The name that takes the place of another of this length.
fn name(length: usize) -> String {
    let dashes = "-".repeat(length.saturating_sub("localhost".len()));
    format!("localhost{dashes}")[..length].to_owned()
}
