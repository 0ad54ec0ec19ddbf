"""A folder served over HTTPS, with a certificate of an authority of its own."""

import datetime as dt
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from attrs import frozen

from deploy.local.authority import Order, ensure_authority, issue


@frozen
class Certificate:
    """The files of a server certificate and of the authority that vouches for it."""

    ca: Path
    certificate: Path
    key: Path


def made_certificate(folder: Path) -> Certificate:
    folder.mkdir(parents=True, exist_ok=True)
    now = dt.datetime.now(dt.UTC)  # noqa: TID251 - certificates are judged by the real clock
    order = Order(folder / "server.pem", folder / "server.key", ("localhost", "127.0.0.1"), dt.timedelta(days=1))
    issue(ensure_authority(folder, now), order, now)
    return Certificate(folder / "ca.pem", order.certificate, order.key)


# It keeps a connection open, as real servers do, and says nothing.
_Quiet: Any = type(
    "_Quiet", (SimpleHTTPRequestHandler,), {"protocol_version": "HTTP/1.1", "log_message": lambda *_: None}
)


@contextmanager
def served(folder: Path, certificate: Certificate) -> Iterator[str]:
    """The URL of `folder` while it is served."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate.certificate, certificate.key)
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(_Quiet, directory=str(folder))) as server:
        server.socket = context.wrap_socket(server.socket, server_side=True)
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield f"https://localhost:{server.server_port}"
        finally:
            server.shutdown()
            thread.join()
