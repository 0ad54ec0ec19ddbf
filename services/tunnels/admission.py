"""Whom the edge asks about devices and their ports; the answers come from elsewhere."""

import hashlib
from typing import Final, Protocol

from services.tunnels.records.messages import NewProxy
from services.tunnels.records.offers import Offer, Refusal, TunnelDevice
from services.tunnels.rules.addresses import plain
from shared.errors import PublicError

AWAY: Final = "the platform cannot tell now; try again"


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
    if device.is_bound_to_address and plain(device.address_of_live_session) != plain(address):
        return "the device is connected to the platform from another address"
    return None


async def identified(devices: Devices, proof: str, address: str) -> tuple[TunnelDevice | None, str | None]:
    """The device whose proof an agent at `address` shows, if any, and why it may not log in; None where it may."""
    if not proof:
        return None, refusal(None, address)
    try:
        device = await devices.find(hashlib.sha256(proof.encode()).digest())
    except PublicError:
        return None, AWAY
    return device, refusal(device, address)
