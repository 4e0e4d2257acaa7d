"""Reaches a session's SSH server with paramiko, through a CONNECT that is made by hand.

Reads from its input, as JSON: the `url` of the API, the `token`, the `session`, its `host_key`, the file of the
`certificate` to trust (null for plain HTTP), and the files of the session's `key` and of a `wrong_key` (null for a
session without one). Goes in by every form of target and header, prints each that has worked, and fails at the first
that has not.
"""

import base64
import io
import json
import select
import socket
import ssl
import sys
import threading
from contextlib import contextmanager
from urllib.parse import urlsplit

import paramiko

USER = "sandbox"
PATIENCE = 60
CONTENT = bytes(n % 251 for n in range(300_000))


class Refused(Exception):
    """The answer to a CONNECT that makes no tunnel."""

    def __init__(self, status, headers, body):
        super().__init__(f"{status} {body}")
        self.status, self.headers, self.body = status, headers, body


class Server:
    def __init__(self, url, certificate):
        parts = urlsplit(url)
        self.host, self.port = parts.hostname, parts.port
        self.origin = f"{parts.scheme}://{parts.netloc}"
        self.context = None
        if parts.scheme == "https":
            self.context = ssl.create_default_context(cafile=certificate)

    def connect(self, target, header):
        """Makes a tunnel and returns its socket."""
        stream = socket.create_connection((self.host, self.port), PATIENCE)
        if self.context:
            stream = TlsStream(self.context.wrap_socket(stream, server_hostname=self.host))
        try:
            head = f"CONNECT {target} HTTP/1.1\r\nHost: {self.host}:{self.port}\r\n{header}\r\n\r\n"
            stream.sendall(head.encode())
            check_answer(stream)
        except BaseException:
            stream.close()
            raise
        return stream


class TlsStream:
    """A TLS socket for two threads, as paramiko has them: Pythons before 3.13 let both into OpenSSL at the same time,
    which breaks the connection now and then.
    """

    def __init__(self, stream):
        self.stream, self.lock, self.timeout = stream, threading.Lock(), PATIENCE
        stream.setblocking(False)

    def __getattr__(self, name):
        return getattr(self.stream, name)

    def settimeout(self, timeout):
        self.timeout = timeout

    def recv(self, size):
        return self.when_ready(lambda: self.stream.recv(size))

    def send(self, data):
        return self.when_ready(lambda: self.stream.send(data))

    def sendall(self, data):
        while data:
            data = data[self.send(data) :]

    def when_ready(self, action):
        while True:
            with self.lock:
                try:
                    return action()
                except ssl.SSLWantReadError:
                    awaited = [self.stream], [], []
                except ssl.SSLWantWriteError:
                    awaited = [], [self.stream], []
            if not any(select.select(*awaited, self.timeout)):
                raise socket.timeout


def check_answer(stream):
    received = b""
    while b"\r\n\r\n" not in received:
        piece = stream.recv(4096)
        assert piece, f"the server closed the connection after {received!r}"
        received += piece
    head, _, rest = received.partition(b"\r\n\r\n")
    status, *lines = head.decode().split("\r\n")
    headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
    if not status.startswith("HTTP/1.1 200 "):
        while len(rest) < int(headers["content-length"]):
            rest += stream.recv(4096)
        raise Refused(int(status.split()[1]), headers, json.loads(rest))
    assert status == "HTTP/1.1 200 Connection Established", status
    assert not {"content-length", "transfer-encoding"} & headers.keys(), headers
    # Clients in the field lose what comes with the answer, so nothing does: the client speaks first.
    assert not rest, rest


def targets(server, session):
    paths = [f"{base}/sessions/{session}{end}" for base in ("/v1", "") for end in ("", "/tunnel")]
    return [*paths, *(server.origin + path for path in paths), f"{session}:22"]


def headers(token):
    basic = base64.b64encode(f"anybody:{token}".encode()).decode()
    return [
        f"Authorization: Bearer {token}",
        f"Proxy-Authorization: Bearer {token}",
        f"Proxy-Authorization: Basic {basic}",
    ]


