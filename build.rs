//! Sets the linker up for the Node-API addon; the pure Rust crate needs nothing.

fn main() {
    #[cfg(feature = "napi")]
    napi_build::setup();
}
