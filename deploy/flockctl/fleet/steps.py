"""From a fleet file to what is to be done: pure. The same file again asks for nothing."""

from collections.abc import Iterator, Mapping
from datetime import datetime
from enum import StrEnum
from typing import Any

from attrs import frozen

from deploy.flockctl.fleet.document import (
    Device,
    DeviceApp,
    Fleet,
    Given,
    Grants,
    Group,
    Project,
    ProjectApp,
    all_grants,
)
from deploy.flockctl.fleet.found import Found, FoundApp, FoundDevice, FoundGroup, FoundProject, Held, Spot
from shared.errors import NotFoundError
from shared.flags import AssetKind
from shared.names import canonical_name


class Sign(StrEnum):
    """What a step does to what is there."""

    ADD = "+"
    CHANGE = "~"
    TAKE = "-"


@frozen
class Place:
    """What flags are given on; its key is known once it is there."""

    kind: AssetKind
    name: str
    project: str


@frozen
class Step:
    """One call; `place` is to be named in it by kind and key."""

    sign: Sign
    text: str
    procedure: str
    arguments: Mapping[str, Any]
    place: Place | None = None


@frozen
class Plan:
    """The steps in their order, and what has to wait for somebody else."""

    steps: list[Step]
    waiting: list[str]


def plan(fleet: Fleet, found: Found, *, prune: bool) -> Plan:
    """What leads from `found` to `fleet`; with `prune`, what its sections do not name is taken.

    Raises:
        NotFoundError: An app is not there, or may not be seen: apps are made by their developers.
    """
    made: list[Step] = []
    waiting: list[str] = []
    for name, project in fleet.projects.items():
        planner = _Planner(name, project or Project(), found, is_pruning=prune)
        made += planner.steps()
        waiting += planner.waiting()
    return Plan(made, waiting)


