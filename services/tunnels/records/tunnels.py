"""Tunnels as people declare them, and the shapes of their procedures."""

from datetime import datetime
from typing import Annotated, Final, Literal

from attrs import frozen
from msgspec import Meta

from services.tunnels.records.offers import TunnelName, TunnelProtocol

Key = Annotated[int, Meta(ge=1, le=2**53 - 1)]
Name = Annotated[str, Meta(max_length=400)]
Cursor = Annotated[str, Meta(max_length=200)]
PageSize = Annotated[int, Meta(ge=1, le=1000)]
Port = Annotated[int, Meta(ge=1, le=65_535)]
Protocol = Literal["http", "https", "tcp", "udp"]
State = Literal["declared", "offered", "public", "error"]
DEFAULT_PAGE: Final = 100


@frozen
class Tunnel:
    """A declared port of an app on a device.

    Private while `public_since` is None; public for good while `public_until` is.
    """

    tunnel_key: int
    device_key: int
    project_key: int
    app: str
    port: int
    protocol: Protocol
    public_since: datetime | None
    public_until: datetime | None
    declared_by: int
    created_at: datetime

    @property
    def name(self) -> TunnelName:
        """As its device offers it."""
        return TunnelName(self.device_key, self.app, self.port, TunnelProtocol(self.protocol))

    def is_public(self, now: datetime) -> bool:
        """Whether anybody may come."""
        return self.public_since is not None and (self.public_until is None or now < self.public_until)


@frozen
class PublicTunnel:
    """A tunnel as people see it.

    Args:
        state: `declared`: its device does not offer it now; `offered`: who may come reaches it; `public`: so does
            anybody, until `public_until` or for good; `error`: the device tried and was refused, `error` says why.
        url: Where people come to it; None where there is no such place now.
        remote_port: The port of its own that the device offers it on; tcp and udp alone.
        visits: How many are there now.
    """

    tunnel_key: int
    device_key: int
    device_name: str
    project_key: int
    app: str
    port: int
    protocol: Protocol
    state: State
    public_until: datetime | None
    url: str | None
    remote_port: int | None
    error: str | None
    visits: int
    created_at: datetime


@frozen
class DeclareTunnel:
    """`ironflock.tunnels.tunnel.declare`: an app's port that the device may offer."""

    device: Key | Name
    app: Name
    port: Port
    protocol: Protocol = "http"
    project: Key | Name | None = None


@frozen
class AppPort:
    """A port of an app, and what it speaks."""

    port: Port
    protocol: Protocol


@frozen
class SettlePorts:
    """`ironflock.tunnels.tunnel.settle`: all ports that were set for an app, by whom, and which change of them it is.

    Nobody is named where the app has left the device with its project's install.
    """

    device_key: Key
    project_key: Key
    app: Name
    ports: Annotated[list[AppPort], Meta(max_length=50)]
    revision: Key
    account_key: Key | None = None


@frozen
class SettledPorts:
    """What it answers with: the ports that can have no tunnel."""

    left_out: list[int]


@frozen
class ListTunnels:
    """`ironflock.tunnels.tunnel.list`: those of a device, of a project, or of every project."""

    device: Key | Name | None = None
    project: Key | Name | None = None
    cursor: Cursor | None = None
    limit: PageSize = DEFAULT_PAGE


@frozen
class TunnelPage:
    """One page, in the order of keys; `next` is None on the last one."""

    tunnels: list[PublicTunnel]
    next: str | None


@frozen
class NameTunnel:
    """`ironflock.tunnels.tunnel.withdraw`, `.unpublish`, `.close`."""

    tunnel: Key


@frozen
class PublishTunnel:
    """`ironflock.tunnels.tunnel.publish`: until when, or for good."""

    tunnel: Key
    until: datetime | None = None


@frozen
class ExposePort:
    """`re.tunnel.expose_port`: 0 is any port. Source: wire-agent.md section 4, call 10."""

    port: Annotated[int, Meta(ge=0, le=65_535)] = 0
    protocol: Literal["tcp", "udp"] = "tcp"


@frozen
class ExposedPort:
    """The answer to it, with the wire's own name."""

    remote_port: int


@frozen
class PortRange:
    """The ports that there are, both ends included."""

    first: int
    last: int

    def __contains__(self, port: int) -> bool:
        """Whether `port` is one of them."""
        return self.first <= port <= self.last


@frozen
class AllottedPort:
    """A port that a device was allotted; times are Unix seconds."""

    port: int
    device_key: int
    asked_at: float
    used_at: float
    is_offered: bool


@frozen
class ReachedDevice:
    """A device that somebody may do something with, as devices tells it."""

    device_key: int
    project_key: int
    name: str


@frozen
class ProvenDevice:
    """Whose proof it is, and by which flashing, as auth tells it."""

    device_key: int
    project_key: int
    serial_number: str
    flash_id: str


@frozen
class DeviceStanding:
    """How a device stands, as devices tells it; `session` is that of its agent, None while it is not there."""

    device_key: int
    project_key: int
    name: str
    flash_id: str | None
    session: int | None
    is_locked: bool
    is_leaving: bool
