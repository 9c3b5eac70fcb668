//! Stand-ins for Vault, the Kubernetes API and the CSI driver, and the real servers, for tests and for the demo.
//!
//! The three stand-ins are real servers and a real client on loopback sockets: [`vault::Vault`],
//! [`kubernetes::Kubernetes`] and [`driver::Driver`]. A test starts them, hands their addresses to a provider,
//! switches [`http::Fault`]s on and reads the [`http::CallLog`].

#![allow(
    clippy::disallowed_methods,
    reason = "the product's bans on the clock and the environment keep its own tests in control; this is that control"
)]

pub mod certificates;
pub mod demo;
pub mod driver;
pub mod http;
pub mod jwt;
pub mod kubernetes;
pub mod pod;
pub mod proto;
pub mod provider;
pub mod real;
pub mod vault;

mod clock;
