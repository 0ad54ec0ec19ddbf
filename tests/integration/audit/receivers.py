"""Small TLS servers that receive what audit sends."""

import asyncio
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

from tests.integration.flockctl.certificates import Certificates

Answering = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


@asynccontextmanager
async def serving(certificates: Certificates, answering: Answering) -> AsyncIterator[int]:
    """The port on which `answering` handles each TLS connection during the block."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificates.certificate, certificates.key)
    server = await asyncio.start_server(answering, "127.0.0.1", 0, ssl=context)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()
        await server.wait_closed()


class SyslogReceiver:
    """Keeps whole messages; may be told to break connections."""

    def __init__(self) -> None:
        """Nothing has come."""
        self.messages: list[bytes] = []
        self.breaks = 0

    async def answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Read frames until the sender ends."""
        if self.breaks > 0:
            self.breaks -= 1
            writer.transport.abort()
            return
        rest = await reader.read()
        while rest:
            length, _, rest = rest.partition(b" ")
            self.messages.append(rest[: int(length)])
            rest = rest[int(length) :]
        writer.close()


class HttpReceiver:
    """Keeps requests, and answers as it is told to."""

    def __init__(self) -> None:
        """Answer 200."""
        self.requests: list[tuple[str, dict[str, str], bytes]] = []
        self.answer_of: Callable[[bytes], tuple[int, bytes]] = lambda _body: (200, b"")

    async def answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One request, one answer."""
        head = (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
        headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in head[1:] if line)}
        body = await reader.readexactly(int(headers["content-length"]))
        self.requests.append((head[0], headers, body))
        status, content = self.answer_of(body)
        writer.write(f"HTTP/1.1 {status} x\r\ncontent-length: {len(content)}\r\nconnection: close\r\n\r\n".encode())
        writer.write(content)
        await writer.drain()
        writer.close()
