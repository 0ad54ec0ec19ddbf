"""What is wanted of an app on a device, what an agent's word changes, and how a wish stands on the wire. Pure.

A wish is a target and a release. An agent says what it does: the state, and the release that it speaks of. Neither
waits for the other: a wish may change while the agent is at the last one, and the agent may be away for weeks.
"""

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

import msgspec
from attrs import asdict, evolve

from services.devices.records.apps import (
    AppCredential,
    AppOnDevice,
    AppRelease,
    AppState,
    AppVariables,
    DeviceApp,
    Install,
    PortRule,
    SaidOfApp,
    SetEnvironment,
    ShownVariable,
    Stage,
    Target,
    Variable,
)
from services.devices.records.devices import Device, FlockSettings
from shared.errors import ConflictError, InvalidArgumentError

UNDER_WAY: Final[frozenset[AppState]] = frozenset(
    {"BUILDING", "TRANSFERING", "PUBLISHING", "DOWNLOADING", "STARTING", "STOPPING", "UPDATING", "DELETING"}
)
SETTLED: Final[frozenset[AppState]] = frozenset({"PRESENT", "RUNNING"})
GONE: Final[frozenset[AppState]] = frozenset({"REMOVED", "UNINSTALLED"})
MAX_ENVIRONMENT_OCTETS: Final = 64 * 1024
OF_THE_PLATFORM: Final = frozenset(
    {
        "DEVICE_SERIAL_NUMBER", "ENV", "DEVICE_KEY", "SWARM_KEY", "APP_KEY", "APP_NAME", "DEVICE_NAME",
        "DEVICE_ENDPOINT_URL", "TUNNEL_DOMAIN", "APP_AUTH_ID", "APP_AUTH_SECRET", "DEVICE_LAN_IP", "INSTANCE_KEY",
        "RESWARM_URL", "DEVICE_URL",
    }
)  # fmt: skip
"""What agents set themselves. Source: wire-agent section 8."""
MAX_PORTS_OCTETS: Final = 64 * 1024
MAX_WANTED_BEFORE: Final = 16
MOST_GONE_AT_ONCE: Final = 3
MAX_REPOSITORY: Final = 255
_REPOSITORY: Final = re.compile(r"[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*(?:/[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*)*")
"""Source: the distribution specification, names of repositories."""
_ARCHITECTURE: Final = re.compile(r"[a-z0-9]{1,20}")
"""What agents call machines, with the variant (`armv7`): nothing else of what a device says becomes a name."""
NOTHING_BEFORE: Final = "there is no release before this one to go back to"
NOTHING_UNDER_WAY: Final = "nothing is under way that could be cancelled"
NO_RELEASE: Final = "the project has no release of this app at this stage; install one there, or name a version"


def first_target(stage: Stage) -> Target:
    """What is wanted of an app that was just put on a device: a release is fetched, a development build comes later."""
    return "PRESENT" if stage == "PROD" else "REMOVED"


def aimed(app: AppOnDevice, target: Target) -> AppOnDevice:
    """The app with another target."""
    return evolve(app, target=target)


def upgraded(app: AppOnDevice, release: AppRelease) -> AppOnDevice:
    """The app with another release wanted; the one that was wanted before may still be on its way to the device."""
    if release == app.release:
        return app
    previous = app.release if app.present is None and app.release is not None else app.previous
    return evolve(wanting(app, release), previous=previous)


def wanting(app: AppOnDevice, release: AppRelease | None) -> AppOnDevice:
    """The app with that release wanted; the one before is remembered, since the agent may still be at it."""
    if release == app.release or app.release is None:
        return evolve(app, release=release)
    before = [each for each in app.wanted_before if each != app.release]
    return evolve(app, release=release, wanted_before=(*before, app.release)[-MAX_WANTED_BEFORE:])


def rolled_back(app: AppOnDevice) -> AppOnDevice:
    """The app with the release wanted that the device has, if another is on its way, else the one before it.

    Raises:
        ConflictError: There is none.
    """
    if app.present is not None and app.release != app.present:
        return wanting(app, app.present)
    if app.previous is None or app.previous == app.release:
        raise ConflictError(NOTHING_BEFORE)
    return wanting(app, app.previous)


def cancelled(app: AppOnDevice) -> AppOnDevice:
    """The app as it is to be once what is under way was given up: with what the device has, or not there.

    Raises:
        ConflictError: Nothing is under way.
    """
    is_waiting = app.told_revision < app.revision
    if app.state not in UNDER_WAY and not is_updating(app) and not is_waiting:
        raise ConflictError(NOTHING_UNDER_WAY)
    target: Target = "REMOVED" if app.present is None else "PRESENT"
    return aimed(wanting(app, app.present or app.release), target)


def is_updating(app: AppOnDevice) -> bool:
    """Whether the device has another release than the one that is wanted."""
    return app.target != "UNINSTALLED" and None not in (app.release, app.present) and app.release != app.present


