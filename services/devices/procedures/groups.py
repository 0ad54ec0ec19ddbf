"""What people do with groups of devices."""

from typing import Any, Final

from psycopg.errors import ForeignKeyViolation, UniqueViolation

from services.devices.assembly import Parts
from services.devices.feed import Change
from services.devices.reaching import NO_DEVICE, NO_GROUP
from services.devices.records.devices import (
    READ,
    CreateGroup,
    Device,
    Group,
    GroupPage,
    ListGroups,
    NameGroup,
    NameMember,
    RenameGroup,
)
from services.devices.store import devices, outbox
from services.devices.store import groups as store
from services.devices.store.projects import project_upsert
from shared import audit
from shared.database import Connection
from shared.errors import (
    AlreadyExistsError,
    ConflictError,
    NotAuthorizedError,
    NotFoundError,
    OverLimitError,
)
from shared.flags import AssetKind
from shared.identities import Person
from shared.names import canonical_name, clean_name, clean_text, lookup_name
from shared.paging import page, position_after
from shared.procedures import for_people

MAX_GROUPS_OF_A_DEVICE: Final = 100
ELSEWHERE: Final = "the device is in another project than the group"


class GroupProcedures:
    """Devices' procedures for people who group devices."""

    def __init__(self, parts: Parts) -> None:
        """Serve with these."""
        self._bus = parts.bus
        self._database = parts.database
        self._projects = parts.projects
        self._reaching = parts.reaching
        self._telling = parts.telling
        self._feed = parts.feed
        self._applying = parts.apps.group_applying

    @for_people("ironflock.devices.group.create", CreateGroup, is_narrowing=True)
    async def group_create(self, person: Person, request: CreateGroup) -> Group:
        """A new group in a project (flag `CREATE_GROUPS`)."""
        name = clean_name(request.name, what="name")
        description = clean_text(request.description, what="description")
        project = await self._reaching.project(person, "CREATE_GROUPS", request.project)
        owner_name = await self._projects.owner_name(project)
        try:
            async with self._database.transaction() as connection:
                await project_upsert(
                    connection,
                    project_key=project.project_key,
                    name=project.name,
                    owner_account_key=project.owner_account_key,
                    owner_name=owner_name,
                )
                key = await store.group_insert(
                    connection,
                    project_key=project.project_key,
                    name=name,
                    name_canonical=canonical_name(name),
                    description=description,
                )
                group = await _present_in_txn(connection, key)
                await outbox.put_group(connection, key, creator_account_key=person.account_key)
                after = {"name": name, "description": description}
                await audit.record(connection, _changed(person, audit.Action.DEVICE_GROUP_CREATED, group, after=after))
        except UniqueViolation as error:
            raise _taken(name) from error
        await self._telling.hurry(AssetKind.GROUP, group.group_key)
        return group

    @for_people("ironflock.devices.group.list", ListGroups, is_reading=True, is_narrowing=True)
    async def group_list(self, person: Person, request: ListGroups) -> GroupPage:
        """The groups that the caller may see, paged."""
        after = position_after(request.cursor)
        reach = await self._reaching.groups(person, request.project)
        rows = await self._database.run(
            lambda connection: store.group_list(connection, reach, after=after, limit=request.limit + 1)
        )
        groups, cursor = page(rows, request.limit, lambda group: group.group_key)
        return GroupPage(groups=groups, next=cursor)

    @for_people("ironflock.devices.group.show", NameGroup, is_reading=True, is_narrowing=True)
    async def group_show(self, person: Person, request: NameGroup) -> Group:
        """One group; `ironflock.devices.device.list` says which devices are in it."""
        return await self._reaching.group(person, READ, request.group, request.project)

    @for_people("ironflock.devices.group.rename", RenameGroup, is_narrowing=True)
    async def group_rename(self, person: Person, request: RenameGroup) -> Group:
        """Another name for the group (flag `UPDATE`)."""
        name = clean_name(request.name, what="name")
        meant = await self._reaching.group(person, "UPDATE", request.group, request.project)
        try:
            async with self._database.transaction() as connection:
                before = await _locked(connection, meant)
                await store.group_rename(connection, before.group_key, name=name, name_canonical=canonical_name(name))
                group = await _present_in_txn(connection, before.group_key)
                draft = _changed(
                    person,
                    audit.Action.DEVICE_GROUP_RENAMED,
                    group,
                    before={"name": before.name},
                    after={"name": group.name},
                )
                await audit.record(connection, draft)
        except UniqueViolation as error:
            raise _taken(name) from error
        return group

    @for_people("ironflock.devices.group.delete", NameGroup, is_narrowing=True)
    async def group_delete(self, person: Person, request: NameGroup) -> None:
        """Remove the group (flag `DELETE`); its devices stay, without what it conferred."""
        meant = await self._reaching.group(person, "DELETE", request.group, request.project)
        async with self._database.transaction() as connection:
            group = await _locked(connection, meant)
            outside = await outbox.put_devices_outside(connection, group.group_key)
            await store.group_delete(connection, group.group_key)
            await outbox.forget(connection, AssetKind.GROUP, group.group_key, group.project_key)
            before = {"name": group.name, "devices": len(outside)}
            await audit.record(connection, _changed(person, audit.Action.DEVICE_GROUP_DELETED, group, before=before))
        await self._telling.hurry(AssetKind.GROUP, group.group_key)
        self._telling.wake()
        for device_key in outside:
            self._feed.tell(Change(device_key=device_key, project_key=group.project_key))

    @for_people("ironflock.devices.group.add_device", NameMember, is_narrowing=True)
    async def group_add_device(self, person: Person, request: NameMember) -> None:
        """Put a device into the group.

        This needs `MEMBERS` on the group, and on the device `GRANT` and every flag that the group confers.
        """
        group = await self._reaching.group(person, "MEMBERS", request.group, request.project)
        place = group.project_key if isinstance(request.device, str) else None
        device = await self._reaching.device(person, READ, request.device, place)
        if device.project_key != group.project_key:
            raise ConflictError(ELSEWHERE)
        await self._refuse_missing(person, group, device)
        try:
            async with self._database.transaction() as connection:
                await self._add(connection, person, await _locked(connection, group), device)
        except ForeignKeyViolation as error:
            raise NotFoundError(NO_DEVICE) from error
        await self._told(device.device_key, group)

    @for_people("ironflock.devices.group.remove_device", NameMember, is_narrowing=True)
    async def group_remove_device(self, person: Person, request: NameMember) -> None:
        """Take a device out of the group (flag `MEMBERS` on the group)."""
        meant = await self._reaching.group(person, "MEMBERS", request.group, request.project)
        key = request.device if isinstance(request.device, int) else None
        name = lookup_name(request.device) if isinstance(request.device, str) else None
        async with self._database.transaction() as connection:
            group = await _locked(connection, meant)
            device_key = await store.member_find(connection, group.group_key, key=key, name=name)
            if device_key is None:
                raise NotFoundError("there is no such device in the group")
            await devices.device_lock_in_txn(connection, device_key)
            if await store.member_delete(connection, group_key=group.group_key, device_key=device_key):
                await outbox.put_device(connection, device_key)
                before = {"device_key": device_key}
                await audit.record(
                    connection, _changed(person, audit.Action.DEVICE_GROUP_DEVICE_REMOVED, group, before=before)
                )
        await self._told(device_key, group)

    async def _add(self, connection: Connection, person: Person, group: Group, meant: Device) -> None:
        device = await devices.device_lock_in_txn(connection, meant.device_key)
        if device is None or device.project_key != group.project_key:
            raise NotFoundError(NO_DEVICE)
        if len(device.groups - {group.group_key}) >= MAX_GROUPS_OF_A_DEVICE:
            raise OverLimitError(f"a device can be in {MAX_GROUPS_OF_A_DEVICE} groups at most")
        is_new = await store.member_insert(
            connection, group_key=group.group_key, device_key=device.device_key, project_key=group.project_key
        )
        if is_new:
            await outbox.put_device(connection, device.device_key)
            after = {"device_key": device.device_key}
            await audit.record(connection, _changed(person, audit.Action.DEVICE_GROUP_DEVICE_ADDED, group, after=after))

    async def _refuse_missing(self, person: Person, group: Group, device: Device) -> None:
        """Let pass who has on the device all that the group gives to others (decision 18).

        Raises:
            NotAuthorizedError: The flags that are missing.
        """
        await self._telling.hurry(AssetKind.GROUP, group.group_key)
        await self._telling.hurry(AssetKind.DEVICE, device.device_key)
        missing = await self._bus.call(
            "ironflock.privileges.group.missing",
            account_key=person.account_key,
            group_key=group.group_key,
            device_key=device.device_key,
        )
        if missing:
            named = ", ".join(sorted(map(str, missing)))
            raise NotAuthorizedError(
                f"for putting the device into the group you lack {named}; ask somebody who has GRANT there",
                missing=sorted(map(str, missing)),
            )

    async def _told(self, device_key: int, group: Group) -> None:
        await self._telling.hurry(AssetKind.DEVICE, device_key)
        self._applying.wake()
        self._feed.tell(Change(device_key=device_key, project_key=group.project_key))