@contextmanager
def logged_in(stream, settings, key):
    """A transport to the session of `settings`, for who has `key`, or none."""
    client, transport = paramiko.SSHClient(), None
    try:
        if key:
            log_in_with_key(client, stream, settings, key)
            transport = client.get_transport()
        else:
            transport = paramiko.Transport(stream)
            transport.start_client(timeout=PATIENCE)
            transport.auth_none(USER)
        assert known(transport.get_remote_server_key()) == settings["host_key"]
        yield transport
    finally:
        leave(stream, transport or client.get_transport())


def leave(stream, transport):
    # A thread that still reads would do so from the next connection: that gets the number of this one's descriptor.
    try:
        stream.shutdown(socket.SHUT_RDWR)
    except OSError:
        pass  # The server was faster.
    if transport:
        transport.join()
    stream.close()


def log_in_with_key(client, stream, settings, key):
    kind, data = settings["host_key"].split()
    host_key = paramiko.hostkeys.HostKeyEntry.from_line(f"{settings['session']} {kind} {data}").key
    client.get_host_keys().add(settings["session"], kind, host_key)
    client.set_missing_host_key_policy(paramiko.RejectPolicy())
    client.connect(
        settings["session"],
        username=USER,
        sock=stream,
        key_filename=key,
        allow_agent=False,
        look_for_keys=False,
        timeout=PATIENCE,
    )


def known(key):
    return f"{key.get_name()} {key.get_base64()}"


def run_a_command(transport):
    channel = transport.open_session(timeout=PATIENCE)
    channel.exec_command("pwd; cat; echo err >&2; exit 3")
    channel.sendall(b"from here\n")
    channel.shutdown_write()
    assert channel.makefile("rb").read() == b"/workspace\nfrom here\n"
    assert channel.makefile_stderr("rb").read() == b"err\n"
    assert channel.recv_exit_status() == 3


def use_files(transport):
    with paramiko.SFTPClient.from_transport(transport) as sftp:
        sftp.get_channel().settimeout(PATIENCE)
        sftp.mkdir("folder")
        sftp.putfo(io.BytesIO(CONTENT), "folder/first")
        assert sftp.stat("folder/first").st_size == len(CONTENT)
        sftp.chmod("folder/first", 0o600)
        sftp.rename("folder/first", "folder/second")
        sftp.putfo(io.BytesIO(b"other"), "folder/first")
        sftp.posix_rename("folder/second", "folder/first")
        sftp.symlink("first", "folder/link")
        assert sftp.readlink("folder/link") == "first"
        entries = {entry.filename: entry for entry in sftp.listdir_attr("folder")}
        assert entries.keys() == {"first", "link"} and entries["first"].st_mode & 0o777 == 0o600
        received = io.BytesIO()
        sftp.getfo("folder/link", received)
        assert received.getvalue() == CONTENT
        for name in entries:
            sftp.remove(f"folder/{name}")
        sftp.rmdir("folder")
        try:
            sftp.stat("folder")
        except FileNotFoundError:
            return
        raise AssertionError("what was removed is still there")


@contextmanager
def expected(error):
    try:
        yield
    except error:
        return
    raise AssertionError(f"no {error.__name__}")


def expect_refusal(server, target, header, status, code):
    try:
        server.connect(target, header)
    except Refused as refused:
        assert (refused.status, refused.body["error"]) == (status, code), refused
        return refused.headers
    raise AssertionError(f"{target} was not refused")


def main():
    settings = json.load(sys.stdin)
    server = Server(settings["url"], settings["certificate"])
    session, key = settings["session"], settings["key"]
    good = headers(settings["token"])
    for target in targets(server, session):
        for header in good:
            with logged_in(server.connect(target, header), settings, key) as transport:
                run_a_command(transport)
                if header is good[0]:
                    use_files(transport)
            print(target, *header.split()[:2], flush=True)
    answer = expect_refusal(server, f"{session}:22", "Authorization: Bearer nobody's", 401, "UNAUTHORIZED")
    assert "www-authenticate" in answer, answer
    nobody = "/v1/sessions/00000000-0000-4000-8000-000000000000"
    expect_refusal(server, nobody, good[0], 404, "SESSION_NOT_FOUND")
    if key:
        # A session with a key is closed to everybody else.
        for wrong, error in [
            (None, paramiko.BadAuthenticationType),
            (settings["wrong_key"], paramiko.AuthenticationException),
        ]:
            with expected(error), logged_in(server.connect(f"{session}:22", good[0]), settings, wrong):
                pass


main()
