"""System calls that a sandbox has no business making."""

CLONE_NEWNS, CLONE_NEWCGROUP, CLONE_NEWUTS, CLONE_NEWIPC = 0x20000, 0x2000000, 0x4000000, 0x8000000
CLONE_NEWUSER, CLONE_NEWPID, CLONE_NEWNET, CLONE_NEWTIME = 0x10000000, 0x20000000, 0x40000000, 0x80
DENIED = (errno.EPERM, errno.ENOSYS)


def probe_mounting_is_refused():
    refused("mount tmpfs", lambda: syscall("mount", b"none", b"/tmp", b"tmpfs", 0, 0), errno.EPERM)
    refused("bind mount", lambda: syscall("mount", b"/usr", b"/tmp", 0, 4096, 0), errno.EPERM)
    refused("remount /usr", lambda: syscall("mount", 0, b"/usr", 0, 32 | 4096, 0), errno.EPERM)
    refused("umount2", lambda: syscall("umount2", b"/proc", 2), errno.EPERM)
    for name in ["fsopen", "open_tree", "move_mount", "fsmount", "mount_setattr"]:
        refused(name, lambda: syscall(name, b"tmpfs", 0, 0, 0, 0), *DENIED)


def probe_namespaces_cannot_be_made():
    kinds = {"user": CLONE_NEWUSER, "mnt": CLONE_NEWNS, "cgroup": CLONE_NEWCGROUP, "uts": CLONE_NEWUTS,
             "ipc": CLONE_NEWIPC, "pid": CLONE_NEWPID, "net": CLONE_NEWNET, "time": CLONE_NEWTIME}
    for name, flag in kinds.items():
        refused(f"unshare {name}", lambda: syscall("unshare", flag), errno.EPERM)
        if flag != CLONE_NEWTIME:
            refused(f"clone with {name}", lambda: exit_if_child(syscall("clone", flag | signal.SIGCHLD, 0, 0, 0, 0)),
                    errno.EPERM)
    arguments = (ctypes.c_uint64 * 11)(CLONE_NEWUSER, 0, 0, 0, signal.SIGCHLD)
    refused("clone3", lambda: exit_if_child(syscall("clone3", arguments, 88)), errno.ENOSYS)


def exit_if_child(pid):
    if pid == 0:
        os._exit(0)
    return pid


def probe_namespaces_cannot_be_joined():
    for name in sorted(os.listdir("/proc/self/ns")):
        fd = os.open(f"/proc/self/ns/{name}", os.O_RDONLY)
        refused(f"setns {name}", lambda: syscall("setns", fd, 0), errno.EPERM)
        os.close(fd)


def probe_root_cannot_be_changed():
    refused("pivot_root", lambda: syscall("pivot_root", b"/tmp", b"/tmp"), errno.EPERM)
    refused("chroot", lambda: syscall("chroot", b"/tmp"), errno.EPERM)


def probe_kernel_interfaces_are_closed():
    zeros = ctypes.create_string_buffer(256)
    for name, arguments in {
        "bpf": (5, zeros, 128),
        "keyctl": (0, -3, 0),
        "add_key": (b"user", b"probe", b"x", 1, -3),
        "request_key": (b"user", b"probe", 0, 0),
        "io_uring_setup": (1, zeros),
        "io_uring_enter": (-1, 0, 0, 0, 0, 0),
        "io_uring_register": (-1, 0, 0, 0),
        "userfaultfd": (1,),
        "perf_event_open": (zeros, 0, -1, -1, 0),
    }.items():
        refused(name, lambda: syscall(name, *arguments), *DENIED)


def probe_machine_cannot_be_administered():
    zeros = ctypes.create_string_buffer(256)
    nowhere = 1  # not an address: were the call let through, it would do no harm
    for name, arguments in {
        "init_module": (zeros, 16, b""),
        "finit_module": (0, b"", 0),
        "delete_module": (b"no_such_module", 0),
        "kexec_load": (0, 0, 0, 0),
        "reboot": (0xFEE1DEAD, 672274793, 0, 0),
        "swapon": (b"/tmp/swap", 0),
        "swapoff": (b"/tmp/swap",),
        "settimeofday": (nowhere, 0),
        "clock_settime": (0, nowhere),
        "syslog": (3, zeros, 256),
        "quotactl": (0x800007, 0, 0, 0),
    }.items():
        refused(name, lambda: syscall(name, *arguments), *DENIED)
    refused("sethostname", lambda: socket.sethostname("probe"), errno.EPERM)


def probe_devices_cannot_be_made():
    for mode, name in [(stat.S_IFCHR, "character"), (stat.S_IFBLK, "block")]:
        refused(f"mknod of a {name} device", lambda: os.mknod("/workspace/device", mode | 0o666, os.makedev(1, 3)),
                errno.EPERM)
    os.mkfifo("/workspace/pipe")
    os.unlink("/workspace/pipe")


def probe_terminal_input_cannot_be_faked():
    import fcntl
    import pty
    TIOCSTI, TIOCLINUX = 0x5412, 0x541C
    _, terminal = pty.openpty()
    for request, name in [(TIOCSTI, "TIOCSTI"), (TIOCLINUX, "TIOCLINUX")]:
        refused(name, lambda: fcntl.ioctl(terminal, request, b"x"), errno.EPERM)
        # The kernel reads 32 bits of the request; a filter that compares 64 would be passed by.
        refused(f"{name} with high bits", lambda: raw_ioctl(terminal, request | 1 << 32), errno.EPERM)


def raw_ioctl(fd, request):
    number = 16 if X86_64 else 29
    return raw_syscall(number, fd, request, ctypes.create_string_buffer(b"x"))


def probe_foreign_system_call_tables_are_closed():
    if not X86_64:
        return
    x32_getpid = 0x40000000 | 39
    script = f"import ctypes;ctypes.CDLL(None).syscall({x32_getpid}) > 0 and print('allowed')"
    assert "allowed" not in subprocess.run([sys.executable, "-c", script], capture_output=True, text=True).stdout
    # mov eax, 20 (getpid of i386); int 0x80; ret
    script = (
        "import ctypes,mmap\n"
        "page = mmap.mmap(-1, 4096, prot=mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC)\n"
        "page.write(bytes.fromhex('b814000000cd80c3'))\n"
        "address = ctypes.addressof(ctypes.c_char.from_buffer(page))\n"
        "print('allowed' if ctypes.CFUNCTYPE(ctypes.c_int)(address)() > 0 else 'refused')\n"
    )
    assert "allowed" not in subprocess.run([sys.executable, "-c", script], capture_output=True, text=True).stdout


def probe_filter_and_no_new_privileges_are_on():
    assert status("Seccomp") == "2" and status("NoNewPrivs") == "1"
    if os.path.exists("/proc/1"):  # it may be hidden
        assert status("Seccomp", 1) == "2" and status("NoNewPrivs", 1) == "1"
