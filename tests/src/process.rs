//! What a process takes.

use std::fs;

/// A running process, by its number.
#[derive(Clone, Copy, Debug)]
pub struct Process(pub u32);

impl Process {
    /// A line of its status that counts memory, such as `VmRSS`, in bytes.
    pub fn memory(&self, field: &str) -> u64 {
        self.status(field) * 1024
    }

    /// How many descriptors it has; of a process that may not be looked into, for how many there was room.
    pub fn descriptors(&self) -> u64 {
        match fs::read_dir(format!("/proc/{}/fd", self.0)) {
            Ok(open) => open.count() as u64,
            Err(_) => self.status("FDSize"),
        }
    }

    fn status(&self, field: &str) -> u64 {
        let status = fs::read_to_string(format!("/proc/{}/status", self.0)).expect("a running process");
        let line = status
            .lines()
            .find_map(|line| line.strip_prefix(field)?.strip_prefix(':'));
        let number = line.and_then(|line| line.split_whitespace().next()?.parse().ok());
        number.expect("the kernel counts it")
    }
}

/// The memory of one process from a moment on.
pub struct Watch {
    process: Process,
    before: u64,
}

impl Watch {
    /// Forgets what the process used at most before now.
    pub fn start(process: Process) -> Self {
        // Documented in proc(5): resets the peak of the resident set size.
        fs::write(format!("/proc/{}/clear_refs", process.0), "5").expect("our own process");
        Self {
            process,
            before: process.memory("VmRSS"),
        }
    }

    /// How many bytes more than at the start it used at most.
    pub fn extra(&self) -> u64 {
        self.process.memory("VmHWM").saturating_sub(self.before)
    }
}
