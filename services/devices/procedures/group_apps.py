"""What people want groups of devices to have."""

from typing import Any, Final

from attrs import evolve

from services.devices.assembly import Parts
from services.devices.reaching import NO_GROUP
from services.devices.records.apps import AppRelease, Install, SetEnvironment
from services.devices.records.devices import READ, Group, NameGroup
from services.devices.records.group_apps import GroupApp, GroupApps, NameGroupApp, SetGroupApp, ShownGroupApp
from services.devices.rules.apps import NO_RELEASE, changed_variables
from services.devices.rules.group_apps import target_of
from services.devices.store import group_apps as store
from services.devices.store.devices import clock
from services.devices.store.groups import group_lock_in_txn
from shared import audit
from shared.database import Connection
from shared.errors import ConflictError, NotFoundError, OverLimitError
from shared.identities import Person
from shared.procedures import for_people

MAX_APPS_OF_A_GROUP: Final = 50
MOST_REFUSALS: Final = 100
NOT_SET: Final = "the group is not to have this app at this stage"


class GroupAppProcedures:
    """Devices' procedures about apps that groups are to have."""

    def __init__(self, parts: Parts) -> None:
        """Serve with these."""
        self._database = parts.database
        self._reaching = parts.reaching
        self._installs = parts.apps.installs
        self._releases = parts.apps.releases
        self._environments = parts.apps.environments
        self._applying = parts.apps.group_applying

    @for_people("ironflock.devices.group_app.set", SetGroupApp, is_narrowing=True)
    async def group_app_set(self, person: Person, request: SetGroupApp) -> ShownGroupApp:
        """The group is to have the app (flag `UPDATE`; on each device `INSTALL`, with variables `DEVELOP` too)."""
        group = await self._reaching.group(person, "UPDATE", request.group, request.project)
        wanted = await self._wanted(person, group, request)
        async with self._database.transaction() as connection:
            await _locked(connection, group)
            before = await store.group_app_list(connection, group.group_key)
            known = [each for each in before if (each.app_key, each.stage) == (request.app, request.stage)]
            if not known and len(before) >= MAX_APPS_OF_A_GROUP:
                raise OverLimitError(f"a group can have {MAX_APPS_OF_A_GROUP} apps at most")
            await store.group_app_set(connection, wanted)
            was = _told(known[0], []) if known else None
            told = _told(wanted, sorted(request.values))
            await audit.record(connection, _draft(person, group, audit.Action.DEVICE_GROUP_APP_ASSIGNED, was, told))
        self._applying.wake()
        return await self._shown(wanted.group_key, request.app, request.stage)

    @for_people("ironflock.devices.group_app.unset", NameGroupApp, is_narrowing=True)
    async def group_app_unset(self, person: Person, request: NameGroupApp) -> None:
        """The group is not to have the app any more (flag `UPDATE`); its devices keep it. Repeating changes nothing."""
        group = await self._reaching.group(person, "UPDATE", request.group, request.project)
        async with self._database.transaction() as connection:
            await _locked(connection, group)
            if await store.group_app_delete(connection, group.group_key, request.app, request.stage):
                was = {"app_key": request.app, "stage": request.stage}
                action = audit.Action.DEVICE_GROUP_APP_UNASSIGNED
                await audit.record(connection, _draft(person, group, action, was, None))

    @for_people("ironflock.devices.group_app.list", NameGroup, is_reading=True, is_narrowing=True)
    async def group_app_list(self, person: Person, request: NameGroup) -> GroupApps:
        """The apps that the group is to have (flag `READ`), and on how many of its devices it is so."""
        group = await self._reaching.group(person, READ, request.group, request.project)
        found = await self._database.run(lambda connection: store.group_app_list(connection, group.group_key))
        return GroupApps([await self._as_shown(app) for app in found])

    async def _wanted(self, person: Person, group: Group, request: SetGroupApp) -> GroupApp:
        target = target_of(request.target)
        found = await self._installs.require(Install(group.project_key, request.app, request.stage))
        if request.version is not None:
            release = await self._installs.release(request.app, request.version)
        elif found.release_key is not None and found.version is not None:
            release = AppRelease(found.release_key, found.version)
        else:
            raise ConflictError(NO_RELEASE)
        said = SetEnvironment(group.group_key, request.app, request.stage, dict(request.values), request.secrets)
        template = (await self._releases.contents(release)).environment
        variables = changed_variables({}, said, template)
        wanted = GroupApp(
            group_key=group.group_key,
            app_key=request.app,
            stage=request.stage,
            app_name=found.app_name or str(request.app),
            target=target,
            release=release,
            environment=None,
            account_key=person.account_key,
            credential=person.credential,
            changed_at=await self._database.run(clock),
            revision=1,
        )
        if not variables:
            return wanted
        return evolve(wanted, environment=await self._environments.sealed_for_group(wanted, variables))

    async def _shown(self, group_key: int, app_key: int, stage: Any) -> ShownGroupApp:
        found = await self._database.run(lambda connection: store.group_app_find(connection, group_key, app_key, stage))
        if found is None:
            raise NotFoundError(NOT_SET)
        return await self._as_shown(found)

    async def _as_shown(self, app: GroupApp) -> ShownGroupApp:
        async with self._database.transaction() as connection:
            counts = await store.applied_count(connection, app)
            refused = await store.refusal_list(connection, app, limit=MOST_REFUSALS)
        return ShownGroupApp(
            group_key=app.group_key,
            app_key=app.app_key,
            stage=app.stage,
            app_name=app.app_name,
            target=app.target,
            version=app.release.version,
            variables=sorted(await self._environments.opened_for_group(app)),
            account_key=app.account_key,
            changed_at=app.changed_at,
            applied=counts.get("applied", 0),
            own=counts.get("own", 0),
            waiting=counts.get(None, 0),
            refused=refused,
        )


async def _locked(connection: Connection, group: Group) -> None:
    if await group_lock_in_txn(connection, group.group_key) is None:
        raise NotFoundError(NO_GROUP)


def _told(app: GroupApp, names: list[str]) -> dict[str, Any]:
    what = {"app_key": app.app_key, "stage": app.stage, "target": app.target, "version": app.release.version}
    return {**what, "variables": names} if names else what


def _draft(
    person: Person, group: Group, action: audit.Action, before: dict[str, Any] | None, after: dict[str, Any] | None
) -> audit.Draft:
    return audit.Draft(
        action=action,
        aspect=audit.Aspect.STATE,
        actor=audit.actor_of(person),
        asset=audit.Asset("group", group.group_key),
        project_key=group.project_key,
        before=before,
        after=after,
        session=person.session or None,
    )
