"""What travels between the rooms of devices, and the shapes of its procedures for people."""

from datetime import datetime
from typing import Annotated, Any, Final, Literal
from uuid import UUID

from attrs import field, frozen
from msgspec import Meta

Key = Annotated[int, Meta(ge=1, le=2**53 - 1)]
Name = Annotated[str, Meta(max_length=400)]
Text = Annotated[str, Meta(max_length=16_000)]
Cursor = Annotated[str, Meta(max_length=200)]
PageSize = Annotated[int, Meta(ge=1, le=1000)]
State = Literal["registered", "flashing", "flashed", "deleting"]
Status = Literal["DISCONNECTED", "CONFIGURING", "CONNECTED", "EMERGENCY"]

DEFAULT_PAGE: Final = 100


@frozen
class Machine:
    """What an agent says of its machine and itself; None before it has said anything."""

    architecture: str | None
    os: str | None
    agent_version: str | None


@frozen
class Device:
    """A device as the registry has it; `session` and `flash_id` stay inside the service."""

    device_key: int
    project_key: int
    project_name: str
    owner_account_key: int
    owner_name: str
    name: str
    description: str
    serial_number: UUID
    state: State
    flash_id: UUID | None
    status: Status
    status_since: datetime | None
    session: int | None
    created_at: datetime
    flashed_at: datetime | None
    architecture: str | None
    os: str | None
    agent_version: str | None

    @property
    def machine(self) -> Machine:
        """What its agent said last."""
        return Machine(architecture=self.architecture, os=self.os, agent_version=self.agent_version)


@frozen
class PublicDevice:
    """A device as people see it."""

    device_key: int
    project_key: int
    project_name: str
    name: str
    description: str
    serial_number: UUID
    state: State
    status: Status
    status_since: datetime | None
    created_at: datetime
    flashed_at: datetime | None
    architecture: str | None
    os: str | None
    agent_version: str | None


@frozen
class Project:
    """A project as realms answers with it."""

    project_key: int
    name: str
    description: str
    owner_account_key: int
    created_at: str


@frozen
class Reach:
    """The devices that a caller may reach: all of `projects`, and of `partly` only those in `devices`."""

    projects: frozenset[int]
    partly: frozenset[int] = frozenset()
    devices: frozenset[int] = frozenset()

    @property
    def every_project(self) -> frozenset[int]:
        """The keys of all projects in which there may be such a device."""
        return self.projects | self.partly

    def has(self, project_key: int, device_key: int) -> bool:
        """Whether the device, which is of that project, is one of them."""
        return project_key in self.projects or (project_key in self.partly and device_key in self.devices)


@frozen
class CreateDevice:
    """`ironflock.devices.device.create`."""

    project: Key | Name
    name: Name
    description: Text = ""


@frozen
class ListDevices:
    """`ironflock.devices.device.list`; without a project, those of every project that the caller may see."""

    project: Key | Name | None = None
    cursor: Cursor | None = None
    limit: PageSize = DEFAULT_PAGE


@frozen
class DevicePage:
    """One page, in the order of keys; `next` is None on the last one."""

    devices: list[PublicDevice]
    next: str | None


@frozen
class NameDevice:
    """`ironflock.devices.device.show`, `.flash`, `.delete`: a key, or a name (with the project where two have it)."""

    device: Key | Name
    project: Key | Name | None = None


@frozen
class RenameDevice:
    """`ironflock.devices.device.rename`."""

    device: Key | Name
    name: Name
    project: Key | Name | None = None


@frozen
class WatchDevices:
    """`ironflock.devices.device.watch`."""

    project: Key | Name | None = None


@frozen
class Snapshot:
    """All devices that are watched, or a part of them where `more` follows."""

    devices: list[PublicDevice]
    more: bool = False


@frozen
class Changed:
    """A device that is new, or has changed."""

    device: PublicDevice


@frozen
class Deleted:
    """A device that is gone; its key."""

    deleted: int


@frozen
class Flashed:
    """The device, and its `.flock` file: the one place where its secret is ever shown."""

    device: PublicDevice
    flock: dict[str, Any] = field(repr=False)


@frozen
class FlockSettings:
    """What an installation writes into every `.flock` file. Source: wire-agent section 1."""

    device_endpoint_url: str
    docker_registry_url: str
    docker_main_repository: str
    update_url: str
    appliance_domain: str | None