def told(app: AppOnDevice, said: SaidOfApp) -> AppOnDevice:
    """The app as it stands after its agent's word; when that came is for the store to say.

    A word changes what the device has, never what is wanted of it: it may be late, and be about an older wish.
    """
    state: AppState = "PRESENT" if said.state == "STOPPED" else said.state
    app = evolve(app, state=state)
    if state in GONE:
        return evolve(app, present=None)
    if state not in SETTLED or said.update_status == "canceled":
        return app
    return _with_present(app, _known_release(app, said.release_key))


def is_to_be_told_again(before: AppOnDevice, after: AppOnDevice, said: SaidOfApp) -> bool:
    """Whether the agent has done by its word what is not wanted now: it had not heard yet, or does nothing more.

    Who cancels does not begin anything else; who ended an update that was rolled back meanwhile does not go back.
    """
    if said.update_status == "canceled":
        return after.state != after.target or is_updating(after)
    return after.present != before.present and is_updating(after)


def is_deaf(app: AppOnDevice) -> bool:
    """Whether the agent takes no such wish now: amid an update only an end of it has any effect."""
    return app.state == "UPDATING" and app.target == "RUNNING"


def _known_release(app: AppOnDevice, release_key: int) -> AppRelease | None:
    """The release that the agent speaks of; a word without one is about what it has, or else about what is wanted."""
    for release in (app.release, app.present, app.previous, *reversed(app.wanted_before)):
        if release is not None and release.release_key == release_key:
            return release
    return app.present or app.release


def _with_present(app: AppOnDevice, present: AppRelease | None) -> AppOnDevice:
    if present == app.present:
        return app
    previous = app.previous if app.present is None else app.present
    return evolve(app, present=present, previous=None if previous == present else previous)


def is_gone(app: AppOnDevice) -> bool:
    """Whether the app was to go and has gone: its agent knew that it was to, and says that it is not there."""
    return app.target == "UNINSTALLED" and app.state == "UNINSTALLED" and app.told_revision == app.revision


def is_complete(app: AppOnDevice) -> bool:
    """Whether enough is known of the app for its agent to be told of it."""
    return app.app_name is not None and (app.stage == "DEV" or app.release is not None)


def shown(app: AppOnDevice) -> DeviceApp:
    """The app as people see it."""
    return DeviceApp(
        device_key=app.device_key,
        app_key=app.app_key,
        stage=app.stage,
        created_at=app.created_at,
        app_name=app.app_name,
        target=app.target,
        version=None if app.release is None else app.release.version,
        state=app.state,
        state_since=app.state_since,
        present_version=None if app.present is None else app.present.version,
        previous_version=None if app.previous is None else app.previous.version,
        is_told=app.told_revision == app.revision,
        refusal=app.refusal,
    )


def wish(app: AppOnDevice, device: Device, variables: Mapping[str, Variable], *, cancels: bool) -> dict[str, Any]:
    """The keyword arguments of the agent's `request_app_state`. Source: wire-agent section 8; its types are strict."""
    return {**_wanted(app, device, variables), "cancel_transition": cancels}


def listed(app: AppOnDevice, device: Device, variables: Mapping[str, Variable]) -> dict[str, Any]:
    """One object of the answer to `get_requested_app_states`. Source: wire-agent section 4, call 6."""
    wanted = _wanted(app, device, variables)
    return {
        **wanted,
        "device_key": device.device_key,
        "swarm_key": device.project_key,
        "account_key": wanted["requestor_account_key"],
        "serial_number": str(device.serial_number),
        "name": app.app_name or "",
        "container_name": f"{app.stage}_{app.app_key}_{app.app_name}".lower(),
        "status": device.status,
        "architecture": device.architecture or "",
        "manually_requested_state": app.target,
        "device_to_app_key": 0,
    }


def _wanted(app: AppOnDevice, device: Device, variables: Mapping[str, Variable]) -> dict[str, Any]:
    present, release = app.present or app.release, app.release
    present_version = "" if present is None else present.version
    return {
        "app_key": app.app_key,
        "app_name": app.app_name or "",
        "stage": app.stage,
        "target_state": app.target,
        "current_state": app.state,
        "release_key": 0 if present is None else present.release_key,
        "new_release_key": 0 if release is None else release.release_key,
        "present_version": present_version,
        "version": present_version,
        "newest_version": "" if release is None else release.version,
        "request_update": is_updating(app),
        "requestor_account_key": app.requestor_account_key or device.owner_account_key,
        "device_owner_account_key": device.owner_account_key,
        "environment": {name: {"value": each.value} for name, each in variables.items()},
        "environment_template": {},
        "ports": _ports(app),
        "app_cred_epoch": app.app_cred_epoch,
    }


