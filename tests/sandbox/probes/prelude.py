"""What every probe may use. A probe returns when the sandbox held and raises when it did not."""
import ctypes
import errno
import os
import platform
import signal
import socket
import stat
import subprocess
import sys

LIBC = ctypes.CDLL(None, use_errno=True)
X86_64 = platform.machine() == "x86_64"

# name: (x86_64, aarch64)
SYSCALLS = {
    "add_key": (248, 217),
    "bpf": (321, 280),
    "chroot": (161, 51),
    "clock_settime": (227, 112),
    "clone": (56, 220),
    "clone3": (435, 435),
    "delete_module": (176, 106),
    "finit_module": (313, 273),
    "fsmount": (432, 432),
    "fsopen": (430, 430),
    "init_module": (175, 105),
    "io_uring_enter": (426, 426),
    "io_uring_register": (427, 427),
    "io_uring_setup": (425, 425),
    "kexec_load": (246, 104),
    "keyctl": (250, 219),
    "mknodat": (259, 33),
    "mount": (165, 40),
    "mount_setattr": (442, 442),
    "move_mount": (429, 429),
    "open_by_handle_at": (304, 265),
    "open_tree": (428, 428),
    "perf_event_open": (298, 241),
    "pivot_root": (155, 41),
    "process_vm_readv": (310, 270),
    "process_vm_writev": (311, 271),
    "ptrace": (101, 117),
    "quotactl": (179, 60),
    "reboot": (169, 142),
    "request_key": (249, 218),
    "setns": (308, 268),
    "settimeofday": (164, 170),
    "swapoff": (168, 225),
    "swapon": (167, 224),
    "syslog": (103, 116),
    "umount2": (166, 39),
    "unshare": (272, 97),
    "userfaultfd": (323, 282),
}


def syscall(name, *arguments):
    """Makes the system call and returns its result; raises OSError as the kernel answers."""
    number = SYSCALLS[name][0 if X86_64 else 1]
    return raw_syscall(number, *arguments)


def raw_syscall(number, *arguments):
    words = [ctypes.c_long(a) if isinstance(a, int) else a for a in arguments]
    result = LIBC.syscall(ctypes.c_long(number), *words)
    if result == -1:
        code = ctypes.get_errno()
        raise OSError(code, os.strerror(code))
    return result


def refused(what, call, *codes):
    """Asserts that the call fails, with one of the error numbers named."""
    try:
        result = call()
    except OSError as error:
        name = errno.errorcode.get(error.errno, str(error.errno))
        assert error.errno in codes, f"{what}: refused with {name}, which is not the refusal expected"
    else:
        raise AssertionError(f"{what}: allowed, with the result {result!r}")


def status(field, pid="self"):
    with open(f"/proc/{pid}/status") as lines:
        for line in lines:
            name, _, value = line.partition(":")
            if name == field:
                return value.strip()
    raise AssertionError(f"/proc/{pid}/status has no field {field}")
