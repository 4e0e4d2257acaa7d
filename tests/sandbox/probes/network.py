"""The network: the session's own loopback and nothing else."""


def connect(address, family=socket.AF_INET):
    with socket.socket(family) as client:
        client.settimeout(10)
        client.connect(address)


def probe_only_loopback_is_there():
    names = [line.split(":")[0].strip() for line in open("/proc/net/dev") if ":" in line]
    assert names == ["lo"], f"interfaces {names}"
    with socket.create_server(("127.0.0.1", 0)) as server:
        connect(server.getsockname())


def probe_host_loopback_is_another():
    refused("connecting to the host's loopback", lambda: connect(("127.0.0.1", HOST_PORT)), errno.ECONNREFUSED)


def probe_host_abstract_sockets_are_not_there():
    refused("connecting to the host's abstract socket", lambda: connect("\0" + HOST_ABSTRACT_SOCKET, socket.AF_UNIX),
            errno.ECONNREFUSED)


def probe_metadata_service_and_world_are_unreachable():
    for address in ["169.254.169.254", "192.0.2.1"]:
        refused(f"connecting to {address}", lambda: connect((address, 80)), errno.ENETUNREACH, errno.EPERM)


def probe_raw_and_packet_sockets_are_refused():
    AF_PACKET, AF_VSOCK, AF_ALG = 17, 40, 38
    for name, arguments in {
        "raw": (socket.AF_INET, socket.SOCK_RAW, 1),
        "raw IPv6": (socket.AF_INET6, socket.SOCK_RAW, 58),
        "packet": (AF_PACKET, socket.SOCK_RAW, 3),
        "vsock": (AF_VSOCK, socket.SOCK_STREAM, 0),
        "alg": (AF_ALG, socket.SOCK_SEQPACKET, 0),
    }.items():
        refused(f"{name} socket", lambda: socket.socket(*arguments), errno.EPERM, errno.EACCES, errno.EAFNOSUPPORT)
