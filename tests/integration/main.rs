//! What a user of the provider notices, over real sockets against the stand-ins.

#![allow(clippy::disallowed_methods, reason = "tests look at the machine's own clock")]
#![allow(unreachable_pub, reason = "a test binary has no outside")]

mod cluster;
mod errors;
mod golden;
mod limits;
mod mounts;
mod node;
mod operations_page;
mod operator;
mod socket;
