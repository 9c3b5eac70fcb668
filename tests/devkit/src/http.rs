//! The servers under the stand-ins: real sockets, faults to switch on, a log of calls.

mod body;
mod call;
mod fault;
mod gate;
mod listen;
mod log;
mod server;

pub use call::{Answer, Call};
pub use fault::{Fault, Faults};
pub use gate::Gate;
pub use log::{CallLog, LoggedCall};
pub use server::HttpServer;
pub(crate) use server::ServerOptions;

pub(crate) use listen::Place;
