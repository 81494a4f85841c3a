//! The `rpmctl` command: everything but the exit code is in the library.

fn main() -> std::process::ExitCode {
    rpmctl::cli::main()
}
