"""A client's endpoint for logout tokens, over TLS, in a thread."""

import http.server
import ssl
import threading
from types import TracebackType
from typing import Self

from tests.integration.flockctl.certificates import Certificates


class Told:
    """Keeps what it is told; answers with `status`."""

    def __init__(self, certificates: Certificates) -> None:
        told = self
        self.certificates = certificates
        self.status = 200
        self._bodies: list[str] = []

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                length = int(self.headers["content-length"])
                told._bodies.append(self.rfile.read(length).decode())
                self.send_response(told.status)
                self.send_header("content-length", "0")
                self.end_headers()

            def log_message(self, *_: object) -> None:
                """Say nothing."""

        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificates.certificate, certificates.key)
        self._server.socket = context.wrap_socket(self._server.socket, server_side=True)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True)

    @property
    def url(self) -> str:
        return f"https://localhost:{self._server.server_address[1]}"

    def take(self) -> list[str]:
        """What it was told since it was asked last."""
        taken, self._bodies = self._bodies, []
        return taken

    def __enter__(self) -> Self:
        """Serve."""
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Stop."""
        self._server.shutdown()
        self._server.server_close()
