"""Attacks on web tunnels: smuggled requests, other hosts, forged cookies and identities, replayed tickets."""

from collections.abc import Iterator
from typing import Final

import pytest

import shared.service  # noqa: F401 - installs the asyncio reactor and insists on being the first
from services.tunnels.records.visits import IssueTicket
from tests.harness.web_device import WebDevice
from tests.integration.database import Postgres
from tests.integration.flockctl.certificates import Certificates, make_certificates
from tests.integration.tunnels.rooms import ANNA, CRANE
from tests.integration.tunnels.web import HOST, key_of, line, offered, visits
from tests.integration.tunnels.whole import Whole, whole

pytestmark = pytest.mark.real
EVIL = "POST /evil HTTP/1.1\r\nHost: x\r\n\r\n"
BESIDE: Final = "Content-Length: 4\r\nTransfer-Encoding: chunked"
SMUGGLED = {
    "a length beside chunks": f"POST / HTTP/1.1\r\n{{a}}\r\n{BESIDE}\r\n\r\n0\r\n\r\n",
    "two lengths": "POST / HTTP/1.1\r\n{a}\r\nContent-Length: 4\r\nContent-Length: 5\r\n\r\nbody",
    "two equal lengths": "POST / HTTP/1.1\r\n{a}\r\nContent-Length: 4\r\nContent-Length: 4\r\n\r\nbody",
    "a list of lengths": "POST / HTTP/1.1\r\n{a}\r\nContent-Length: 4, 4\r\n\r\nbody",
    "a signed length": "POST / HTTP/1.1\r\n{a}\r\nContent-Length: +4\r\n\r\nbody",
    "another coding": "POST / HTTP/1.1\r\n{a}\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
    "a coding nearly so called": "POST / HTTP/1.1\r\n{a}\r\nTransfer-Encoding: xchunked\r\n\r\n0\r\n\r\n",
    "two codings": "POST / HTTP/1.1\r\n{a}\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: x\r\n\r\n0\r\n\r\n",
    "chunks in HTTP/1.0": "POST / HTTP/1.0\r\n{a}\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "a blank before the colon": "POST / HTTP/1.1\r\n{a}\r\nContent-Length : 4\r\n\r\nbody",
    "a folded line": "GET / HTTP/1.1\r\n{a}\r\nX-A: b\r\n c\r\n\r\n",
    "a line that ends in LF": "GET / HTTP/1.1\r\n{a}\nX-A: b\r\n\r\n",
    "a CR in a value": "GET / HTTP/1.1\r\n{a}\r\nX-A: b\rTransfer-Encoding: chunked\r\n\r\n",
    "a NUL": "GET / HTTP/1.1\r\n{a}\r\nX-A: b\0c\r\n\r\n",
    "a change to HTTP/2": "GET / HTTP/1.1\r\n{a}\r\nConnection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\n\r\n",
    "HTTP/2 itself": "PRI * HTTP/2.0\r\n{a}\r\n\r\nSM\r\n\r\n",
    "another host in the target": "GET https://43-web-80.tunnels.example/ HTTP/1.1\r\n{a}\r\n\r\n",
    "another scheme in the target": "GET ftp://42-web-80.tunnels.example/ HTTP/1.1\r\n{a}\r\n\r\n",
    "no path": "GET evil HTTP/1.1\r\n{a}\r\n\r\n",
    "two hosts": "GET / HTTP/1.1\r\n{a}\r\nHost: 43-web-80.tunnels.example\r\n\r\n",
    "two equal hosts": "GET / HTTP/1.1\r\n{a}\r\nHost: 42-web-80.tunnels.example\r\n\r\n",
    "CONNECT": "CONNECT 42-web-80.tunnels.example:80 HTTP/1.1\r\n{a}\r\n\r\n",
    "TRACE": "TRACE / HTTP/1.1\r\n{a}\r\n\r\n",
    "too long a head": "GET / HTTP/1.1\r\n{a}\r\nX-A: " + "a" * 66_000 + "\r\n\r\n",
}
HOSTS = (
    "42-web-80.tunnels.example.", "43-web-80.tunnels.example", "42-web-80.tunnels.example@43-web-80.tunnels.example",
    "a.42-web-80.tunnels.example", "42-web-80.tunnels.example, x", "tunnels.example",
)  # fmt: skip


@pytest.fixture(scope="module", name="server")
def fixture_server() -> Iterator[Postgres]:
    started = Postgres()
    try:
        started.start()
        migrated = started.migrate()
        assert migrated.returncode == 0, migrated.stderr
        yield started
    finally:
        started.remove()


