//! Compiles the protobuf files without `protoc`.

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let files = ["types", "policy", "distribution", "administration"];
    let paths: Vec<String> = files.iter().map(|file| format!("proto/evergate/{file}.proto")).collect();
    for path in &paths {
        println!("cargo:rerun-if-changed={path}");
    }
    let descriptors = protox::compile(&paths, ["proto"])?;
    tonic_prost_build::configure().build_transport(false).bytes(".").compile_fds(descriptors)?;
    Ok(())
}
