"""What travels between the rooms of devices, and the shapes of its procedures for people."""

from collections.abc import Iterable
from datetime import datetime
from typing import Annotated, Any, Final, Literal
from uuid import UUID

from attrs import field, frozen
from msgspec import Meta

from shared.flags import AssetKind
from shared.scopes import MAX_SCOPES, Scopes

Key = Annotated[int, Meta(ge=1, le=2**53 - 1)]
Name = Annotated[str, Meta(max_length=400)]
Text = Annotated[str, Meta(max_length=16_000)]
Cursor = Annotated[str, Meta(max_length=200)]
PageSize = Annotated[int, Meta(ge=1, le=1000)]
ShortText = Annotated[str, Meta(max_length=300)]
Flag = Annotated[str, Meta(pattern=r"\A[A-Z_]{1,40}\Z")]
Keys = Annotated[list[Key], Meta(max_length=1000)]
State = Literal["registered", "flashing", "flashed", "deleting"]
Status = Literal["DISCONNECTED", "CONFIGURING", "CONNECTED", "EMERGENCY"]

DEFAULT_PAGE: Final = 100
READ: Final = "READ"


def _keys(rows: Iterable[int]) -> frozenset[int]:
    """Keys as the database gives them."""
    return frozenset(rows)


@frozen
class Machine:
    """What an agent says of its machine and itself; None before it has said anything."""

    architecture: str | None
    os: str | None
    agent_version: str | None


@frozen
class Device:
    """A device as the registry has it; `session` and `flash_id` stay inside the service.

    `moved_from` is the project from which it was claimed, until its new secrets are made.
    """

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
    moved_from: int | None
    is_claimable: bool
    groups: frozenset[int] = field(converter=_keys)
    seen_at: datetime | None = None
    stats: dict[str, Any] | None = None
    tags: dict[str, str] = field(factory=dict)

    @property
    def machine(self) -> Machine:
        """What its agent said last."""
        return Machine(architecture=self.architecture, os=self.os, agent_version=self.agent_version)


@frozen
class PublicDevice:
    """A device as people see it; `stats` is what its agent last measured (octets, per cent), `seen_at` when it did."""

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
    seen_at: datetime | None = None
    stats: dict[str, Any] | None = None
    tags: dict[str, str] = field(factory=dict)


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
    """The devices, or the groups, that a caller may see, by what they hold and as far as `scopes` reach.

    These are all of `projects`, and in `partly` each of `singles` and what is in one of `groups`; both are pairs, the
    project first.
    """

    projects: frozenset[int]
    partly: frozenset[int]
    singles: frozenset[tuple[int, int]]
    groups: frozenset[tuple[int, int]]
    scopes: Scopes

    @property
    def every_project(self) -> frozenset[int]:
        """The keys of all projects in which there may be one."""
        return self.projects | self.partly

    def is_whole(self, project_key: int) -> bool:
        """Whether everything in the project may be seen."""
        return project_key in self.projects and self.scopes.reaches(project_key)

    def has(self, project_key: int, key: int, groups: frozenset[int] = frozenset()) -> bool:
        """Whether the device of that key, which is of that project and in those groups, is one of them."""
        is_in = (project_key, key) in self.singles or any((project_key, group) in self.groups for group in groups)
        return (project_key in self.projects or is_in) and self.scopes.reaches(project_key, key)


@frozen
class Telling:
    """Something that the privileges service is to be told of an asset: how it is, or that it is gone."""

    outbox_key: int
    kind: AssetKind = field(converter=AssetKind)
    asset_key: int
    is_gone: bool
    project_key: int
    revision: int
    creator_account_key: int | None
    groups: list[int]


@frozen
class CreateDevice:
    """`ironflock.devices.device.create`."""

    project: Key | Name
    name: Name
    description: Text = ""


@frozen
class ListDevices:
    """`ironflock.devices.device.list`: those of a project or of all, in a group, and for which all else holds.

    `tag` has names, or `name=value`; `name` is a part of the device's name.
    """

    project: Key | Name | None = None
    cursor: Cursor | None = None
    limit: PageSize = DEFAULT_PAGE
    group: Key | Name | None = None
    tag: Annotated[list[Annotated[str, Meta(max_length=300)]], Meta(max_length=10)] = field(factory=list)
    status: Status | None = None
    agent_version: ShortText | None = None
    architecture: ShortText | None = None
    name: Name | None = None


