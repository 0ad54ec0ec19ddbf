"""What audit asks other services: whose a project is (realms), what a sealed personal value says (auth)."""

from typing import Any, Final

from services.audit import rules
from services.audit.records import Project
from shared.bus import Bus
from shared.errors import NotFoundError, PublicError
from shared.procedures import answered

NO_PROJECT: Final = "there is no such project, or you may not see it"
MAX_ITEMS: Final = 1_000  # as many as auth opens at once


class Projects:
    """The caller's view of projects."""

    def __init__(self, bus: Bus) -> None:
        """Ask over `bus`."""
        self._bus = bus

    async def resolve(self, account_key: int, project: int | str) -> int:
        """The key of the project that the person means and whose entries they may read.

        Raises:
            NotFoundError: There is none, or they may not know of it.
        """
        answer = await self._bus.call("ironflock.realms.project.resolve", account_key=account_key, project=project)
        found = answered(Project, answer)
        if not rules.may_read(found, account_key):
            raise NotFoundError(NO_PROJECT)
        return found.project_key

    async def readable(self, account_key: int) -> tuple[int, ...]:
        """The keys of all projects whose entries the person may read."""
        answer = await self._bus.call("ironflock.realms.project.owned", account_key=account_key)
        projects = [answered(Project, each) for each in answer]
        return tuple(each.project_key for each in projects if rules.may_read(each, account_key))


class PersonalValues:
    """Opens the sealed personal values of entries."""

    def __init__(self, bus: Bus) -> None:
        """Ask auth over `bus`."""
        self._bus = bus

    async def opened(self, values: list[dict[str, Any]]) -> dict[tuple[int, str], Any]:
        """The clear texts, by account key and sealed text; erased ones say so. Empty while auth cannot be asked."""
        distinct = list({(each["account_key"], each["sealed"]) for each in values})
        opened: dict[tuple[int, str], Any] = {}
        for start in range(0, len(distinct), MAX_ITEMS):
            opened |= await self._open_some(distinct[start : start + MAX_ITEMS])
        return opened

    async def _open_some(self, keys: list[tuple[int, str]]) -> dict[tuple[int, str], Any]:
        items = [{"account_key": key, "sealed": sealed, "context": f"audit/{key}"} for key, sealed in keys]
        try:
            answer = await self._bus.call("ironflock.auth.personal.open", items=items)
        except PublicError:
            return {}
        texts = answer if isinstance(answer, list) and len(answer) == len(keys) else []
        return {key: rules.ERASED if text is None else text for key, text in zip(keys, texts, strict=False)}
