"""A collector of traces: OTLP over HTTPS, as the published one takes it, kept in memory."""

import gzip
import ssl
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self

from attrs import frozen
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from tests.integration.flockctl.certificates import Certificates


@frozen
class Seen:
    """One span: ids in hexadecimal, its attributes, whose it is."""

    service: str
    trace: str
    span: str
    parent: str
    name: str
    attributes: dict[str, Any]
    is_fault: bool


class Collector:
    """Takes spans until it is closed; answers with `status`."""

    def __init__(self, certificates: Certificates, status: int = 200) -> None:
        """Listen on a free port of this machine."""
        self.contents: list[bytes] = []
        self.status = status
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificates.certificate, certificates.key)
        self._server.socket = context.wrap_socket(self._server.socket, server_side=True, do_handshake_on_connect=False)
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)

    def __enter__(self) -> Self:
        """Begin."""
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        """Be gone."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    @property
    def url(self) -> str:
        """Where it is."""
        return f"https://localhost:{self._server.server_address[1]}"

    def spans(self) -> list[Seen]:
        """What has come so far."""
        requests = [ExportTraceServiceRequest.FromString(each) for each in list(self.contents)]
        of_resources = [each for request in requests for each in request.resource_spans]
        return [
            _seen(_plain(group.resource.attributes)["service.name"], span)
            for group in of_resources
            for scope in group.scope_spans
            for span in scope.spans
        ]

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        collector = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                content = self.rfile.read(int(self.headers["content-length"]))
                assert self.path == "/v1/traces"
                if collector.status == 200:
                    collector.contents.append(gzip.decompress(content))
                self.send_response(collector.status)
                self.send_header("content-length", "0")
                self.end_headers()

            def log_message(self, *_: object) -> None:
                """Say nothing."""

        return Handler


def _seen(service: str, span: Any) -> Seen:
    return Seen(
        service=service,
        trace=span.trace_id.hex(),
        span=span.span_id.hex(),
        parent=span.parent_span_id.hex(),
        name=span.name,
        attributes=_plain(span.attributes),
        is_fault=span.status.code == span.status.STATUS_CODE_ERROR,
    )


def _plain(attributes: Any) -> dict[str, Any]:
    return {each.key: getattr(each.value, each.value.WhichOneof("value")) for each in attributes}
