"""A platform as `flockctl apply` sees it: what its procedures answer and change, kept in dictionaries."""

from collections.abc import AsyncIterator, Callable
from typing import Any

from attrs import define, field

from deploy.flockctl.errors import CommandError
from shared.names import canonical_name

ME = "owner@example.com"
PROCEDURES: dict[str, Callable[..., Any]] = {}


def procedure(uri: str) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Let the function answer to calls of `uri`."""

    def add(function: Callable[..., Any]) -> Callable[..., Any]:
        PROCEDURES[uri] = function
        return function

    return add


@define
class Thing:
    """A device or group."""

    key: int
    name: str
    project: int
    grants: dict[tuple[str, str], str | None] = field(factory=dict)
    members: set[int] = field(factory=set)
    apps: dict[tuple[int, str], dict[str, Any]] = field(factory=dict)


@define
class World:
    """One project's rows."""

    key: int
    name: str
    description: str
    requires_factor: bool = False
    requires_same_address: bool = True
    people: set[str] = field(factory=set)
    invited: set[str] = field(factory=set)
    installs: dict[tuple[int, str], str] = field(factory=dict)
    defaults: dict[tuple[str, str], str | None] = field(factory=dict)
    grants: dict[tuple[str, str], str | None] = field(factory=dict)


class Model:
    """Stands for an `Operator`."""

    def __init__(self, **apps: int) -> None:
        self.apps = apps
        self.projects: dict[int, World] = {}
        self.devices: dict[int, Thing] = {}
        self.groups: dict[int, Thing] = {}
        self._next = 100

    def invitations_are_accepted(self) -> None:
        """Whoever was invited is a member."""
        for project in self.projects.values():
            project.people |= project.invited
            project.invited.clear()

    async def call(self, uri: str, *, repeatable: bool = True, **arguments: Any) -> Any:
        """What the procedure answers."""
        return PROCEDURES[uri](self, **arguments)

    async def pages(self, uri: str, items: str, **arguments: Any) -> AsyncIterator[Any]:
        """Every item."""
        for each in (await self.call(uri, **arguments))[items]:
            yield each

    @procedure("ironflock.auth.account.me")
    def auth_account_me(self) -> Any:
        return {"account_key": 1, "login_name": ME}

    @procedure("ironflock.realms.app.show")
    def realms_app_show(self, app: str) -> Any:
        if canonical_name(app) not in self.apps:
            raise CommandError("not_found", "there is no such app")
        return {"app_key": self.apps[canonical_name(app)]}

    @procedure("ironflock.realms.project.show")
    def realms_project_show(self, project: int | str) -> Any:
        found = self._project(project)
        return {
            "project_key": found.key,
            "requires_factor": found.requires_factor,
            "requires_same_address": found.requires_same_address,
        }

    @procedure("ironflock.realms.project.create")
    def realms_project_create(self, name: str, description: str) -> None:
        assert all(canonical_name(each.name) != canonical_name(name) for each in self.projects.values())
        key = self._key()
        self.projects[key] = World(key, name, description)

    @procedure("ironflock.realms.project.require_factor")
    def realms_project_require_factor(self, project: str, *, required: bool) -> None:
        self._project(project).requires_factor = required

    @procedure("ironflock.realms.project.require_same_address")
    def realms_project_require_same_address(self, project: str, *, required: bool) -> None:
        self._project(project).requires_same_address = required

    @procedure("ironflock.realms.install.list")
    def realms_install_list(self, project: int) -> Any:
        installs = self._project(project).installs.items()
        return {"installs": [self._spot(spot, version=version) for spot, version in installs]}

    @procedure("ironflock.realms.install.create")
    def realms_install_create(self, project: str, app: str, stage: str, version: str | None = None) -> None:
        installs, spot = self._project(project).installs, (self.apps[canonical_name(app)], stage)
        installs[spot] = version or installs.get(spot, "newest")

    @procedure("ironflock.privileges.member.list")
    def privileges_member_list(self, project: int) -> Any:
        people = [(ME, True), *((who, False) for who in self._project(project).people)]
        return {"members": [{"login_name": who, "is_owner": is_it, "is_visitor": False} for who, is_it in people]}

    @procedure("ironflock.privileges.member.remove")
    def privileges_member_remove(self, project: str, account: str) -> None:
        assert account != ME
        self._project(project).people.remove(account)

    @procedure("ironflock.privileges.invitation.list")
    def privileges_invitation_list(self, project: int) -> Any:
        return {"invitations": [{"login_name": who} for who in self._project(project).invited]}

    @procedure("ironflock.privileges.invitation.create")
    def privileges_invitation_create(self, project: str, account: str) -> None:
        found = self._project(project)
        assert account.casefold() not in found.invited | found.people | {ME}
        found.invited.add(account.casefold())

    @procedure("ironflock.privileges.default.list")
    def privileges_default_list(self, project: int) -> Any:
        defaults = self._project(project).defaults.items()
        return {"defaults": [{"kind": kind, "flag": flag, "ends_at": end} for (kind, flag), end in defaults]}

    @procedure("ironflock.privileges.default.set")
    def privileges_default_set(self, project: str, kind: str, flags: list[str]) -> None:
        self._project(project).defaults |= {(kind, flag): None for flag in flags}

    @procedure("ironflock.privileges.default.unset")
    def privileges_default_unset(self, project: str, kind: str, flags: list[str]) -> None:
        for flag in flags:
            del self._project(project).defaults[kind, flag]

    @procedure("ironflock.privileges.grant.list")
    def privileges_grant_list(self, kind: str, key: int) -> Any:
        held = self._held(kind, key).items()
        return {
            "grants": [
                {"login_name": who, "flag": flag, "ends_at": end, "is_visit": False} for (who, flag), end in held
            ]
        }

    @procedure("ironflock.privileges.grant.give")
    def privileges_grant_give(
        self, kind: str, key: int, account: str, flags: list[str], ends_at: str | None = None
    ) -> None:
        project = self._project(key) if kind == "project" else self.projects[self._thing(kind, key).project]
        assert account.casefold() in project.people
        self._held(kind, key).update({(account.casefold(), flag): ends_at for flag in flags})

    @procedure("ironflock.privileges.grant.take")
    def privileges_grant_take(self, kind: str, key: int, account: str, flags: list[str]) -> None:
        for flag in flags:
            del self._held(kind, key)[account, flag]

    @procedure("ironflock.devices.device.create")
    def devices_device_create(self, project: str, name: str, description: str) -> None:
        self._make(self.devices, project, name)

    @procedure("ironflock.devices.device.show")
    def devices_device_show(self, device: str, project: str) -> Any:
        return {"device_key": self._find(self.devices, device, project).key}

    @procedure("ironflock.devices.device.list")
    def devices_device_list(self, project: int | None = None, group: int | None = None) -> Any:
        inside = None if group is None else self.groups[group].members
        found = [
            {"device_key": each.key, "name": each.name}
            for each in self.devices.values()
            if project in (None, each.project) and (inside is None or each.key in inside)
        ]
        return {"devices": found}

    @procedure("ironflock.devices.group.create")
    def devices_group_create(self, project: str, name: str, description: str) -> None:
        self._make(self.groups, project, name)

    @procedure("ironflock.devices.group.show")
    def devices_group_show(self, group: str, project: str) -> Any:
        return {"group_key": self._find(self.groups, group, project).key}

    @procedure("ironflock.devices.group.list")
    def devices_group_list(self, project: int) -> Any:
        groups = [each for each in self.groups.values() if each.project == project]
        return {"groups": [{"group_key": each.key, "name": each.name} for each in groups]}

    @procedure("ironflock.devices.group.add_device")
    def devices_group_add_device(self, project: str, group: str, device: str) -> None:
        self._find(self.groups, group, project).members.add(self._find(self.devices, device, project).key)

    @procedure("ironflock.devices.group.remove_device")
    def devices_group_remove_device(self, project: str, group: str, device: str) -> None:
        self._find(self.groups, group, project).members.remove(self._find(self.devices, device, project).key)

    @procedure("ironflock.devices.app.list")
    def devices_app_list(self, device: int) -> Any:
        return {"apps": [self._spot(spot, **row) for spot, row in self.devices[device].apps.items()]}

    @procedure("ironflock.devices.app.install")
    def devices_app_install(self, project: str, device: str, app: int, stage: str, version: str | None = None) -> None:
        there = self._project(project).installs
        assert (app, stage) in there
        row = {"version": version or there[app, stage], "target": "PRESENT"}
        self._find(self.devices, device, project).apps.setdefault((app, stage), row)

    @procedure("ironflock.devices.app.upgrade")
    def devices_app_upgrade(self, project: str, device: str, app: int, stage: str, version: str) -> None:
        self._find(self.devices, device, project).apps[app, stage]["version"] = version

    @procedure("ironflock.devices.app.start")
    def devices_app_start(self, project: str, device: str, app: int, stage: str) -> None:
        self._find(self.devices, device, project).apps[app, stage]["target"] = "RUNNING"

    @procedure("ironflock.devices.app.stop")
    def devices_app_stop(self, project: str, device: str, app: int, stage: str) -> None:
        self._find(self.devices, device, project).apps[app, stage]["target"] = "PRESENT"

    def _key(self) -> int:
        self._next += 1
        return self._next

    def _make(self, things: dict[int, Thing], project: str, name: str) -> None:
        where = self._project(project).key
        assert all(
            (each.project, canonical_name(each.name)) != (where, canonical_name(name)) for each in things.values()
        )
        key = self._key()
        things[key] = Thing(key, name, where)

    def _project(self, word: int | str) -> World:
        if isinstance(word, int):
            return self.projects[word]
        for each in self.projects.values():
            if canonical_name(each.name) == canonical_name(word):
                return each
        raise CommandError("not_found", "there is no such project")

    def _find(self, things: dict[int, Thing], name: str, project: str) -> Thing:
        where = self._project(project).key
        return next(
            each
            for each in things.values()
            if (each.project, canonical_name(each.name)) == (where, canonical_name(name))
        )

    def _thing(self, kind: str, key: int) -> Thing:
        return (self.devices if kind == "device" else self.groups)[key]

    def _held(self, kind: str, key: int) -> dict[tuple[str, str], str | None]:
        return self.projects[key].grants if kind == "project" else self._thing(kind, key).grants

    def _spot(self, spot: tuple[int, str], **more: Any) -> dict[str, Any]:
        app, stage = spot
        name = next(name for name, key in self.apps.items() if key == app)
        return {"app_key": app, "app_name": name, "stage": stage, **more}
