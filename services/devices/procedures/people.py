"""What people do with devices."""

from uuid import uuid4

from psycopg.errors import UniqueViolation

from services.devices.assembly import Parts
from services.devices.feed import Change
from services.devices.reaching import NO_DEVICE
from services.devices.records.devices import (
    READ,
    CreateDevice,
    Device,
    DevicePage,
    Flashed,
    ListDevices,
    NameDevice,
    Project,
    PublicDevice,
    RenameDevice,
    WatchDevices,
)
from services.devices.rules import devices as rules
from services.devices.store import devices as store
from services.devices.store import outbox
from services.devices.store.app_states import list_begin
from services.devices.store.projects import project_upsert
from shared import audit
from shared.database import Connection
from shared.errors import AlreadyExistsError, NotFoundError
from shared.flags import AssetKind
from shared.identities import Person
from shared.names import canonical_name, clean_name, clean_text
from shared.paging import page, position_after
from shared.procedures import Progress, for_people


class PeopleProcedures:
    """Devices' procedures for people."""

    def __init__(self, parts: Parts) -> None:
        """Serve with these."""
        self._database = parts.database
        self._projects = parts.projects
        self._reaching = parts.reaching
        self._lifecycle = parts.lifecycle
        self._telling = parts.telling
        self._watching = parts.watching
        self._feed = parts.feed
        self._files = parts.files

    @for_people("ironflock.devices.device.create", CreateDevice, is_narrowing=True)
    async def device_create(self, person: Person, request: CreateDevice) -> PublicDevice:
        """A new device in a project (flag `CREATE_DEVICES`); it joins nothing before it is flashed."""
        name = clean_name(request.name, what="name")
        description = clean_text(request.description, what="description")
        project = await self._reaching.project(person, "CREATE_DEVICES", request.project)
        owner_name = await self._projects.owner_name(project)
        try:
            async with self._database.transaction() as connection:
                await _keep(connection, project, owner_name)
                key = await store.device_insert(
                    connection,
                    project_key=project.project_key,
                    name=name,
                    name_canonical=canonical_name(name),
                    description=description,
                    serial_number=uuid4(),
                )
                await list_begin(connection, key)
                device = await _present_in_txn(connection, key)
                await outbox.put_device(connection, key, creator_account_key=person.account_key)
                await audit.record(connection, _created(person, device))
        except UniqueViolation as error:
            raise AlreadyExistsError(f"the project has a device {name!r} already", name=name) from error
        await self._telling.hurry(AssetKind.DEVICE, device.device_key)
        self._tell(device)
        return rules.public(device)

    @for_people("ironflock.devices.device.list", ListDevices, is_reading=True, is_narrowing=True)
    async def device_list(self, person: Person, request: ListDevices) -> DevicePage:
        """The devices that the caller may see, or those of them that are looked for, paged."""
        after = position_after(request.cursor)
        group_key = None
        if request.group is not None:
            group_key = (await self._reaching.group(person, READ, request.group, request.project)).group_key
        reach = await self._reaching.devices(person, request.project)
        search = rules.search_of(request, group_key)
        rows = await self._database.run(
            lambda connection: store.device_list(connection, reach, after=after, limit=request.limit + 1, search=search)
        )
        devices, cursor = page([rules.public(row) for row in rows], request.limit, lambda device: device.device_key)
        return DevicePage(devices=devices, next=cursor)

    @for_people("ironflock.devices.device.show", NameDevice, is_reading=True, is_narrowing=True)
    async def device_show(self, person: Person, request: NameDevice) -> PublicDevice:
        """One device."""
        return rules.public(await self._reaching.device(person, READ, request.device, request.project))

    @for_people("ironflock.devices.device.flash", NameDevice, is_narrowing=True)
    async def device_flash(self, person: Person, request: NameDevice) -> Flashed:
        """New secrets, and the file that carries them (flag `MAINTAIN`); what the device had before ends at once."""
        meant = await self._reaching.device(person, "MAINTAIN", request.device, request.project)
        settings = await self._files.settings(meant.project_key)  # before: the secret is shown once
        device, secret = await self._lifecycle.flash(person, meant)
        return Flashed(device=rules.public(device), flock=rules.flock(device, secret, settings))

    @for_people("ironflock.devices.device.rename", RenameDevice, is_narrowing=True)
    async def device_rename(self, person: Person, request: RenameDevice) -> PublicDevice:
        """Another name for the device (flag `UPDATE`)."""
        name = clean_name(request.name, what="name")
        meant = await self._reaching.device(person, "UPDATE", request.device, request.project)
        try:
            async with self._database.transaction() as connection:
                before = await store.device_lock_in_txn(connection, meant.device_key)
                if before is None or before.project_key != meant.project_key:
                    raise NotFoundError(NO_DEVICE)
                await store.device_rename(connection, meant.device_key, name=name, name_canonical=canonical_name(name))
                device = await _present_in_txn(connection, meant.device_key)
                await audit.record(connection, _renamed(person, before, device))
        except UniqueViolation as error:
            raise AlreadyExistsError(f"the project has a device {name!r} already", name=name) from error
        self._tell(device)
        return rules.public(device)

    @for_people("ironflock.devices.device.delete", NameDevice, is_narrowing=True)
    async def device_delete(self, person: Person, request: NameDevice) -> None:
        """End the device's secrets and forget it (flag `DELETE`)."""
        meant = await self._reaching.device(person, "DELETE", request.device, request.project)
        await self._lifecycle.delete(person, meant)

    @for_people("ironflock.devices.device.watch", WatchDevices, is_stream=True, is_reading=True, is_narrowing=True)
    async def device_watch(self, person: Person, request: WatchDevices, progress: Progress) -> None:
        """The devices as they are, then each change, until the caller ends it; new projects are followed too."""
        await self._watching.run(person, request.project, progress)

    def _tell(self, device: Device) -> None:
        self._feed.tell(Change(device_key=device.device_key, project_key=device.project_key))


async def _keep(connection: Connection, project: Project, owner_name: str) -> None:
    await project_upsert(
        connection,
        project_key=project.project_key,
        name=project.name,
        owner_account_key=project.owner_account_key,
        owner_name=owner_name,
    )


async def _present_in_txn(connection: Connection, device_key: int) -> Device:
    device = await store.device_find(connection, device_key)
    if device is None:
        raise NotFoundError(NO_DEVICE)
    return device


def _created(person: Person, device: Device) -> audit.Draft:
    return audit.Draft(
        action=audit.Action.DEVICE_CREATED,
        aspect=audit.Aspect.EXISTENCE,
        actor=audit.actor_of(person),
        asset=audit.Asset("device", device.device_key),
        project_key=device.project_key,
        after={"name": device.name, "description": device.description, "serial_number": str(device.serial_number)},
        session=person.session or None,
    )


def _renamed(person: Person, before: Device, after: Device) -> audit.Draft:
    return audit.Draft(
        action=audit.Action.DEVICE_RENAMED,
        aspect=audit.Aspect.NAME,
        actor=audit.actor_of(person),
        asset=audit.Asset("device", after.device_key),
        project_key=after.project_key,
        before={"name": before.name},
        after={"name": after.name},
        session=person.session or None,
    )
