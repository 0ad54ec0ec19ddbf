"""Remote access on the running platform: a device's frpc, the command line, the log; and what ends it."""

import contextlib
import json
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from typing import Any

import pytest
import pytest_asyncio

from services.tunnels.records.messages import NewProxy
from tests.harness.accounts import Stranger
from tests.harness.clients import Account, join_device, new_name
from tests.harness.frp_client import FrpClient, Work, echo, to_port
from tests.harness.local_services import LocalService
from tests.harness.rest import RestClient
from tests.harness.running import RunningPlatform
from tests.harness.terminal import Course, Shell, watched
from tests.harness.tunnel_edge import run
from tests.harness.waiting import eventually, wait_until
from tests.integration.flockctl import reactor_thread
from tests.integration.router_node.wire import Peer

pytestmark = [pytest.mark.real, pytest.mark.asyncio]


class Site:
    """A device of the first owner's with its agent on the bus."""

    def __init__(self, ironflock: RunningPlatform, owner: Account) -> None:
        self.ironflock = ironflock
        self.owner = RestClient(ironflock, owner.api_key)
        self.key_of_owner = owner.api_key
        self.name = new_name("press")
        self.project = self._made("/swarms", {"name": new_name("plant")}, "project_key")
        [made] = self.owner.ask("POST", f"/swarms/{self.project}/devices", [{"name": self.name}]).json["devices"]
        self.device = int(made["device_key"])
        self.flock: Any = self.owner.ask("POST", f"/devices/{self.device}/flash", {}).json["flock"]
        self.tunnel = self._made(
            f"/devices/{self.device}/tunnels", {"app": "ssh", "port": 22, "protocol": "tcp"}, "tunnel_key"
        )

    def _made(self, where: str, what: dict[str, Any], key: str) -> int:
        return int(self.owner.ask("POST", where, what).json[key])

    async def client(self, agent: Peer, work: Work = echo) -> tuple[FrpClient, int]:
        """The device's frpc, logged in, and the port that it was allotted."""
        port = int((await agent.call("re.tunnel.expose_port", {"port": 0, "protocol": "tcp"}))["remote_port"])
        return run(self._offer(port, work)), port

    async def _offer(self, port: int, work: Work) -> FrpClient:
        client = FrpClient(reactor_thread.reactor, work)
        await client.connect(self.ironflock.ports.tunnel)
        answer = await client.log_in(proof_of(self.flock), 4)
        assert not answer.error, answer.error
        offered = await client.offer(NewProxy(f"{self.device}-ssh-22-tcp", "tcp", remote_port=port))
        assert (offered.error, offered.remote_addr) == ("", f":{port}")
        return client

    def command(self, *words: str) -> list[str]:
        """`flockctl` with these words."""
        state = str(self.ironflock.state.root)
        return [sys.executable, "-m", "deploy.flockctl", "tunnel", *words, "--state", state]

    @contextlib.contextmanager
    def opened(self, api_key: str) -> Iterator["subprocess.Popen[bytes]"]:
        """`flockctl tunnel open --stdio`, as somebody."""
        file = self.ironflock.folder / new_name("key")
        file.write_text(api_key)
        words = self.command("open", str(self.device), "ssh:22", "--stdio", "--api-key-file", str(file))
        with subprocess.Popen(
            words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=self.ironflock.environment
        ) as process:
            try:
                yield process
            finally:
                process.kill()

    def said(self, *words: str) -> str:
        """What `flockctl` says to the owner."""
        file = self.ironflock.folder / new_name("key")
        file.write_text(self.key_of_owner)
        command = [*self.command(*words), "--api-key-file", str(file)]
        done = subprocess.run(command, env=self.ironflock.environment, capture_output=True, text=True, check=True)
        return done.stdout

    def visits(self) -> list[dict[str, Any]]:
        """The newest first."""
        found: list[dict[str, Any]] = self.owner.ask("GET", f"/visits?device={self.device}").json["visits"]
        return found

    def logged(self) -> list[tuple[str, str]]:
        """Action and outcome of what the log says of the project."""
        entries = self.owner.ask("GET", f"/audit/entries?project={self.project}&limit=200").json["entries"]
        return [(entry["action"], entry["outcome"]) for entry in entries]

    def state(self) -> dict[str, Any]:
        """The tunnel, as people see it."""
        [found] = self.owner.ask("GET", f"/tunnels?device={self.device}").json["tunnels"]
        return dict(found)

    def let_in(self, stranger: Stranger, *flags: str) -> None:
        """The stranger becomes a member, with flags on the device."""
        who = {"account": stranger.login_name}
        asked = self.owner.ask("POST", f"/swarms/{self.project}/invitations", who).json["invitation_key"]
        theirs = RestClient(self.ironflock, stranger.account.api_key)
        assert theirs.ask("POST", f"/swarm-invitations/{asked}/accept").status == 204
        self.give(stranger.login_name, *flags)

    def give(self, login_name: str, *flags: str) -> None:
        """A member gets flags on the device."""
        given = {"account": login_name, "kind": "device", "key": self.device, "flags": list(flags)}
        assert self.owner.ask("POST", "/grants", given).status == 204

    def keep_out(self, stranger: Stranger, flag: str) -> None:
        who = f"account={stranger.account_key}&kind=device&key={self.device}&flags={flag}"
        assert self.owner.ask("DELETE", f"/grants?{who}").status == 204


