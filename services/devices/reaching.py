"""What a person means and may work with: names looked up within what they may see, then the flag that is needed.

A thing is looked for first, then rights decide, then the project is asked for, which may require a second factor: an
outsider gets one and the same refusal, whatever there is.
"""

from collections.abc import Awaitable, Callable, Mapping
from typing import Final, Generic, Protocol, TypeVar

from attrs import frozen

from services.devices.projects import Projects
from services.devices.records.devices import Device, Group, Project, Reach
from services.devices.rules import devices as rules
from services.devices.store.devices import device_find, device_find_by_name
from services.devices.store.groups import group_find, group_find_by_name
from shared.database import Connection, Database
from shared.errors import ConflictError, NotFoundError
from shared.flags import AssetKind
from shared.identities import Person
from shared.names import lookup_name
from shared.rights.decision_point import Rights
from shared.rights.records import Asset, LockKind, Standing
from shared.scopes import Scopes

Thing = TypeVar("Thing", Device, Group)
NO_PROJECT: Final = "there is no such project, or you may not see it"
NO_DEVICE: Final = "there is no such device, or you may not see it"
NO_GROUP: Final = "there is no such group, or you may not see it"


class _ReachOf(Protocol):
    def __call__(self, standings: Mapping[int, Standing], scopes: Scopes, *, now: float) -> Reach: ...


@frozen
class _Look(Generic[Thing]):
    """How one kind of thing is looked for."""

    by_key: Callable[[Connection, int], Awaitable[Thing | None]]
    by_name: Callable[[Connection, Reach, str], Awaitable[list[Thing]]]
    reach: _ReachOf
    absent: str
    ambiguous: str


_DEVICES: Final = _Look[Device](
    device_find,
    device_find_by_name,
    rules.reach,
    NO_DEVICE,
    "more than one project has a device of that name; name the project",
)
_GROUPS: Final = _Look[Group](
    group_find,
    group_find_by_name,
    rules.reach_of_groups,
    NO_GROUP,
    "more than one project has a group of that name; name the project",
)


class Reaching:
    """Finds what people name, as far as their rights and their scopes reach."""

    def __init__(self, database: Database, projects: Projects, rights: Rights) -> None:
        """Look into `database`, ask `projects` and `rights`."""
        self._database = database
        self._projects = projects
        self._rights = rights

    async def project(self, person: Person, flag: str, project: int | str) -> Project:
        """The project that the person means, in which they have `flag`.

        Raises:
            NotFoundError: There is none, or they may not see it.
            NotAuthorizedError: They lack the flag, or the factor that the project requires.
        """
        found = await self._projects.resolve(person, project)
        whole = Asset(AssetKind.PROJECT, found.project_key)
        await self._rights.require(person, flag, whole, rules.domain(found.project_key), absent=NO_PROJECT)
        return found

    async def device(self, person: Person, flag: str, device: int | str, project: int | str | None) -> Device:
        """The one device that the person means, on which they have `flag`.

        Raises:
            NotFoundError: There is none, or they may not see it.
            NotAuthorizedError: They lack the flag, or the factor that the project requires.
            ConflictError: More than one has that name.
        """
        return await self._required(person, flag, await self._find(person, _DEVICES, device, project), _DEVICES)

    async def group(self, person: Person, flag: str, group: int | str, project: int | str | None) -> Group:
        """The one group that the person means, on which they have `flag`; errors as `device`."""
        return await self._required(person, flag, await self._find(person, _GROUPS, group, project), _GROUPS)

    async def devices(self, person: Person, project: int | str | None) -> Reach:
        """The devices that the person may see, in the project that they name or in all.

        Raises:
            NotFoundError: There is no such project, or they, or their scopes, do not reach into it.
            NotAuthorizedError: They lack the factor that the project requires.
        """
        return await self.devices_in(person, await self.project_keys(person, project))

    async def groups(self, person: Person, project: int | str | None) -> Reach:
        """The groups that the person may see; errors as `devices`."""
        return await self._reach(person, _GROUPS, await self.project_keys(person, project))

    async def project_keys(self, person: Person, project: int | str | None) -> frozenset[int]:
        """The projects that the person means, as realms knows them; errors as `devices`."""
        if project is None:
            return await self._projects.reachable(person)
        found = await self._projects.resolve(person, project)
        if not (person.scopes.devices or person.scopes.reaches(found.project_key)):
            raise NotFoundError(NO_PROJECT)
        return frozenset({found.project_key})

    async def devices_in(self, person: Person, project_keys: frozenset[int]) -> Reach:
        """The devices that the person may see in those projects, by what they hold now."""
        return await self._reach(person, _DEVICES, project_keys)

    async def _find(
        self, person: Person, look: _Look[Thing], wanted: int | str, project: int | str | None
    ) -> Thing | None:
        if isinstance(wanted, str):
            return await self._named(person, look, wanted, await self.project_keys(person, project))
        inside = None if project is None else await self.project_keys(person, project)
        found = await self._database.run(lambda connection: look.by_key(connection, wanted))
        return found if found is None or inside is None or found.project_key in inside else None

    async def _named(self, person: Person, look: _Look[Thing], name: str, project_keys: frozenset[int]) -> Thing | None:
        canonical = lookup_name(name)
        if canonical is None:
            return None
        reach = await self._reach(person, look, project_keys)
        found = await self._database.run(lambda connection: look.by_name(connection, reach, canonical))
        if len(found) > 1:
            raise ConflictError(look.ambiguous)
        return found[0] if found else None

    async def _reach(self, person: Person, look: _Look[Thing], project_keys: frozenset[int]) -> Reach:
        holdings = await self._rights.holdings(person.account_key)
        is_locked_out = self._rights.find_lock(LockKind.PERSON, person.account_key) is not None
        keys = frozenset[int]() if is_locked_out else project_keys
        return look.reach(
            {key: holdings.standing(rules.domain(key)) for key in keys}, person.scopes, now=self._rights.now()
        )

    async def _required(self, person: Person, flag: str, found: Thing | None, look: _Look[Thing]) -> Thing:
        if found is None:
            raise NotFoundError(look.absent)
        place = rules.domain(found.project_key)
        await self._rights.require(person, flag, rules.asset(found), place, absent=look.absent)
        try:
            await self._projects.resolve(person, found.project_key)  # which asks for the factor that it requires
        except NotFoundError as error:
            raise NotFoundError(look.absent) from error
        return found