@frozen
class _Planner:
    """Plans one project."""

    name: str
    wanted: Project
    all_found: Found
    is_pruning: bool

    @property
    def found(self) -> FoundProject | None:
        """What is there of it."""
        return self.all_found.projects.get(canonical_name(self.name))

    @property
    def owner(self) -> str | None:
        """Whoever makes a project owns it."""
        return self.all_found.me if self.found is None else self.found.owner

    @property
    def people(self) -> frozenset[str]:
        """Who works in it already."""
        members = frozenset() if self.found is None else self.found.members
        return members if self.owner is None else members | {self.owner}

    def steps(self) -> Iterator[Step]:
        """In an order in which each can be done."""
        yield from self._project()
        yield from self._members()
        yield from self._installs()
        yield from self._devices()
        yield from self._groups()
        yield from self._device_apps()
        yield from self._defaults()
        yield from self._grants()

    def waiting(self) -> Iterator[str]:
        """Who has to become a member before they can have what they are to have."""
        named = {who for grants in all_grants(self.wanted) for who in grants}
        for who in sorted(named, key=str.casefold):
            if who.casefold() not in self.people:
                is_asked = who.casefold() in {each.casefold() for each in self.wanted.members or ()}
                todo = "to accept the invitation" if is_asked else "to be invited: name them under members"
                yield f"{who} has {todo} before they can have flags in {self.name}; apply the file again then"

    def _project(self) -> Iterator[Step]:
        wanted, found = self.wanted, self.found
        if found is None:
            arguments = {"name": self.name, "description": wanted.description}
            yield Step(Sign.ADD, f"project {self.name}", "ironflock.realms.project.create", arguments)
        settings = (
            ("a second factor", wanted.require_factor, found and found.requires_factor, False, "require_factor"),
            (
                "tunnel clients to come from the agent's address",
                wanted.require_same_address,
                found and found.requires_same_address,
                True,
                "require_same_address",
            ),
        )
        for what, is_wanted, is_found, at_first, verb in settings:
            if is_wanted is not None and is_wanted is not (at_first if is_found is None else is_found):
                text = f"project {self.name} {'requires' if is_wanted else 'does not require'} {what}"
                said = {"project": self.name, "required": is_wanted}
                yield Step(Sign.CHANGE, text, f"ironflock.realms.project.{verb}", said)

    def _members(self) -> Iterator[Step]:
        if self.wanted.members is None:
            return
        there = self.people if self.found is None else self.people | self.found.invited
        for who in self.wanted.members:
            if who.casefold() not in there:
                arguments = {"project": self.name, "account": who}
                text = f"invite {who} into {self.name}"
                yield Step(Sign.ADD, text, "ironflock.privileges.invitation.create", arguments)
        if self.is_pruning and self.found is not None:
            kept = {who.casefold() for who in self.wanted.members} | {self.owner, self.all_found.me}
            for who in sorted(self.found.members - kept):
                arguments = {"project": self.name, "account": who}
                text = f"remove {who} from {self.name}, with all that they were given there"
                yield Step(Sign.TAKE, text, "ironflock.privileges.member.remove", arguments)

    def _installs(self) -> Iterator[Step]:
        there: Mapping[Spot, str | None] = {} if self.found is None else self.found.installs
        for app, stages in (self.wanted.apps or {}).items():
            for stage, said in stages.items():
                self._app_key(app)
                wanted, spot = said or ProjectApp(), (canonical_name(app), stage)
                is_right = spot in there and wanted.version in (None, there[spot])
                if is_right:
                    continue
                version = {} if wanted.version is None else {"version": wanted.version}
                arguments = {"project": self.name, "app": app, "stage": stage.upper(), **version}
                text = f"app {_release(app, wanted.version)} ({stage}) in {self.name}"
                sign = Sign.CHANGE if spot in there else Sign.ADD
                yield Step(sign, text, "ironflock.realms.install.create", arguments)

    def _devices(self) -> Iterator[Step]:
        for name, device in self.wanted.devices.items():
            if self._device(name) is None:
                arguments = {"project": self.name, "name": name, "description": (device or Device()).description}
                text = f"device {name} in {self.name}; flash it then"
                yield Step(Sign.ADD, text, "ironflock.devices.device.create", arguments)

    def _groups(self) -> Iterator[Step]:
        for name, said in self.wanted.groups.items():
            wanted, found = said or Group(), self._group(name)
            if found is None:
                arguments = {"project": self.name, "name": name, "description": wanted.description}
                yield Step(Sign.ADD, f"group {name} in {self.name}", "ironflock.devices.group.create", arguments)
            if wanted.devices is not None:
                yield from self._in_group(name, wanted.devices, frozenset() if found is None else found.devices)

    def _in_group(self, group: str, wanted: list[str], there: frozenset[str]) -> Iterator[Step]:
        for device in wanted:
            if canonical_name(device) not in there:
                arguments = {"project": self.name, "group": group, "device": device}
                text = f"device {device} into group {group} of {self.name}"
                yield Step(Sign.ADD, text, "ironflock.devices.group.add_device", arguments)
        if self.is_pruning:
            for device in sorted(there - {canonical_name(each) for each in wanted}):
                arguments = {"project": self.name, "group": group, "device": device}
                text = f"device {device} out of group {group} of {self.name}"
                yield Step(Sign.TAKE, text, "ironflock.devices.group.remove_device", arguments)

    def _device_apps(self) -> Iterator[Step]:
        for name, device in self.wanted.devices.items():
            found = self._device(name)
            there = {} if found is None or found.apps is None else found.apps
            for app, stages in ((device or Device()).apps or {}).items():
                for stage, wanted in stages.items():
                    present = there.get((canonical_name(app), stage))
                    yield from self._device_app(name, (app, stage), wanted or DeviceApp(), present)

    def _device_app(self, device: str, spot: Spot, wanted: DeviceApp, there: FoundApp | None) -> Iterator[Step]:
        app, stage = spot
        key = self._app_key(app)
        which = {"project": self.name, "device": device, "app": key, "stage": stage.upper()}
        version = {} if wanted.version is None else {"version": wanted.version}
        where = f"({stage}) on {device} of {self.name}"
        if there is None:
            text = f"app {_release(app, wanted.version)} {where}"
            yield Step(Sign.ADD, text, "ironflock.devices.app.install", {**which, **version})
        elif wanted.version not in (None, there.version):
            text = f"app {app} becomes {wanted.version} {where}"
            yield Step(Sign.CHANGE, text, "ironflock.devices.app.upgrade", {**which, **version})
        is_running = there is not None and there.is_running
        if wanted.running is not None and wanted.running is not is_running:
            verb = "start" if wanted.running else "stop"
            yield Step(Sign.CHANGE, f"{verb} app {app} {where}", f"ironflock.devices.app.{verb}", which)

    def _defaults(self) -> Iterator[Step]:
        there = {} if self.found is None else self.found.defaults
        for kind, flags in (self.wanted.defaults or {}).items():
            missing = sorted(flag for flag in set(flags) if there.get((kind, flag), _ABSENT) is not None)
            arguments = {"project": self.name, "kind": kind.value}
            where = f"every member on each {kind.value} of {self.name}"
            if missing:
                text = f"{', '.join(missing)} for {where}"
                yield Step(Sign.ADD, text, "ironflock.privileges.default.set", {**arguments, "flags": missing})
            over = sorted(flag for other, flag in there if other == kind and flag not in flags)
            if over and self.is_pruning:
                text = f"{', '.join(over)} from {where}"
                yield Step(Sign.TAKE, text, "ironflock.privileges.default.unset", {**arguments, "flags": over})

    def _grants(self) -> Iterator[Step]:
        found = self.found
        place = Place(AssetKind.PROJECT, self.name, self.name)
        yield from self._grants_on(place, self.wanted.grants, None if found is None else found.grants)
        for name, group in self.wanted.groups.items():
            place, there = Place(AssetKind.GROUP, name, self.name), self._group(name)
            yield from self._grants_on(place, (group or Group()).grants, None if there is None else there.grants)
        for name, device in self.wanted.devices.items():
            place, of_device = Place(AssetKind.DEVICE, name, self.name), self._device(name)
            grants = None if of_device is None else of_device.grants
            yield from self._grants_on(place, (device or Device()).grants, grants)

    def _grants_on(self, place: Place, wanted: Grants | None, there: Held | None) -> Iterator[Step]:
        if wanted is None:
            return
        there = there or {}
        where = place.kind.value if place.kind is AssetKind.PROJECT else f"{place.kind.value} {place.name} of"
        for who, said in wanted.items():
            given = said if isinstance(said, Given) else Given(said)
            missing = sorted(flag for flag in set(given.flags) if there.get(_held(who, flag), _ABSENT) != given.until)
            if missing and who.casefold() in self.people - {self.owner}:  # an owner has every flag anyway
                ends = {} if given.until is None else {"ends_at": given.until.isoformat()}
                text = f"{', '.join(missing)} for {who} on {where} {self.name}{_until(given.until)}"
                arguments = {"account": who, "flags": missing, **ends}
                yield Step(Sign.ADD, text, "ironflock.privileges.grant.give", arguments, place)
        if self.is_pruning:
            yield from self._ungranted(place, where, wanted, there)

    def _ungranted(self, place: Place, where: str, wanted: Grants, there: Held) -> Iterator[Step]:
        kept = {_held(who, flag) for who, given in wanted.items() for flag in _flags(given)}
        over: dict[str, list[str]] = {}
        for who, flag in sorted(set(there) - kept):
            if who != self.all_found.me:  # whoever applies a file does not shut themselves out by it
                over.setdefault(who, []).append(flag)
        for who, flags in over.items():
            text = f"{', '.join(flags)} from {who} on {where} {self.name}"
            yield Step(Sign.TAKE, text, "ironflock.privileges.grant.take", {"account": who, "flags": flags}, place)

    def _device(self, name: str) -> FoundDevice | None:
        return None if self.found is None else self.found.devices.get(canonical_name(name))

    def _group(self, name: str) -> FoundGroup | None:
        return None if self.found is None else self.found.groups.get(canonical_name(name))

    def _app_key(self, app: str) -> int:
        try:
            return self.all_found.apps[canonical_name(app)]
        except KeyError:
            raise NotFoundError(f"there is no app {app!r} that you may see") from None


_ABSENT = object()
"""Not held at all, which is something else than held without an end."""


def _flags(given: Any) -> list[str]:
    return list(given.flags if isinstance(given, Given) else given)


def _held(who: str, flag: str) -> tuple[str, str]:
    return who.casefold(), flag


def _release(app: str, version: str | None) -> str:
    return app if version is None else f"{app} {version}"


def _until(moment: datetime | None) -> str:
    return "" if moment is None else f" until {moment.isoformat()}"
