"""Identity: an ordinary user with no way up."""


def probe_identity_is_the_sandbox_user():
    assert (os.getresuid(), os.getresgid()) == ((1000,) * 3, (1000,) * 3), (os.getresuid(), os.getresgid())
    assert set(os.getgroups()) <= {1000, 65534}, os.getgroups()
    import pwd
    assert pwd.getpwuid(1000).pw_name == "sandbox" and pwd.getpwuid(1000).pw_dir == "/home/sandbox"
    assert socket.gethostname() == "sandbox"


def probe_no_capability_is_held_or_can_be_gained():
    for name in ["CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"]:
        assert int(status(name), 16) == 0, f"{name} is {status(name)}"


def probe_identity_cannot_be_changed():
    for name, call in {
        "setuid(0)": lambda: os.setuid(0),
        "setgid(0)": lambda: os.setgid(0),
        "setresuid(0)": lambda: os.setresuid(0, 0, 0),
        "setreuid(0)": lambda: os.setreuid(0, 0),
        "setgroups": lambda: os.setgroups([0]),
    }.items():
        refused(name, call, errno.EPERM, errno.EINVAL)
    refused("chown to root", lambda: chown_probe(), errno.EPERM, errno.EINVAL)


def chown_probe():
    with open("/workspace/owned", "w") as file:
        file.write("x")
    try:
        os.chown("/workspace/owned", 0, 0)
    finally:
        os.unlink("/workspace/owned")
