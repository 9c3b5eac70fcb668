//! The generated clients: the driver's provider service and CSI itself.

/// The service that a provider offers to the driver.
#[allow(missing_docs, clippy::all, clippy::pedantic, unreachable_pub, unused_qualifications)]
pub mod v1alpha1 {
    tonic::include_proto!("v1alpha1");
}

/// The service that the real driver offers to kubelet.
#[allow(missing_docs, clippy::all, clippy::pedantic, unreachable_pub, unused_qualifications)]
pub mod csi {
    tonic::include_proto!("csi.v1");
}
