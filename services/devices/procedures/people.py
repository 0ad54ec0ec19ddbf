"""What people do with devices."""

from typing import Final
from uuid import uuid4

from psycopg.errors import UniqueViolation

from services.devices import rules, store
from services.devices.feed import Change, Feed
from services.devices.lifecycle import NO_DEVICE, Lifecycle
from services.devices.projects import Projects
from services.devices.records import (
    Changed,
    CreateDevice,
    Deleted,
    Device,
    DevicePage,
    Flashed,
    FlockSettings,
    ListDevices,
    NameDevice,
    Project,
    PublicDevice,
    Reach,
    RenameDevice,
    Snapshot,
    WatchDevices,
)
from shared import audit
from shared.database import Connection, Database
from shared.errors import AlreadyExistsError, ConflictError, NotFoundError
from shared.identities import Person
from shared.names import canonical_name, clean_name, clean_text, lookup_name
from shared.paging import fitting_rows, page, position_after
from shared.procedures import Progress, for_people

SNAPSHOT_LIMIT: Final = 100_000
LOOK_FOR_PROJECTS_EVERY_S: Final = 30.0


class PeopleProcedures:
    """Devices' procedures for people."""

    def __init__(
        self, database: Database, projects: Projects, lifecycle: Lifecycle, feed: Feed, flock: FlockSettings
    ) -> None:
        """Serve from `database`; `flock` is what the installation writes into device files."""
        self._database = database
        self._projects = projects
        self._lifecycle = lifecycle
        self._feed = feed
        self._flock = flock

    @for_people("ironflock.devices.device.create", CreateDevice, is_narrowing=True)
    async def device_create(self, person: Person, request: CreateDevice) -> PublicDevice:
        """A new device in a project; it joins nothing before it is flashed."""
        name = clean_name(request.name, what="name")
        description = clean_text(request.description, what="description")
        project = await self._projects.resolve(person, request.project)
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
                device = await _present_in_txn(connection, key)
                await audit.record(connection, _created(person, device))
        except UniqueViolation as error:
            raise AlreadyExistsError(f"the project has a device {name!r} already", name=name) from error
        self._tell(device)
        return rules.public(device)

    @for_people("ironflock.devices.device.list", ListDevices, is_reading=True, is_narrowing=True)
    async def device_list(self, person: Person, request: ListDevices) -> DevicePage:
        """The devices that the caller may see, paged."""
        after = position_after(request.cursor)
        reach = await self._projects.reach(person, request.project)
        rows = await self._database.run(
            lambda connection: store.device_list(connection, reach, after=after, limit=request.limit + 1)
        )
        devices, cursor = page([rules.public(row) for row in rows], request.limit, lambda device: device.device_key)
        return DevicePage(devices=devices, next=cursor)

    @for_people("ironflock.devices.device.show", NameDevice, is_reading=True, is_narrowing=True)
    async def device_show(self, person: Person, request: NameDevice) -> PublicDevice:
        """One device."""
        return rules.public(await self._meant(person, request.device, request.project))

    @for_people("ironflock.devices.device.flash", NameDevice, is_narrowing=True)
    async def device_flash(self, person: Person, request: NameDevice) -> Flashed:
        """New secrets, and the file that carries them; what the device had before ends at once."""
        meant = await self._meant(person, request.device, request.project)
        device, secret = await self._lifecycle.flash(person, meant.device_key)
        return Flashed(device=rules.public(device), flock=rules.flock(device, secret, self._flock))

    @for_people("ironflock.devices.device.rename", RenameDevice, is_narrowing=True)
    async def device_rename(self, person: Person, request: RenameDevice) -> PublicDevice:
        """Another name for the device."""
        name = clean_name(request.name, what="name")
        meant = await self._meant(person, request.device, request.project)
        try:
            async with self._database.transaction() as connection:
                before = await store.device_lock_in_txn(connection, meant.device_key)
                if before is None:
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
        """End the device's secrets and forget it."""
        meant = await self._meant(person, request.device, request.project)
        await self._lifecycle.delete(person, meant.device_key)

    @for_people("ironflock.devices.device.watch", WatchDevices, is_stream=True, is_reading=True, is_narrowing=True)
    async def device_watch(self, person: Person, request: WatchDevices, progress: Progress) -> None:
        """The devices as they are, then each change, until the caller ends it; new projects are followed too."""
        with self._feed.watch() as watch:
            while True:
                reach = await self._projects.reach(person, request.project)
                if watch.follow(reach.every_project):
                    await self._show_all(reach, progress)
                while (change := await watch.next_change(LOOK_FOR_PROJECTS_EVERY_S)) is not None:
                    if reach.has(change.project_key, change.device_key):
                        progress(await self._news(change))

    async def _show_all(self, reach: Reach, progress: Progress) -> None:
        """A snapshot, in as many answers as it needs."""
        devices = await self._database.run(
            lambda connection: store.device_list(connection, reach, after=0, limit=SNAPSHOT_LIMIT)
        )
        rest = [rules.public(device) for device in devices]
        while (fitting := max(1, fitting_rows(rest))) < len(rest):
            progress(Snapshot(devices=rest[:fitting], more=True))
            rest = rest[fitting:]
        progress(Snapshot(devices=rest))

    async def _news(self, change: Change) -> Changed | Deleted:
        device = await self._database.run(lambda connection: store.device_find(connection, change.device_key))
        if device is None or device.project_key != change.project_key:
            return Deleted(deleted=change.device_key)
        return Changed(device=rules.public(device))

    async def _meant(self, person: Person, device: int | str, project: int | str | None) -> Device:
        """The one device that the person means and may see."""
        reach = await self._projects.reach(person, project)
        async with self._database.transaction() as connection:
            if isinstance(device, int):
                found = await store.device_find(connection, device)
                named = [found] if found is not None else []
            else:
                name = lookup_name(device)
                keys = sorted(reach.every_project)
                named = await store.device_find_by_name(connection, keys, name) if name is not None else []
        candidates = [each for each in named if reach.has(each.project_key, each.device_key)]
        if not candidates:
            raise NotFoundError(NO_DEVICE)
        if len(candidates) > 1:
            raise ConflictError("more than one project has a device of that name; name the project")
        return candidates[0]

    def _tell(self, device: Device) -> None:
        self._feed.tell(Change(device_key=device.device_key, project_key=device.project_key))


async def _keep(connection: Connection, project: Project, owner_name: str) -> None:
    await store.project_upsert(
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