def repositories(apps: list[AppOnDevice], device: Device, settings: FlockSettings) -> list[str]:
    """Where the images of a device's apps are, within its registry. Source: wire-agent section 7.

    Agents put the registry's address before the name as it is, so that a path in it is a part of the name.
    """
    folder = settings.docker_registry_url.partition("/")[2] + settings.docker_main_repository
    if device.architecture is None or not _ARCHITECTURE.fullmatch(device.architecture):
        return []
    named = [
        f"{folder}{app.stage}_{device.architecture}_{app.app_key}_{app.app_name}".lower()
        for app in apps
        if is_complete(app)
    ]
    return [name for name in named if len(name) <= MAX_REPOSITORY and _REPOSITORY.fullmatch(name)]


def _ports(app: AppOnDevice) -> list[dict[str, Any]]:
    """The rules that people set, each with the remote port that its agent got; the agent's where nobody set any."""
    if app.ports is None:
        return app.reported_ports
    allotted = {_rule(said): said["remote_port"] for said in app.reported_ports if said.get("remote_port")}
    return [{**rule, "remote_port": allotted[_rule(rule)]} if _rule(rule) in allotted else rule for rule in app.ports]


def _rule(rule: Mapping[str, Any]) -> tuple[Any, str]:
    return rule.get("port"), rule.get("protocol") or "http"


def held_back(every: Iterable[Install], missing: Sequence[Install]) -> set[Install]:
    """Which of the `missing` installs are not believed to be gone, of `every` one that devices have.

    More than three at once, or half of a project's: so look projects whose database was restored to something older.
    """
    if len(missing) > MOST_GONE_AT_ONCE:
        return {*missing}
    had, lost = Counter(each.project_key for each in every), Counter(each.project_key for each in missing)
    return {each for each in missing if 1 < lost[each.project_key] >= had[each.project_key] / 2}


def port_rules(rules: list[PortRule]) -> list[dict[str, Any]]:
    """The rules as agents have them.

    Raises:
        InvalidArgumentError: Two are of one port and protocol, or one takes a variable that is not its own.
    """
    for rule in rules:
        name = rule.remote_port_environment
        if name in OF_THE_PLATFORM or name == "PATH" or name.startswith("LD_"):
            raise InvalidArgumentError(f"{name} is no variable for a port", argument="ports")
    found = [{**asdict(rule), "public": False} for rule in rules]
    if len({_rule(rule) for rule in found}) < len(found):
        raise InvalidArgumentError("a port stands twice with one protocol", argument="ports")
    return found


def changed_variables(before: Mapping[str, Variable], request: SetEnvironment) -> dict[str, Variable]:
    """The environment with what was set, and without what was taken away.

    Raises:
        InvalidArgumentError: A name is the platform's, a value cannot be one, or it is more than 64 KiB.
    """
    after = {name: each for name, each in before.items() if request.values.get(name, "") is not None}
    for name, value in request.values.items():
        if name in OF_THE_PLATFORM:
            raise InvalidArgumentError(f"the platform itself sets {name}", argument="values")
        if value is not None and "\0" in value:
            raise InvalidArgumentError("a value of an environment has no NUL", argument="values")
        if value is not None:
            was_secret = name in before and before[name].is_secret
            after[name] = Variable(value, is_secret=was_secret or name in request.secrets)
    if len(msgspec.json.encode(after)) > MAX_ENVIRONMENT_OCTETS:
        raise InvalidArgumentError("an environment has at most 64 KiB", argument="values")
    return dict(sorted(after.items()))


def masked(variables: Mapping[str, Variable]) -> AppVariables:
    """The environment as it is shown: secret values stay away."""
    return AppVariables(
        [
            ShownVariable(name, None if each.is_secret else each.value, is_secret=each.is_secret)
            for name, each in variables.items()
        ]
    )


def ports_of(ports: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The port rules as an agent takes them back: its numbers come as floats, and must go as integers.

    Raises:
        InvalidArgumentError: They are more than 64 KiB, or a number is none that can be kept.
    """
    found = [{str(name): _whole(value) for name, value in rule.items()} for rule in ports]
    if len(msgspec.json.encode(found)) > MAX_PORTS_OCTETS:
        raise InvalidArgumentError("these are too many ports", argument="ports")
    return found


def _whole(value: Any) -> Any:
    if isinstance(value, float):
        if not value.is_integer() or abs(value) >= 2**53:
            raise InvalidArgumentError("a number of a port is a whole number", argument="ports")
        return int(value)
    if isinstance(value, str) and "\0" in value:
        raise InvalidArgumentError("a text of a port has no NUL", argument="ports")
    if isinstance(value, str | int | None):
        return value
    raise InvalidArgumentError("a port has texts, numbers and booleans", argument="ports")


def epoch_of(credential: AppCredential) -> int:
    """The epoch in a credential's name. Source: wire-agent section 8, `app-<app_key>-<stage>-e<epoch>@<serial>`."""
    return int(credential.authid.partition("@")[0].rpartition("-e")[2])
