"""Web visitors as they are: HTTPS to the visitors' listener, a name in SNI and Host, octets as the test says."""

import socket
import ssl
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from attrs import define, field

from services.tunnels.records.messages import NewProxy
from services.tunnels.records.tunnels import PublicTunnel
from services.tunnels.records.visits import OpenedCredential
from shared.identities import Person
from tests.harness.web_device import WebDevice
from tests.integration.tunnels.rooms import ANNA, PRESS
from tests.integration.tunnels.whole import Whole

HOST = f"{PRESS}-web-80.tunnels.example"


@define
class Reply:
    """One answer."""

    status: int
    headers: list[tuple[str, str]]
    body: bytes

    def values(self, name: str) -> list[str]:
        return [value for key, value in self.headers if key == name]


def offered(site: Whole, device: WebDevice, protocol: str = "http", key: int = PRESS) -> PublicTunnel:
    """A web tunnel of the device's, offered."""
    tunnel = site.declare(key, "web", 80, protocol)
    client = site.device(key, device.work)
    front = "secure-" if protocol == "https" else ""
    label = f"{front}{key}-web-80"
    answer = site.do(client.offer(NewProxy(f"{label}-{protocol}", protocol, subdomain=label)))
    assert not answer.error, answer.error
    return tunnel


def key_of(site: Whole, person: Person = ANNA) -> str:
    """An API key of the person's."""
    text = f"key-of-{person.account_key}"
    opened = OpenedCredential(person.account_key, person.credential or "", ["all"], time.time() + 600)  # noqa: TID251
    site.rooms.others.tickets[text] = opened
    return text


@define
class Line:
    """One connection."""

    socket: ssl.SSLSocket
    _waiting: bytearray = field(factory=bytearray)

    def send(self, octets: bytes) -> None:
        self.socket.sendall(octets)

    def ask(self, head: str, body: bytes = b"", host: str = HOST) -> Reply:
        """`head` has the request line, and more lines; Host is put behind the first one."""
        first, *rest = head.split("\n")
        lines = [first, f"Host: {host}", *rest]
        self.send("\r\n".join(lines).encode() + b"\r\n\r\n" + body)
        return self.reply(is_head=first.startswith("HEAD"))

    def reply(self, *, is_head: bool = False) -> Reply:
        while b"\r\n\r\n" not in self._waiting:
            self._more()
        head, _, self._waiting = self._waiting.partition(b"\r\n\r\n")
        first, *lines = head.decode("latin-1").split("\r\n")
        headers = [(name.lower(), value.strip()) for name, _, value in (line.partition(":") for line in lines)]
        status, named = int(first.split()[1]), dict(headers)
        if is_head or status in (100, 101):
            return Reply(status, headers, b"")
        if "transfer-encoding" in named:
            return Reply(status, headers, self._chunks())
        return Reply(status, headers, self.read(int(named.get("content-length", "0"))))

    def read(self, length: int) -> bytes:
        while len(self._waiting) < length:
            self._more()
        found = bytes(self._waiting[:length])
        del self._waiting[:length]
        return found

    def is_closed(self) -> bool:
        """Whether the other side ends it, in ten seconds."""
        try:
            return self.socket.recv(65_536) == b""
        except (ssl.SSLError, ConnectionError):
            return True

    def _chunks(self) -> bytes:
        found = b""
        while True:
            while b"\r\n" not in self._waiting:
                self._more()
            size, _, self._waiting = self._waiting.partition(b"\r\n")
            piece = self.read(int(size, 16) + 2)[:-2]
            if not piece:
                return found
            found += piece

    def _more(self) -> None:
        octets = self.socket.recv(65_536)
        if not octets:
            raise ConnectionError("closed")
        self._waiting += octets


@contextmanager
def line(site: Whole, name: str | None = HOST) -> Iterator[Line]:
    """A connection that says `name` in its TLS."""
    tls = ssl.create_default_context()
    tls.check_hostname, tls.verify_mode = False, ssl.CERT_NONE  # the certificate is another test's
    plain = socket.create_connection(("127.0.0.1", site.visitors_port), timeout=10)
    with tls.wrap_socket(plain, server_hostname=name) as secured:
        yield Line(secured)


def visits(site: Whole) -> list[tuple[Any, ...]]:
    return site.rooms.postgres.rows("SELECT account_key, cause, octets_to, octets_from FROM tunnels.visit ORDER BY 1")
