"""Copies one file with paramiko and prints how many seconds that took, its connection included."""

import sys
import time

try:
    import paramiko
except ImportError:
    sys.exit("paramiko is not installed")

port, user, key, method, source, target = sys.argv[1:]
start = time.perf_counter()
with paramiko.SSHClient() as client:
    client.set_missing_host_key_policy(paramiko.AutoAddPolicy())
    client.connect(
        "127.0.0.1", int(port), user, key_filename=key, allow_agent=False, look_for_keys=False
    )
    with client.open_sftp() as sftp:
        getattr(sftp, method)(source, target)
print(time.perf_counter() - start)
