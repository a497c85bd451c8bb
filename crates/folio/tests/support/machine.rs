//! The pages of the machine. An emulator may give a program longer ones, and lose them in pieces.

/// How long the pages are of which the kernel says that they are lost.
pub(crate) fn page_size() -> usize {
    #[cfg(target_os = "linux")]
    {
        let text = std::fs::read_to_string("/proc/self/smaps").unwrap();
        let line = text.lines().find_map(|line| line.strip_prefix("KernelPageSize:")).unwrap();
        line.trim().strip_suffix(" kB").unwrap().parse::<usize>().unwrap() * 1024
    }
    #[cfg(not(target_os = "linux"))]
    folio::page_size()
}
