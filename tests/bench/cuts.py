"""From a revocation to the cut: sessions of a person who is locked, and visits to a device whose flag is taken away.

One lock ends all sessions of a person; one default less of a project ends all visits that its members made by it.
Measured is, for each session and visit, the time from the answer of the call until its connection says that it is over.
"""

import base64
import hmac
import select
import socket
import ssl
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Final, Protocol

from attrs import evolve, frozen

from tests.bench.figures import P99, Row, at_most, percentile, plain_row
from tests.bench.fleet import REALM, Device, devices_address, flash, people
from tests.bench.keeper import Keeper
from tests.bench.rounds import say
from tests.bench.scale import Scale
from tests.bench.tunnel_devices import LOGIN, TunnelDevice
from tests.bench.wamp_socket import ABORT, CALL, Address, ClosedError, WampSocket
from tests.harness.accounts import Stranger, add_strangers, make_members
from tests.harness.running import RunningPlatform

NAME: Final = "cuts"
BAR: Final = at_most(1.0)
MEASURED_SESSIONS: Final = 1_000
MEASURED_VISITS: Final = 100
MIDDLE: Final = 0.5
GOODBYE: Final = 6
CLOSE_FRAME: Final = 0x88
"""Of a whole message; RFC 6455, section 5.5.1."""
RECEIVE_OCTETS: Final = 65_536
OVER_S: Final = 30.0
AT_ONCE: Final = 8
OF_A_DEVICE: Final = 50
"""A tunnel has 64 visits at most."""
OF_A_PERSON: Final = 25
"""A person has 32 at most."""
FLAGS: Final = ("READ", "REMOTE_ACCESS")

Revoke = Callable[[], object]


class Open(Protocol):
    """Something that is to be cut."""

    def fileno(self) -> int:
        """For `select`."""

    def is_over(self) -> bool:
        """Whether what has come says that it is over."""

    def close(self) -> None:
        """Close what is left of it."""


def run(scale: Scale, platform: RunningPlatform, folder: Path) -> list[Row]:
    """The rows, by how much one revocation ends."""
    rows: list[Row] = []
    for size in scale.cut_sessions:
        taken = [_sessions_cut(platform, size) for _ in range(scale.cut_rounds)]
        rows += _rows(f"{size:,} sessions", taken, is_measured=size == MEASURED_SESSIONS)
    with ExitStack() as ending:
        site = _site(platform, scale.cut_visits, folder, ending)
        taken = [site.visits_cut(scale.cut_visits) for _ in range(scale.cut_rounds)]
    return [*rows, *_rows(f"{scale.cut_visits} visits", taken, is_measured=scale.cut_visits == MEASURED_VISITS)]


def _rows(what: str, rounds: Sequence[Sequence[float]], *, is_measured: bool) -> list[Row]:
    p99, p50 = ([percentile(taken, share) for taken in rounds] for share in (P99, MIDDLE))
    say(f"{what}: cut after {max(p99):.3f} s")
    return [
        plain_row(NAME, f"revoke to cut, {what}: p99", "s", p99, BAR if is_measured else None),
        plain_row(NAME, f"revoke to cut, {what}: p50", "s", p50),
    ]


def _sessions_cut(platform: RunningPlatform, size: int) -> list[float]:
    """Seconds from the answer of a lock until each session of a person was over."""
    (person,) = add_strangers(platform, 1)
    address = Address(platform.ports.router_public, "/ws-usr", platform.tls)

    def joined(_: int) -> WampSocket:
        return WampSocket.connect(address).join_by_ticket(REALM, person.account.api_key)

    with Keeper() as keeper, ThreadPoolExecutor(AT_ONCE) as joining:
        for session in joining.map(joined, range(size)):
            keeper.hold(session)
        assert not keeper.lost, f"{keeper.lost} sessions were lost"
        sessions = keeper.release()
    with people(platform) as owner:
        key = str(person.account_key)
        return _ends(
            [Session(session) for session in sessions],
            lambda: owner.call("ironflock.privileges.lock.create", kind="person", key=key),
        )


def _ends(opened: Sequence[Open], revoke: Revoke) -> list[float]:
    """Seconds from the answer of what revokes until each was over."""
    left = {each.fileno(): each for each in opened}
    poll, ended = select.epoll(), list[float]()
    for descriptor in left:
        poll.register(descriptor, select.EPOLLIN)
    with ThreadPoolExecutor(1) as other:
        answered = other.submit(_answered_at, revoke)
        until = time.perf_counter() + OVER_S
        while left and time.perf_counter() < until:
            for descriptor, _ in poll.poll(1.0):
                if left[descriptor].is_over():
                    ended.append(time.perf_counter())
                    poll.unregister(descriptor)
                    left.pop(descriptor).close()
    poll.close()
    answered_at = answered.result()
    assert not left, f"{len(left)} were not cut"
    return [max(0.0, at - answered_at) for at in ended]


