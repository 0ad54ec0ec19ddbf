"""The decisions of devices. Pure."""

import math
import re
from collections.abc import Mapping
from hashlib import sha256
from typing import Any, Final

import attrs
from attrs import frozen

from services.devices.records.agents import CheckPrivilege
from services.devices.records.apps import AppCredential, Install
from services.devices.records.devices import (
    READ,
    Device,
    FlockSettings,
    Group,
    ListDevices,
    Machine,
    PublicDevice,
    Reach,
    Search,
    TagDevice,
)
from shared.errors import InvalidArgumentError
from shared.flags import AssetKind
from shared.identities import DeviceIdentity
from shared.names import canonical_name
from shared.rights.records import Asset, Domain, DomainKind, Standing
from shared.rights.rules import decide
from shared.scopes import EVERYTHING, Scopes

AGENT_PRIVILEGES: Final = frozenset({"READ", "NETWORK", "MAINTAIN", "DEVELOP", "OPERATE", "INSTALL"})
MAX_MEASURED: Final = 2**63
NONE: Final = 0
"""The key of nothing: what is held on it is held on everything of its kind."""
CODE_OF_CLAIM: Final = b"ironflock/claim/v1|"
VENDORS_TUNNEL_DOMAIN: Final = "app.ironflock.com"
"""What agents tell apps where their device file names no domain. Source: wire-agent, trap 18."""
TAG_NAME: Final = re.compile(r"[A-Za-z0-9._-]{1,64}", re.ASCII)
MAX_TAG_VALUE: Final = 200
STATS: Final = frozenset(
    {
        "cpu_count",
        "cpu_usage",
        "memory_total",
        "memory_used",
        "memory_available",
        "storage_total",
        "storage_used",
        "storage_free",
        "docker_apps_total",
        "docker_apps_used",
        "docker_apps_free",
        "docker_apps_mounted",
    }
)


def domain(project_key: int) -> Domain:
    """A project, as rights know it."""
    return Domain(DomainKind.PROJECT, project_key)


def asset(thing: Device | Group) -> Asset:
    """A device or a group, as rights know it."""
    if isinstance(thing, Group):
        return Asset(AssetKind.GROUP, thing.group_key)
    return Asset(AssetKind.DEVICE, thing.device_key, thing.groups)


def reach(standings: Mapping[int, Standing], scopes: Scopes, *, now: float) -> Reach:
    """The devices that somebody may see who stands so towards those projects, as far as `scopes` reach.

    Args:
        now: Unix seconds.
    """
    near = {key: held for key, held in standings.items() if scopes.devices or scopes.reaches(key)}
    whole = frozenset(key for key, held in near.items() if _sees(held, Asset(AssetKind.DEVICE, NONE), now))
    parts = {key: held for key, held in near.items() if key not in whole}
    singles = _seen(AssetKind.DEVICE, parts, now)
    groups = frozenset(
        (project, group)
        for project, held in parts.items()
        for group in _readable(AssetKind.GROUP, held)
        if _sees(held, Asset(AssetKind.DEVICE, NONE, frozenset({group})), now)
    )
    partly = frozenset(project for project, _ in singles | groups)
    return Reach(whole, partly, singles, groups, scopes)


def reach_of_groups(standings: Mapping[int, Standing], scopes: Scopes, *, now: float) -> Reach:
    """The groups that somebody may see who stands so; no scope is narrowed to a group."""
    near = {key: held for key, held in standings.items() if scopes.reaches(key)}
    whole = frozenset(key for key, held in near.items() if _sees(held, Asset(AssetKind.GROUP, NONE), now))
    singles = _seen(AssetKind.GROUP, {key: held for key, held in near.items() if key not in whole}, now)
    return Reach(whole, frozenset(project for project, _ in singles), singles, frozenset(), EVERYTHING)


def _seen(kind: AssetKind, standings: Mapping[int, Standing], now: float) -> frozenset[tuple[int, int]]:
    return frozenset(
        (project, key)
        for project, held in standings.items()
        for key in _readable(kind, held)
        if _sees(held, Asset(kind, key), now)
    )


def _readable(kind: AssetKind, standing: Standing) -> set[int]:
    return {grant.asset_key for grant in standing.grants if grant.kind is kind and grant.flag == READ}


def _sees(standing: Standing, thing: Asset, now: float) -> bool:
    return decide(standing, READ, thing, now=now).allowed


def claim_digest(code: str) -> bytes:
    """What is kept of a claim code: 32 octets, the same however its letters and blanks were typed."""
    return sha256(
        CODE_OF_CLAIM + "".join(code.upper().replace("-", "").split()).encode("utf-8", "surrogatepass")
    ).digest()


def is_own(caller: DeviceIdentity, device_key: int, swarm_key: int | None = None) -> bool:
    """Whether a payload names the device that sent it (decision 8)."""
    return device_key == caller.device_key and swarm_key in (None, caller.project_key)


def is_answerable(request: CheckPrivilege) -> bool:
    """Whether an agent asks about something that there is, for somebody who can be; anything else is a refusal."""
    return request.entity == "DEVICE" and request.privilege in AGENT_PRIVILEGES and request.requestor_account_key > 0


