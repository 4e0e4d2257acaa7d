//! What a process takes.

use std::fs;

pub(crate) struct Process(pub(crate) u32);

impl Process {
    /// A line of its status that counts memory, in bytes.
    pub(crate) fn memory(&self, field: &str) -> u64 {
        self.status(field) * 1024
    }

    /// How many descriptors it has; of a process that may not be looked into, for how many there was room.
    pub(crate) fn descriptors(&self) -> u64 {
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