async def _locked(connection: Connection, meant: Group) -> Group:
    group = await store.group_lock_in_txn(connection, meant.group_key)
    if group is None:
        raise NotFoundError(NO_GROUP)
    return group


async def _present_in_txn(connection: Connection, group_key: int) -> Group:
    group = await store.group_find(connection, group_key)
    if group is None:
        raise NotFoundError(NO_GROUP)
    return group


def _taken(name: str) -> AlreadyExistsError:
    return AlreadyExistsError(f"the project has a group {name!r} already", name=name)


def _changed(
    person: Person,
    action: audit.Action,
    group: Group,
    *,
    before: dict[str, Any] | None = None,
    after: dict[str, Any] | None = None,
) -> audit.Draft:
    return audit.Draft(
        action=action,
        aspect=_ASPECTS.get(action, audit.Aspect.EXISTENCE),
        actor=audit.actor_of(person),
        asset=audit.Asset("group", group.group_key),
        project_key=group.project_key,
        before=before,
        after=after,
        session=person.session or None,
    )


_ASPECTS: Final = {
    audit.Action.DEVICE_GROUP_RENAMED: audit.Aspect.NAME,
    audit.Action.DEVICE_GROUP_DEVICE_ADDED: audit.Aspect.ACCESS,
    audit.Action.DEVICE_GROUP_DEVICE_REMOVED: audit.Aspect.ACCESS,
}
