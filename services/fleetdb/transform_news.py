"""What apps hear of their transforms: the whole view at each tick, or that it failed."""

from collections.abc import Callable
from typing import Any, Final

from services.fleetdb.live import LiveRealm
from services.fleetdb.problems import Problems
from services.fleetdb.records.backends import Backend
from services.fleetdb.records.transforms import Transform
from services.fleetdb.rules.chunks import BUDGET, octets_of

TOO_LONG: Final = f"the view has more than {BUDGET} octets, which no event takes"


class TransformNews:
    """Publishes them in the realms that are served."""

    def __init__(self, problems: Problems, realm_of: Callable[[Backend], LiveRealm | None]) -> None:
        """`realm_of` is the realm of a backend, where it is served."""
        self._problems = problems
        self._realm_of = realm_of

    async def rows(self, backend: Backend, transform: Transform, rows: list[dict[str, Any]]) -> None:
        """The whole view; followers get it in its order reversed (wire-sdk.md section 6)."""
        realm = self._realm_of(backend)
        if realm is None:
            return
        if sum(map(octets_of, rows)) > BUDGET:
            await self.problem(backend, transform.name, TOO_LONG)
            return
        realm.publish(f"transformed.{transform.name}", rows[::-1], is_private=transform.table.is_private)

    async def problem(self, backend: Backend, name: str, message: str) -> None:
        """The transform `name` failed."""
        realm = self._realm_of(backend)
        await self._problems.tell(backend, realm, f"transform {name}: {message}")
        if realm is not None:
            realm.publish(f"databackend.errors.{name}", {"transform": name, "message": message}, is_private=True)
