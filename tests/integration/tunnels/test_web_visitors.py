"""Web visitors: who may comes through to the device, which learns who it is and nothing that opens anything."""

import json
import time
from collections.abc import Iterator

import pytest
from joserfc import jwt
from joserfc.jwk import KeySet

from services.tunnels.records.tunnels import NameTunnel, PublishTunnel
from services.tunnels.records.visits import IssueTicket
from shared.tls import server_options
from tests.harness.waiting import wait_until
from tests.harness.web_device import BIG, HUGE, WebDevice
from tests.integration.database import Postgres
from tests.integration.flockctl.certificates import Certificates
from tests.integration.tunnels.rooms import ANNA, PRESS
from tests.integration.tunnels.web import HOST, key_of, line, offered, visits
from tests.integration.tunnels.whole import Whole, whole

pytestmark = pytest.mark.real


@pytest.fixture(name="site")
def fixture_site(postgres: Postgres, certificates: Certificates) -> Iterator[Whole]:
    with whole(postgres, certificates) as made:
        yield made


def test_a_program_with_a_key_comes_through_by_one_visit(site: Whole) -> None:
    device = WebDevice()
    offered(site, device)
    shown = f"Authorization: Bearer {key_of(site)}"

    with line(site) as one, line(site) as two:
        first = one.ask(f"GET /a?b=c HTTP/1.1\n{shown}\nX-IronFlock-User: 1\nX_Forwarded_For: 6.6.6.6\nX-Own: 1")
        assert (first.status, first.body) == (200, b"from the device")
        assert one.ask(f"POST /b HTTP/1.1\n{shown}\nContent-Length: 4", b"body").status == 200
        chunked = "Transfer-Encoding: chunked"
        assert two.ask(f"PUT /c HTTP/1.1\n{shown}\n{chunked}", b"3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n").status == 200
        assert two.ask(f"HEAD /d HTTP/1.1\n{shown}").status == 200
        assert len(two.ask(f"GET /big HTTP/1.1\n{shown}").body) == BIG

    assert device.bodies == [b"", b"body", b"abcde", b"", b""]
    assert [each.target for each in device.heads] == [b"/a?b=c", b"/b", b"/c", b"/d", b"/big"]
    first_head = dict(device.heads[0].headers)
    assert b"authorization" not in first_head
    assert b"x_forwarded_for" not in first_head
    told = {name: first_head[name] for name in (b"host", b"x-ironflock-user", b"x-forwarded-for", b"x-own")}
    assert list(told.values()) == [HOST.encode(), b"5", b"127.0.0.1", b"1"]
    assert first.values("set-cookie") == ["theirs=1; Path=/"]
    assert first.values("alt-svc") == []
    assert len(visits(site)) == 1
    assert [action for action, *_ in site.rooms.entries()][-1] == "tunnel_visit.begun"


def test_the_device_can_verify_who_comes(site: Whole) -> None:
    device = WebDevice()
    offered(site, device)
    with line(site) as one:
        one.ask(f"GET / HTTP/1.1\nAuthorization: Bearer {key_of(site)}")
    with line(site, "tunnels.example") as domain:
        keys = json.loads(domain.ask("GET /.well-known/jwks.json HTTP/1.1", host="tunnels.example").body)

    token = jwt.decode(device.header("x-ironflock-assertion")[0], KeySet.import_key_set(keys), algorithms=["ES256"])
    assert {name: token.claims[name] for name in ("iss", "aud", "sub")} == {
        "iss": "https://tunnels.example:8458",
        "aud": HOST,
        "sub": "5",
    }
    assert token.claims["exp"] - token.claims["iat"] <= 300
    assert all("d" not in key for key in keys["keys"])


def test_a_ticket_opens_one_connection(site: Whole) -> None:
    device = WebDevice()
    tunnel = offered(site, device)
    ticket = site.do(site.rooms.visits.ticket_issue(ANNA, IssueTicket(tunnel.tunnel_key))).ticket
    ask = f"GET / HTTP/1.1\nX-IronFlock-Ticket: {ticket}"

    with line(site) as one, line(site) as two:
        assert (one.ask(ask).status, one.ask(ask).status) == (200, 200)
        assert two.ask(ask).status == 401

    assert device.header("x-ironflock-ticket") == []
    wait_until(lambda: [each[1] for each in visits(site)] == ["visitor_left"], 5, "it is over")


def test_a_public_tunnel_asks_nobody_and_tells_the_device_of_nobody(site: Whole) -> None:
    device = WebDevice()
    tunnel = offered(site, device)
    site.do(site.rooms.people.tunnel_publish(ANNA, PublishTunnel(tunnel.tunnel_key)))

    with line(site) as one:
        assert one.ask("GET / HTTP/1.1\nAuthorization: Bearer theirs\nX-IronFlock-User: 5").status == 200
        assert (device.header("authorization"), device.header("x-ironflock-user")) == (["Bearer theirs"], [])
        site.do(site.rooms.people.tunnel_unpublish(ANNA, NameTunnel(tunnel.tunnel_key)))
        assert one.ask("GET / HTTP/1.1").status == 401

    wait_until(lambda: visits(site)[0][:2] == (None, "not_public"), 5, "it is over")


