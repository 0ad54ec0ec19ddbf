"""What devices asks other services about: projects of realms, names and secrets of auth."""

from typing import Any
from uuid import UUID

from services.devices.records.apps import AppCredential, RotatedCredential, Stage
from services.devices.records.decommissions import EndedSecrets
from services.devices.records.devices import Device, Project
from services.devices.rules.apps import epoch_of
from shared.bus import Bus
from shared.errors import NotFoundError
from shared.identities import Person
from shared.procedures import answered


class Projects:
    """The caller's view of projects."""

    def __init__(self, bus: Bus) -> None:
        """Ask over `bus`."""
        self._bus = bus

    async def resolve(self, person: Person, project: int | str) -> Project:
        """The project that the person means and holds anything in.

        Raises:
            NotFoundError: There is none, or they may not know of it.
            NotAuthorizedError: It requires a second factor, which they do not have.
        """
        answer = await self._bus.call(
            "ironflock.realms.project.resolve", account_key=person.account_key, project=project
        )
        return answered(Project, answer)

    async def reachable(self, person: Person) -> frozenset[int]:
        """The keys of all projects that the person holds anything in and has the factors for."""
        answer = await self._bus.call("ironflock.realms.project.reachable", account_key=person.account_key)
        return frozenset(answered(Project, item).project_key for item in answer)

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

    async def move(self, device: Device, revision: int) -> None:
        """Have auth know in which project the device is, under which other name it may come; newest revision wins."""
        await self._bus.call(
            "ironflock.auth.device_credential.move",
            device_key=device.device_key,
            project_key=device.project_key,
            moved_from=device.moved_from,
            flash_id=str(device.flash_id),
            revision=revision,
        )

    async def end(self, device_key: int) -> EndedSecrets | None:
        """End the device's secrets for good; what they were, None where there were none."""
        answer = await self._bus.call("ironflock.auth.device_credential.end", device_key=device_key)
        return None if answer is None else answered(EndedSecrets, answer)

    async def app_cred_key(self, device_key: int) -> str:
        """The key from which the device derives its apps' credentials."""
        return str(await self._bus.call("ironflock.auth.app_cred_key.find", device_key=device_key))

    async def app_credential(self, device_key: int, app_key: int, stage: Stage) -> AppCredential:
        """The credential that the device makes for one of its apps.

        Raises:
            NotFoundError: The device has no secrets.
        """
        answer = await self._bus.call(
            "ironflock.auth.app_credential.derive", device_key=device_key, app_key=app_key, stage=stage
        )
        return answered(AppCredential, answer)

    async def registry_token(self, device_key: int, repositories: list[str]) -> str:
        """By what the device logs in to the registry, to pull from these repositories.

        Raises:
            NotFoundError: The device has no secrets.
        """
        answer = await self._bus.call(
            "ironflock.auth.registry_token.issue", device_key=device_key, repositories=repositories
        )
        return str(answer)

    async def app_epoch(self, device_key: int, app_key: int, stage: Stage) -> int:
        """Which credential of the app counts; the first one where the device has no secrets yet."""
        try:
            return epoch_of(await self.app_credential(device_key, app_key, stage))
        except NotFoundError:
            return 1

    async def rotate_app(self, device_key: int, app_key: int, stage: Stage, *, account_key: int) -> RotatedCredential:
        """Another credential for the app counts from now on, as the person of that account wishes.

        Raises:
            NotFoundError: The device has no secrets.
        """
        answer = await self._bus.call(
            "ironflock.auth.app_credential.rotate",
            device_key=device_key,
            app_key=app_key,
            stage=stage,
            account_key=account_key,
        )
        return answered(RotatedCredential, answer)
