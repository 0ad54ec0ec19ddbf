"""Asks the platform for what a fleet file speaks of, and for nothing else: so little has to be allowed for it."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final

from deploy.flockctl.errors import CommandError
from deploy.flockctl.fleet.document import Device, Fleet, Grants, Group, Project, all_grants
from deploy.flockctl.fleet.found import Found, FoundApp, FoundDevice, FoundGroup, FoundProject, Held, Spot
from deploy.flockctl.operator import Operator
from shared.flags import AssetKind
from shared.names import canonical_name

NOT_THERE: Final = "not_found"


async def gather(operator: Operator, fleet: Fleet) -> Found:
    """What there is of `fleet`.

    Raises:
        CommandError: Something of it may not be seen.
    """
    me = (await operator.call("ironflock.auth.account.me"))["login_name"]
    projects = {}
    for name, project in fleet.projects.items():
        found = await _project(operator, name, project or Project())
        if found is not None:
            projects[canonical_name(name)] = found
    return Found(str(me).casefold(), projects, await _apps(operator, fleet))


async def _apps(operator: Operator, fleet: Fleet) -> dict[str, int]:
    named: dict[str, str] = {}
    for project in fleet.projects.values():
        sections = (
            [] if project is None else [project.apps, *((each or Device()).apps for each in project.devices.values())]
        )
        named |= {canonical_name(app): app for section in sections for app in section or {}}
    found = {}
    for canonical, app in named.items():
        shown = await _or_none(operator, "ironflock.realms.app.show", app=app)
        if shown is not None:
            found[canonical] = int(shown["app_key"])
    return found


async def _project(operator: Operator, name: str, wanted: Project) -> FoundProject | None:
    shown = await _or_none(operator, "ironflock.realms.project.show", project=name)
    if shown is None:
        return None
    where: dict[str, Any] = {"project": int(shown["project_key"])}
    speaks_of_people = wanted.members is not None or any(True for _ in all_grants(wanted))
    members = (await operator.call("ironflock.privileges.member.list", **where))["members"] if speaks_of_people else []
    invited: list[Any] = []
    if wanted.members is not None:
        invited = (await operator.call("ironflock.privileges.invitation.list", **where))["invitations"]
    installs: list[Any] = []
    if wanted.apps:
        installs = (await operator.call("ironflock.realms.install.list", **where))["installs"]
    defaults: list[Any] = []
    if wanted.defaults is not None:
        defaults = (await operator.call("ironflock.privileges.default.list", **where))["defaults"]
    return FoundProject(
        project_key=where["project"],
        requires_factor=bool(shown["requires_factor"]),
        requires_same_address=bool(shown["requires_same_address"]),
        owner=next((_folded(each) for each in members if each["is_owner"]), None),
        members=frozenset(_folded(each) for each in members if not each["is_owner"] and not each["is_visitor"]),
        invited=frozenset(_folded(each) for each in invited),
        installs={_spot(each): each["version"] for each in installs},
        devices=await _devices(operator, where, wanted),
        groups=await _groups(operator, where, wanted),
        defaults={(AssetKind(each["kind"]), each["flag"]): _moment(each["ends_at"]) for each in defaults},
        grants=await _grants(operator, AssetKind.PROJECT, where["project"], wanted.grants),
    )


async def _devices(operator: Operator, where: Mapping[str, Any], wanted: Project) -> dict[str, FoundDevice]:
    if not wanted.devices:
        return {}
    named = {canonical_name(name): device or Device() for name, device in wanted.devices.items()}
    found = {}
    async for each in operator.pages("ironflock.devices.device.list", "devices", **where):
        name, key = canonical_name(each["name"]), int(each["device_key"])
        if name in named:
            apps = await _device_apps(operator, key) if named[name].apps else None
            found[name] = FoundDevice(key, apps, await _grants(operator, AssetKind.DEVICE, key, named[name].grants))
    return found


async def _device_apps(operator: Operator, device_key: int) -> dict[Spot, FoundApp]:
    apps = (await operator.call("ironflock.devices.app.list", device=device_key))["apps"]
    return {
        _spot(each): FoundApp(each["version"], is_running=each["target"] == "RUNNING")
        for each in apps
        if each["target"] != "UNINSTALLED" and each["app_name"] is not None
    }


async def _groups(operator: Operator, where: Mapping[str, Any], wanted: Project) -> dict[str, FoundGroup]:
    if not wanted.groups:
        return {}
    named = {canonical_name(name): group or Group() for name, group in wanted.groups.items()}
    found = {}
    async for each in operator.pages("ironflock.devices.group.list", "groups", **where):
        name, key = canonical_name(each["name"]), int(each["group_key"])
        if name in named:
            inside = await _inside(operator, key) if named[name].devices is not None else frozenset[str]()
            found[name] = FoundGroup(key, inside, await _grants(operator, AssetKind.GROUP, key, named[name].grants))
    return found


async def _inside(operator: Operator, group_key: int) -> frozenset[str]:
    pages = operator.pages("ironflock.devices.device.list", "devices", group=group_key)
    return frozenset([canonical_name(each["name"]) async for each in pages])


async def _grants(operator: Operator, kind: AssetKind, key: int, wanted: Grants | None) -> Held | None:
    if wanted is None:
        return None
    pages = operator.pages("ironflock.privileges.grant.list", "grants", kind=kind.value, key=key)
    return {(_folded(each), each["flag"]): _moment(each["ends_at"]) async for each in pages if not each["is_visit"]}


async def _or_none(operator: Operator, procedure: str, **arguments: Any) -> Any:
    try:
        return await operator.call(procedure, **arguments)
    except CommandError as error:
        if error.code == NOT_THERE:
            return None
        raise


def _spot(each: Mapping[str, Any]) -> Spot:
    return canonical_name(each["app_name"]), str(each["stage"]).lower()


def _folded(each: Mapping[str, Any]) -> str:
    return str(each["login_name"]).casefold()


def _moment(text: str | None) -> datetime | None:
    return None if text is None else datetime.fromisoformat(text)
