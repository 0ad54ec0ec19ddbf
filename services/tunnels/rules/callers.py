"""What a web visitor shows of themselves, and whether a browser sends it for a page of the tunnel itself. Pure."""

import base64
import json
from hashlib import sha256
from typing import Final

from attrs import frozen

from services.tunnels.records.offers import TunnelName
from services.tunnels.rules.headers import TICKET_HEADER, our_cookie
from services.tunnels.rules.heads import Incoming
from services.tunnels.rules.names import SECURE, parse_proxy_name
from services.tunnels.rules.tickets import PREFIX as TICKET_PREFIX
from services.tunnels.rules.visitors import bearer
from shared.api_keys import PREFIX as KEY_PREFIX
from shared.errors import SignInRefusedError

VISIT_COOKIE: Final = "__Host-ironflock-visit"
STATE_COOKIE: Final = "__Host-ironflock-state"
OWN_PATH: Final = b"/~!ironflock/"
ONE_TICKET: Final = "show one ticket"
_JWT_PARTS: Final = 3
_NAVIGATES: Final = (b"GET", b"HEAD")


@frozen
class Shown:
    """What somebody shows: a text for us, or the cookie of a browser, or neither."""

    text: str | None
    cookie: str | None

    @property
    def is_ticket(self) -> bool:
        """Whether it is usable once."""
        return self.text is not None and self.text.startswith(TICKET_PREFIX)

    def digest(self) -> bytes:
        """What it is known by here."""
        return sha256((self.text or self.cookie or "").encode()).digest()


def shown_by(incoming: Incoming) -> Shown:
    """What a request shows to us.

    Raises:
        SignInRefusedError: More than one thing, or nothing by its form.
    """
    tickets, authorizations = incoming.values(TICKET_HEADER), incoming.values(b"authorization")
    if tickets:
        if len(tickets) > 1:
            raise SignInRefusedError(ONE_TICKET)
        return Shown(bearer([f"Bearer {tickets[0].decode('ascii', 'replace')}"]), None)
    cookie = our_cookie(incoming.values(b"cookie"), VISIT_COOKIE)
    if any(value.lower().startswith(b"bearer") for value in authorizations):
        return Shown(bearer([value.decode("ascii", "replace") for value in authorizations]), None)
    return Shown(None, cookie)


def is_ours(authorization: bytes, issuer: str) -> bool:
    """Whether an `Authorization` holds a credential of this platform, whatever it still opens, by its form."""
    text = authorization.decode("ascii", "replace").partition(" ")[2].strip()
    if text.startswith((TICKET_PREFIX, KEY_PREFIX)):
        return True
    parts = text.split(".")
    if len(parts) != _JWT_PARTS:
        return False
    try:
        claims = json.loads(base64.urlsafe_b64decode(parts[1] + "=" * (-len(parts[1]) % 4)))
    except (ValueError, RecursionError):
        return False
    return isinstance(claims, dict) and claims.get("iss") == issuer


def name_of_label(label: str) -> TunnelName | None:
    """Whose tunnel has that host; None where none could."""
    return parse_proxy_name(f"{label}-{'https' if label.startswith(SECURE) else 'http'}")


def is_page(incoming: Incoming) -> bool:
    """Whether a browser wants to show what it is answered."""
    asks = any(b"text/html" in value.lower() for value in incoming.values(b"accept"))
    modes = incoming.values(b"sec-fetch-mode")
    return incoming.method in _NAVIGATES and asks and modes in ([], [b"navigate"]) and not incoming.is_websocket


def is_from_elsewhere(incoming: Incoming) -> bool:
    """Whether the page of another origin makes the browser send this; following a link is all that others may.

    To a browser another tunnel is the same site, so the cookie goes along. Source: Fetch standard; RFC 6454.
    """
    origins = incoming.values(b"origin")
    if origins and [each.lower() for each in origins] != [f"https://{incoming.authority}".encode()]:
        return True
    sites = incoming.values(b"sec-fetch-site")
    if not sites or sites[0] in (b"same-origin", b"none"):
        return False
    return not is_page(incoming) or incoming.values(b"sec-fetch-dest") not in ([], [b"document"])


def keeps_authorization(incoming: Incoming, issuer: str, *, is_public: bool) -> bool:
    """Whether the device gets `Authorization`: never what is ours, and a bearer of others on public tunnels alone."""
    shown = incoming.values(b"authorization")
    return not any(is_ours(each, issuer) or (not is_public and each.lower().startswith(b"bearer")) for each in shown)
