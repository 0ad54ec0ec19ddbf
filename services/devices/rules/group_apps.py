"""What becomes of an app that a group is to have, on one device of it. Pure.

The device's own wish wins: what is there and is neither what the group wants nor what it had wanted before is left be,
and so is an app that somebody has taken from the device.
"""

from enum import Enum

from services.devices.records.apps import AppOnDevice
from services.devices.records.group_apps import Applied, Built, GroupApp, GroupTarget
from services.devices.rules.apps import NO_BUILDING
from shared.errors import NotSupportedError


class Step(Enum):
    """What is to be done: put it there, have it be otherwise, nothing since it is so, nothing since it is not ours."""

    INSTALL = "install"
    CHANGE = "change"
    KEEP = "keep"
    LEAVE = "leave"


def target_of(asked: GroupTarget | Built) -> GroupTarget:
    """What is asked for, where it can be had.

    Raises:
        NotSupportedError: It would have to be built.
    """
    if asked == "BUILT" or asked == "PUBLISHED":  # noqa: PLR1714 - so that the type is narrowed
        raise NotSupportedError(NO_BUILDING)
    return asked


def step(wanted: GroupApp, app: AppOnDevice | None, applied: Applied | None) -> Step:
    """What is to be done on a device that has the app so, where the group had done `applied`."""
    had = applied is not None and (applied.state != "refused" or applied.target is not None)
    if app is None or app.target == "UNINSTALLED":
        return Step.LEAVE if had else Step.INSTALL
    if (app.target, app.release) == (wanted.target, wanted.release):
        return Step.KEEP
    is_ours = applied is not None and applied.target is not None and _is_as_applied(app, applied)
    return Step.CHANGE if is_ours else Step.LEAVE


def _is_as_applied(app: AppOnDevice, applied: Applied) -> bool:
    release_key = None if app.release is None else app.release.release_key
    return (app.target, release_key) == (applied.target, applied.release_key)


def flags(wanted: GroupApp, applied: Applied | None, *, needs_develop: bool) -> tuple[str, ...]:
    """What who wants it must have on the device.

    Variables are set, and taken away again, by who may develop there; so is a release put there that `needs_develop`.
    """
    before = None if applied is None else applied.environment
    has_variables = wanted.environment is not None or before is not None
    return ("INSTALL", "DEVELOP") if has_variables or needs_develop else ("INSTALL",)


def sets_environment(wanted: GroupApp, app: AppOnDevice | None, applied: Applied | None) -> bool:
    """Whether the group's environment is to be the device's: where nobody has set one there but the group itself."""
    here = None if app is None or app.target == "UNINSTALLED" else app.environment
    before = None if applied is None else applied.environment
    return here == before and (wanted.environment is not None or before is not None)