def public(device: Device) -> PublicDevice:
    """The device as people see it."""
    return PublicDevice(
        device_key=device.device_key,
        project_key=device.project_key,
        project_name=device.project_name,
        name=device.name,
        description=device.description,
        serial_number=device.serial_number,
        state=device.state,
        status=device.status,
        status_since=device.status_since,
        created_at=device.created_at,
        flashed_at=device.flashed_at,
        architecture=device.architecture,
        os=device.os,
        agent_version=device.agent_version,
        seen_at=device.seen_at,
        stats=device.stats,
        tags=device.tags,
    )


def search_of(request: ListDevices, group_key: int | None) -> Search:
    """What is looked for; a name is looked for in its canonical form."""
    split = [tag.partition("=") for tag in request.tag]
    return Search(
        group_key=group_key,
        tags=tuple((name.strip(), value.strip() if equals else None) for name, equals, value in split),
        status=request.status,
        agent_version=request.agent_version,
        architecture=request.architecture,
        name=None if request.name is None else canonical_name(request.name),
    )


def clean_tags(request: TagDevice) -> TagDevice:
    """The request with names and values as they are kept.

    Raises:
        InvalidArgumentError: A name is none, a value is empty, too long or not one plain line, or both name one tag.
    """
    for name in (*request.set, *request.remove):
        if TAG_NAME.fullmatch(name) is None:
            raise InvalidArgumentError("a tag's name has 1 to 64 letters, digits, '.', '_' or '-'", argument="set")
    if set(request.set) & set(request.remove):
        raise InvalidArgumentError("a tag is set or removed, not both", argument="remove")
    return attrs.evolve(request, set={name: _tag_value(value) for name, value in request.set.items()})


def _tag_value(value: str) -> str:
    cleaned = value.strip()
    if not cleaned or len(cleaned) > MAX_TAG_VALUE or not cleaned.isprintable():
        raise InvalidArgumentError(f"a tag's value is one line of 1 to {MAX_TAG_VALUE} characters", argument="set")
    return cleaned


def tagged(tags: Mapping[str, str], request: TagDevice) -> dict[str, str]:
    """The tags after the request."""
    return {name: value for name, value in {**tags, **request.set}.items() if name not in request.remove}


def known_stats(stats: dict[str, Any] | None) -> dict[str, int | float | bool]:
    """The measured values that the wire knows: booleans, and numbers that a reader with doubles can carry."""
    return {name: value for name, value in (stats or {}).items() if name in STATS and _is_measured(value)}


def _is_measured(value: object) -> bool:
    if isinstance(value, float):
        return math.isfinite(value)
    return isinstance(value, int) and abs(value) <= MAX_MEASURED


def flock(device: Device, secret: str, settings: FlockSettings) -> dict[str, Any]:
    """The `.flock` file of a device: numbers as numbers, no dot in the serial. Source: wire-agent section 1."""
    content: dict[str, Any] = {
        "name": device.name,
        "description": device.description,
        "swarm_name": device.project_name,
        "swarm_owner_name": device.owner_name,
        "swarm_key": device.project_key,
        "device_key": device.device_key,
        "serial_number": str(device.serial_number),
        "secret": secret,
        "device_endpoint_url": settings.device_endpoint_url,
        "docker_registry_url": settings.docker_registry_url,
        "docker_main_repository": settings.docker_main_repository,
        "update_url": settings.update_url,
        "environment": "production",
        "status": "DISCONNECTED",
        "architecture": device.architecture or "",
        "board": {},
        "authentication": {"key": "", "certificate": ""},
    }
    if settings.appliance_domain is not None:
        content["appliance_domain"] = settings.appliance_domain
    return content


def data_realm(install: Install) -> str:
    """The name of the app's realm in the project. Source: wire-sdk section 2."""
    return f"realm-{install.project_key}-{install.app_key}-{install.stage.lower()}"


@frozen
class ContainerApp:
    """The app of a container."""

    app_key: int
    name: str | None
    stage: str


def environment(
    device: Device, app: ContainerApp, credential: AppCredential, settings: FlockSettings
) -> dict[str, str]:
    """What the published agent gives the container of an app, as far as the platform knows it.

    The agent adds what it alone knows (addresses of its network, ports), and gives a loopback address of the platform
    as the container's host sees it; here it stays, for programs beside the platform. Source: wire-sdk section 1.
    """
    base = f"{settings.update_url}/{device.owner_name}/swarms/{device.project_name}"
    known = {
        "DEVICE_SERIAL_NUMBER": str(device.serial_number),
        "ENV": app.stage,
        "DEVICE_KEY": str(device.device_key),
        "SWARM_KEY": str(device.project_key),
        "APP_KEY": str(app.app_key),
        "DEVICE_NAME": device.name,
        "DEVICE_ENDPOINT_URL": settings.device_endpoint_url,
        "TUNNEL_DOMAIN": settings.appliance_domain or VENDORS_TUNNEL_DOMAIN,
        "APP_AUTH_ID": credential.authid,
        "APP_AUTH_SECRET": credential.secret,
        "RESWARM_URL": settings.update_url,
        "DEVICE_URL": f"{base}/settings/devices/{device.name}",
    }
    return known if app.name is None else {**known, "APP_NAME": app.name}


def difference(before: Machine, after: Machine) -> tuple[dict[str, str | None], dict[str, str | None]]:
    """What of a machine changed: the changed fields as they were, and as they are now."""
    names = [field.name for field in attrs.fields(Machine) if getattr(before, field.name) != getattr(after, field.name)]
    return {name: getattr(before, name) for name in names}, {name: getattr(after, name) for name in names}
