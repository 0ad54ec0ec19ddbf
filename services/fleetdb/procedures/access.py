"""Which other apps an app may read, and what tables they have."""

from collections.abc import Callable
from typing import Any

from attrs import frozen

from services.fleetdb.gates import Lane
from services.fleetdb.live import LiveRealm
from services.fleetdb.procedures.declaring import procedure
from services.fleetdb.records.backends import Backend
from services.fleetdb.records.calls import Asked
from services.fleetdb.rules.catalogs import listed, resolved


@frozen
class AccessProcedures:
    """`sys.appaccess.*`; `backends` are those of all realms."""

    backends: Callable[[], list[Backend]]

    @procedure("sys.appaccess.list", Lane.WRITES)
    async def list(self, realm: LiveRealm, _: Asked) -> list[dict[str, Any]]:
        """Every app that it may read."""
        return listed(realm.backend, self.backends())

    @procedure("sys.appaccess.resolve", Lane.WRITES)
    async def resolve(self, realm: LiveRealm, asked: Asked) -> dict[str, Any]:
        """One of them, by name."""
        first = asked.args[0] if asked.args else asked.kwargs
        return resolved(realm.backend, self.backends(), first.get("app") if isinstance(first, dict) else None)
