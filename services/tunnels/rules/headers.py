"""What of a head goes on. Pure.

To the device nothing of ours and nothing forged; to the visitor nothing that reaches beyond the tunnel's own host.
Names are compared with `_` as `-`: many servers on devices make one of both. Source: RFC 9110 section 7.6.1 (what is
between two neighbours alone), RFC 6265 sections 4.1.2.3 and 5.4, RFC 7838 (Alt-Svc).
"""

from typing import Final

from attrs import frozen

from services.tunnels.rules.heads import Headers, Incoming, tokens

TICKET_HEADER: Final = b"x-ironflock-ticket"
OUR_COOKIES: Final = b"__host-ironflock"
_HOP_BY_HOP: Final = frozenset({
    b"connection", b"keep-alive", b"proxy-authenticate", b"proxy-authorization", b"proxy-connection", b"te", b"trailer",
    b"transfer-encoding", b"upgrade",
})  # fmt: skip
_FRAMING: Final = frozenset({b"host", b"content-length", b"transfer-encoding"})
"""Not the sender's to name in `Connection`."""
_FORGED: Final = (b"x-ironflock-", b"x-forwarded-")
_FORGED_WHOLE: Final = frozenset({b"forwarded", b"x-real-ip", b"x-ironflock", b"x-forwarded"})
_BEYOND: Final = frozenset({b"alt-svc", b"clear-site-data", b"public-key-pins"})
"""They speak for other ports, or for other hosts of the domain."""


@frozen
class Coming:
    """What the device is told of who comes; the assertion is signed, empty where nobody is known."""

    address: str
    account_key: int | None
    assertion: str


def to_device(incoming: Incoming, coming: Coming, *, keeps_authorization: bool) -> Headers:
    """The headers of the request as the device gets it."""
    named = tokens(incoming.values(b"connection")) - _FRAMING
    kept: Headers = []
    for name, value in incoming.headers:
        plain = name.replace(b"_", b"-")
        if name in _HOP_BY_HOP or name in named or is_forged(plain) or plain == b"cookie":
            continue
        if plain == b"authorization" and not keeps_authorization:
            continue
        kept.append((name, value))
    theirs = their_cookies(incoming.values(b"cookie"))
    if theirs:
        kept.append((b"cookie", theirs))
    if incoming.values(b"transfer-encoding"):
        kept.append((b"transfer-encoding", b"chunked"))
    if incoming.is_websocket:
        kept += [(b"connection", b"Upgrade"), (b"upgrade", b"websocket")]
    else:
        kept.append((b"connection", b"close"))
    return kept + _told(incoming, coming)


def to_visitor(headers: Headers) -> Headers:
    """The headers of an answer as the visitor gets it."""
    named = tokens([value for name, value in headers if name == b"connection"]) - _FRAMING
    is_chunked = any(name == b"transfer-encoding" for name, _ in headers)
    kept: Headers = []
    for name, value in headers:
        if name in _HOP_BY_HOP or name in named or name in _BEYOND:
            continue
        if name == b"content-length" and is_chunked:
            continue
        if name == b"set-cookie":
            kept += [(name, cookie) for cookie in [their_set_cookie(value)] if cookie is not None]
        else:
            kept.append((name, value))
    return kept


def switched_to_visitor(headers: Headers) -> Headers:
    """The same of an answer that changes to a WebSocket."""
    return [*to_visitor(headers), (b"connection", b"Upgrade"), (b"upgrade", b"websocket")]


def is_forged(name: bytes) -> bool:
    """Whether nobody but us says that to a device."""
    return name in _FORGED_WHOLE or name.startswith(_FORGED)


def their_cookies(values: list[bytes]) -> bytes:
    """A visitor's cookies without ours."""
    pieces = [piece.strip() for value in values for piece in value.split(b";")]
    return b"; ".join(piece for piece in pieces if piece and not _is_our_cookie(piece))


def our_cookie(values: list[bytes], name: str) -> str | None:
    """The one cookie of ours of that name; None where there is none, or more than one."""
    front = name.encode() + b"="
    pieces = [piece.strip() for value in values for piece in value.split(b";")]
    found = [piece.removeprefix(front) for piece in pieces if piece.startswith(front)]
    return found[0].decode("ascii", "replace") if len(found) == 1 else None


def their_set_cookie(value: bytes) -> bytes | None:
    """A device's cookie, for its own host alone; None where it would be one of ours."""
    first, *attributes = value.split(b";")
    if _is_our_cookie(first):
        return None
    kept = [each for each in attributes if each.partition(b"=")[0].strip().lower() != b"domain"]
    return b";".join([first, *kept])


def _is_our_cookie(piece: bytes) -> bool:
    """Also without a name (`=__Host-...`): a browser sends that as if it were one."""
    return piece.lstrip(b" \t=").lower().startswith(OUR_COOKIES)


def _told(incoming: Incoming, coming: Coming) -> Headers:
    told = [
        (b"x-forwarded-for", coming.address.encode()),
        (b"x-forwarded-host", incoming.authority.encode()),
        (b"x-forwarded-proto", b"https"),
    ]
    if coming.account_key is None:
        return told
    return [
        *told,
        (b"x-ironflock-user", str(coming.account_key).encode()),
        (b"x-ironflock-assertion", coming.assertion.encode()),
    ]
