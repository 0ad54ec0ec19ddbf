"""What people say to terminals on devices, and what they hear."""

from typing import Annotated, Literal
from uuid import UUID

from attrs import frozen
from msgspec import Meta

from services.devices.records.apps import Stage
from services.devices.records.devices import Key, Name

Width = Annotated[int, Meta(ge=1, le=1000)]
Keys = Annotated[str, Meta(min_length=1, max_length=16_384)]
Container = Annotated[str, Meta(pattern=r"\A[A-Za-z0-9][A-Za-z0-9_.-]{0,199}\Z")]
Because = Literal["exit", "closed", "idle", "too_long", "device_left", "left", "refused"]
"""Why a terminal is over: its shell ended; somebody closed it; nobody typed for half an hour; it was open for eight
hours; the device or the container went away; who had it went away; it was cut (a right is gone, nobody reads, a part
is away)."""


@frozen
class OpenTerminal:
    """`ironflock.devices.device.terminal`: on the machine, in an app's container, or in a container by its name."""

    device: Key | Name
    columns: Width = 80
    rows: Width = 24
    app: Key | None = None
    stage: Stage | None = None
    container: Container | None = None
    project: Key | Name | None = None


@frozen
class TerminalOpened:
    """The first answer; by this name the others are told what to write to."""

    terminal: UUID


@frozen
class TerminalOutput:
    """What the shell printed, as it comes: escapes included."""

    output: str


@frozen
class TerminalEnded:
    """The last answer."""

    because: Because


@frozen
class WriteTerminal:
    """`ironflock.devices.device.terminal_write`: keys, as a terminal sends them."""

    terminal: UUID
    keys: Keys


@frozen
class ResizeTerminal:
    """`ironflock.devices.device.terminal_resize`."""

    terminal: UUID
    columns: Width
    rows: Width


@frozen
class CloseTerminal:
    """`ironflock.devices.device.terminal_close`."""

    terminal: UUID


@frozen
class TerminalOrder:
    """One of those three, as one process of devices passes it on to the one that has the terminal."""

    terminal: UUID
    account_key: int
    credential: str | None
    keys: Keys | None = None
    columns: Width | None = None
    rows: Width | None = None
    is_over: bool = False
