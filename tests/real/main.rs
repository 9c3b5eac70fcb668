//! The provider's own binary against the real Vault, PostgreSQL, Kubernetes API server and CSI driver.
//!
//! `tests/servers/build` makes the servers; the tests start one of each, share them, and give each test an application, a
//! namespace and a provider process of its own. With `LOCKKEEPER_TEST_NO_MOUNT` set, the tests through the CSI driver pass
//! without doing anything: it mounts, which not every machine allows.

#![allow(clippy::unwrap_used, reason = "a test ends at the first thing that is not as it should be")]
#![allow(
    clippy::disallowed_methods,
    reason = "the product's bans on the clock and the environment keep its own tests in control; these have real servers"
)]

mod cluster;
mod credentials;
mod csi_driver;
mod empty_volume;
mod handover;
mod identity;
mod old_drivers;
mod outage;
mod provider;
mod secrets;
mod versions;
