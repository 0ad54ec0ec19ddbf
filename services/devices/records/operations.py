"""What people say when they have a device do something, and what they are answered with."""

from typing import Annotated, Any, Literal

from attrs import field, frozen
from msgspec import Meta

from services.devices.records.apps import Stage
from services.devices.records.devices import Key, Name

Word = Annotated[str, Meta(min_length=1, max_length=4096, pattern=r"\A[^\x00]+\Z")]
Argument = Annotated[str, Meta(max_length=4096, pattern=r"\A[^\x00]*\Z")]
Arguments = Annotated[list[Argument], Meta(max_length=100)]
CommandSeconds = Annotated[int, Meta(ge=1, le=20)]
Interface = Annotated[str, Meta(pattern=r"\A[A-Za-z0-9_.:-]{1,15}\Z")]
Mac = Annotated[str, Meta(pattern=r"\A[0-9A-Fa-f]{2}(:[0-9A-Fa-f]{2}){5}\Z")]
Ipv4 = Annotated[str, Meta(pattern=r"\A(0|[1-9][0-9]{0,2})(\.(0|[1-9][0-9]{0,2})){3}\Z")]
Prefix = Annotated[int, Meta(ge=1, le=32)]
Ssid = Annotated[str, Meta(min_length=1, max_length=32, pattern=r"\A[^\x00-\x1f]+\Z")]
WifiPassword = Annotated[str, Meta(max_length=64, pattern=r"\A[^\x00-\x1f]*\Z")]
WifiPriority = Annotated[int, Meta(ge=0, le=999)]
WifiSecurity = Annotated[str, Meta(pattern=r"\A[A-Za-z0-9-]{1,20}\Z")]
Lines = Annotated[int, Meta(ge=1, le=5000)]
Offset = Annotated[int, Meta(ge=0, le=2**31)]
Moment = Annotated[str, Meta(pattern=r"\A[0-9A-Za-z:.+-]{1,40}\Z")]
"""RFC 3339, Unix seconds, or how long ago (`30m`): the agent reads all three."""
Level = Literal["debug", "info", "warn", "error"]


@frozen
class RunCommand:
    """`ironflock.devices.device.exec`: a program and its arguments, no shell between."""

    device: Key | Name
    command: Word
    arguments: Arguments = field(factory=list)
    timeout_s: CommandSeconds = 10
    project: Key | Name | None = None


@frozen
class PruneImages:
    """`ironflock.devices.device.prune_images`: of unused images those without a name, or all."""

    device: Key | Name
    include_named: bool = False
    project: Key | Name | None = None


@frozen
class SetAddress:
    """`ironflock.devices.device.set_address`: by DHCP (`auto`), or the address that is given (`manual`)."""

    device: Key | Name
    interface: Interface
    mac: Mac
    method: Literal["auto", "manual"]
    address: Ipv4 | None = None
    prefix: Prefix | None = None
    project: Key | Name | None = None


@frozen
class AddWifi:
    """`ironflock.devices.device.add_wifi`; the network with the highest priority is chosen."""

    device: Key | Name
    ssid: Ssid
    password: WifiPassword = field(repr=False)
    priority: WifiPriority = 0
    mac: Mac | None = None
    security: WifiSecurity | None = None
    project: Key | Name | None = None


@frozen
class RemoveWifi:
    """`ironflock.devices.device.remove_wifi`."""

    device: Key | Name
    ssid: Ssid
    project: Key | Name | None = None


@frozen
class SelectWifi:
    """`ironflock.devices.device.select_wifi`: the adapter of that address joins that network."""

    device: Key | Name
    ssid: Ssid
    mac: Mac
    project: Key | Name | None = None


@frozen
class QueryLogs:
    """`ironflock.devices.device.logs`: the agent's own log."""

    device: Key | Name
    lines: Lines = 200
    since: Moment | None = None
    until: Moment | None = None
    level: Level | None = None
    project: Key | Name | None = None


@frozen
class QueryAppLogs:
    """`ironflock.devices.device.app_logs`: what an app on the device printed."""

    device: Key | Name
    app: Key
    stage: Stage
    lines: Lines = 200
    offset: Offset = 0
    since: Moment | None = None
    until: Moment | None = None
    timestamps: bool = False
    project: Key | Name | None = None


ProgressOf = Literal["agent_update", "os_download", "os_install"]


@frozen
class ProgressPiece:
    """How far a device is with an update: octets of how many, or per cent and what it is at; the device's word."""

    of: ProgressOf
    octets: int | None = None
    of_octets: int | None = None
    percent: int | None = None
    step: str | None = None


@frozen
class Following:
    """What is told first: nothing that is said of `follows` from now on is missed."""

    follows: tuple[ProgressOf, ...]


@frozen
class DeviceAnswer:
    """What the device said, as its agent says it: null where it only acts. A device may say what is not true."""

    device_key: int
    answer: Any


@frozen
class LogPiece:
    """Some of what an app printed, or of what its build or a transfer says (`kind`); the device's word."""

    kind: Literal["output", "build", "clear", "transfer"]
    text: str
