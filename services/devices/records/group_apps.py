"""What travels between the rooms of devices about apps that groups are to have, and the shapes of their procedures."""

from datetime import datetime
from typing import Annotated, Literal

from attrs import field, frozen
from msgspec import Meta

from services.devices.records.apps import AppRelease, Stage
from services.devices.records.devices import Key, Name
from shared.releases import VariableName

GroupTarget = Literal["PRESENT", "RUNNING"]
Built = Literal["BUILT", "PUBLISHED"]
"""What agents can be told to make of an app, and nobody here may (decision 32)."""
AppliedState = Literal["applied", "own", "refused"]


@frozen
class SetGroupApp:
    """`ironflock.devices.group_app.set`: all that is wanted; without a version the release that the project has."""

    group: Key | Name
    app: Key
    stage: Stage
    version: Name | None = None
    target: GroupTarget | Built = "RUNNING"
    values: Annotated[dict[VariableName, Annotated[str, Meta(max_length=8_000)]], Meta(max_length=200)] = field(
        factory=dict, repr=False
    )
    secrets: Annotated[list[VariableName], Meta(max_length=200)] = field(factory=list)
    project: Key | Name | None = None


@frozen
class NameGroupApp:
    """`ironflock.devices.group_app.unset`."""

    group: Key | Name
    app: Key
    stage: Stage
    project: Key | Name | None = None


@frozen
class GroupApp:
    """An app that a group is to have, as the registry has it; `environment` is sealed, None where there is none."""

    group_key: int
    app_key: int
    stage: Stage
    app_name: str
    target: GroupTarget
    release: AppRelease
    environment: bytes | None = field(repr=False)
    account_key: int
    credential: str | None
    changed_at: datetime
    revision: int


@frozen
class Due:
    """A device on which an app of a group is to be looked at."""

    group_key: int
    app_key: int
    stage: Stage
    device_key: int


@frozen
class Applied:
    """What the group had done on a device: what it wanted there, and whether that, or the device's own wish, stands."""

    state: AppliedState
    revision: int
    target: GroupTarget | None
    release_key: int | None
    environment: bytes | None = field(repr=False)


@frozen
class Refusal:
    """A device on which the group's wish could not be made, and why."""

    device_key: int
    reason: str


@frozen
class ShownGroupApp:
    """An app that a group is to have, as people see it: on how many of its devices it is so, and where it is not.

    `own` devices have a wish of their own, which wins; `waiting` ones are still to be looked at.
    """

    group_key: int
    app_key: int
    stage: Stage
    app_name: str
    target: GroupTarget
    version: str
    variables: list[str]
    account_key: int
    changed_at: datetime
    applied: int
    own: int
    waiting: int
    refused: list[Refusal]


@frozen
class GroupApps:
    """The apps that a group is to have, in the order of keys."""

    apps: list[ShownGroupApp]
