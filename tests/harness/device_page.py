"""A device's web server: one page, and a WebSocket that says hello and echoes. Used in a `with` block."""

from threading import Thread
from types import TracebackType
from typing import Final, Self

from websockets.datastructures import Headers
from websockets.http11 import Request, Response
from websockets.sync.server import ServerConnection, serve

PAGE: Final = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>press</title><link rel="icon" href="data:,"></head>
<body><h1>The press</h1><p id="said"></p><script>
const socket = new WebSocket(`wss://${location.host}/ws`);
socket.onmessage = (event) => { document.getElementById("said").textContent = event.data; };
socket.onclose = () => { document.body.dataset.closed = String(Date.now()); };
</script></body></html>
"""
HELLO: Final = "hello from the press"


class DevicePage:
    """The server."""

    def __init__(self) -> None:
        """Listen on a port of this machine."""
        self.users: list[str | None] = []
        self._server = serve(self._speak, "127.0.0.1", 0, process_request=self._answer, compression=None)
        self.port: int = self._server.socket.getsockname()[1]

    def __enter__(self) -> Self:
        """Begin."""
        Thread(target=self._server.serve_forever, daemon=True).start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Stop."""
        self._server.shutdown()

    def _answer(self, _connection: ServerConnection, request: Request) -> Response | None:
        self.users.append(request.headers.get("x-ironflock-user"))
        if request.path == "/ws":
            return None
        body = PAGE.encode()
        said = Headers({"content-type": "text/html; charset=utf-8", "content-length": str(len(body))})
        return Response(200, "OK", said, body)

    def _speak(self, connection: ServerConnection) -> None:
        connection.send(HELLO)
        for message in connection:
            connection.send(message)
