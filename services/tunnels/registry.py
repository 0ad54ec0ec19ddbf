"""What tunnels asks other services about devices and projects; what may be done there is theirs to say."""

from collections.abc import Iterable, Iterator
from typing import Final, TypeVar

from services.tunnels.records.tunnels import DeviceStanding, ReachedDevice
from shared.bus import Bus
from shared.identities import Person
from shared.procedures import answered

AT_ONCE: Final = 1_000
Item = TypeVar("Item")


class Devices:
    """Devices, as far as somebody reaches."""

    def __init__(self, bus: Bus) -> None:
        """Ask over `bus`."""
        self._bus = bus

    async def reach(
        self, person: Person, flag: str, device: int | str, project: int | str | None = None
    ) -> ReachedDevice:
        """The device that the person means and has `flag` on, with the factor that its project asks for.

        Raises:
            NotFoundError, NotAuthorizedError, ConflictError: They do not, or there is none.
            UnavailableError: Nobody can say now.
        """
        answer = await self._bus.call(
            "ironflock.devices.device.reach",
            account_key=person.account_key,
            credential=person.credential,
            scopes=person.scopes.texts,
            flag=flag,
            device=device,
            project=project,
        )
        return answered(ReachedDevice, answer)

    async def projects(self, person: Person, project: int | str | None) -> list[int]:
        """The project that the person means, or every one that they have to do with; errors as `reach`."""
        if project is None:
            found = await self._bus.call("ironflock.realms.project.reachable", account_key=person.account_key)
            return [int(each["project_key"]) for each in found]
        one = await self._bus.call("ironflock.realms.project.resolve", account_key=person.account_key, project=project)
        return [int(one["project_key"])]

    async def visible(self, person: Person, known: list[tuple[int, int]]) -> list[ReachedDevice]:
        """Those of the `known` devices, each after its project, that the person may see, and which are there still."""
        found: list[ReachedDevice] = []
        for part in parts_of(known):
            answer = await self._bus.call(
                "ironflock.devices.device.visible",
                account_key=person.account_key,
                scopes=person.scopes.texts,
                projects=sorted({project_key for project_key, _ in part}),
                devices=[device_key for _, device_key in part],
            )
            found += [answered(ReachedDevice, each) for each in answer]
        where = {device_key: project_key for project_key, device_key in known}
        return [each for each in found if where[each.device_key] == each.project_key]

    async def standing(self, device_keys: Iterable[int]) -> dict[int, DeviceStanding]:
        """How these devices stand; one that is not among them is no device any more."""
        found: dict[int, DeviceStanding] = {}
        for part in parts_of(list(device_keys)):
            for each in await self._bus.call("ironflock.devices.device.standing", devices=part):
                standing = answered(DeviceStanding, each)
                found[standing.device_key] = standing
        return found


def parts_of(items: list[Item]) -> Iterator[list[Item]]:
    """`items` in parts that one call takes."""
    for first in range(0, len(items), AT_ONCE):
        yield items[first : first + AT_ONCE]
