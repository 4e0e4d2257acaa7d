//! One isolated process tree on Linux: namespaces, mounts, cgroups, seccomp.
