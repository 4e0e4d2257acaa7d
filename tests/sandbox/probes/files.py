"""The file system: only the image, and only what is the session's own can be written."""

WRITABLE = ["/workspace", "/home/sandbox", "/tmp"]


def probe_host_shadow_is_not_there():
    refused("reading /etc/shadow", lambda: open("/etc/shadow").read(), errno.ENOENT, errno.EACCES)
    names = [line.split(":")[0] for line in open("/etc/passwd")]
    assert set(names) <= {"root", "sandbox", "nobody"}, f"/etc/passwd names {names}"


def probe_host_files_outside_the_image_are_not_there():
    for path in [HOST_CANARY, "/proc/self/root" + HOST_CANARY, "/../.." + HOST_CANARY, "/tmp/../.." + HOST_CANARY]:
        refused(f"reading {path}", lambda: open(path).read(), errno.ENOENT)
    for path in ["/root", "/var/lib/dpkg", "/boot", "/lost+found", "/srv", "/mnt", "/media", "/old", "/.old"]:
        try:
            entries = os.listdir(path)
        except OSError:
            continue
        assert entries == [], f"{path} shows {entries}"


def probe_other_root_links_lead_nowhere():
    for link in ["root", "cwd", "exe", "fd/0"]:
        refused(f"following /proc/1/{link}", lambda: os.stat(f"/proc/1/{link}"), errno.EACCES, errno.EPERM, errno.ENOENT)
    for name in ["environ", "mem", "maps", "auxv", "io", "stack", "syscall"]:
        refused(f"reading /proc/1/{name}", lambda: open(f"/proc/1/{name}", "rb").read(1), errno.EACCES, errno.EPERM, errno.ENOENT)


def probe_mounts_name_no_host_path():
    for table in ["/proc/self/mountinfo", "/proc/self/mounts"]:
        text = open(table).read()
        for secret in [os.path.dirname(HOST_CANARY), STATE_DIRECTORY]:
            assert secret not in text, f"{table} names {secret}:\n{text}"


def probe_system_paths_cannot_be_written():
    for directory in ["/", "/usr", "/usr/bin", "/usr/lib", "/etc", "/dev", "/proc", "/proc/sys", "/run", "/var", "/home"]:
        if os.path.isdir(directory):
            path = f"{directory}/probe"
            refused(f"creating {path}", lambda: os.close(os.open(path, os.O_CREAT | os.O_WRONLY)),
                    errno.EROFS, errno.EACCES, errno.EPERM, errno.ENOENT)
    for path in ["/etc/passwd", "/etc/hosts", "/usr/bin/env", "/bin/sh"]:
        refused(f"writing {path}", lambda: open(path, "ab"), errno.EROFS, errno.EACCES, errno.EPERM)
        refused(f"changing the mode of {path}", lambda: os.chmod(path, 0o777), errno.EROFS, errno.EACCES, errno.EPERM)


def probe_kernel_settings_cannot_be_written():
    for path in ["/proc/sys/kernel/core_pattern", "/proc/sys/kernel/modprobe", "/proc/sys/kernel/hostname",
                 "/proc/sys/vm/drop_caches", "/proc/sys/net/ipv4/ip_forward", "/proc/sys/fs/file-max",
                 "/proc/sysrq-trigger", "/proc/1/oom_score_adj"]:
        # Opening decides; nothing is written, so that a hole found here does no harm.
        refused(f"opening {path} to write", lambda: os.close(os.open(path, os.O_WRONLY)),
                errno.EROFS, errno.EACCES, errno.EPERM, errno.ENOENT)


def probe_kernel_memory_and_logs_are_not_readable():
    for path in ["/dev/mem", "/dev/kmem", "/dev/port", "/dev/kmsg", "/dev/sda", "/dev/vda", "/dev/fuse", "/dev/kvm"]:
        refused(f"opening {path}", lambda: os.open(path, os.O_RDONLY), errno.ENOENT, errno.EACCES, errno.EPERM)
    for path in ["/proc/kcore", "/proc/keys", "/proc/timer_list", "/proc/sched_debug", "/proc/kmsg", "/proc/config.gz"]:
        try:
            content = open(path, "rb").read(64)
        except OSError:
            continue
        assert content == b"", f"{path} gives {content!r}"
    assert not os.path.exists("/sys/kernel") and not os.path.exists("/sys/fs/cgroup/cgroup.procs"), "/sys is there"


def probe_devices_are_few():
    allowed = {"null", "zero", "full", "random", "urandom", "tty", "pts", "ptmx", "shm", "fd", "stdin", "stdout",
               "stderr", "mqueue", "console"}
    extra = set(os.listdir("/dev")) - allowed
    assert not extra, f"/dev also has {sorted(extra)}"


def probe_own_directories_can_be_written():
    for directory in WRITABLE:
        path = f"{directory}/probe"
        with open(path, "w") as file:
            file.write("mine")
        assert open(path).read() == "mine" and os.stat(path).st_uid == 1000
        os.unlink(path)
        flags = os.statvfs(directory).f_flag
        assert flags & os.ST_NOSUID and flags & os.ST_NODEV, f"{directory} honours set-uid bits or devices"
    assert os.getcwd() == "/workspace"


def probe_set_uid_programs_give_nothing():
    path = "/workspace/set-uid"
    subprocess.run(["cp", "/usr/bin/id", path], check=True)
    os.chmod(path, 0o6755)
    assert subprocess.run([path, "-u"], capture_output=True, text=True).stdout.strip() == "1000"
    for program in ["/usr/bin/su", "/usr/bin/passwd", "/usr/bin/mount", "/usr/bin/chsh"]:
        if os.path.exists(program):
            assert os.statvfs(program).f_flag & os.ST_NOSUID, f"{program} would run as its owner"


def probe_file_handles_cannot_be_opened():
    handle = ctypes.create_string_buffer(136)
    refused("open_by_handle_at", lambda: syscall("open_by_handle_at", 3, handle, 0), errno.EPERM, errno.ENOSYS)


def probe_own_executable_of_the_sandbox_is_not_writable():
    """The file-transfer server runs as this user from the host's own program: nobody may write through it."""
    writable = []
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            os.close(os.open(f"/proc/{pid}/exe", os.O_WRONLY))
            writable.append(pid)
        except OSError:
            pass
    assert not writable, f"/proc/{{{','.join(writable)}}}/exe can be opened for writing"
