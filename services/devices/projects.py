"""What devices asks other services about: projects of realms, names and secrets of auth."""

from typing import Any, Final
from uuid import UUID

from services.devices import rules
from services.devices.records import Project, Reach
from shared.bus import Bus
from shared.errors import NotFoundError
from shared.identities import Person
from shared.procedures import answered

NO_PROJECT: Final = "there is no such project, or you may not see it"


class Projects:
    """The caller's view of projects."""

    def __init__(self, bus: Bus) -> None:
        """Ask over `bus`."""
        self._bus = bus

    async def resolve(self, person: Person, project: int | str) -> Project:
        """The project that the person means and may work in as a whole.

        Raises:
            NotFoundError: There is none, or they may not know of it.
        """
        found = await self._found(person, project)
        if not person.scopes.reaches(found.project_key):
            raise NotFoundError(NO_PROJECT)
        return found

    async def reach(self, person: Person, project: int | str | None) -> Reach:
        """The devices that the person may reach: of the project that they name, or of all. Errors as `resolve`."""
        if project is not None:
            reach = rules.reach([await self._found(person, project)], person.scopes)
            if not reach.every_project:
                raise NotFoundError(NO_PROJECT)
            return reach
        answer = await self._bus.call("ironflock.realms.project.owned", account_key=person.account_key)
        owned = [found for item in answer if rules.may_use(found := answered(Project, item), person.account_key)]
        return rules.reach(owned, person.scopes)

    async def _found(self, person: Person, project: int | str) -> Project:
        answer = await self._bus.call(
            "ironflock.realms.project.resolve", account_key=person.account_key, project=project
        )
        found = answered(Project, answer)
        if not rules.may_use(found, person.account_key):
            raise NotFoundError(NO_PROJECT)
        return found

    async def owner_name(self, project: Project) -> str:
        """The login name of the project's owner, as agents show it."""
        account = await self._bus.call("ironflock.auth.account.find", account_key=project.owner_account_key)
        return str(account["login_name"])


class Credentials:
    """The secrets of devices, which auth keeps."""

    def __init__(self, bus: Bus) -> None:
        """Ask over `bus`."""
        self._bus = bus

    async def issue(self, *, flash_id: UUID, device_key: int, project_key: int, serial_number: UUID) -> str:
        """The device's new secret; the same `flash_id` gets the same one, the old one no longer opens."""
        answer: dict[str, Any] = await self._bus.call(
            "ironflock.auth.device_credential.issue",
            flash_id=str(flash_id),
            device_key=device_key,
            project_key=project_key,
            serial_number=str(serial_number),
        )
        return str(answer["secret"])

    async def end(self, device_key: int) -> None:
        """End the device's secrets for good."""
        await self._bus.call("ironflock.auth.device_credential.end", device_key=device_key)

    async def app_cred_key(self, device_key: int) -> str:
        """The key from which the device derives its apps' credentials."""
        return str(await self._bus.call("ironflock.auth.app_cred_key.find", device_key=device_key))
