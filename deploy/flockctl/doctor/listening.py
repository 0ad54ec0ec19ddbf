"""A port as a client sees it: is there verified TLS 1.2 or newer, is there an older one, what time is it there."""

import email.utils
import socket
import ssl
import struct
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

from attrs import frozen
from OpenSSL import SSL

from deploy.flockctl.doctor.records import Clock, Listener

TIMEOUT_S: Final = 3.0
LOCALHOST: Final = "localhost"
HTTPS: Final = 443
SSL_REQUEST: Final = struct.pack("!II", 8, 80_877_103)
"""PostgreSQL's protocol 3.0, message SSLRequest; `S` is the server's yes."""
WHOLE_SECONDS: Final = 1.0
MAX_HEAD: Final = 4_096


@frozen
class Door:
    """A listener at `host`, as its certificate says; `is_sql`: TLS is asked for as PostgreSQL's protocol has it."""

    name: str
    port: int
    is_sql: bool
    host: str = LOCALHOST


def knock(door: Door, ca: Path) -> tuple[Listener, Clock | None]:
    """How it looks from outside, and what time it is there where it tells."""
    try:
        with _connected(door) as plain, _context(ca).wrap_socket(plain, server_hostname=door.host) as secured:
            shown = secured.getpeercert() or {}
            clock = _clock(door, secured) if door.name.endswith(", health") else None
    except (OSError, ValueError) as error:
        return Listener(door.name, door.port, _in_words(error)), None
    starts, ends = (_moment(shown, name) for name in ("notBefore", "notAfter"))
    return Listener(door.name, door.port, takes_old_tls=_takes_old_tls(door), starts_at=starts, ends_at=ends), clock


def _moment(shown: Mapping[str, Any], name: str) -> float | None:
    return ssl.cert_time_to_seconds(str(shown[name])) if name in shown else None


def problem_at(endpoint: str, ca: Path) -> str:
    """Why no verified TLS comes about at `endpoint` (`wss://host[:port]`); empty where it does.

    For a device, that is: it trusts `ca`, and the authorities that this machine trusts.
    """
    try:
        address = urlsplit(endpoint)
        host = address.hostname or ""
        context = _context(ca)
        context.load_default_certs()
        with (
            socket.create_connection((host, address.port or HTTPS), TIMEOUT_S) as plain,
            context.wrap_socket(plain, server_hostname=host),
        ):
            return ""
    except (OSError, ValueError) as error:
        return _in_words(error)


def _context(ca: Path) -> ssl.SSLContext:
    context = ssl.create_default_context(cafile=str(ca))
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    return context


def _in_words(error: Exception) -> str:
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"its certificate is refused: {error.verify_message}"
    if isinstance(error, ConnectionRefusedError):
        return "nothing listens there"
    return f"no TLS comes about ({type(error).__name__})"


def _connected(door: Door) -> socket.socket:
    # A listener of this machine may have the other family's loopback address not at all.
    address = "127.0.0.1" if door.host == LOCALHOST else door.host
    connection = socket.create_connection((address, door.port), TIMEOUT_S)
    if door.is_sql:
        connection.sendall(SSL_REQUEST)
        if connection.recv(1) != b"S":
            connection.close()
            raise ConnectionError("it speaks no TLS")
    return connection


def _takes_old_tls(door: Door) -> bool:
    """Whether a handshake of TLS 1.0 or 1.1 comes to its end."""
    context = SSL.Context(SSL.TLS_CLIENT_METHOD)
    context.set_min_proto_version(SSL.TLS1_VERSION)
    context.set_max_proto_version(SSL.TLS1_1_VERSION)
    context.set_cipher_list(b"ALL:@SECLEVEL=0")
    try:
        with _connected(door) as plain:
            plain.settimeout(None)  # pyOpenSSL waits by itself only on a blocking socket
            plain.setsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, struct.pack("ll", int(TIMEOUT_S), 0))
            secured = SSL.Connection(context, plain)
            secured.set_connect_state()
            secured.do_handshake()
    except (OSError, SSL.Error):
        return False
    return True


def _clock(door: Door, secured: ssl.SSLSocket) -> Clock | None:
    """What the `Date` of its health page says (RFC 9110 section 6.6.1)."""
    asked = time.time()  # noqa: TID251 - measures another clock against this one
    request = f"GET /health/live HTTP/1.1\r\nHost: {door.host}\r\nConnection: close\r\n\r\n"
    secured.sendall(request.encode("ascii"))
    head = secured.recv(MAX_HEAD).decode("latin-1")
    answered = time.time()  # noqa: TID251 - as above
    dates = [line.partition(":")[2].strip() for line in head.splitlines() if line.lower().startswith("date:")]
    if not dates:
        return None
    there = email.utils.parsedate_to_datetime(dates[0]).timestamp()
    here = (asked + answered) / 2
    return Clock(door.name.split(",")[0], there - here, (answered - asked) / 2 + WHOLE_SECONDS)
