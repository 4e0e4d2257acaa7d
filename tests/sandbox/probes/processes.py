"""Processes: only the session's own can be seen, signalled or traced."""

PTRACE_ATTACH, PTRACE_SEIZE = 16, 0x4206


def pids():
    return sorted(int(name) for name in os.listdir("/proc") if name.isdigit())


def first_process_lives():
    """By signal 0, since it may be hidden from /proc."""
    try:
        os.kill(1, 0)
    except PermissionError:
        pass
    except ProcessLookupError:
        return False
    return True


def probe_host_processes_are_not_seen():
    seen = pids()
    assert len(seen) <= 8 and os.getpid() in seen, f"processes {seen}"
    for pid in seen:
        if pid != os.getpid():
            try:
                line = open(f"/proc/{pid}/cmdline", "rb").read()
            except OSError:
                continue
            assert os.path.dirname(HOST_CANARY).encode() not in line and b"/target/" not in line, line


def probe_host_processes_cannot_be_signalled():
    refused(f"signalling host process {HOST_PID}", lambda: os.kill(HOST_PID, 0), errno.ESRCH)


def probe_signal_to_everything_reaches_only_the_session():
    child = subprocess.Popen(["sleep", "60"])
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    os.kill(-1, signal.SIGTERM)
    assert child.wait(30) == -signal.SIGTERM
    assert first_process_lives()


def probe_first_process_cannot_be_killed():
    for number in [signal.SIGKILL, signal.SIGSTOP, signal.SIGTERM, signal.SIGHUP, signal.SIGUSR1, signal.SIGSEGV]:
        try:
            os.kill(1, number)
        except PermissionError:
            pass
    assert first_process_lives()
    if os.path.exists("/proc/1"):
        assert status("State", 1)[0] in "SRD", status("State", 1)


def probe_first_process_cannot_be_traced():
    for request in [PTRACE_ATTACH, PTRACE_SEIZE]:
        refused("ptrace of PID 1", lambda: syscall("ptrace", request, 1, 0, 0), errno.EPERM, errno.EACCES)
    buffer = ctypes.create_string_buffer(16)
    vector = (ctypes.c_size_t * 2)(ctypes.addressof(buffer), 16)
    for name in ["process_vm_readv", "process_vm_writev"]:
        refused(f"{name} of PID 1", lambda: syscall(name, 1, vector, 1, vector, 1, 0), errno.EPERM, errno.ENOSYS)


def probe_namespaces_of_the_first_process_cannot_be_opened():
    for name in os.listdir("/proc/self/ns"):
        refused(f"opening /proc/1/ns/{name}", lambda: os.open(f"/proc/1/ns/{name}", os.O_RDONLY),
                errno.EACCES, errno.EPERM, errno.ENOENT)


def probe_no_descriptor_is_inherited():
    listing = set(os.listdir("/proc/self/fd"))
    extra = []
    for fd in listing - {"0", "1", "2"}:
        try:
            extra.append(os.readlink(f"/proc/self/fd/{fd}"))
        except FileNotFoundError:
            pass  # the listing's own descriptor
    assert not extra, f"inherited {extra}"


def probe_environment_names_no_secret():
    for pid in pids():
        for name in ["environ", "cmdline"]:
            try:
                content = open(f"/proc/{pid}/{name}", "rb").read()
            except OSError:
                continue
            # Cut in two here, so that the probe's own text is not what it finds.
            assert (TOKEN_HEAD + TOKEN_TAIL).encode() not in content, f"/proc/{pid}/{name} holds the token"


def probe_core_dumps_are_off():
    import resource
    assert resource.getrlimit(resource.RLIMIT_CORE) == (0, 0)
    assert resource.getrlimit(resource.RLIMIT_NOFILE)[1] <= 1 << 20


def probe_out_of_memory_priority_cannot_be_lowered():
    refused("lowering oom_score_adj", lambda: open("/proc/self/oom_score_adj", "w", buffering=1).write("-1000\n"),
            errno.EACCES, errno.EPERM, errno.EROFS)
