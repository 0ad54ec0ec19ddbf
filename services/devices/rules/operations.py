"""What the agent of a device can do: its procedures as a table, and the shapes of its answers. Pure.

The published agent guards some of these by a privilege of its person, others not at all; here each has one flag.
Source: wire-agent section 3.
"""

from collections.abc import Mapping
from enum import Enum
from typing import Any, Final

from attrs import frozen

from services.devices.records.devices import READ
from services.devices.records.operations import (
    AddWifi,
    LogPiece,
    ProgressOf,
    ProgressPiece,
    PruneImages,
    QueryAppLogs,
    QueryLogs,
    RunCommand,
    SetAddress,
)
from shared.errors import ConflictError, InvalidArgumentError

DEVELOP: Final = "DEVELOP"
MAINTAIN: Final = "MAINTAIN"
NETWORK: Final = "NETWORK"
QUICK_S: Final = 10.0
SLOW_S: Final = 22.0
"""Less than a procedure may take, so that what came of a call is recorded by who made it."""
NEEDS_DICTIONARY: Final = frozenset(
    {
        "execute_cmd",
        "prune_images",
        "request_terminal_session",
        "start_terminal_session",
        "stop_terminal_session",
        "get_app_log_history",
        "query_app_logs",
        "query_device_logs",
        "update_ipv4_config",
        "add_wifi_configuration",
        "remove_wifi_configuration",
        "select_wifi_network",
    }
)
"""Called without an argument, these end the agent, or answer with an error at best."""
NEVER_CALLED: Final = frozenset({"write_data", "wamp_connection_established"})
CLEAR: Final = "LOGGER_CLEAR"
MAX_CONTAINER_NAME: Final = 200
MAX_STEP: Final = 200
MOST_COUNTED: Final = 2**53
PROGRESS_TOPICS: Final[Mapping[ProgressOf, str]] = {
    "agent_update": "agent_update_progress",
    "os_download": "download_os_update_progress",
    "os_install": "install_os_update_progress",
}
"""Below `re.mgmt.<serial>.`, where agents publish how far they are. Source: wire-agent section 5."""


class Shape(Enum):
    """Where in an agent's answer the thing is that was asked for."""

    NOTHING = "nothing"
    FIRST = "first"
    EVERY = "every"
    NAMED = "named"


@frozen
class Operation:
    """One thing that a device can do; `kind` is what its answer is made of, `time_limit_s` how long it may take."""

    verb: str
    procedure: str
    flag: str
    shape: Shape = Shape.NOTHING
    kind: type = dict
    time_limit_s: float = QUICK_S


EXEC: Final = Operation("exec", "execute_cmd", DEVELOP, Shape.FIRST, str, SLOW_S)
REBOOT: Final = Operation("reboot", "system_reboot", MAINTAIN)
SHUTDOWN: Final = Operation("shutdown", "system_shutdown", MAINTAIN)
RESTART_AGENT: Final = Operation("restart_agent", "system_restart_agent", MAINTAIN)
UPDATE_AGENT: Final = Operation("update_agent", "update_agent", MAINTAIN, Shape.FIRST, dict, SLOW_S)
DOWNLOAD_OS_UPDATE: Final = Operation("download_os_update", "download_os_update", MAINTAIN, time_limit_s=SLOW_S)
INSTALL_OS_UPDATE: Final = Operation("install_os_update", "install_os_update", MAINTAIN, time_limit_s=SLOW_S)
AGENT_METADATA: Final = Operation("agent_metadata", "get_agent_metadata", READ, Shape.FIRST, dict, SLOW_S)
OS_RELEASE: Final = Operation("os_release", "get_os_release", READ, Shape.FIRST)
STORAGE: Final = Operation("storage", "get_storage_data", READ, Shape.FIRST)
HANDSHAKE: Final = Operation("handshake", "device_handshake", READ, Shape.NAMED)
TUNNEL_STATE: Final = Operation("tunnel_state", "get_tunnel_state", READ, Shape.FIRST, list)
CONTAINERS: Final = Operation("containers", "list_containers", READ, Shape.FIRST, list)
IMAGES: Final = Operation("images", "get_images", READ, Shape.EVERY)
PRUNE_IMAGES: Final = Operation("prune_images", "prune_images", MAINTAIN, Shape.FIRST, str, SLOW_S)
ADDRESSES: Final = Operation("addresses", "get_ipv4_addresses", READ, Shape.FIRST, list)
NETWORK_ADDRESSES: Final = Operation("networks", "get_network_metadata", READ, Shape.EVERY)
INTERFACES: Final = Operation("interfaces", "list_ethernet_devices", READ, Shape.EVERY)
SET_ADDRESS: Final = Operation("set_address", "update_ipv4_config", NETWORK, time_limit_s=SLOW_S)
WIFI_NETWORKS: Final = Operation("wifi_networks", "list_wifi_networks", READ, Shape.EVERY)
SCAN_WIFI: Final = Operation("scan_wifi", "scan_wifi_networks", NETWORK, time_limit_s=SLOW_S)
ADD_WIFI: Final = Operation("add_wifi", "add_wifi_configuration", NETWORK)
REMOVE_WIFI: Final = Operation("remove_wifi", "remove_wifi_configuration", NETWORK)
SELECT_WIFI: Final = Operation("select_wifi", "select_wifi_network", NETWORK, time_limit_s=SLOW_S)
RESTART_WIFI: Final = Operation("restart_wifi", "restart_wifi", NETWORK, time_limit_s=SLOW_S)
LOGS: Final = Operation("logs", "query_device_logs", READ, Shape.FIRST)
APP_LOGS: Final = Operation("app_logs", "query_app_logs", READ, Shape.FIRST)
APP_LOG_HISTORY: Final = Operation("app_log_history", "get_app_log_history", READ, Shape.FIRST, list)