def proof_of(flock: dict[str, Any]) -> str:
    """What the agent gives its frpc. Source: wire-agent.md section 6."""
    import base64  # noqa: PLC0415 - beside its only use
    import hmac  # noqa: PLC0415 - as above

    digest = hmac.digest(flock["secret"].encode(), f"tunnel-authz:v1:{flock['device_key']}".encode(), "sha256")
    return base64.urlsafe_b64encode(digest).rstrip(b"=").decode()


def echoed(process: "subprocess.Popen[bytes]", octets: bytes) -> bytes:
    """What comes back of `octets`."""
    assert process.stdin is not None
    assert process.stdout is not None
    process.stdin.write(octets)
    process.stdin.flush()
    return process.stdout.read(len(octets))


@pytest_asyncio.fixture(name="site")
async def fixture_site(ironflock: RunningPlatform, owner: Account) -> Site:
    reactor_thread.start()
    return Site(ironflock, owner)


async def test_people_go_through_for_as_long_as_they_may(site: Site, stranger: Stranger) -> None:
    async with await join_device(site.ironflock, site.flock) as agent:
        await say_connected(site, agent)
        client, port = await site.client(agent)
        assert (site.state()["state"], site.state()["remote_port"]) == ("offered", port)
        with site.opened(stranger.account.api_key) as outsider:
            assert outsider.wait(30) == 1
        site.let_in(stranger, "READ", "REMOTE_ACCESS")
        with site.opened(stranger.account.api_key) as theirs, site.opened(site.key_of_owner) as mine:
            assert echoed(theirs, b"SSH-2.0-theirs\r\n") == b"SSH-2.0-theirs\r\n"
            assert echoed(mine, b"y" * 300_000) == b"y" * 300_000
            began = time.monotonic()
            site.keep_out(stranger, "REMOTE_ACCESS")
            wait_until(lambda: site.visits()[-1]["cause"] or site.visits()[0]["cause"], 5, "a visit has ended")
            assert time.monotonic() - began < 1.5
            assert theirs.wait(10) == 1
            assert echoed(mine, b"z" * 300_000) == b"z" * 300_000
        run(dropped(client))

    causes = {visit["account_key"]: visit["cause"] for visit in site.visits()}
    assert causes[stranger.account_key] == "right_ended"
    wanted = {("tunnel_visit.begun", "done"), ("tunnel_visit.ended", "done"), ("tunnel_ticket.issued", "done")}
    wait_until(lambda: wanted <= set(site.logged()), 30, "it is in the log")


async def test_a_visit_is_recorded_where_the_project_asks_for_it(site: Site) -> None:
    assert "visits to ssh" in site.said("record", str(site.project), "SSH")
    async with await join_device(site.ironflock, site.flock) as agent:
        await say_connected(site, agent)
        client, _ = await site.client(agent)
        with site.opened(site.key_of_owner) as visit:
            assert visit.stderr is not None
            assert b"this visit is recorded" in visit.stderr.readline()
            assert echoed(visit, b"$ ls\r\n") == b"$ ls\r\n"
        wait_until(lambda: site.visits()[0]["cause"], 10, "the visit is over")
        run(dropped(client))

    [found] = json.loads(site.said("recordings", str(site.project), "--json"))["recordings"]
    head, event = [json.loads(line) for line in site.said("recording", str(found["visit_key"])).splitlines()]
    assert (head["version"], event[1:]) == (2, ["o", "$ ls\r\n"])
    wait_until(lambda: ("tunnel_recording.fetched", "done") in site.logged(), 30, "that it was read is in the log")


