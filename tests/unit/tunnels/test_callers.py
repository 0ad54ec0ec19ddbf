"""What a web visitor shows, and for whose page a browser asks."""

import base64
import json

import pytest

from services.tunnels.records.offers import TunnelName, TunnelProtocol
from services.tunnels.rules.callers import (
    is_from_elsewhere,
    is_ours,
    is_page,
    keeps_authorization,
    name_of_label,
    shown_by,
)
from services.tunnels.rules.heads import Incoming, read_head
from shared.errors import SignInRefusedError

ISSUER = "https://accounts.example"
ADDRESS = "42-web-80.t.example"


def asked(*lines: str, method: str = "GET") -> Incoming:
    return read_head("\r\n".join([f"{method} / HTTP/1.1", f"Host: {ADDRESS}", *lines]).encode() + b"\r\n\r\n")


def token(issuer: str) -> str:
    claims = base64.urlsafe_b64encode(json.dumps({"iss": issuer}).encode()).rstrip(b"=").decode()
    return f"e30.{claims}.c2ln"


def test_what_is_shown_is_a_ticket_a_bearer_or_a_cookie_in_that_order() -> None:
    cookie = "Cookie: __Host-ironflock-visit=c"
    assert shown_by(asked("X-IronFlock-Ticket: ift_x", "Authorization: Bearer y", cookie)).is_ticket
    assert shown_by(asked("Authorization: Bearer y", cookie)).text == "y"
    assert shown_by(asked("Authorization: Basic eDp5", cookie)).cookie == "c"
    assert (shown_by(asked()).text, shown_by(asked()).cookie) == (None, None)


@pytest.mark.parametrize(
    "lines",
    [
        ["Authorization: Bearer a", "Authorization: Bearer b"],
        ["Authorization: Bearer"],
        ["Authorization: Bearer a b"],
        ["X-IronFlock-Ticket: a", "X-IronFlock-Ticket: b"],
        ["X-IronFlock-Ticket:"],
    ],
)
def test_more_than_one_thing_opens_nothing(lines: list[str]) -> None:
    with pytest.raises(SignInRefusedError):
        shown_by(asked(*lines))


@pytest.mark.parametrize(
    ("value", "ours"),
    [
        ("Bearer ift_x", True), ("Basic ifk_x", True), (f"Bearer {token(ISSUER)}", True),
        (f"Bearer {token('https://other')}", False), ("Bearer a.b.c", False), ("Bearer x", False), ("", False),
    ],
)  # fmt: skip
def test_a_credential_of_ours_is_known_by_its_form(value: str, ours: bool) -> None:
    assert is_ours(value.encode(), ISSUER) is ours


def test_a_bearer_of_others_goes_on_where_nobody_is_asked() -> None:
    theirs = asked("Authorization: Bearer x")
    assert keeps_authorization(theirs, ISSUER, is_public=True)
    assert not keeps_authorization(theirs, ISSUER, is_public=False)
    assert not keeps_authorization(asked("Authorization: Bearer ift_x"), ISSUER, is_public=True)
    assert keeps_authorization(asked("Authorization: Basic eDp5"), ISSUER, is_public=False)


def test_a_host_names_its_tunnel() -> None:
    assert name_of_label("42-web-80") == TunnelName(42, "web", 80, TunnelProtocol.HTTP)
    assert name_of_label("secure-42-web-80") == TunnelName(42, "web", 80, TunnelProtocol.HTTPS)
    assert [name_of_label(label) for label in ("", "web", "secure-web", "0-web-80", "42-web-0")] == [None] * 5


def test_a_page_is_what_a_browser_shows() -> None:
    page = "Accept: text/html,*/*"
    assert is_page(asked(page))
    assert not is_page(asked())
    assert not is_page(asked(page, "Sec-Fetch-Mode: cors"))
    assert not is_page(asked(page, method="DELETE"))
    assert not is_page(asked(page, "Connection: upgrade", "Upgrade: websocket"))


def test_a_page_of_another_origin_may_only_lead_here() -> None:
    page = "Accept: text/html"
    own = ("Sec-Fetch-Site: same-origin", "Sec-Fetch-Site: none", f"Origin: https://{ADDRESS}", "X-A: b")
    assert not any(is_from_elsewhere(asked(line)) for line in own)
    lead = asked(page, "Sec-Fetch-Site: cross-site", "Sec-Fetch-Mode: navigate", "Sec-Fetch-Dest: document")
    assert not is_from_elsewhere(lead)
    for lines in (
        ["Origin: https://43-web-80.t.example"], ["Origin: null"], [f"Origin: http://{ADDRESS}"],
        ["Sec-Fetch-Site: same-site"], [page, "Sec-Fetch-Site: same-site", "Sec-Fetch-Dest: iframe"],
    ):  # fmt: skip
        assert is_from_elsewhere(asked(*lines)), lines
