"""What is wanted of an app on a device, what an agent's word changes, and how a wish stands on the wire. Pure.

A wish is a target and a release. An agent says what it does: the state, and the release that it speaks of. Neither
waits for the other: a wish may change while the agent is at the last one, and the agent may be away for weeks.
"""

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

import msgspec
from attrs import evolve

from services.devices.records.apps import (
    AppContents,
    AppCredential,
    AppOnDevice,
    AppRelease,
    AppState,
    AppVariables,
    DeviceApp,
    Install,
    SaidOfApp,
    SetEnvironment,
    ShownVariable,
    Stage,
    Target,
    Variable,
)
from services.devices.records.devices import Device, FlockSettings
from shared.errors import ConflictError, InvalidArgumentError
from shared.releases import OF_THE_PLATFORM, VariableTemplate, as_told

UNDER_WAY: Final[frozenset[AppState]] = frozenset(
    {"BUILDING", "TRANSFERING", "PUBLISHING", "DOWNLOADING", "STARTING", "STOPPING", "UPDATING", "DELETING"}
)
SETTLED: Final[frozenset[AppState]] = frozenset({"PRESENT", "RUNNING"})
GONE: Final[frozenset[AppState]] = frozenset({"REMOVED", "UNINSTALLED"})
MAX_ENVIRONMENT_OCTETS: Final = 64 * 1024
MAX_PORTS_OCTETS: Final = 64 * 1024
MAX_WANTED_BEFORE: Final = 16
MOST_GONE_AT_ONCE: Final = 3
MAX_REPOSITORY: Final = 255
_REPOSITORY: Final = re.compile(r"[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*(?:/[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*)*")
"""Source: the distribution specification, names of repositories."""
_ARCHITECTURE: Final = re.compile(r"[a-z0-9]{1,20}")
"""What agents call machines, with the variant (`armv7`): nothing else of what a device says becomes a name."""
NO_BUILDING: Final = "devices build nothing: push the image to a registry, make a release of it, and install that"
NOTHING_BEFORE: Final = "there is no release before this one to go back to"
NOTHING_UNDER_WAY: Final = "nothing is under way that could be cancelled"
OTHER_PUT_THERE: Final = "another release is wanted of the app by now; look, and ask again"
OTHER_BEFORE: Final = "another release is the one before by now; look, and go back again"
MISSING: Final = "the app does not run without these variables; set them first: "
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


def rolled_back_to(app: AppOnDevice, release: AppRelease | None) -> AppOnDevice:
    """As `rolled_back`, where that is to `release`.

    Raises:
        ConflictError: It is not, by now. Others as `rolled_back`.
    """
    back = rolled_back(app)
    if back.release != release:
        raise ConflictError(OTHER_BEFORE)
    return back


def put_there(before: AppOnDevice, after: AppOnDevice) -> AppRelease | None:
    """The release that is to be on the device after a wish, and was not before; None where there is none.

    What was to be removed is fetched again once it is to be there or to run.
    """
    is_fetched_again = before.target == "REMOVED" and after.target != "REMOVED"
    return after.release if after.release != before.release or is_fetched_again else None


def as_allowed(before: AppOnDevice, after: AppOnDevice, release: AppRelease | None) -> AppOnDevice:
    """The app after a wish, where that puts no release on the device but `release`, which whoever asks may put there.

    Raises:
        ConflictError: It does, by now.
    """
    if put_there(before, after) not in {None, release}:
        raise ConflictError(OTHER_PUT_THERE)
    return after


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


def wish(
    app: AppOnDevice, device: Device, variables: Mapping[str, Variable], contents: AppContents, *, cancels: bool
) -> dict[str, Any]:
    """The keyword arguments of the agent's `request_app_state`. Source: wire-agent section 8; its types are strict."""
    return {**_wanted(app, device, variables, contents), "cancel_transition": cancels}


def listed(
    app: AppOnDevice, device: Device, variables: Mapping[str, Variable], contents: AppContents
) -> dict[str, Any]:
    """One object of the answer to `get_requested_app_states`. Source: wire-agent section 4, call 6."""
    wanted = _wanted(app, device, variables, contents)
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
        "manually_requested_state": wanted["target_state"],
        "device_to_app_key": 0,
    }


