//! Packs what the binary carries: the description of the API, without its indents.

use flate2::Compression;
use flate2::write::ZlibEncoder;
use std::error::Error;
use std::io::Write;
use std::path::Path;
use std::{env, fs};

fn main() -> Result<(), Box<dyn Error>> {
    let source = "src/api/v2/openapi.json";
    println!("cargo::rerun-if-changed={source}");
    println!("cargo::rerun-if-changed=src/build.rs");
    // A text in JSON never runs over the end of a line.
    let text: String = fs::read_to_string(source)?.lines().map(str::trim_start).collect();
    let mut packer = ZlibEncoder::new(Vec::new(), Compression::best());
    packer.write_all(text.as_bytes())?;
    let out = Path::new(&env::var("OUT_DIR")?).join("openapi.json.z");
    fs::write(out, packer.finish()?)?;
    Ok(())
}
