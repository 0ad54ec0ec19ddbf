"""The payloads of the published agent's calls, with the wire's own names. Source: wire-agent section 4."""

from typing import Annotated, Any, Literal

from attrs import frozen
from msgspec import Meta

from services.devices.records.apps import AppState, Stage, UpdateStatus

Key = Annotated[int, Meta(ge=0, le=2**53 - 1)]
ShortText = Annotated[str, Meta(max_length=300)]


@frozen
class ReadDeviceMetadata:
    """Call 2."""

    device_key: Key


@frozen
class DeviceMetadata:
    """Answer 2: every field always, a swarm being a project."""

    device_name: str
    swarm_name: str
    ownername: str
    swarm_key: int


@frozen
class UpdateDeviceStatus:
    """Call 4; `stats` may be missing, its values are taken as far as they are known."""

    swarm_key: Key
    device_key: Key
    status: Literal["CONFIGURING", "CONNECTED", "EMERGENCY"]
    wamp_session_id: Key | None = None
    stats: dict[str, Any] | None = None


@frozen
class StatusAnswer:
    """Answer 4: a dictionary must name the base URL, or apps get a wrong one."""

    reswarmBaseURL: str  # noqa: N815 - the wire's name


@frozen
class UpdateDeviceArchitecture:
    """Call 5."""

    swarm_key: Key
    device_key: Key
    architecture: ShortText
    os: ShortText = ""
    arch: ShortText = ""
    variant: ShortText = ""
    agent_version: ShortText = ""


@frozen
class CheckPrivilege:
    """Call 9."""

    privilege: ShortText
    entity: ShortText
    entity_key: Key
    requestor_account_key: Key
    swarm_key: Key


@frozen
class AskAppStates:
    """Call 6."""

    device_key: Key


@frozen
class UpdateAppOnDevice:
    """Call 7, in both shapes: with a `state`, or with the `ports` alone, whose numbers come as floats."""

    app_key: Key
    device_key: Key
    stage: Stage
    state: AppState | None = None
    release_key: Key = 0
    updateStatus: UpdateStatus = ""  # noqa: N815 - the wire's name
    ports: Annotated[list[dict[str, Any]], Meta(max_length=100)] | None = None
