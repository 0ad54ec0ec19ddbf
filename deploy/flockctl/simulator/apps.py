"""What a stand-in does with apps: it takes a wish as strictly as the published agent, and says what that one would.

Source: wire-agent section 8. A wish of a wrong type is refused, one that lets the agent's app hang for ever is refused
with a text of our own, so that a test sees it. Pure.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from attrs import define, field, frozen

from deploy.flockctl.simulator.answers import AnswerError

TARGETS: Final = frozenset({"PRESENT", "RUNNING", "REMOVED", "UNINSTALLED", "BUILT", "PUBLISHED"})
STATES: Final = TARGETS | {
    "FAILED", "BUILDING", "TRANSFERED", "TRANSFERING", "PUBLISHING", "DOWNLOADING", "STARTING", "STOPPING", "UPDATING",
    "DELETING", "INHERIT",
}  # fmt: skip
"""Those that the agent's own database takes: neither STOPPED nor an empty one."""
ABSENT: Final = frozenset({"REMOVED", "UNINSTALLED"})
CANCELLING: Final = frozenset({"REMOVED", "UNINSTALLED", "PRESENT"})
PORT_FIELDS: Final[Mapping[str, type]] = {
    "main": bool, "name": str, "active": bool, "public": bool, "port": int, "protocol": str, "local_ip": str,
    "remote_port_environment": str, "remote_port": int, "host_port": int, "cloud_remote_port": int,
}  # fmt: skip


@frozen
class Wish:
    """What is wanted of an app, as the agent reads it."""

    app_key: int
    app_name: str
    stage: str
    target: str
    current: str
    release_key: int
    new_release_key: int
    requestor: int
    present_version: str
    newest_version: str
    request_update: bool
    cancels: bool


@frozen
class Said:
    """One call of `update_app_on_device` with a state."""

    state: str
    release_key: int
    update_status: str = ""
    request_update: bool = False


def wish_of(kwargs: Mapping[str, Any]) -> Wish:
    """The wish in the keyword arguments of `request_app_state`.

    Raises:
        AnswerError: The agent would refuse it, or hang.
    """
    environment, template = _object(kwargs, "environment"), _object(kwargs, "environment_template")
    if any(not isinstance(each, dict) or "value" not in each for each in environment.values()):
        raise AnswerError("HANG: a value of the environment is no object with a value")
    if any(not isinstance(each, dict) for each in template.values()):
        raise AnswerError("HANG: a value of the environment's template is no object")
    _check_ports(kwargs.get("ports"))
    for name in ("docker_compose", "new_docker_compose", "docker_credentials"):
        _object(kwargs, name)
    for name in ("docker_compose", "new_docker_compose"):
        _check_compose(_object(kwargs, name))
    target = _text(kwargs, "target_state") or _text(kwargs, "manually_requested_state")
    current = _text(kwargs, "current_state") or _text(kwargs, "state")
    stage = _text(kwargs, "stage")
    if target not in STATES or current not in STATES or stage not in ("DEV", "PROD"):
        raise AnswerError("constraint failed: CHECK")
    if not _text(kwargs, "app_name"):
        raise AnswerError("failed to parse app_name")
    _unsigned(kwargs, "device_owner_account_key", as_text=True)
    if _unsigned(kwargs, "app_cred_epoch") < 0:
        raise AnswerError("failed to parse app_cred_epoch")
    return Wish(
        app_key=_unsigned(kwargs, "app_key", is_needed=True),
        app_name=_text(kwargs, "app_name"),
        stage=stage,
        target=target,
        current=current,
        release_key=_unsigned(kwargs, "release_key", as_text=True),
        new_release_key=_unsigned(kwargs, "new_release_key"),
        requestor=_unsigned(kwargs, "requestor_account_key", is_needed=True, as_text=True),
        present_version=_text(kwargs, "present_version"),
        newest_version=_text(kwargs, "newest_version"),
        request_update=_flag(kwargs, "request_update"),
        cancels=_flag(kwargs, "cancel_transition"),
    )


def sequence(state: str, wish: Wish) -> list[Said]:
    """What the agent says, in order, when an app in `state` is wished so; nothing where it is so already."""
    if wish.cancels and wish.target in CANCELLING and state not in (*ABSENT, "PRESENT", "RUNNING", "FAILED"):
        return [Said(wish.target, wish.release_key, "canceled")]
    if state == "UPDATING" and wish.target not in CANCELLING:
        return []
    says: list[Said] = []
    key = wish.release_key
    if _updates(state, wish):
        key = wish.new_release_key
        says = [
            Said("UPDATING", wish.release_key, request_update=True),
            Said("PRESENT", key, "pending_remote_confirmation"),
        ]
        state = "PRESENT"
    return [*says, *(Said(each, key) for each in _steps(state, wish.target))]


def _updates(state: str, wish: Wish) -> bool:
    is_wanted = wish.request_update and wish.newest_version != wish.present_version
    return is_wanted and wish.target != "UNINSTALLED" and state not in ABSENT


