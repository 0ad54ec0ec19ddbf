"""Heads of requests: what a web visitor may send at all. Pure.

h11 takes a head apart; it is lenient where servers differ from each other, and that is how requests are smuggled past a
front. What two servers could read differently is refused here: two lengths, a length beside chunks, folded lines, lone
CR or LF. Source: RFC 9112 sections 2.2, 5.2, 6.1, 6.3; RFC 9110 section 7.8.
"""

import re
from typing import Final

import h11
from attrs import frozen

MAX_HEAD: Final = 65_536
END: Final = b"\r\n\r\n"
Headers = list[tuple[bytes, bytes]]
_HOST: Final = re.compile(
    rb"(?P<host>[a-z0-9](?:[a-z0-9-]*[a-z0-9])?(?:\.[a-z0-9](?:[a-z0-9-]*[a-z0-9])?)*|\[[0-9a-f:.]+\])(?::[0-9]{1,5})?"
)
_ABSOLUTE: Final = re.compile(rb"https?://([^/?#]*)([/?].*)?", re.IGNORECASE | re.DOTALL)
_DIGITS: Final = re.compile(rb"[0-9]{1,18}", re.ASCII)
_REFUSED_METHODS: Final = frozenset({b"CONNECT", b"TRACE"})
_VERSIONS: Final = frozenset({b"1.0", b"1.1"})


class BadHeadError(Exception):
    """A head that is not taken; the text is a sentence for whoever sent it."""


@frozen
class Incoming:
    """A request whose head is whole; `connection` takes what follows of it."""

    connection: h11.Connection
    method: bytes
    target: bytes
    """In origin form (RFC 9112, section 3.2.1), or `*`."""
    headers: Headers
    host: str
    """As it was asked for, in lower case and without a port."""
    authority: str
    """The same with its port, where there is one."""

    def values(self, name: bytes) -> list[bytes]:
        """Of every header of that name, which is in lower case."""
        return [value for key, value in self.headers if key == name]

    @property
    def is_websocket(self) -> bool:
        """Whether it asks for a WebSocket."""
        return [value.lower() for value in self.values(b"upgrade")] == [b"websocket"] and b"upgrade" in tokens(
            self.values(b"connection")
        )


def tokens(values: list[bytes]) -> set[bytes]:
    """The words of a list header, in lower case."""
    return {word.strip().lower() for value in values for word in value.split(b",") if word.strip()}


def read_head(octets: bytes) -> Incoming:
    """The request that begins with `octets`: a whole head, with the empty line at its end.

    Raises:
        BadHeadError: It could be understood in more than one way, or is no request.
    """
    lines = _lines(octets)
    connection = h11.Connection(h11.SERVER, max_incomplete_event_size=MAX_HEAD)
    try:
        connection.receive_data(octets)
        request = connection.next_event()
    except h11.RemoteProtocolError as error:
        raise BadHeadError(f"this is no request: {error}") from error
    if not isinstance(request, h11.Request) or request.http_version not in _VERSIONS:
        raise BadHeadError("this is no request of HTTP/1.1")
    if request.method.upper() in _REFUSED_METHODS:
        raise BadHeadError("this method is not passed on")
    headers = [(bytes(name), bytes(value)) for name, value in request.headers]
    _check_framing(lines, request.http_version)
    _check_upgrade(headers)
    authority = _authority(headers)
    target = _target(bytes(request.method), bytes(request.target), authority)
    named = _HOST.fullmatch(authority)
    host = "" if named is None else named["host"].decode()
    return Incoming(connection, bytes(request.method), target, headers, host, authority.decode())


def label_of(host: str, domain: str) -> str | None:
    """The label of `host` before the `domain` of tunnels; None where it is no host of a tunnel."""
    label, _, rest = host.partition(".")
    return label if rest == domain else None


def is_within(host: str, domain: str) -> bool:
    """Whether `host` is below `domain`, however deep."""
    return host.endswith(f".{domain}")


def _lines(octets: bytes) -> list[bytes]:
    if len(octets) > MAX_HEAD:
        raise BadHeadError("the head is too long")
    lines = octets.removesuffix(END).split(b"\r\n")
    if any(b"\n" in line or b"\r" in line or b"\0" in line for line in lines):
        raise BadHeadError("a line of the head ends in something else than CR LF")
    if any(line[:1] in (b" ", b"\t", b"") for line in lines):
        raise BadHeadError("a line of the head is folded or empty")
    return lines


def _check_framing(lines: list[bytes], version: bytes) -> None:
    """One way alone to say how long the body is. Looked at as it came: h11 makes one of two equal lengths."""
    pairs = [line.partition(b":") for line in lines[1:]]
    lengths = [value.strip() for name, _, value in pairs if name.lower() == b"content-length"]
    codings = [value.strip().lower() for name, _, value in pairs if name.lower() == b"transfer-encoding"]
    if len(lengths) + len(codings) > 1:
        raise BadHeadError("the length of the body is said twice")
    if lengths and _DIGITS.fullmatch(lengths[0]) is None:
        raise BadHeadError("the length of the body is no number")
    if codings and (codings != [b"chunked"] or version != b"1.1"):
        raise BadHeadError("the body is coded in another way than by chunks")


def _check_upgrade(headers: Headers) -> None:
    wanted = tokens([value for name, value in headers if name == b"upgrade"])
    if {b"h2c", b"h2"} & wanted or any(name == b"http2-settings" for name, _ in headers):
        raise BadHeadError("there is no change to HTTP/2 here")


def _authority(headers: Headers) -> bytes:
    found = [value.lower() for name, value in headers if name == b"host"]
    if len(found) != 1 or _HOST.fullmatch(found[0]) is None:
        raise BadHeadError("say one host, as it is called")
    return found[0]


def _target(method: bytes, target: bytes, authority: bytes) -> bytes:
    if target.startswith(b"/") or (target == b"*" and method == b"OPTIONS"):
        return target
    absolute = _ABSOLUTE.fullmatch(target)
    if absolute is None or absolute[1].lower() != authority:
        raise BadHeadError("the request names another host in its target")
    rest = absolute[2] or b"/"
    return rest if rest.startswith(b"/") else b"/" + rest