def test_octets_go_both_ways_after_a_change_to_a_websocket_until_the_flag_is_taken(site: Whole) -> None:
    device = WebDevice()
    offered(site, device)
    person = site.rooms.member("READ", "REMOTE_ACCESS")
    upgrade = "Connection: keep-alive, Upgrade\nUpgrade: WebSocket\nSec-WebSocket-Key: eA==\nSec-WebSocket-Version: 13"

    with line(site) as cut, line(site) as neighbour:
        for each, shown in ((cut, key_of(site, person)), (neighbour, key_of(site))):
            assert each.ask(f"GET /ws HTTP/1.1\nAuthorization: Bearer {shown}\n{upgrade}").status == 101
            each.send(b"\x81\x02hi")
            assert each.read(4) == b"\x81\x02hi"
        began = time.monotonic()
        site.do(lost(site))
        assert cut.is_closed()
        assert time.monotonic() - began < 1.0
        neighbour.send(b"z" * 300_000)
        assert neighbour.read(300_000) == b"z" * 300_000
    with line(site) as again:
        answer = again.ask(f"GET / HTTP/1.1\nAccept: text/html\nAuthorization: Bearer {key_of(site, person)}")
        assert answer.status in (403, 404)
        assert answer.values("content-type") == ["text/html; charset=utf-8"]

    wait_until(lambda: "right_ended" in {each[1] for each in visits(site)}, 5, "it is recorded")


async def lost(site: Whole) -> None:
    site.rooms.rights.lose(7, next(iter(site.rooms.rights.known(7))))


def test_what_goes_wrong_at_the_device_is_told(site: Whole) -> None:
    offered(site, WebDevice())
    shown = f"Authorization: Bearer {key_of(site)}"

    with line(site) as one:
        found = {
            path: one.ask(f"GET {path} HTTP/1.1\n{shown}").status for path in ("/broken", "/close", "/until-close")
        }
        assert one.ask(f"GET /until-close HTTP/1.1\n{shown}").body == b"all of it"

    assert found == {"/broken": 502, "/close": 502, "/until-close": 200}


def test_a_visitor_who_does_not_read_stops_the_device(site: Whole) -> None:
    device = WebDevice()
    offered(site, device)
    with line(site) as one:
        one.send(f"GET /huge HTTP/1.1\r\nHost: {HOST}\r\nAuthorization: Bearer {key_of(site)}\r\n\r\n".encode())
        wait_until(lambda: stays(device), 20, "the device waits")
        assert device.unsent is not None
        assert device.unsent > HUGE // 2
        assert len(one.reply().body) == HUGE


def stays(device: WebDevice) -> bool:
    """Whether it waits, and for the same as a moment ago."""
    before = device.unsent
    time.sleep(0.3)  # noqa: TID251 - long enough for what is on its way
    return before is not None and before == device.unsent


def test_requests_that_come_at_once_are_answered_in_their_order(site: Whole) -> None:
    device = WebDevice()
    offered(site, device)
    shown = f"Host: {HOST}\r\nAuthorization: Bearer {key_of(site)}\r\n\r\n"
    with line(site) as one:
        one.send("".join(f"GET {path} HTTP/1.1\r\n{shown}" for path in ("/a", "/close", "/b", "/big", "/c")).encode())
        assert [one.reply().status for _ in range(5)] == [200, 502, 200, 200, 200]
    assert [each.target for each in device.heads] == [b"/a", b"/close", b"/b", b"/big", b"/c"]


def test_who_expects_to_be_told_to_go_on_is(site: Whole) -> None:
    device = WebDevice()
    offered(site, device)
    with line(site) as one:
        head = f"POST / HTTP/1.1\nAuthorization: Bearer {key_of(site)}\nContent-Length: 3\nExpect: 100-continue"
        assert one.ask(head).status == 100
        one.send(b"abc")
        assert one.reply().status == 200
    assert device.bodies == [b"abc"]


def test_tls_of_the_device_is_spoken_inside(site: Whole) -> None:
    certificates = site.certificates
    device = WebDevice(server_options(certificates.certificate, certificates.key))
    offered(site, device, "https")
    host = f"secure-{HOST}"
    with line(site, host) as one:
        assert one.ask(f"GET / HTTP/1.1\nAuthorization: Bearer {key_of(site)}", host=host).status == 200
    assert device.header("x-forwarded-proto") == ["https"]


def test_while_nothing_is_offered_it_says_so_and_begins_nothing(site: Whole) -> None:
    site.declare(PRESS, "web", 80, "http")
    with line(site) as one:
        assert one.ask(f"GET / HTTP/1.1\nAuthorization: Bearer {key_of(site)}").status == 409
        assert one.ask("GET / HTTP/1.1").status == 401
        assert one.ask("GET / HTTP/1.1\nAuthorization: Bearer wrong").status == 401
    assert visits(site) == []
