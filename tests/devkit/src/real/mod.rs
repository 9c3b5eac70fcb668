//! Real servers, started as child processes on free ports and ended with their handle.
//!
//! [`Vault`], [`Kubernetes`] and [`Driver`] are the programs that `tests/servers/build` makes; [`Postgres`] is the one of
//! the machine's packages. All listen on loopback (or on a Unix socket) only, keep what they write in one scratch folder of
//! this process, and die with it, however it ends. [`Kubelet`] plays the part of the node's kubelet for the driver.

mod driver;
mod error;
mod http;
mod kubelet;
mod kubernetes;
mod manifests;
mod postgres;
mod process;
mod scratch;
mod vault;
mod wait;

pub use driver::Driver;
pub use error::{Error, Result};
pub use kubelet::{Kubelet, Volume, pod_tokens};
pub use kubernetes::{Kubernetes, ServiceAccountFolder, Token};
pub use postgres::Postgres;
pub use process::{Process, Program};
pub use scratch::scratch_folder;
pub use vault::{LiveToken, Vault};
pub use wait::eventually;
