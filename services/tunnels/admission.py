"""Whom the edge asks about devices and their ports; the answers come from elsewhere."""

import ipaddress
from typing import Protocol

from services.tunnels.records.messages import NewProxy
from services.tunnels.records.offers import Offer, Refusal, TunnelDevice


class Devices(Protocol):
    """Who a proof stands for."""

    async def find(self, proof_digest: bytes) -> TunnelDevice | None:
        """The device whose `tunnel_proof` has this SHA-256; a `PublicError` where that cannot be told now."""


class Declared(Protocol):
    """What a device may offer."""

    async def allows(self, device_key: int, asked: NewProxy) -> Offer | Refusal:
        """What `asked`, which names this device, is registered as; a `PublicError` where that cannot be told now."""


def refusal(device: TunnelDevice | None, address: str) -> str | None:
    """Why an agent at `address` may not log in as `device`; None where it may. Source: decision 27."""
    if device is None:
        return "the tunnel proof is no device's"
    if device.address_of_live_session is None:
        return "the device is not connected to the platform"
    if device.is_bound_to_address and _plain(device.address_of_live_session) != _plain(address):
        return "the device is connected to the platform from another address"
    return None


def _plain(address: str) -> str:
    """`address` as IPv4 where IPv6 only carries it (RFC 4291 section 2.5.5.2)."""
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:
        return address
    mapped = getattr(parsed, "ipv4_mapped", None)
    return str(parsed if mapped is None else mapped)
