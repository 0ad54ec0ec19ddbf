"""Listeners of ours on the running reactor, asked from the test's own thread over HTTPS."""

import http.client
import ssl
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from twisted.internet.interfaces import IListeningPort

from shared.tls import ServerOptions, server_options
from tests.integration.flockctl import reactor_thread
from tests.integration.flockctl.certificates import Certificates

Answer = tuple[int, dict[str, str], bytes]


@contextmanager
def listening(certificates: Certificates, listen: Callable[[ServerOptions], IListeningPort]) -> Iterator[int]:
    """The port that `listen` opens."""
    reactor_thread.start()

    async def begin() -> IListeningPort:
        return listen(server_options(certificates.certificate, certificates.key))

    async def end() -> None:
        stopped: Any = port.stopListening()
        await stopped

    port = reactor_thread.wait(begin())
    try:
        yield int(port.getHost().port)  # type: ignore[attr-defined]
    finally:
        reactor_thread.wait(end())


def ask(certificates: Certificates, port: int, path: str, method: str = "GET") -> Answer:
    """Status, headers (lower case) and content of the answer to `path`, sent as it is."""
    context = ssl.create_default_context(cafile=str(certificates.ca))
    connection = http.client.HTTPSConnection("localhost", port, timeout=10, context=context)
    try:
        connection.putrequest(method, path, skip_accept_encoding=True)
        connection.endheaders()
        answer = connection.getresponse()
        return answer.status, {name.lower(): value for name, value in answer.getheaders()}, answer.read()
    finally:
        connection.close()
