"""Remote access with everybody real: the published frpc, OpenSSH, Chromium; on the assembled platform."""

import asyncio
import contextlib
import hashlib
import json
import os
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from websockets.sync.client import connect

from tests.e2e.test_browser import BROWSER, key_of
from tests.e2e.test_openid_clients import enrolled
from tests.e2e.test_tunnels import Site, echoed, is_open, proof_of, say_connected
from tests.e2e.test_web_tunnels import DOMAIN, in_project, line
from tests.harness import frpc
from tests.harness.accounts import Stranger
from tests.harness.clients import Account, join_device
from tests.harness.device_page import HELLO, DevicePage
from tests.harness.frpc import Frpc, built_frpc
from tests.harness.go_programs import NoProgramError
from tests.harness.local_services import LocalService, UdpEcho, echo
from tests.harness.node import browser, packages, program
from tests.harness.ports import free_ports
from tests.harness.running import RunningPlatform
from tests.harness.site import new_person
from tests.harness.sshd import Sshd
from tests.harness.waiting import wait_until
from tests.integration.auth.people import PASSWORD
from tests.integration.flockctl import reactor_thread
from tests.integration.router_node.wire import Peer

pytestmark = [pytest.mark.real, pytest.mark.asyncio]
MIB = 1_048_576


@pytest.fixture(name="published", scope="module")
def fixture_published() -> Path:
    try:
        return built_frpc()
    except NoProgramError as error:
        pytest.skip(f"{error}; our own client stands in for it in test_tunnels.py and test_web_tunnels.py")


@pytest_asyncio.fixture(name="site")
async def fixture_site(ironflock: RunningPlatform, owner: Account) -> Site:
    reactor_thread.start()
    return Site(ironflock, owner)


async def aside(condition: Callable[[], Any], timeout_s: float, what: str) -> None:
    """As `wait_until`, while the agent's session goes on answering the router's pings."""
    await asyncio.to_thread(wait_until, condition, timeout_s, what)


class Agents:
    """The site's device: its agent on the bus, and its frpc, as often as it is started."""

    def __init__(self, site: Site, published: Path, folder: Path, ending: ExitStack) -> None:
        self.site = site
        self.ending = ending
        self._published = published
        self._folder = folder
        self._started = 0

    def dial(self, proxies: list[dict[str, Any]]) -> Frpc:
        """One more frpc of the device's."""
        self._started += 1
        folder, port = self._folder / f"frpc-{self._started}", self.site.ironflock.ports.tunnel
        return self.ending.enter_context(Frpc(self._published, folder, port, proof_of(self.site.flock), proxies))

    def declare(self, app: str, port: int, protocol: str) -> int:
        what = {"app": app, "port": port, "protocol": protocol}
        made = self.site.owner.ask("POST", f"/devices/{self.site.device}/tunnels", what).json
        return int(made["tunnel_key"])

    def states(self) -> dict[str, str]:
        """How each tunnel stands, by its app."""
        found = self.site.owner.ask("GET", f"/tunnels?device={self.site.device}").json["tunnels"]
        return {each["app"]: each["state"] for each in found}

    async def wait_for(self, **states: str) -> None:
        await aside(lambda: self.states() == states, 15, f"tunnels are {states}")

    def error(self) -> str:
        return str(self.site.state()["error"] or "")


@pytest_asyncio.fixture(name="agents")
async def fixture_agents(site: Site, published: Path, tmp_path: Path) -> Any:
    with ExitStack() as ending:
        yield Agents(site, published, tmp_path, ending)


async def port_of(agent: Peer, protocol: str) -> int:
    """One that the device is allotted, as its agent asks."""
    return int((await agent.call("re.tunnel.expose_port", {"port": 0, "protocol": protocol}))["remote_port"])


@contextlib.contextmanager
def local_port(agents: Agents, where: str) -> Iterator[int]:
    """`flockctl tunnel open`, by the owner, to a port of this machine."""
    [port] = free_ports(1)
    file = agents.site.ironflock.folder / "owner.key"
    file.write_text(agents.site.key_of_owner)
    words = agents.site.command("open", str(agents.site.device), where, "--listen", str(port))
    with subprocess.Popen(
        [*words, "--api-key-file", str(file), "--json"], stdout=subprocess.PIPE, env=agents.site.ironflock.environment
    ) as process:
        try:
            assert process.stdout is not None
            assert json.loads(process.stdout.readline())["listening"]["port"] == port
            yield port
        finally:
            process.kill()


