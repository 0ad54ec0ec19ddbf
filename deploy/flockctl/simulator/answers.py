"""What a stand-in answers to the procedures of an agent: plausible values of the shapes that an agent answers with."""

from collections.abc import Callable, Mapping
from typing import Any, Final

from attrs import frozen

from deploy.flockctl.simulator.flock import Flock
from deploy.flockctl.simulator.strictness import misread
from deploy.flockctl.simulator.wire import AGENT_VERSION

GIB: Final = 1 << 30
STATS: Final[Mapping[str, Any]] = {
    "cpu_count": 4,
    "cpu_usage": 7.5,
    "memory_total": 4 * GIB,
    "memory_used": GIB,
    "memory_available": 3 * GIB,
    "storage_total": 64 * GIB,
    "storage_used": 16 * GIB,
    "storage_free": 48 * GIB,
    "docker_apps_total": 32 * GIB,
    "docker_apps_used": 2 * GIB,
    "docker_apps_free": 30 * GIB,
    "docker_apps_mounted": True,
}
OPERATING_SYSTEM: Final = "linux debian 12.11 6.1.0"


class AnswerError(Exception):
    """The agent answers with an error of this text."""


@frozen
class Answer:
    """Positional results and keyword results."""

    args: tuple[Any, ...] = ()
    kwargs: Mapping[str, Any] = {}


@frozen
class Question:
    """One invocation, as a handler sees it. `now` is the device's time, RFC 3339."""

    flock: Flock
    args: tuple[Any, ...]
    kwargs: Mapping[str, Any]
    now: str

    @property
    def first(self) -> Mapping[str, Any]:
        """The dictionary that most procedures take as their only argument."""
        return self.args[0] if self.args and isinstance(self.args[0], dict) else {}


def _handshake(question: Question) -> Answer:
    return Answer(kwargs={"utp": question.now, "id": question.flock.serial_number})


def _execute(question: Question) -> Answer:
    if question.first.get("blocking"):
        return Answer(("simulated\n",))
    return Answer(({"pid": 4242},))


def _device_terminal(question: Question) -> Answer:
    serial, session = question.flock.serial_number, "00000000-0000-4000-8000-000000000001"
    topics = {"writeTopic": "term_write", "dataTopic": "data", "resizeTopic": "term_resize"}
    return Answer(({"sessionID": session, **{k: f"re.mgmt.{serial}.{v}.{session}" for k, v in topics.items()}},))


def _container_terminal(question: Question) -> Answer:
    container, session = question.first.get("containerName", ""), "00000000-0000-4000-8000-000000000002"
    base = f"re.mgmt.{question.flock.serial_number}"
    topics = {"writeTopic": "term_write", "dataTopic": "term_data", "resizeTopic": "term_resize"}
    return Answer(({"sessionID": session, **{k: f"{base}.{v}.{container}.{session}" for k, v in topics.items()}},))


def _agent_metadata(question: Question) -> Answer:
    metadata = {"os": "linux", "arch": "amd64", "variant": "", "version": AGENT_VERSION, "canUpdate": True}
    more = {"serialNumber": question.flock.serial_number, "OSVersion": OPERATING_SYSTEM, "tunnelCapable": False}
    return Answer(({**metadata, **more},))


def _logs(question: Question) -> Answer:
    return Answer(({"lines": [], "source": "history", "returned": 0, "truncated": False, "device_time": question.now},))


def _device_logs(question: Question) -> Answer:
    seen = {"lines": [], "returned": 0, "truncated": False, "files_scanned": 1, "device_time": question.now}
    return Answer((seen,))


_UPDATE: Final = {
    "CurrentVersion": AGENT_VERSION,
    "LatestVersion": AGENT_VERSION,
    "Message": "",
    "DidAgentUpdate": False,
    "DidTunnelUpdate": False,
    "DidUpdate": False,
    "InProgress": False,
    "TotalFileSize": 0,
}
_HALF: Final = {"increment": 4096, "currentBytes": 4096, "fileSize": 8192}
_ALL: Final = {"increment": 4096, "currentBytes": 8192, "fileSize": 8192}
PROGRESS: Final[Mapping[str, tuple[tuple[str, Mapping[str, Any]], ...]]] = {
    "update_agent": (("agent_update_progress", _HALF), ("agent_update_progress", _ALL)),
    "download_os_update": (("download_os_update_progress", _HALF), ("download_os_update_progress", _ALL)),
    "install_os_update": (("install_os_update_progress", {"operationName": "copying", "progressPercent": 100}),),
}
"""What is published while it is done, and where. Source: wire-agent section 5."""


def fetching(octets: int) -> tuple[tuple[str, Mapping[str, Any]], ...]:
    """What is published while an agent of so many octets is fetched, and where."""
    half = octets // 2
    steps = [(half, half), (octets - half, octets)]
    return tuple(
        ("agent_update_progress", {"increment": increment, "currentBytes": current, "fileSize": octets})
        for increment, current in steps
    )


def updated(version: str, latest: str) -> Answer:
    """What `update_agent` answers once the agent of version `latest` was fetched."""
    return Answer(
        ({**_UPDATE, "CurrentVersion": version, "LatestVersion": latest, "DidAgentUpdate": True, "DidUpdate": True},)
    )


_RELEASE: Final = {"Name": "simulated", "Version": "1.0.0", "BuildTime": "2026-01-01T00:00:00Z"}
_ETHERNET: Final = {"interfaceName": "eth0", "mac": "02:00:00:00:00:01", "method": "auto", "ipv6": []}

# What does not depend on the question.
_FIXED: Final[Mapping[str, Answer]] = {
    "wamp_connection_established": Answer(("Hello :-)",)),
    "get_network_metadata": Answer(({"IP": "192.0.2.10", "Mask": "////AA=="},)),
    "get_ipv4_addresses": Answer((["192.0.2.10"],)),
    "get_tunnel_state": Answer(([],)),
    "list_containers": Answer(([],)),
    "get_app_log_history": Answer((None,)),
    "get_storage_data": Answer((STATS,)),
    "get_os_release": Answer(({"currentRelease": _RELEASE, "latestRelease": _RELEASE},)),
    "update_agent": Answer((_UPDATE,)),
    "list_ethernet_devices": Answer(({**_ETHERNET, "ipv4": [{"Address": "192.0.2.10", "Prefix": 24}]},)),
    "list_wifi_networks": Answer(kwargs={"ipv4": [], "ipv6": []}),
}
_ANSWERS: Final[Mapping[str, Callable[[Question], Answer]]] = {
    "device_handshake": _handshake,
    "execute_cmd": _execute,
    "init_device_terminal": _device_terminal,
    "request_terminal_session": _container_terminal,
    "get_agent_metadata": _agent_metadata,
    "query_app_logs": _logs,
    "query_device_logs": _device_logs,
}


def answer(name: str, question: Question) -> Answer:
    """What the agent answers to `question` at its procedure `name`; empty where the agent only acts.

    Raises:
        AnswerError: The agent would refuse these arguments.
    """
    wrong = misread(name, question.args)
    if wrong is not None:
        raise AnswerError(f"failed to parse {wrong}")
    if name in _ANSWERS:
        return _ANSWERS[name](question)
    return _FIXED.get(name, Answer())
