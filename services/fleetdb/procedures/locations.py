"""Where a device says that it is: a row of the realm's own table `device-location`."""

from collections.abc import Callable
from datetime import datetime
from typing import Any, Final

from attrs import frozen

from services.fleetdb.errors import Refusal
from services.fleetdb.gates import Lane
from services.fleetdb.live import LiveRealm
from services.fleetdb.procedures.declaring import procedure
from services.fleetdb.records.calls import Asked
from services.fleetdb.records.tables import TIME, Row
from services.fleetdb.rules.shapes import LOCATIONS
from services.fleetdb.writing import Writing

LIMITS: Final = {"long": 180.0, "lat": 90.0}
"""Degrees (RFC 7946 section 4: WGS 84)."""


@frozen
class LocationProcedures:
    """`ironflock.location_service.update`."""

    writing: Writing
    now: Callable[[], datetime]

    @procedure("ironflock.location_service.update", Lane.WRITES)
    async def update(self, realm: LiveRealm, asked: Asked) -> dict[str, Any]:
        """Keep it, and tell the app."""
        table = realm.table(LOCATIONS)
        first = asked.args[0] if asked.args else None
        degrees = {name: _degrees(first, name, most) for name, most in LIMITS.items()}
        row = Row({TIME: self.now(), **degrees}, await realm.device_of(asked.caller), asked.caller.authid)
        stored = await self.writing.append(realm.backend, table, [row])
        realm.publish(f"transformed.{LOCATIONS}", stored[0], is_private=True)
        return {"success": True}


def _degrees(given: Any, name: str, most: float) -> float:
    value = given.get(name) if isinstance(given, dict) else None
    if not isinstance(value, int | float) or isinstance(value, bool) or not -most <= value <= most:
        raise Refusal("wamp.error.invalid_argument", f"{name} must be a number from -{most:g} to {most:g}")
    return float(value)
