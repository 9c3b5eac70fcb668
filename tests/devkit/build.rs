//! Compiles the driver's and the CSI proto's clients; no protoc needed.

fn main() -> Result<(), Box<dyn std::error::Error>> {
    for (file, include) in
        [("../../proto/v1alpha1/service.proto", "../../proto/v1alpha1"), ("proto/csi.proto", "proto")]
    {
        println!("cargo:rerun-if-changed={file}");
        let descriptors = protox::compile([file], [include])?;
        tonic_prost_build::configure().build_server(false).build_client(true).compile_fds(descriptors)?;
    }
    Ok(())
}
