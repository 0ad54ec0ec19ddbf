"""REST calls of the running platform, as a program makes them."""

import http.client
import json
from contextlib import closing
from typing import Any

from attrs import frozen

from tests.harness.running import RunningPlatform

BASE = "/v1/ironflock"


@frozen
class Reply:
    """Status, headers in lower case, and the content."""

    status: int
    headers: dict[str, str]
    content: bytes

    @property
    def json(self) -> Any:
        """The content."""
        assert self.headers["content-type"] == "application/json", self
        return json.loads(self.content)


class RestClient:
    """Calls with one credential; each over a connection of its own."""

    def __init__(
        self,
        platform: RunningPlatform,
        credential: str | None,
        *,
        source: str = "127.0.0.1",
        port: int | None = None,
    ) -> None:
        """Speak with `credential`, or without any, from `source`, to the gateway at `port` (if not the first)."""
        self._platform = platform
        self._port = port or platform.ports.gateway
        self._credential = credential
        self._source = source

    def ask(self, method: str, path: str, body: Any = None, **headers: str) -> Reply:
        """The reply to one call; `path` is below the base and sent as it is, `body` becomes JSON."""
        content = None if body is None else json.dumps(body).encode()
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        if content is not None:
            named.setdefault("content-type", "application/json")
        if self._credential is not None:
            named.setdefault("authorization", f"Bearer {self._credential}")
        return self.send(method, BASE + path, list(named.items()), content)

    def send(self, method: str, path: str, headers: list[tuple[str, str]], content: bytes | None = None) -> Reply:
        """The reply to exactly this."""
        with closing(self._connection()) as connection:
            return _reply(connection, method, path, headers, content)

    def _connection(self) -> http.client.HTTPSConnection:
        port, tls, source = self._port, self._platform.tls, (self._source, 0)
        return http.client.HTTPSConnection("localhost", port, timeout=30, context=tls, source_address=source)


class KeptRestClient(RestClient):
    """As `RestClient`, for somebody who asks much: over one connection, opened anew where the platform closed it."""

    def __init__(self, platform: RunningPlatform, credential: str | None, *, source: str = "127.0.0.1") -> None:
        """As `RestClient`; nothing is open yet."""
        super().__init__(platform, credential, source=source)
        self._kept = self._connection()

    def send(self, method: str, path: str, headers: list[tuple[str, str]], content: bytes | None = None) -> Reply:
        """As `RestClient`."""
        return _reply(self._kept, method, path, headers, content)

    def close(self) -> None:
        """Close it."""
        self._kept.close()


def _reply(
    connection: http.client.HTTPSConnection,
    method: str,
    path: str,
    headers: list[tuple[str, str]],
    content: bytes | None,
) -> Reply:
    connection.putrequest(method, path, skip_accept_encoding=True)
    for name, value in headers:
        connection.putheader(name, value)
    if content is not None:
        connection.putheader("content-length", str(len(content)))
    connection.endheaders(content)
    answer = connection.getresponse()
    got = {name.lower(): value for name, value in answer.getheaders()}
    return Reply(answer.status, got, answer.read())
