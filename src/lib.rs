//! Lockkeeper: a provider for the Kubernetes Secrets Store CSI driver that answers `Mount` with files from HashiCorp
//! Vault or OpenBao.
//!
//! One mount, from the driver's call to the bytes:
//!
//! 1. [`grpc`] accepts the driver's connection ([`grpc::authority`] mends what old drivers send) and takes the three
//!    strings of a `MountRequest`;
//! 2. [`budget`] says until when it must be answered, always before the caller gives up;
//! 3. [`class`] parses the strings into a [`class::MountSpec`], or says which field is wrong;
//! 4. [`mount`] starts one read for each distinct request, side by side;
//! 5. [`vault`] finds the pod's session, or logs in with the pod's token, which [`kubernetes`] mints if the driver sent
//!    none, and sends the request over [`wire`], as often as [`retry`] allows;
//! 6. [`mount::content`] renders each answer to bytes ([`json`] writes as Go does), [`mount::object_version`] tells what
//!    version they are;
//! 7. [`grpc`] wraps the files, or an [`error::MountError`] whose code is always final.
//!
//! Around it: [`settings`] are read once, [`app`] binds and serves, [`health`] answers probes; [`clock`], [`task`],
//! [`recent`] and [`words`] are small tools of all. Arrows point one way: `app -> grpc -> mount -> vault -> kubernetes`.

pub mod app;
pub mod budget;
pub mod class;
pub mod clock;
pub mod error;
pub mod grpc;
pub mod health;
pub mod json;
pub mod kubernetes;
pub mod mount;
pub mod recent;
pub mod retry;
pub mod settings;
pub mod task;
pub mod vault;
pub mod wire;
pub mod words;
