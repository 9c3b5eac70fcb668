//! Compiles the driver's proto; no protoc needed.

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let proto = "proto/v1alpha1/service.proto";
    println!("cargo:rerun-if-changed={proto}");
    println!("cargo:rerun-if-env-changed=SOURCE_DATE_EPOCH");
    let descriptors = protox::compile([proto], ["proto/v1alpha1"])?;
    tonic_prost_build::configure()
        // The readiness probe asks our own socket.
        .build_client(true)
        .build_server(true)
        // Contents are handed over without a copy.
        .bytes(".v1alpha1.File.contents")
        .compile_fds(descriptors)?;
    Ok(())
}
