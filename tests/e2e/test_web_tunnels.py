"""A browser at a device's web page on the running platform: the sign-in, the page, a WebSocket, and what ends them."""

import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from urllib.parse import urlsplit

import pytest
import pytest_asyncio

from services.tunnels.records.messages import NewProxy
from tests.e2e.test_tunnels import Site, dropped, proof_of, say_connected
from tests.harness.accounts import Stranger, make_members
from tests.harness.clients import Account, join_device
from tests.harness.frp_client import FrpClient
from tests.harness.running import RunningPlatform
from tests.harness.site import new_person, path_of
from tests.harness.tunnel_edge import run
from tests.harness.waiting import wait_until
from tests.harness.web_device import WebDevice
from tests.integration.auth.browsers import Browser
from tests.integration.flockctl import reactor_thread
from tests.integration.tunnels.web import Line, Reply

pytestmark = [pytest.mark.real, pytest.mark.asyncio]
PAGE = "Accept: text/html"
DOMAIN = "tunnels.localhost"
UPGRADE = "Connection: Upgrade\nUpgrade: websocket\nSec-WebSocket-Key: eA==\nSec-WebSocket-Version: 13"


@pytest_asyncio.fixture(name="site")
async def fixture_site(ironflock: RunningPlatform, owner: Account) -> Site:
    reactor_thread.start()
    return Site(ironflock, owner)


@contextmanager
def line(platform: RunningPlatform, host: str) -> Iterator[Line]:
    """A connection whose certificate is that host's."""
    plain = socket.create_connection(("127.0.0.1", platform.ports.visitors), timeout=20)
    with platform.tls.wrap_socket(plain, server_hostname=host) as secured:
        yield Line(secured)


async def client_of(site: Site, device: WebDevice) -> FrpClient:
    """The device's frpc with the page on offer."""
    client = FrpClient(reactor_thread.reactor, device.work)
    await client.connect(site.ironflock.ports.tunnel)
    assert not (await client.log_in(proof_of(site.flock), 4)).error
    label = f"{site.device}-web-80"
    offered = await client.offer(NewProxy(f"{label}-http", "http", subdomain=label))
    assert not offered.error, offered.error
    return client


def in_project(site: Site, address: str, *flags: str) -> Stranger:
    """The person, who reaches the device from now on, or has other flags on it."""
    with site.ironflock.database() as connection:
        row = connection.execute("SELECT account_key FROM auth.account WHERE login_name = %s", [address]).fetchone()
    assert row is not None
    person = Stranger(row[0], Account(site.ironflock, ""), address)
    held = [("device", site.device, flag) for flag in flags or ("READ", "REMOTE_ACCESS")]
    make_members(site.ironflock, site.project, [person], held)
    return person


def cookie_of(answer: Reply, name: str) -> str:
    [found] = [each for each in answer.values("set-cookie") if each.startswith(f"{name}=") and "Max-Age=0" not in each]
    return found.partition(";")[0]


async def signed_in(site: Site, one: Line, host: str, browser: Browser) -> str:
    """The cookie of the tunnel's host for who is signed in at the platform."""
    answer = one.ask(f"GET /page HTTP/1.1\n{PAGE}", host=host)
    assert answer.status == 303, answer.body
    state = cookie_of(answer, "__Host-ironflock-state")
    await browser.ask("GET", path_of(answer.values("location")[0]))
    back = browser.header("location") or ""
    assert back.startswith(f"https://{DOMAIN}:{site.ironflock.ports.visitors}/sign-in/done?"), browser.text
    with line(site.ironflock, DOMAIN) as domain:
        handed = domain.ask(f"GET {path_of(back)} HTTP/1.1\n{PAGE}", host=DOMAIN)
    assert handed.status == 303, handed.body
    onward = handed.values("location")[0]
    assert urlsplit(onward).hostname == host
    entered = one.ask(f"GET {path_of(onward)} HTTP/1.1\n{PAGE}\nCookie: {state}", host=host)
    assert entered.status == 303
    assert entered.values("location") == [f"https://{host}:{site.ironflock.ports.visitors}/page"]
    return cookie_of(entered, "__Host-ironflock-visit")


async def test_a_person_sees_a_device_s_page_for_as_long_as_they_may(
    site: Site, ironflock: RunningPlatform, owner: Account
) -> None:
    made = site.owner.ask("POST", f"/devices/{site.device}/tunnels", {"app": "web", "port": 80, "protocol": "http"})
    tunnel, host, device = made.json, f"{site.device}-web-80.{DOMAIN}", WebDevice()
    assert tunnel["url"] == f"https://{host}:{ironflock.ports.visitors}"
    address, browser = await new_person(ironflock, owner)
    person = in_project(site, address)
    async with await join_device(ironflock, site.flock) as agent:
        await say_connected(site, agent)
        client = run(client_of(site, device))
        with line(ironflock, host) as one, line(ironflock, host) as two:
            cookie = await signed_in(site, one, host, browser)
            asked = f"{PAGE}\nCookie: {cookie}"
            assert one.ask(f"GET /page HTTP/1.1\n{asked}", host=host).body == b"from the device"
            assert device.header("x-ironflock-user") == [str(person.account_key)]
            assert two.ask(f"GET /ws HTTP/1.1\nCookie: {cookie}\n{UPGRADE}", host=host).status == 101
            two.send(b"\x81\x02hi")
            assert two.read(4) == b"\x81\x02hi"
            assert [visit["account_key"] for visit in site.visits()] == [person.account_key]

            began = time.monotonic()
            site.keep_out(person, "REMOTE_ACCESS")
            assert two.is_closed()
            assert time.monotonic() - began < 1.5
            refused = one.ask(f"GET /page HTTP/1.1\n{asked}", host=host)
            assert (refused.status, b"REMOTE_ACCESS" in refused.body) == (403, True)
            by_key = f"Authorization: Bearer {site.key_of_owner}"
            assert one.ask(f"GET /page HTTP/1.1\n{by_key}", host=host).status == 200
        run(dropped(client))

    wait_until(lambda: "right_ended" in {visit["cause"] for visit in site.visits()}, 5, "it is over")
    wanted = {("tunnel_visit.begun", "done"), ("tunnel_visit.ended", "done")}
    wait_until(lambda: wanted <= set(site.logged()), 30, "it is in the log")


async def test_when_the_sign_in_ends_the_page_does(site: Site, ironflock: RunningPlatform, owner: Account) -> None:
    site.owner.ask("POST", f"/devices/{site.device}/tunnels", {"app": "web", "port": 80, "protocol": "http"})
    host, device = f"{site.device}-web-80.{DOMAIN}", WebDevice()
    address, browser = await new_person(ironflock, owner)
    in_project(site, address)
    async with await join_device(ironflock, site.flock) as agent:
        await say_connected(site, agent)
        client = run(client_of(site, device))
        with line(ironflock, host) as one, line(ironflock, host) as two:
            cookie = await signed_in(site, one, host, browser)
            assert two.ask(f"GET /ws HTTP/1.1\nCookie: {cookie}\n{UPGRADE}", host=host).status == 101
            await browser.get("/sign-out")
            await browser.submit("/sign-out")
            assert two.is_closed()
            assert one.ask(f"GET / HTTP/1.1\n{PAGE}\nCookie: {cookie}", host=host).status == 401
        run(dropped(client))

    assert {visit["cause"] for visit in site.visits()} == {"credential_ended"}
