"""What happens at the edge: who is there, what is offered and refused; and what of it the audit log has to have."""

import asyncio
from collections.abc import Callable
from typing import Any

import psycopg
import structlog
from prometheus_client import Gauge

from services.tunnels.declared import FOREIGN, DeclaredPorts
from services.tunnels.drafts import port_draft
from services.tunnels.records.happenings import (
    Happening,
    LoginRefused,
    Offered,
    ProxyRefused,
    SessionBegan,
    SessionEnded,
    Withdrawn,
)
from services.tunnels.records.offers import Offer, TunnelDevice, TunnelName
from services.tunnels.refusal_log import RefusalLog
from services.tunnels.rules.names import parse_proxy_name
from shared import audit
from shared.bus import Bus
from shared.database import Database
from shared.errors import PublicError
from shared.identities import DeviceIdentity
from shared.quiet import Quiet

devices_here = Gauge("ironflock_tunnels_devices", "Devices that are connected to the edge")
offered_now = Gauge("ironflock_tunnels_offered_ports", "Ports that devices offer")
log = structlog.get_logger()


class EdgeNews:
    """Takes each happening; `changed` is called when what is offered is another."""

    def __init__(self, bus: Bus, database: Database, declared: DeclaredPorts) -> None:
        """Record into `database`."""
        self._bus = bus
        self._database = database
        self._declared = declared
        self._here: dict[int, TunnelDevice] = {}
        self._offers: dict[TunnelName, Offer] = {}
        self._quiet = Quiet()
        self._said = Quiet()
        self._refusals = RefusalLog(lambda: asyncio.get_running_loop().time())
        self.changed: Callable[[], None] = lambda: None
        devices_here.set_function(lambda: len(self._here))
        offered_now.set_function(lambda: len(self._offers))

    def connected(self) -> dict[int, TunnelDevice]:
        """The devices that are at the edge, each as it was when it logged in."""
        return dict(self._here)

    def find(self, name: TunnelName) -> Offer | None:
        """The offer of that name."""
        return self._offers.get(name)

    def ports(self, protocol: str) -> frozenset[int]:
        """The remote ports of all offers of that protocol."""
        return frozenset(
            offer.remote_port
            for name, offer in self._offers.items()
            if name.protocol.value == protocol and offer.remote_port is not None
        )

    def tell(self, happening: Happening) -> None:
        """Something happened."""
        match happening:
            case SessionBegan(device, address, instead_of):
                self._here[device.device_key] = device
                log.info("tunnel_device_came", device_key=device.device_key, address=address, instead_of=instead_of)
            case SessionEnded(device, reason):
                self._here.pop(device.device_key, None)
                self._declared.forget(device.device_key)
                log.info("tunnel_device_left", device_key=device.device_key, reason=reason)
            case Offered(offer):
                self._offers[_name_of(offer)] = offer
                self._declared.settled(_name_of(offer))
                self.changed()
            case Withdrawn(offer):
                self._offers.pop(_name_of(offer), None)
                self.changed()
            case ProxyRefused():
                self._refused(happening)
            case LoginRefused(device, address, reason):
                self._refusals.say(
                    "tunnel_login_refused", address, device_key=device and device.device_key, reason=reason
                )
                if device is not None and device.address_of_live_session is not None:
                    self._keep(device, reason, {})

    def _refused(self, refused: ProxyRefused) -> None:
        name = parse_proxy_name(refused.asked.proxy_name)
        if name is not None and name.device_key == refused.device.device_key:
            self._declared.refused(name, refused.reason)
        if refused.reason in FOREIGN:
            asked = {"proxy_name": refused.asked.proxy_name[:100], "remote_port": refused.asked.remote_port}
            self._keep(refused.device, refused.reason, asked)
        count = self._said.take(refused.device.device_key, asyncio.get_running_loop().time())
        if count is not None:
            log.info("tunnel_refused", device_key=refused.device.device_key, reason=refused.reason, count=count)

    def _keep(self, device: TunnelDevice, reason: str, what: dict[str, Any]) -> None:
        count = self._quiet.take(device.device_key, asyncio.get_running_loop().time())
        if count is not None:
            self._bus.spawn(self._write_down(device, {**what, "reason": reason, "count": count}))

    async def _write_down(self, device: TunnelDevice, what: dict[str, Any]) -> None:
        identity = DeviceIdentity(device.project_key, device.device_key, 0)
        draft = port_draft(identity, audit.Action.TUNNEL_IMPERSONATED, audit.Outcome.REFUSED, **what)
        try:
            await self._database.run(lambda connection: audit.record(connection, draft))
        except (PublicError, psycopg.Error):
            self._quiet.take_back(device.device_key)  # it is said the next time
            raise


def _name_of(offer: Offer) -> TunnelName:
    return TunnelName(offer.device_key, offer.app, offer.port, offer.protocol)