def answered(port: int, datagram: bytes) -> bytes:
    """What comes back of a datagram, sent again while the port is not open yet."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as visitor:
        visitor.settimeout(1)
        visitor.connect(("127.0.0.1", port))

        def asked() -> bytes:
            with contextlib.suppress(OSError):
                visitor.send(datagram)
                return visitor.recv(2_000)
            return b""

        return wait_until(asked, 20, "it is answered")


async def test_the_published_frpc_is_reached_by_tcp_http_websocket_and_udp(agents: Agents) -> None:
    site, key = agents.site, agents.site.device
    agents.declare("web", 8080, "http")
    dns = agents.declare("dns", 53, "udp")
    page = agents.ending.enter_context(DevicePage())
    ssh, names = agents.ending.enter_context(LocalService(echo)), agents.ending.enter_context(UdpEcho())
    async with await join_device(site.ironflock, site.flock) as agent:
        await say_connected(site, agent)
        tcp, udp = await port_of(agent, "tcp"), await port_of(agent, "udp")
        assert agents.states() == {"ssh": "declared", "web": "declared", "dns": "declared"}
        agents.dial(
            [
                frpc.tcp(f"{key}-ssh-22-tcp", ssh.port, tcp),
                frpc.http(f"{key}-web-8080-http", page.port),
                frpc.udp(f"{key}-dns-53-udp", names.port, udp),
            ]
        )
        await agents.wait_for(ssh="offered", web="offered", dns="offered")

        with site.opened(site.key_of_owner) as mine:
            octets = os.urandom(MIB)
            assert await asyncio.to_thread(echoed, mine, octets) == octets
        await asyncio.to_thread(look_at_page, site)
        with local_port(agents, "dns:53") as port:
            assert await asyncio.to_thread(answered, port, b"theirs") == b"echo:theirs"

        assert site.owner.ask("PUT", f"/tunnels/{dns}/public", {}).status == 200
        await agents.wait_for(ssh="offered", web="offered", dns="public")
        assert await asyncio.to_thread(answered, udp, b"anybody's") == b"echo:anybody's"
        assert site.owner.ask("DELETE", f"/tunnels/{dns}/public").status == 200

    assert set(page.users) == {str(site.visits()[-1]["account_key"])}
    wait_until(lambda: {(each["app"], each["cause"]) for each in site.visits()} >= {
        ("ssh", "visitor_left"), ("dns", "visitor_left"), ("dns", "not_public"),
    }, 10, "visits are over")  # fmt: skip


def look_at_page(site: Site) -> None:
    """The device's page, and its WebSocket, by the owner's key."""
    host, shown = f"{site.device}-web-8080.{DOMAIN}", f"Bearer {site.key_of_owner}"
    with line(site.ironflock, host) as one:
        assert b"The press" in one.ask(f"GET / HTTP/1.1\nAuthorization: {shown}", host=host).body
    plain = socket.create_connection(("127.0.0.1", site.ironflock.ports.visitors), timeout=20)
    url = f"wss://{host}:{site.ironflock.ports.visitors}/ws"
    with connect(url, sock=plain, ssl=site.ironflock.tls, additional_headers={"Authorization": shown}) as two:
        assert two.recv(10) == HELLO
        two.send("x" * 300_000)
        assert two.recv(10) == "x" * 300_000


async def test_a_frpc_that_comes_again_takes_over_and_what_is_refused_is_shown(agents: Agents) -> None:
    site, key = agents.site, agents.site.device
    first, second = (agents.ending.enter_context(LocalService(each)) for each in (echo, says(b"second")))
    async with await join_device(site.ironflock, site.flock) as agent:
        await say_connected(site, agent)
        port = await port_of(agent, "tcp")
        name = f"{key}-ssh-22-tcp"
        wrong = agents.dial([frpc.tcp(name, first.port, port + 1)])
        await agents.wait_for(ssh="error")
        assert "allotted" in agents.error()
        await aside(lambda: "allotted" in wrong.log(), 5, "frpc shows it")
        wrong.stop()
        standing = agents.dial([frpc.tcp(name, first.port, port)])
        await agents.wait_for(ssh="offered")
        standing.stop()
        assert site.owner.ask("PUT", f"/tunnels/{site.tunnel}/public", {}).status == 200
        fresh = agents.dial([frpc.tcp(name, second.port, port)])
        await aside(lambda: said(port) == b"second", 15, "the second one has it")
        assert agents.states() == {"ssh": "public"}
        fresh.stop()
        await agents.wait_for(ssh="declared")
        assert not is_open(("127.0.0.1", port))
        fresh.go_on()
        await aside(lambda: said(port) == b"second", 60, "it is back")


def says(what: bytes) -> Any:
    """A service that says this and ends."""

    def serve(connection: socket.socket) -> None:
        with connection:
            connection.sendall(what)

    return serve


def said(port: int) -> bytes:
    """What a service says to whoever comes; empty where nobody can."""
    with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=2) as visitor:
        return visitor.recv(100)
    return b""


@pytest.mark.parametrize("size", [20 * MIB, pytest.param(100 * MIB, marks=pytest.mark.soak)], ids=["20 MiB", "100 MiB"])
async def test_openssh_logs_in_and_copies_through_a_tunnel(agents: Agents, tmp_path: Path, size: int) -> None:
    site = agents.site
    sshd = agents.ending.enter_context(Sshd(tmp_path))
    file = tmp_path / "owner.key"
    file.write_text(site.key_of_owner)
    sent, back = tmp_path / "sent", tmp_path / "back"
    sent.write_bytes(os.urandom(size))
    words = site.command("open", str(site.device), "ssh:22", "--stdio", "--api-key-file", str(file))
    options = sshd.options(" ".join(words))

    async def run(*command: str) -> str:
        done = await asyncio.to_thread(
            subprocess.run, command, capture_output=True, check=False, timeout=300, env=site.ironflock.environment
        )
        assert done.returncode == 0, done.stderr
        return bytes(done.stdout).decode()

    async with await join_device(site.ironflock, site.flock) as agent:
        await say_connected(site, agent)
        agents.dial([frpc.tcp(f"{site.device}-ssh-22-tcp", sshd.port, await port_of(agent, "tcp"))])
        await agents.wait_for(ssh="offered")
        assert await run("ssh", *options, sshd.where, "echo here") == "here\n"
        await run("scp", "-q", *options, str(sent), f"{sshd.where}:{back}")

    assert hashlib.sha256(back.read_bytes()).digest() == hashlib.sha256(sent.read_bytes()).digest()
    wait_until(lambda: all(each["cause"] for each in site.visits()), 10, "both visits are over")
    assert sum(each["octets_to"] for each in site.visits()) > size


class Screen:
    """The walk of `browser/tunnel.mjs`, step by step."""

    def __init__(self, process: "subprocess.Popen[str]") -> None:
        self._process = process

    def step(self, name: str) -> dict[str, Any]:
        """What is seen at that step."""
        assert self._process.stdout is not None
        while text := self._process.stdout.readline():
            found: dict[str, Any] = json.loads(text)
            if found.get("step") == name:
                return found
        assert self._process.stderr is not None
        raise AssertionError(self._process.stderr.read())

    def go_on(self, what: object = "") -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps(what) + "\n")
        self._process.stdin.flush()


@contextlib.contextmanager
def screen(told: dict[str, Any]) -> Iterator[Screen]:
    words, pipe = [program("node"), "tunnel.mjs"], subprocess.PIPE
    folder = packages(BROWSER, "ironflock-browser-tests")
    with subprocess.Popen(words, cwd=folder, stdin=pipe, stdout=pipe, stderr=pipe, text=True) as process:
        try:
            made = Screen(process)
            made.go_on(told)
            yield made
        finally:
            process.kill()


async def test_chromium_opens_a_private_tunnel_and_is_cut_with_a_page_that_says_why(
    agents: Agents, ironflock: RunningPlatform, owner: Account
) -> None:
    chromium, site, key = browser(), agents.site, agents.site.device
    agents.declare("web", 80, "http")
    page = agents.ending.enter_context(DevicePage())
    address, own = await new_person(ironflock, owner)
    secret = (await enrolled(own)).secret
    person = in_project(site, address, "READ")
    spki = ",".join(key_of(ironflock.state.tls / name) for name in ("auth.pem", "tunnels.pem"))
    url = f"https://{key}-web-80.{DOMAIN}:{ironflock.ports.visitors}/"
    told = {
        "executable": chromium, "spki": spki, "url": url, "domain": DOMAIN, "origin": url,
        "login_name": address, "password": PASSWORD, "secret": secret,
    }  # fmt: skip
    async with await join_device(ironflock, site.flock) as agent:
        await say_connected(site, agent)
        agents.dial([frpc.http(f"{key}-web-80-http", page.port)])
        await agents.wait_for(ssh="declared", web="offered")
        with screen(told) as walk:
            without = await asyncio.to_thread(walk.step, "without the flag")
            assert (without["heading"], page.users) == ("Forbidden", [])
            site.give(address, "REMOTE_ACCESS")
            walk.go_on()
            seen = await asyncio.to_thread(walk.step, "with it")
            assert (seen["at"], seen["heading"], HELLO in seen["text"]) == (url, "The press", True)
            assert set(page.users) == {str(person.account_key)}
            walk.go_on()
            began = time.time()  # noqa: TID251 - the browser says its own, of the same machine
            site.keep_out(Stranger(person.account_key, person.account, address), "REMOTE_ACCESS")
            cut = await asyncio.to_thread(walk.step, "cut")
            assert cut["closed"] / 1_000 - began < 1.5
            assert (cut["status"], cut["heading"]) == (403, "Forbidden")
            assert "REMOTE_ACCESS" in cut["text"]
            walk.go_on()

    assert {each["cause"] for each in site.visits()} == {"right_ended"}
