//! What a user of the provider notices, over real sockets against the stand-ins.

#![allow(clippy::disallowed_methods, reason = "tests look at the machine's own clock")]
#![allow(unreachable_pub, reason = "a test binary has no outside")]

mod binary;
mod canary;
mod cluster;
mod compatibility;
mod corpora;
mod documents;
mod errors;
mod golden;
mod hmac;
mod limits;
mod load;
mod mounts;
mod node;
mod odd_answers;
mod old_drivers;
mod operations_page;
mod operator;
mod outage;
mod process;
mod redirects;
mod sessions;
mod socket;
mod tls;