def _wanted(
    app: AppOnDevice, device: Device, variables: Mapping[str, Variable], contents: AppContents
) -> dict[str, Any]:
    template = contents.wanted.environment
    present, release = app.present or app.release, app.release
    present_version = "" if present is None else present.version
    return {
        "app_key": app.app_key,
        "app_name": app.app_name or "",
        "stage": app.stage,
        "target_state": _target(app, missing_variables(variables, template)),
        "current_state": app.state,
        "release_key": 0 if present is None else present.release_key,
        "new_release_key": 0 if release is None else release.release_key,
        "present_version": present_version,
        "version": present_version,
        "newest_version": "" if release is None else release.version,
        "request_update": is_updating(app),
        "requestor_account_key": app.requestor_account_key or device.owner_account_key,
        "device_owner_account_key": device.owner_account_key,
        "environment": {name: {"value": value} for name, value in values(variables, template).items()},
        "environment_template": {
            name: {} if each.default is None else {"defaultValue": each.default} for name, each in template.items()
        },
        "docker_compose": contents.present.compose,
        "new_docker_compose": contents.wanted.compose,
        "ports": _ports(app, contents),
        "app_cred_epoch": app.app_cred_epoch,
    }


def _target(app: AppOnDevice, missing: list[str]) -> Target:
    """An app that lacks a variable which it needs is there, and does not run before somebody sets it."""
    return "PRESENT" if missing and app.target == "RUNNING" else app.target


def values(variables: Mapping[str, Variable], template: Mapping[str, VariableTemplate]) -> dict[str, str]:
    """The app's environment, with the release's defaults where nobody has set anything."""
    defaults = {name: each.default for name, each in template.items() if each.default is not None}
    return defaults | {name: each.value for name, each in variables.items()}


def missing_variables(variables: Mapping[str, Variable], template: Mapping[str, VariableTemplate]) -> list[str]:
    """Which variables the release needs and nobody has set, in the order of names."""
    return sorted({name for name, each in template.items() if each.is_required} - {*values(variables, template)})


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


def _ports(app: AppOnDevice, contents: AppContents) -> list[dict[str, Any]]:
    """People's rules, or else the release's, each with the remote port that its agent got; or else the agent's."""
    rules = app.ports if app.ports is not None or not contents.wanted.ports else as_told(contents.wanted.ports)
    if rules is None:
        return app.reported_ports
    allotted = {_rule(said): said["remote_port"] for said in app.reported_ports if said.get("remote_port")}
    return [{**rule, "remote_port": allotted[_rule(rule)]} if _rule(rule) in allotted else rule for rule in rules]


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


def changed_variables(
    before: Mapping[str, Variable], request: SetEnvironment, template: Mapping[str, VariableTemplate]
) -> dict[str, Variable]:
    """The environment with what was set, and without what was taken away; `template` is what the release reads.

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
            asked = template.get(name, VariableTemplate())
            if asked.choices and value not in asked.choices:
                raise InvalidArgumentError(f"{name} is one of {', '.join(asked.choices)}"[:500], argument="values")
            is_secret = (name in before and before[name].is_secret) or name in request.secrets or asked.is_secret
            after[name] = Variable(value, is_secret=is_secret)
    if len(msgspec.json.encode(after)) > MAX_ENVIRONMENT_OCTETS:
        raise InvalidArgumentError("an environment has at most 64 KiB", argument="values")
    return dict(sorted(after.items()))


def masked(variables: Mapping[str, Variable], template: Mapping[str, VariableTemplate]) -> AppVariables:
    """The environment as it is shown, with what the release reads besides: secret values stay away."""
    return AppVariables([_shown_variable(name, variables, template) for name in sorted({*variables, *template})])


def _shown_variable(
    name: str, variables: Mapping[str, Variable], template: Mapping[str, VariableTemplate]
) -> ShownVariable:
    asked, known = template.get(name, VariableTemplate()), variables.get(name)
    is_secret = asked.is_secret or (known is not None and known.is_secret)
    value = asked.default if known is None else known.value
    return ShownVariable(
        name,
        None if is_secret else value,
        is_secret=is_secret,
        is_set=known is not None,
        is_required=asked.is_required,
        choices=asked.choices,
        description=asked.description,
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
