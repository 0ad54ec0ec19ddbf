"""`flockctl device app install --watch`: what a device says of an app until it has it."""

import json
import sys
from collections.abc import Mapping
from typing import Any, Final

from twisted.internet.defer import Deferred
from twisted.internet.task import deferLater

from deploy.flockctl.commands.watching import is_over
from deploy.flockctl.operator import Operator
from deploy.flockctl.output import write_json
from deploy.flockctl.text import without_steering

FOLLOW: Final = "ironflock.devices.device.follow_logs"
STATUS: Final = "ironflock.devices.app.status"
LOOK_EVERY_S: Final = 1.0
FAILED: Final = "FAILED"


async def arrived(operator: Operator, which: Mapping[str, Any], app: Mapping[str, Any]) -> Mapping[str, Any]:
    """The app once the device has it as it is wanted, or has failed; its states and what it prints are shown meanwhile.

    `app` is what the install answered: its state is of before, and says nothing of what is wanted since. Who
    may install need not be one who may read logs: they see the states alone. Ctrl-C ends the watch, nothing else.
    """
    connection = await operator.patiently(operator.connection)
    stream = Deferred.fromCoroutine(connection.stream(FOLLOW, lambda piece: _show(operator, piece), **which))
    following = stream.addErrback(is_over)
    before, shown = app.get("state_since"), None
    try:
        while True:
            if (said := _said(app)) != shown:
                shown = said
                _show(operator, said)
            if _is_there(app) or _has_failed(app, before):
                return app
            await deferLater(operator.reactor, LOOK_EVERY_S)
            app = await operator.call(STATUS, **which)
    finally:
        following.cancel()


def _is_there(app: Mapping[str, Any]) -> bool:
    is_as_wanted = app["state"] == app["target"] and app["present_version"] == app["version"]
    return bool(app["is_told"]) and is_as_wanted


def _has_failed(app: Mapping[str, Any], before: Any) -> bool:
    """Whether it has since it was told; a device that tries again is in other states before it fails again."""
    return bool(app["is_told"]) and app["state"] == FAILED and app["state_since"] != before


def _said(app: Mapping[str, Any]) -> Mapping[str, Any]:
    refusal = {} if app.get("refusal") is None else {"refusal": app["refusal"]}
    return {"state": app["state"], **refusal}


def _line(line: str) -> str:
    """What docker says of a pull, in words; whatever else is printed, as it is."""
    try:
        said = json.loads(line)
    except ValueError:
        return line
    if not isinstance(said, dict) or "status" not in said:
        return line
    return " ".join(str(said[name]) for name in ("id", "status", "progress") if said.get(name))


def _show(operator: Operator, piece: Mapping[str, Any]) -> None:
    if operator.output.as_json:
        write_json(piece)
        return
    for line in _stood(piece) if "state" in piece else map(_line, str(piece["text"]).splitlines()):
        sys.stdout.write(f"{without_steering(line)}\n")
    sys.stdout.flush()


def _stood(piece: Mapping[str, Any]) -> list[str]:
    refusal = f"; the device does not take it: {piece['refusal']}" if "refusal" in piece else ""
    return [f"{str(piece['state']).lower()}{refusal}"]