@frozen
class Search:
    """Which devices are looked for, by what must hold of each; a tag without a value must be there."""

    group_key: int | None = None
    tags: tuple[tuple[str, str | None], ...] = ()
    status: Status | None = None
    agent_version: str | None = None
    architecture: str | None = None
    name: str | None = None


@frozen
class TagDevice:
    """`ironflock.devices.device.tag`."""

    device: Key | Name
    set: dict[str, str] = field(factory=dict)
    remove: Annotated[list[str], Meta(max_length=100)] = field(factory=list)
    project: Key | Name | None = None


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
class SetClaimable:
    """`ironflock.devices.device.set_claimable`."""

    device: Key | Name
    is_claimable: bool
    project: Key | Name | None = None


@frozen
class Claimable:
    """Whether the device may be claimed, and the code that claims it: the one place where that is ever shown."""

    device: PublicDevice
    is_claimable: bool
    claim_code: str | None = field(repr=False)


@frozen
class ClaimDevice:
    """`ironflock.devices.device.claim`; without a name the device keeps its own."""

    code: Annotated[str, Meta(max_length=200)] = field(repr=False)
    project: Key | Name
    name: Name | None = None


@frozen
class MoveDevice:
    """`ironflock.devices.device.move`; without a name the device keeps its own."""

    device: Key | Name
    to: Key | Name
    project: Key | Name | None = None
    name: Name | None = None


@frozen
class Group:
    """A group of devices as people see it."""

    group_key: int
    project_key: int
    project_name: str
    name: str
    description: str
    created_at: datetime


@frozen
class CreateGroup:
    """`ironflock.devices.group.create`."""

    project: Key | Name
    name: Name
    description: Text = ""


@frozen
class ListGroups:
    """`ironflock.devices.group.list`; without a project, those of every project."""

    project: Key | Name | None = None
    cursor: Cursor | None = None
    limit: PageSize = DEFAULT_PAGE


@frozen
class GroupPage:
    """One page, in the order of keys; `next` is None on the last one."""

    groups: list[Group]
    next: str | None


@frozen
class NameGroup:
    """`ironflock.devices.group.show`, `.delete`: a key, or a name (with the project where two have it)."""

    group: Key | Name
    project: Key | Name | None = None


@frozen
class RenameGroup:
    """`ironflock.devices.group.rename`."""

    group: Key | Name
    name: Name
    project: Key | Name | None = None


@frozen
class NameMember:
    """`ironflock.devices.group.add_device`, `.remove_device`."""

    group: Key | Name
    device: Key | Name
    project: Key | Name | None = None


@frozen
class ReachDevice:
    """`ironflock.devices.device.reach`: what a person, with a credential of those scopes, wants to do with a device."""

    account_key: Key
    credential: ShortText | None
    scopes: Annotated[list[ShortText], Meta(max_length=MAX_SCOPES)]
    flag: Flag
    device: Key | Name
    project: Key | Name | None = None


@frozen
class VisibleDevices:
    """`ironflock.devices.device.visible`: which of these devices the person may see."""

    account_key: Key
    scopes: Annotated[list[ShortText], Meta(max_length=MAX_SCOPES)]
    projects: Keys
    devices: Keys


@frozen
class AskStanding:
    """`ironflock.devices.device.standing`."""

    devices: Keys


@frozen
class ReachedDevice:
    """A device that somebody may do something with, or see."""

    device_key: int
    project_key: int
    name: str


@frozen
class DeviceStanding:
    """How a device stands, for services: `session` is that of its agent on `realm1`, None while it is not there."""

    device_key: int
    project_key: int
    name: str
    flash_id: UUID | None
    session: int | None
    is_locked: bool
    is_leaving: bool


@frozen
class FlockSettings:
    """What an installation writes into every `.flock` file. Source: wire-agent section 1."""

    device_endpoint_url: str
    docker_registry_url: str
    docker_main_repository: str
    update_url: str
    appliance_domain: str | None
