"""A stand-in for a service or the router: `stub_process.py NAME serve|worker|wait` answers about its health over TLS.

With `worker` the listener is in a child process, as Crossbar has it: whoever kills the parent must not leave it behind.
With `wait` there is none, and nobody is answered.
"""

import contextlib
import os
import signal
import socket
import ssl
import subprocess
import sys
from pathlib import Path

READY = b'HTTP/1.0 200 OK\r\n\r\n{"ready": true, "parts": {}}'
UNREADY = b'HTTP/1.0 503 No\r\n\r\n{"ready": false, "parts": {"bus": {"ok": false, "reason": "no bus"}}}'


def serve(name: str) -> None:
    """Answer every request, until killed."""
    start = f"IRONFLOCK_{name.upper()}_"
    with socket.create_server(("127.0.0.1", int(os.environ[start + "OPS_PORT"]))) as listener:
        while True:
            connection, _ = listener.accept()
            context = newest_context(os.environ[start + "TLS_CERTIFICATE"], os.environ[start + "TLS_KEY"])
            try:
                answer(context.wrap_socket(connection, server_side=True))
            except OSError as error:
                sys.stderr.write(f"{error}\n")


def newest_context(certificate: str, key: str) -> ssl.SSLContext:
    """What the two files make; while a renewal has written one of them and not yet the other, they are read again."""
    while True:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        with contextlib.suppress(ssl.SSLError):
            context.load_cert_chain(certificate, key)
            return context


def answer(connection: ssl.SSLSocket) -> None:
    """Read a request and say how we are."""
    with connection:
        connection.recv(4096)
        connection.sendall(UNREADY if Path(os.environ["STUB_UNREADY"]).exists() else READY)


def main(name: str, kind: str) -> None:
    """Serve, or have a child serve."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    if kind == "worker":
        sys.exit(subprocess.call([sys.executable, __file__, name, "serve"]))
    if kind == "wait":
        signal.pause()
    serve(name)


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2])
