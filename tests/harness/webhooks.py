"""A webhook over TLS, in a thread of its own, that keeps what it is posted."""

import base64
import hmac
import json
import ssl
from hashlib import sha256
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from types import TracebackType
from typing import Any, ClassVar, Self

from attrs import frozen
from typing_extensions import override

from tests.integration.flockctl.certificates import Certificates

TIMEOUT_S = 10.0


@frozen
class Message:
    """What came: its id, its signature with what is signed, and its content."""

    message_id: str
    signature: str
    signed: bytes
    content: dict[str, Any]

    def is_signed_with(self, secret: str) -> bool:
        """Whether it is, as Standard Webhooks have it."""
        key = base64.b64decode(secret.removeprefix("whsec_"))
        expected = base64.b64encode(hmac.digest(key, self.signed, sha256)).decode()
        return self.signature == f"v1,{expected}"


class WebhookReceiver:
    """Takes everything. Used in a `with` block."""

    def __init__(self, certificates: Certificates) -> None:
        """Be `localhost` by these."""
        self.messages: list[Message] = []
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._request_class())
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificates.certificate, certificates.key)
        self._server.socket = context.wrap_socket(self._server.socket, server_side=True)

    @property
    def url(self) -> str:
        """What to post to."""
        return f"https://localhost:{self._server.server_address[1]}/alerts"

    def alerts(self) -> list[dict[str, Any]]:
        """The alerts of all messages, in the order in which they came."""
        return [alert for message in self.messages for alert in message.content["data"]["alerts"]]

    def __enter__(self) -> Self:
        """Begin."""
        Thread(target=self._server.serve_forever, daemon=True).start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Stop."""
        self._server.shutdown()
        self._server.server_close()

    def _request_class(self) -> type[BaseHTTPRequestHandler]:
        messages = self.messages

        class Request(BaseHTTPRequestHandler):
            timeout: ClassVar[float | None] = TIMEOUT_S

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["content-length"]))
                message_id = self.headers["webhook-id"]
                signed = f"{message_id}.{self.headers['webhook-timestamp']}.".encode() + body
                messages.append(Message(message_id, self.headers["webhook-signature"], signed, json.loads(body)))
                self.send_response(204)
                self.end_headers()

            @override
            def log_message(self, format: str, *args: Any) -> None:
                """Say nothing."""

        return Request
