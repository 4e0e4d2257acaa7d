//! How much memory a process uses, and used at most.

use std::fs;

/// The memory of one process from a moment on.
pub(crate) struct Watch {
    pid: u32,
    before: u64,
}

impl Watch {
    /// Forgets what the process used at most before now.
    pub(crate) fn start(pid: u32) -> Self {
        // Documented in proc(5): resets the peak of the resident set size.
        fs::write(format!("/proc/{pid}/clear_refs"), "5").expect("our own process");
        Self {
            pid,
            before: bytes(pid, "VmRSS:"),
        }
    }

    /// How many bytes more than at the start it used at most.
    pub(crate) fn extra(&self) -> u64 {
        bytes(self.pid, "VmHWM:").saturating_sub(self.before)
    }
}

fn bytes(pid: u32, field: &str) -> u64 {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).expect("a running process");
    let line = status.lines().find_map(|line| line.strip_prefix(field));
    let kibibytes = line.and_then(|line| line.split_whitespace().next()?.parse::<u64>().ok());
    kibibytes.expect("the kernel counts it") * 1024
}