def _steps(state: str, target: str) -> list[str]:
    fetch = ["DOWNLOADING", "PRESENT"] if state in ABSENT else []
    if state == target:
        return []
    if target == "RUNNING":
        return [*fetch, "STARTING", "RUNNING"]
    if target == "PRESENT":
        return ["STOPPING", "STOPPING", "PRESENT"] if state == "RUNNING" else fetch or ["PRESENT"]
    return [*_ENDS[target]]


_ENDS: Final[Mapping[str, tuple[str, ...]]] = {
    "REMOVED": ("DELETING", "REMOVED"),
    "UNINSTALLED": ("DELETING", "REMOVED", "UNINSTALLED"),
    "BUILT": ("REMOVED", "BUILDING", "BUILT", "PRESENT"),
    "PUBLISHED": ("REMOVED", "BUILDING", "BUILT", "PUBLISHING", "PUBLISHED"),
}


def _object(kwargs: Mapping[str, Any], name: str) -> dict[str, Any]:
    value = kwargs.get(name)
    if value is not None and not isinstance(value, dict):
        raise AnswerError(f"failed to parse {name}")
    return value or {}


def _text(kwargs: Mapping[str, Any], name: str) -> str:
    value = kwargs.get(name)
    if value is not None and not isinstance(value, str):
        raise AnswerError(f"failed to parse {name}")
    return value or ""


def _flag(kwargs: Mapping[str, Any], name: str) -> bool:
    value = kwargs.get(name)
    if value is not None and not isinstance(value, bool):
        raise AnswerError(f"failed to parse {name}")
    return bool(value)


def _unsigned(kwargs: Mapping[str, Any], name: str, *, is_needed: bool = False, as_text: bool = False) -> int:
    value = kwargs.get(name)
    if value is None and not is_needed:
        return 0
    if as_text and isinstance(value, str) and value.isdecimal():
        return int(value)
    if not isinstance(value, int) or isinstance(value, bool) or value < 0:
        raise AnswerError(f"failed to parse {name}")
    return value


def _check_compose(document: Mapping[str, Any]) -> None:
    services = document.get("services")
    if document and (not isinstance(services, dict) or not all(isinstance(each, dict) for each in services.values())):
        raise AnswerError("HANG: a compose document is no object with services")


def _check_ports(ports: object) -> None:
    if ports is not None and not isinstance(ports, list):
        raise AnswerError("failed to parse ports")
    for rule in ports or []:
        if not isinstance(rule, dict):
            raise AnswerError("failed to parse ports")
        for name, kind in PORT_FIELDS.items():
            value = rule.get(name)
            is_fit = value is None or (isinstance(value, kind) and (kind is not int or not isinstance(value, bool)))
            if not is_fit:
                raise AnswerError(f"failed to parse ports: {name}")


@define
class Apps:
    """What is on a device: state and key of the release, by app and stage; `failing` apps end as FAILED."""

    states: dict[tuple[int, str], tuple[str, int]] = field(factory=dict)
    failing: set[int] = field(factory=set)
    wishes: list[Wish] = field(factory=list)

    def request(self, kwargs: Mapping[str, Any]) -> tuple[Wish, list[Said]]:
        """Take one wish; what is said of it, in order.

        Raises:
            AnswerError: The agent would refuse it.
        """
        wish = wish_of(kwargs)
        self.wishes.append(wish)
        state, _ = self.states.get((wish.app_key, wish.stage), (wish.current, 0))  # what it does not know, it believes
        says = sequence(state, wish)
        if wish.app_key in self.failing and says:
            says = [*says[:-1], Said("FAILED", wish.release_key)]
        return wish, says

    def say(self, wish: Wish, said: Said) -> dict[str, Any]:
        """The app is in that state now; what the agent calls `update_app_on_device` with, but for the device."""
        self.states[wish.app_key, wish.stage] = (said.state, said.release_key)
        return {
            "app_key": wish.app_key,
            "stage": wish.stage,
            "state": said.state,
            "device_to_app_key": 0,
            "requestor_account_key": wish.requestor,
            "release_key": said.release_key,
            "request_update": said.request_update,
            "release_build": False,
            "updateStatus": said.update_status,
        }

    def take_list(self, listed: Sequence[Mapping[str, Any]]) -> list[tuple[Wish, list[Said]]]:
        """All that is to be there, as `get_requested_app_states` answered: the rest goes, releases are seen to.

        Raises:
            AnswerError: A row cannot be kept; the agent leaves it and all behind it.
        """
        named = {(row.get("app_key"), row.get("stage")) for row in listed}
        for which in set(self.states) - named:
            del self.states[which]
        return [self.request(row) for row in listed if row.get("stage") == "PROD"]

    @property
    def present(self) -> dict[tuple[int, str], str]:
        """The states of what is there."""
        return {which: state for which, (state, _) in self.states.items() if state not in ABSENT}
