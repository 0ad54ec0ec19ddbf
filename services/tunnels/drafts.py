"""What tunnels says in the audit log: each entry is about the device, and names the tunnel."""

from typing import Any

from services.tunnels.records.tunnels import Tunnel
from shared import audit
from shared.identities import Caller, DeviceIdentity, Person


def tunnel_draft(caller: Caller, action: audit.Action, tunnel: Tunnel, **more: Any) -> audit.Draft:
    """Somebody did something about the tunnel."""
    return audit.Draft(
        action=action,
        aspect=audit.Aspect.ACCESS,
        actor=audit.actor_of(caller),
        asset=audit.Asset("device", tunnel.device_key),
        project_key=tunnel.project_key,
        after={**named(tunnel), **more},
        session=(caller.session or None) if isinstance(caller, Person) else None,
    )


def port_draft(device: DeviceIdentity, action: audit.Action, outcome: audit.Outcome, **what: Any) -> audit.Draft:
    """A device was allotted a port, or asked for what is another one's."""
    return audit.Draft(
        action=action,
        aspect=audit.Aspect.ACCESS if outcome is audit.Outcome.DONE else audit.Aspect.IDENTITY,
        actor=audit.actor_of(device),
        asset=audit.Asset("device", device.device_key),
        project_key=device.project_key,
        after=what,
        session=device.session or None,
        outcome=outcome,
    )


def named(tunnel: Tunnel) -> dict[str, Any]:
    """What tells the tunnel from all others."""
    return {
        "tunnel_key": tunnel.tunnel_key,
        "app": tunnel.app,
        "port": tunnel.port,
        "protocol": tunnel.protocol,
    }