def _answered_at(revoke: Revoke) -> float:
    revoke()
    return time.perf_counter()


class Session:
    """A person's session."""

    def __init__(self, over: WampSocket) -> None:
        """Over a socket that nobody else looks at."""
        self._socket = over
        self.fileno, self.close = over.fileno, over.close

    def is_over(self) -> bool:
        """Whether the router said so, or closed."""
        try:
            return any(message[0] in {GOODBYE, ABORT} for message in self._socket.take())
        except ClosedError:
            return True


class Visit:
    """A visit to a device, over a WebSocket of which only the close matters."""

    def __init__(self, platform: RunningPlatform, device: Device, member: Stranger) -> None:
        """Come, and wait until the way to the device is open."""
        plain = socket.create_connection(("127.0.0.1", platform.ports.visitors), OVER_S)
        self._socket = platform.tls.wrap_socket(plain, server_hostname="localhost")
        self.fileno, self.close = self._socket.fileno, self._socket.close
        lines = [
            f"GET /visit/{device.key}/ssh/22 HTTP/1.1",
            f"Host: localhost:{platform.ports.visitors}",
            "Upgrade: websocket",
            "Connection: Upgrade",
            "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==",
            "Sec-WebSocket-Version: 13",
            f"Authorization: Bearer {member.account.api_key}",
        ]
        self._socket.sendall(("\r\n".join(lines) + "\r\n\r\n").encode())
        answer = self._socket.recv(RECEIVE_OCTETS)
        assert answer.startswith(b"HTTP/1.1 101 "), answer
        self._socket.setblocking(False)

    def is_over(self) -> bool:
        """Whether a close came, or the end of the connection."""
        try:
            octets = self._socket.recv(RECEIVE_OCTETS)
        except ssl.SSLWantReadError:
            return False
        except OSError:
            return True
        return not octets or octets[0] == CLOSE_FRAME


@frozen
class Site:
    """Devices with a tunnel each, and members who come through it by a default of the project."""

    platform: RunningPlatform
    devices: Sequence[Device]
    members: Sequence[Stranger]

    def visits_cut(self, size: int) -> list[float]:
        """Seconds from the answer of the default's end until each visit was over."""
        said = {"project": self.devices[0].project_key, "kind": "device", "flags": list(FLAGS)}
        with people(self.platform) as owner:
            owner.call("ironflock.privileges.default.set", **said)
        visits = [self._visit(number) for number in range(size)]
        with people(self.platform) as owner:  # the one before answered no ping meanwhile
            return _ends(visits, lambda: owner.call("ironflock.privileges.default.unset", **said))

    def _visit(self, number: int) -> Visit:
        return Visit(self.platform, self.devices[number // OF_A_DEVICE], self.members[number // OF_A_PERSON])


def _site(platform: RunningPlatform, size: int, folder: Path, ending: ExitStack) -> Site:
    devices = flash(platform, -(-size // OF_A_DEVICE), folder / "cut-flocks", "bench-cuts")
    members = add_strangers(platform, -(-size // OF_A_PERSON))
    make_members(platform, devices[0].project_key, members, [])
    keeper = ending.enter_context(Keeper())
    with people(platform) as owner:
        for device in devices:
            owner.call("ironflock.tunnels.tunnel.declare", device=device.key, app="ssh", port=22, protocol="tcp")
            ending.enter_context(_offered(platform, device, keeper))
    return Site(platform, devices, members)


def _offered(platform: RunningPlatform, device: Device, keeper: Keeper) -> TunnelDevice:
    """The device's agent joins, and its tunnel client offers the port that it is allotted."""
    agent = WampSocket.connect(devices_address(platform)).join(REALM, device.authid, device.secret)
    status = {"swarm_key": device.project_key, "device_key": device.key, "status": "CONNECTED"}
    agent.request(CALL, {}, "reswarm.devices.update_device_status", [status])
    allotted: dict[str, Any] = agent.request(CALL, {}, "re.tunnel.expose_port", [{"port": 0, "protocol": "tcp"}])[3][0]
    keeper.hold(agent)
    login = evolve(LOGIN, metas={"tunnel_proof": _proof_of(device)})
    return TunnelDevice(
        platform.ports.tunnel, int(allotted["remote_port"]), login=login, proxy=f"{device.key}-ssh-22-tcp"
    )


def _proof_of(device: Device) -> str:
    """What the agent gives its frpc. Source: wire-agent.md section 6."""
    said = f"tunnel-authz:v1:{device.key}".encode()
    digest = hmac.digest(device.secret.encode(), said, "sha256")
    return base64.urlsafe_b64encode(digest).rstrip(b"=").decode()
