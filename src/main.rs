//! The `bullock` program: everything is in the library.

fn main() -> std::process::ExitCode {
    bullock::cli::main()
}
