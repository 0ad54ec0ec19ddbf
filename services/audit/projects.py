"""What audit asks others: which project is meant (realms), who may read it, what a sealed value says (auth)."""

from typing import Any, Final

from services.audit import rules
from services.audit.records import Project
from shared.bus import Bus
from shared.errors import PublicError
from shared.identities import Person
from shared.procedures import answered
from shared.rights.decision_point import Rights
from shared.rights.records import Holdings, project_asset, project_domain

NO_PROJECT: Final = "there is no such project, or you may not see it"
MAX_ITEMS: Final = 1_000  # as many as auth opens at once


class Projects:
    """The caller's view of projects."""

    def __init__(self, bus: Bus, rights: Rights) -> None:
        """Ask over `bus`; `rights` knows who may do what."""
        self._bus = bus
        self._rights = rights

    async def resolve(self, person: Person, project: int | str, flag: str = "AUDIT") -> int:
        """The key of the project that the person means and on which they have `flag`.

        Raises:
            NotFoundError: There is none, or they may not know of it.
            NotAuthorizedError: They see it, and lack the flag.
        """
        answer = await self._bus.call(
            "ironflock.realms.project.resolve", account_key=person.account_key, project=project
        )
        key = answered(Project, answer).project_key
        await self._rights.require(person, flag, project_asset(key), project_domain(key), absent=NO_PROJECT)
        return key

    async def readable(self, person: Person) -> tuple[int, ...]:
        """The keys of all projects whose entries the person may read."""
        answer = await self._bus.call("ironflock.realms.project.reachable", account_key=person.account_key)
        keys = [answered(Project, each).project_key for each in answer]
        holdings = await self._rights.holdings(person.account_key)
        return tuple(key for key in keys if self._reads(holdings, key))

    def _reads(self, holdings: Holdings, key: int) -> bool:
        return self._rights.judge(holdings, "AUDIT", project_asset(key), project_domain(key)).allowed


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
