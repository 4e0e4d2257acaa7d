//! What this process and all that it started keep in memory.

use std::collections::HashMap;
use std::fs;

/// Bytes of proportional set size of this process and its descendants.
pub(crate) fn proportional_set_size() -> u64 {
    let mut children: HashMap<u32, Vec<u32>> = HashMap::new();
    for entry in fs::read_dir("/proc").expect("processes").flatten() {
        if let Some(pid) = entry.file_name().to_str().and_then(|name| name.parse().ok()) {
            children.entry(parent(pid)).or_default().push(pid);
        }
    }
    let mut pending = vec![std::process::id()];
    let mut total = 0;
    while let Some(pid) = pending.pop() {
        total += of_process(pid);
        pending.extend(children.remove(&pid).unwrap_or_default());
    }
    total
}

/// 0 for a process that has ended meanwhile.
fn parent(pid: u32) -> u32 {
    // The name, in parentheses, may hold anything; what follows it is well formed.
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    let after_name = stat.rsplit_once(") ").map_or("", |(_, rest)| rest);
    after_name
        .split(' ')
        .nth(1)
        .and_then(|field| field.parse().ok())
        .unwrap_or(0)
}

fn of_process(pid: u32) -> u64 {
    let rollup = fs::read_to_string(format!("/proc/{pid}/smaps_rollup")).unwrap_or_default();
    let line = rollup.lines().find_map(|line| line.strip_prefix("Pss:"));
    line.and_then(|line| line.split_whitespace().next()?.parse::<u64>().ok())
        .unwrap_or(0)
        * 1024
}
