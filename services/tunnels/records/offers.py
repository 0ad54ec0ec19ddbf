"""Devices at the edge, and what they offer."""

from enum import Enum

from attrs import frozen


class TunnelProtocol(Enum):
    """What a declared port speaks."""

    HTTP = "http"
    HTTPS = "https"
    TCP = "tcp"
    UDP = "udp"


@frozen
class TunnelDevice:
    """A device that a proof stands for.

    `address_of_live_session` is where its `realm1` session comes from, None while it has none: it may not log in then.
    `is_bound_to_address` says that its agent has to come from there too (a setting of its project; decision 27).
    """

    device_key: int
    project_key: int
    serial_number: str
    flash_id: str
    address_of_live_session: str | None
    is_bound_to_address: bool = True


@frozen
class TunnelName:
    """What a proxy's name says: whose, of which app, which declared port."""

    device_key: int
    app: str
    port: int
    protocol: TunnelProtocol


@frozen
class Offer:
    """A proxy that may be registered: `remote_port` for tcp and udp, `host` (a whole name) for http and https.

    `node` is the frps that its device is at, None where that is our own edge.
    """

    device_key: int
    project_key: int
    app: str
    port: int
    protocol: TunnelProtocol
    proxy_name: str
    remote_port: int | None = None
    host: str | None = None
    node: str | None = None

    @property
    def remote_addr(self) -> str:
        """As the agent reads it: `:PORT`, or the host."""
        return f":{self.remote_port}" if self.host is None else self.host


@frozen
class Refusal:
    """Why something is not allowed; `reason` is a sentence that the device's owner reads."""

    reason: str


@frozen
class Source:
    """Where a visitor comes from, as the device is told."""

    address: str
    port: int
