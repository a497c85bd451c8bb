//! What the numbers were measured on.

use std::fs;
use std::thread;

/// Prints the machine, the system and the compiler.
pub(crate) fn print_head(quick: bool) {
    let read = |path: &str| fs::read_to_string(path).unwrap_or_default();
    let cpu = read("/proc/cpuinfo")
        .lines()
        .find_map(|line| line.strip_prefix("model name")?.split_once(':').map(|(_, name)| name.trim().to_owned()))
        .unwrap_or_else(|| "unknown".to_owned());
    let or_unknown = |text: String| if text.trim().is_empty() { "unknown".to_owned() } else { text.trim().to_owned() };
    println!(
        "processor  {cpu} ({}), {} usable",
        std::env::consts::ARCH,
        thread::available_parallelism().map_or(1, Into::into)
    );
    println!("system     {} {}", std::env::consts::OS, or_unknown(read("/proc/sys/kernel/osrelease")));
    println!("compiler   {}", env!("BENCH_RUSTC"));
    println!("load       {}", or_unknown(read("/proc/loadavg")));
    if quick {
        println!("quick      every row was run once: the times mean nothing");
    }
}