@pytest.fixture(scope="session", name="certificates")
def fixture_certificates(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    return make_certificates(tmp_path_factory.mktemp("tunnel-visitors"))


@pytest.fixture(name="site")
def fixture_site(server: Postgres, certificates: Certificates) -> Iterator[Whole]:
    server.clear()
    with whole(server, certificates) as made:
        yield made


def test_what_could_be_read_in_two_ways_is_refused_and_nobody_came(site: Whole) -> None:
    device = WebDevice()
    offered(site, device)
    shown = f"Host: {HOST}\r\nAuthorization: Bearer {key_of(site)}"

    found = {}
    for name, octets in SMUGGLED.items():
        with line(site) as one:
            one.send((octets.format(a=shown) + EVIL).encode())
            found[name] = one.reply().status
            assert one.is_closed(), name

    assert found == dict.fromkeys(SMUGGLED, 400)
    assert (device.heads, visits(site)) == ([], [])


def test_it_is_refused_behind_a_good_request_too(site: Whole) -> None:
    device = WebDevice()
    offered(site, device)
    shown = f"Authorization: Bearer {key_of(site)}"
    with line(site) as one:
        assert one.ask(f"GET / HTTP/1.1\n{shown}").status == 200
        one.send((SMUGGLED["a length beside chunks"].format(a=f"Host: {HOST}\r\n{shown}") + EVIL).encode())
        assert one.reply().status == 400
        assert one.is_closed()
    assert len(device.heads) == 1


def test_another_host_than_the_one_of_the_connection_is_refused(site: Whole) -> None:
    device = WebDevice()
    offered(site, device)
    shown = f"Authorization: Bearer {key_of(site)}"
    for host in HOSTS:
        with line(site) as one:
            answer = one.ask(f"GET / HTTP/1.1\n{shown}", host=host)
            assert answer.status == 400, host
        with line(site) as one:
            assert one.ask(f"GET / HTTP/1.1\n{shown}").status == 200
            assert one.ask(f"GET / HTTP/1.1\n{shown}", host=host).status == 400, host
    with line(site, f"{CRANE}-web-80.tunnels.example") as one:
        assert one.ask(f"GET / HTTP/1.1\n{shown}").status == 400
    assert len(device.heads) == len(HOSTS)


def test_nobody_says_who_they_are_but_we(site: Whole) -> None:
    device = WebDevice()
    offered(site, device)
    forged = "\n".join(
        f"{name}: 1"
        for name in (
            "X-IronFlock-User", "x-ironflock-user", "X_IronFlock_User", "X-Ironflock_User", "X-IronFlock-Assertion",
            "X-IronFlock-Anything", "X-Forwarded-For", "X-Forwarded-Host", "X_Forwarded_Proto", "Forwarded",
            "X-Real-IP",
        )
    )  # fmt: skip
    shown = f"Authorization: Bearer {key_of(site)}"
    with line(site) as one:
        head = f"GET / HTTP/1.1\n{shown}\n{forged}\nConnection: x-ironflock-user, x-forwarded-for, host"
        assert one.ask(head).status == 200

    told = [(name, value) for name, value in device.heads[0].headers if b"forward" in name or b"ironflock" in name]
    assert b"1" not in [value for _, value in told]
    names = [
        b"x-forwarded-for",
        b"x-forwarded-host",
        b"x-forwarded-proto",
        b"x-ironflock-assertion",
        b"x-ironflock-user",
    ]
    assert sorted(name for name, _ in told) == names
    assert not [value for name, value in device.heads[0].headers if b"_" in name or name == b"x-real-ip"]
    assert device.header("host") == [HOST]


def test_nothing_of_ours_reaches_the_device(site: Whole) -> None:
    device = WebDevice()
    tunnel = offered(site, device)
    ticket = site.do(site.rooms.visits.ticket_issue(ANNA, IssueTicket(tunnel.tunnel_key))).ticket
    cookies = "Cookie: a=1; __Host-ironflock-visit=x; b=2\nCookie: __HOST-IRONFLOCK-state=y; =__Host-ironflock-visit=z"
    with line(site) as one:
        head = f"GET / HTTP/1.1\nX-IronFlock-Ticket: {ticket}\nAuthorization: Bearer {key_of(site)}\n{cookies}"
        assert one.ask(head).status == 200

    octets = b"".join(device.raw)
    assert device.header("cookie") == ["a=1; b=2"]
    for secret in (ticket.encode(), key_of(site).encode(), b"ironflock-visit", b"ironflock-state"):
        assert secret.lower() not in octets.lower()


def test_forged_cookies_and_tickets_open_nothing(site: Whole) -> None:
    device = WebDevice()
    tunnel = offered(site, device)
    ticket = site.do(site.rooms.visits.ticket_issue(ANNA, IssueTicket(tunnel.tunnel_key))).ticket
    offered(site, WebDevice(), key=CRANE)
    other = f"{CRANE}-web-80.tunnels.example"
    with line(site, other) as one:
        assert one.ask(f"GET / HTTP/1.1\nX-IronFlock-Ticket: {ticket}", host=other).status == 401
    with line(site) as one:
        assert one.ask(f"GET / HTTP/1.1\nX-IronFlock-Ticket: {ticket}\nX-IronFlock-Ticket: {ticket}").status == 401
        assert one.ask(f"GET / HTTP/1.1\nX-IronFlock-Ticket: {ticket}").status == 200
    for forged in ("x", "A" * 43, ticket, key_of(site), "x; __Host-ironflock-visit=y", ""):
        with line(site) as one:
            assert one.ask(f"GET / HTTP/1.1\nCookie: __Host-ironflock-visit={forged}").status == 401, forged
    for replayed in (ticket, ticket[:-1] + "x"):
        with line(site) as one:
            assert one.ask(f"GET / HTTP/1.1\nX-IronFlock-Ticket: {replayed}").status == 401
    assert len(device.heads) == 1