OPERATIONS: Final = (
    EXEC, REBOOT, SHUTDOWN, RESTART_AGENT, UPDATE_AGENT, DOWNLOAD_OS_UPDATE, INSTALL_OS_UPDATE, AGENT_METADATA,
    OS_RELEASE, STORAGE, HANDSHAKE, TUNNEL_STATE, CONTAINERS, IMAGES, PRUNE_IMAGES, ADDRESSES, NETWORK_ADDRESSES,
    INTERFACES, SET_ADDRESS, WIFI_NETWORKS, SCAN_WIFI, ADD_WIFI, REMOVE_WIFI, SELECT_WIFI, RESTART_WIFI, LOGS, APP_LOGS,
    APP_LOG_HISTORY,
)  # fmt: skip


def answer(operation: Operation, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """What of an agent's answer is the thing; None where it has nothing to say.

    Raises:
        ConflictError: It is not what an agent answers.
    """
    match operation.shape:
        case Shape.NOTHING:
            return None
        case Shape.NAMED:
            return kwargs
        case Shape.EVERY:
            rows = [value for value in args if value is not None]
            if all(isinstance(row, operation.kind) for row in rows):
                return rows
        case Shape.FIRST:
            value = args[0] if args else None
            if value is None or isinstance(value, operation.kind):
                return value
    raise ConflictError("the device answered with something else than it was asked for", reason="device_answer")


def command(request: RunCommand) -> dict[str, Any]:
    """The agent runs it as root, waits for it, and ends it after `timeout` milliseconds."""
    made = {"cmd": request.command, "blocking": True, "timeout": request.timeout_s * 1000}
    return {**made, "args": list(request.arguments)}


def pruning(request: PruneImages) -> dict[str, Any]:
    """As the agent takes it."""
    return {"all": request.include_named}


def ipv4(request: SetAddress) -> dict[str, Any]:
    """As the agent takes it.

    Raises:
        InvalidArgumentError: An address is missing, is too many, or is none.
    """
    made = {"method": request.method, "mac": request.mac, "interfaceName": request.interface}
    is_given = request.address is not None and request.prefix is not None
    is_some = request.address is not None or request.prefix is not None
    if is_given != (request.method == "manual") or is_some != is_given:
        raise InvalidArgumentError("the method `manual` needs `address` and `prefix`, `auto` takes neither")
    if request.address is None:
        return made
    if any(int(part) > 255 for part in request.address.split(".")):  # noqa: PLR2004 - an octet
        raise InvalidArgumentError("`address` is not an IPv4 address", argument="address")
    return {**made, "ipv4": request.address, "prefix": request.prefix}


def wifi(request: AddWifi) -> dict[str, Any]:
    """As the agent takes it; the password stays out of every log."""
    made: dict[str, Any] = {"ssid": request.ssid, "password": request.password, "priority": request.priority}
    return made | _given(mac=request.mac, security=request.security)


def log_query(request: QueryLogs) -> dict[str, Any]:
    """As the agent takes it."""
    return {"tail": request.lines} | _given(since=request.since, until=request.until, level=request.level)


def app_log_query(request: QueryAppLogs) -> dict[str, Any]:
    """As the agent takes it, but for the container's name."""
    made: dict[str, Any] = {"tail": request.lines, "offset": request.offset, "timestamps": request.timestamps}
    return made | _given(since=request.since, until=request.until)


def container_name(app_key: int, app_name: str, stage: str) -> str:
    """The name under which the agent runs an app. Source: wire-agent section 5."""
    return f"{stage}_{app_key}_{app_name}".lower()[:MAX_CONTAINER_NAME]


def lines_of(value: Any) -> int:
    """How many lines a log's answer has."""
    lines = value.get("lines") if isinstance(value, dict) else value
    return len(lines) if isinstance(lines, list) else 0


def log_piece(said: object) -> LogPiece | None:
    """What an agent published on an app's log topic; None where it is nothing that an agent publishes.

    Source: wire-agent section 5.
    """
    if isinstance(said, str):
        return LogPiece("output", said)
    if not isinstance(said, dict):
        return None
    chunk = said.get("chunk")
    if said.get("type") == "build" and isinstance(chunk, str):
        return LogPiece("clear", "") if chunk == CLEAR else LogPiece("build", chunk)
    words = [said.get(name) for name in ("id", "status", "progress")]
    if isinstance(said.get("status"), str):
        return LogPiece("transfer", " ".join(str(word) for word in words if isinstance(word, str | int | float)))
    return None


def progress_piece(of: ProgressOf, said: object) -> ProgressPiece | None:
    """What an agent published of an update's progress; None where it is nothing that an agent publishes.

    Source: wire-agent section 5.
    """
    if not isinstance(said, dict):
        return None
    if of == "os_install":
        percent, step = _count(said.get("progressPercent")), said.get("operationName")
        if percent is None or not isinstance(step, str):
            return None
        return ProgressPiece(of, percent=min(percent, 100), step=step[:MAX_STEP])
    octets, of_octets = _count(said.get("currentBytes")), _count(said.get("fileSize"))
    return None if octets is None or of_octets is None else ProgressPiece(of, octets=octets, of_octets=of_octets)


def _count(said: object) -> int | None:
    """A number of a device's, which may come with a point; None where it is none that counts anything."""
    if isinstance(said, bool) or not isinstance(said, int | float) or not 0 <= said < MOST_COUNTED:
        return None
    return int(said)


def _given(**values: Any) -> dict[str, Any]:
    return {name: value for name, value in values.items() if value is not None}
