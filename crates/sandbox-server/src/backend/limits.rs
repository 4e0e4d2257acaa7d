//! What a session may use.

/// What a session may use. A backend that cannot enforce one of them says so in its
/// [`Capabilities`](super::Capabilities).
///
/// ```
/// let limits = sandbox_server::Limits { memory_bytes: 128 << 20, ..Default::default() };
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of memory of its processes (default 512 MiB).
    pub memory_bytes: u64,
    /// Bytes of files it may write (default 512 MiB).
    pub disk_bytes: u64,
    /// Processes and threads (default 256).
    pub pids: u32,
    /// Processor time per second, in thousandths of one processor (default 1000).
    pub cpu_millis: u32,
    /// Open files of each process (default 1024).
    pub open_files: u32,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            memory_bytes: 512 << 20,
            disk_bytes: 512 << 20,
            pids: 256,
            cpu_millis: 1000,
            open_files: 1024,
        }
    }
}
