"""What the agent's procedures take, as strictly as the published agent reads it: a text is no number, nor is 7.0."""

from collections.abc import Mapping
from typing import Any, Final

from attrs import frozen

TEXT: Final = "text"
WHOLE: Final = "whole"
TRUTH: Final = "truth"
LIST: Final = "list"


@frozen
class Taken:
    """The fields that the first argument must have, and those that it may have."""

    needed: Mapping[str, str] = {}
    optional: Mapping[str, str] = {}


CONTAINER: Final = {"containerName": TEXT}
SPAN: Final = {"tail": WHOLE, "since": TEXT, "until": TEXT}
TAKEN: Final[Mapping[str, Taken]] = {
    "execute_cmd": Taken({"cmd": TEXT, "blocking": TRUTH}, {"args": LIST, "timeout": WHOLE}),
    "prune_images": Taken(optional={"all": TRUTH}),
    "request_terminal_session": Taken(CONTAINER),
    "start_terminal_session": Taken({"sessionID": TEXT, "registrationID": WHOLE}),
    "stop_terminal_session": Taken({"sessionID": TEXT}),
    "get_app_log_history": Taken(CONTAINER),
    "query_app_logs": Taken(CONTAINER, {**SPAN, "offset": WHOLE, "timestamps": TRUTH}),
    "query_device_logs": Taken(optional={**SPAN, "level": TEXT}),
    "update_ipv4_config": Taken({"method": TEXT, "mac": TEXT, "interfaceName": TEXT}, {"ipv4": TEXT, "prefix": WHOLE}),
    "add_wifi_configuration": Taken(
        {"ssid": TEXT, "password": TEXT, "priority": WHOLE}, {"mac": TEXT, "security": TEXT}
    ),
    "remove_wifi_configuration": Taken({"ssid": TEXT}),
    "select_wifi_network": Taken({"ssid": TEXT, "mac": TEXT}),
}


def misread(name: str, args: tuple[Any, ...]) -> str | None:
    """The first field of `name`'s argument that the agent cannot read; None where it reads them all."""
    taken = TAKEN.get(name)
    if taken is None:
        return None
    first = args[0] if args else {}
    if not isinstance(first, dict):
        return "the argument"
    for field, kind in taken.needed.items():
        if not _is(kind, first.get(field)):
            return field
    wrong = (field for field, kind in taken.optional.items() if first.get(field) is not None)
    return next((field for field in wrong if not _is(taken.optional[field], first[field])), None)


def _is(kind: str, value: object) -> bool:
    if kind == WHOLE:
        return isinstance(value, int) and not isinstance(value, bool) and value >= 0
    return isinstance(value, {TEXT: str, TRUTH: bool, LIST: list}[kind])
