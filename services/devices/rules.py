"""The decisions of devices. Pure."""

import math
from typing import Any, Final

import attrs

from services.devices.agent_records import CheckPrivilege
from services.devices.records import Device, FlockSettings, Machine, Project, PublicDevice, Reach
from shared.identities import DeviceIdentity
from shared.scopes import Scopes

AGENT_PRIVILEGES: Final = frozenset({"READ", "NETWORK", "MAINTAIN", "DEVELOP", "OPERATE", "INSTALL"})
MAX_MEASURED: Final = 2**63
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


def may_use(project: Project, account_key: int) -> bool:
    """Whether the person may work with the project's devices: its owner may; flags come with the privileges service."""
    return project.owner_account_key == account_key


def reach(projects: list[Project], scopes: Scopes) -> Reach:
    """The devices of `projects` that `scopes` reach."""
    keys = frozenset(project.project_key for project in projects)
    whole = frozenset(key for key in keys if scopes.reaches(key))
    return Reach(whole, keys - whole if scopes.devices else frozenset(), scopes.devices)


def is_own(caller: DeviceIdentity, device_key: int, swarm_key: int | None = None) -> bool:
    """Whether a payload names the device that sent it (decision 8)."""
    return device_key == caller.device_key and swarm_key in (None, caller.project_key)


def holds_privilege(device: Device, request: CheckPrivilege) -> bool:
    """Whether the person may do with the device what the agent asks about; an unknown name is a refusal."""
    return (
        request.entity == "DEVICE"
        and request.entity_key == device.device_key
        and request.privilege in AGENT_PRIVILEGES
        and request.requestor_account_key == device.owner_account_key
    )


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
    )


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


def difference(before: Machine, after: Machine) -> tuple[dict[str, str | None], dict[str, str | None]]:
    """What of a machine changed: the changed fields as they were, and as they are now."""
    names = [field.name for field in attrs.fields(Machine) if getattr(before, field.name) != getattr(after, field.name)]
    return {name: getattr(before, name) for name in names}, {name: getattr(after, name) for name in names}