async def test_a_terminal_is_recorded_as_it_was_shown_and_when(site: Site) -> None:
    site.said("record", str(site.project), "ssh")
    shell = Shell()
    with LocalService(shell.serve) as local:
        async with await join_device(site.ironflock, site.flock) as agent:
            await say_connected(site, agent)
            client, _ = await site.client(agent, to_port(reactor_thread.reactor, local.port))
            with site.opened(site.key_of_owner) as visit:
                assert visit.stdin is not None
                assert visit.stdout is not None
                seen = watched(visit.stdout)
                for typed, shown in SESSION:
                    visit.stdin.write(typed)
                    visit.stdin.flush()
                    await eventually(lambda shown=shown: _true(seen.octets.endswith(shown)), 30, f"{shown!r} is shown")  # type: ignore[misc]
                visit.stdin.write(b"exit\n")
                visit.stdin.flush()
                await eventually(lambda: _true(visit.poll() is not None), 30, "the shell has ended")
                await eventually(lambda: _true(seen.octets == shell.said.octets), 30, "all is shown")
            run(dropped(client))

    [found] = json.loads(site.said("recordings", str(site.project), "--json"))["recordings"]
    _, *events = [json.loads(line) for line in site.said("recording", str(found["visit_key"])).splitlines()]
    played = "".join(text for _, kind, text in events if kind == "o").encode()
    assert played == shell.said.octets == seen.octets
    assert b"\x1b[31mred\x1b[0m" in played
    assert "grüß Gott".encode() in played
    earliest, latest = began_within([(at, text) for at, _, text in events], shell.said, seen)
    assert earliest <= latest + 1e-5


SESSION = [
    (b"", b"$ "),
    (b"printf 'gr\\303\\274\\303\\237 Gott\\n'; sleep 0.3; printf '\\033[31mred\\033[0m\\n'\n", b"\x1b[0m\r\n$ "),
    (b"seq 2000\n", b"\r\n2000\r\n$ "),
]


def began_within(events: list[tuple[float, str]], said: Course, seen: Course) -> tuple[float, float]:
    """When the recording began at the earliest and at the latest, if each event is told at its moment.

    That is behind the moment in which the device said the last octet of it, and before the visitor had that.
    """
    earliest, latest, offset = 0.0, float("inf"), 0
    for at, text in events:
        offset += len(text.encode())
        earliest = max(earliest, said.moment_of(offset) - at)
        latest = min(latest, seen.moment_of(offset) - at)
    return earliest, latest


async def test_a_device_that_is_flashed_anew_is_cut_off_and_its_old_proof_opens_nothing(site: Site) -> None:
    async with await join_device(site.ironflock, site.flock) as agent:
        await say_connected(site, agent)
        client, _ = await site.client(agent)
        old = site.flock

        site.owner.ask("POST", f"/devices/{site.device}/flash", {})

        await eventually(lambda: _true(client.ended.done()), 5, "the edge cut it off")
    assert site.state()["state"] == "declared"
    assert "no device" in run(refused(site, proof_of(old)))


async def test_a_public_port_is_anybody_s_while_it_is_public(site: Site) -> None:
    async with await join_device(site.ironflock, site.flock) as agent:
        await say_connected(site, agent)
        client, port = await site.client(agent)
        at = ("127.0.0.1", port)
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection(at, timeout=5)
        assert site.owner.ask("PUT", f"/tunnels/{site.tunnel}/public", {}).status == 200
        wait_until(lambda: is_open(at), 10, "it is open")
        with socket.create_connection(at, timeout=10) as visitor:
            visitor.sendall(b"hello")
            assert visitor.recv(5) == b"hello"
        assert site.owner.ask("DELETE", f"/tunnels/{site.tunnel}/public").status == 200
        wait_until(lambda: not is_open(at), 10, "it is closed")
        run(dropped(client))

    assert {visit["account_key"] for visit in site.visits()} == {None}


async def say_connected(site: Site, agent: Peer) -> None:
    """The agent's first status: the registry knows it as there."""
    said = {"swarm_key": site.project, "device_key": site.device, "status": "CONNECTED"}
    await agent.call("reswarm.devices.update_device_status", said)


async def refused(site: Site, proof: str) -> str:
    client = FrpClient(reactor_thread.reactor, echo)
    await client.connect(site.ironflock.ports.tunnel)
    return (await client.log_in(proof)).error


async def dropped(client: FrpClient) -> None:
    client.link.end("done")


async def _true(done: bool) -> bool:
    return done


def is_open(at: tuple[str, int]) -> bool:
    try:
        socket.create_connection(at, timeout=1).close()
    except OSError:
        return False
    return True
