//! Names the shared library for the loader.

/// Grows with every change after which a program must be compiled again; `KEYFOLD_ABI_VERSION` is the same.
const ABI_VERSION: u32 = 0;

fn main() {
    println!("cargo:rerun-if-changed=build.rs");
    let system = std::env::var("CARGO_CFG_TARGET_OS").unwrap_or_default();
    match system.as_str() {
        "macos" | "ios" => {
            println!("cargo:rustc-cdylib-link-arg=-Wl,-install_name,@rpath/libkeyfold.{ABI_VERSION}.dylib");
        }
        "windows" => {}
        _ => {
            println!("cargo:rustc-cdylib-link-arg=-Wl,-soname,libkeyfold.so.{ABI_VERSION}");
            // Fork handlers are registered with the C library: dlclose must leave their code where it is.
            println!("cargo:rustc-cdylib-link-arg=-Wl,-z,nodelete");
        }
    }
}
