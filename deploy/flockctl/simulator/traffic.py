"""The agent's first traffic after it has joined, as a table in its order, and the payloads of its calls."""

from collections.abc import Callable, Iterator
from typing import Any, Final

from attrs import frozen

from deploy.flockctl.simulator.answers import OPERATING_SYSTEM, STATS
from deploy.flockctl.simulator.flock import Flock
from deploy.flockctl.simulator.lifecycle import Outcome
from deploy.flockctl.simulator.wire import (
    AGENT_VERSION,
    ESTABLISHED,
    LITERAL_TOPIC,
    PROCEDURES,
    REPLY_TIMEOUT_S,
    STATUS_TIMEOUT_S,
    TESTAMENT_TOPIC,
    Message,
    agent_uri,
)

Rest = tuple[Any, ...]
Build = Callable[[Flock, int], Rest]

METADATA: Final = "read_device_metadata"
APP_CREDENTIAL: Final = "get_app_cred_key"
APP_STATES: Final = "get_requested_app_states"
CONNECTED: Final = "CONNECTED"
CONFIGURING: Final = "CONFIGURING"


@frozen
class Step:
    """One request of the first traffic. `build` makes what follows the request id, for a flock and a session id.

    `ends` is how the session ends when the step is refused (None: the agent only notes it); `ends_first_only` where
    that holds for an agent's first connection alone, `first_only` where the step itself is made there alone.
    """

    name: str
    kind: Message
    build: Build
    timeout_s: float | None = REPLY_TIMEOUT_S
    ends: Outcome | None = None
    ends_first_only: bool = False
    first_only: bool = False


def status_payload(flock: Flock, session: int, status: str) -> dict[str, Any]:
    """The argument of `reswarm.devices.update_device_status`."""
    who = {"swarm_key": flock.project_key, "device_key": flock.device_key}
    return {**who, "status": status, "wamp_session_id": session, "stats": dict(STATS), "tunnel_capable": False}


def status_call(flock: Flock, session: int, status: str) -> Rest:
    """A call of `update_device_status`, without its id."""
    return {}, "reswarm.devices.update_device_status", [status_payload(flock, session, status)]


def _testament(flock: Flock, session: int) -> Rest:
    payload = {
        "swarm_key": flock.project_key,
        "device_key": flock.device_key,
        "serial_number": flock.serial_number,
        "wamp_session_id": session,
    }
    return {}, "wamp.session.add_testament", [TESTAMENT_TOPIC, [payload], {}]


def _architecture(version: str) -> Step:
    def build(flock: Flock, _session: int) -> Rest:
        payload = {
            "swarm_key": flock.project_key,
            "device_key": flock.device_key,
            "architecture": "amd64",
            "os": OPERATING_SYSTEM,
            "arch": "amd64",
            "variant": "",
            "agent_version": version,
        }
        return {}, "reswarm.devices.update_device_architecture", [payload]

    return Step("update_device_architecture", Message.CALL, build, None)


def _subscribe(topic: str, *, first_only: bool = False) -> Step:
    return Step(topic, Message.SUBSCRIBE, lambda _flock, _session: ({}, topic), first_only=first_only)


def _by_device_key(procedure: str) -> Build:
    return lambda flock, _session: ({}, procedure, [{"device_key": flock.device_key}])


def _status(status: str, *, ends: Outcome | None = None) -> Step:
    build: Build = lambda flock, session: status_call(flock, session, status)  # noqa: E731 - a Step holds a function
    return Step(status, Message.CALL, build, STATUS_TIMEOUT_S, ends)


_BEFORE: Final = (
    Step(ESTABLISHED, Message.REGISTER, lambda flock, _session: ({}, agent_uri(flock.serial_number, ESTABLISHED))),
    _subscribe(LITERAL_TOPIC),
    Step("add_testament", Message.CALL, _testament, STATUS_TIMEOUT_S, Outcome.TESTAMENT_REFUSED, ends_first_only=True),
    _subscribe("wamp.registration.on_unregister", first_only=True),
    Step(METADATA, Message.CALL, _by_device_key("reswarm.devices.read_device_metadata"), None),
    Step(APP_CREDENTIAL, Message.CALL, lambda _flock, _session: ({}, "reswarm.devices.get_app_cred_key", []), None),
    _status(CONFIGURING),
)
_AFTER: Final = (
    _subscribe("wamp.subscription.on_create"),
    _subscribe("wamp.subscription.on_delete"),
    Step(APP_STATES, Message.CALL, _by_device_key("reswarm.containers.get_requested_app_states"), None),
    _status(CONNECTED, ends=Outcome.STATUS_REFUSED),
)


def _register(name: str) -> Step:
    def build(flock: Flock, _session: int) -> Rest:
        return {"force_reregister": True}, agent_uri(flock.serial_number, name)

    return Step(name, Message.REGISTER, build)


def first_traffic(flock: Flock, *, is_first: bool, version: str = AGENT_VERSION) -> Iterator[Step]:
    """The steps after WELCOME, in order, of an agent of `version`.

    The agent's registrations come in no fixed order: each device has its own.
    """
    names = list(PROCEDURES)
    at = flock.device_key % len(names)
    for step in (*_BEFORE, *(_register(name) for name in names[at:] + names[:at]), _architecture(version), *_AFTER):
        if is_first or not step.first_only:
            yield step
