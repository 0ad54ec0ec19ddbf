"""What a person says of a rollout's pace, and how a rollout is shown."""

import re
from collections.abc import Iterable, Mapping
from typing import Any, Final

from rich.table import Table

from deploy.flockctl.errors import CommandError, ExitStatus
from deploy.flockctl.output import table
from deploy.flockctl.text import local_time, printable
from deploy.flockctl.times import lasting_s

DAYS: Final = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
COUNTS: Final = ("devices", "done", "failed", "ordered", "waiting", "skipped", "rolled_back")
_PORTION: Final = re.compile(r"[0-9]{1,5}|(?:100|[1-9]?[0-9])%", re.ASCII)
_WINDOW: Final = re.compile(r"(?:([a-z,-]+) )?([0-2][0-9]:[0-5][0-9])-([0-2][0-9]:[0-5][0-9])", re.ASCII)
_REASONS: Final[Mapping[str, str]] = {
    "flag_missing": "you lack the flag",
    "being_deleted": "being deleted",
    "architecture_missing": "its architecture is not known yet",
    "not_installed": "the app is not installed",
    "installed_already": "the app is installed already",
    "same_release": "this release is wanted already",
    "is_so_already": "it is so already",
    "other_rollout": "another rollout of the app is under way",
    "offline": "offline",
}


def portion_of(word: str, *, what: str) -> int | str:
    """A count, or a share as `10%`.

    Raises:
        CommandError: It is neither.
    """
    if _PORTION.fullmatch(word) is None:
        raise _usage(what, "is a count or a share, as 5 or 10%")
    return word if word.endswith("%") else int(word)


def window_of(word: str) -> dict[str, Any]:
    """A window as `22:00-04:00`, `sat,sun 08:00-18:00` or `mon-fri 22:00-04:00`.

    Raises:
        CommandError: It is none.
    """
    found = _WINDOW.fullmatch(word.strip().lower())
    if found is None:
        raise _usage("window", "is a span of hours, with days before it or not: 22:00-04:00, mon-fri 22:00-04:00")
    days = [day for part in (found[1] or "").split(",") if part for day in _days(part)]
    return {"begins": found[2], "ends": found[3], "days": days}


def seconds_of(word: str, *, what: str) -> int:
    """How many seconds: a number with s, m, h, d or w behind it, or 0; errors as `lasting_s`."""
    return 0 if word == "0" else lasting_s(word, what=what)


def _days(part: str) -> list[str]:
    first, _, last = part.partition("-")
    if first not in DAYS or (last or first) not in DAYS:
        raise _usage("window", f"has days, each one of {', '.join(DAYS)}, or a span of them as mon-fri")
    at, until = DAYS.index(first), DAYS.index(last or first)
    return [DAYS[(at + step) % len(DAYS)] for step in range((until - at) % len(DAYS) + 1)]


def plan_table(plan: Mapping[str, Any], devices: Iterable[Mapping[str, Any]]) -> Table:
    """One row a device: its wave, or why it is in none."""
    return table(("DEVICE", "NAME", "WAVE", "HAS", "WHY NOT"), [_planned(each) for each in devices] or [_nobody(plan)])


def _planned(device: Mapping[str, Any]) -> tuple[Any, ...]:
    reason = device["left_out"]
    away = "" if device["is_online"] or reason is not None else " (offline: when it comes)"
    wave = "-" if device["wave"] is None else f"{device['wave']}{away}"
    return device["device_key"], device["name"], wave, device["version"], _REASONS.get(reason, reason)


def _nobody(plan: Mapping[str, Any]) -> tuple[Any, ...]:
    return "", "", "", "", f"no device is meant ({len(plan['waves'])} waves)"


def plan_text(plan: Mapping[str, Any]) -> str:
    """The whole plan in one line."""
    sizes, out = plan["waves"], plan["left_out"]
    reasons = ", ".join(f"{number} {_REASONS.get(reason, reason)}" for reason, number in sorted(out.items()))
    waves = " + ".join(map(str, sizes)) or "none"
    left = f"; left out: {reasons}" if reasons else ""
    power = plan.get("needs_develop") or []
    where = ", ".join(map(printable, power))
    needed = f"; it asks for power over them ({where}), which needs DEVELOP too" if power else ""
    return f"{sum(sizes)} devices in {len(sizes)} waves ({waves}), of which {plan['budget']} may fail{left}{needed}"


def what_text(rollout: Mapping[str, Any]) -> str:
    """What a rollout does."""
    if rollout["app_key"] is None:
        return str(rollout["action"])
    version = f" to {printable(rollout['version'])}" if rollout["version"] else ""
    return f"{rollout['action']} app {rollout['app_key']} {str(rollout['stage']).lower()}{version}"


def state_text(rollout: Mapping[str, Any]) -> str:
    """How a rollout is, in one line."""
    said = f"rollout {rollout['rollout_key']} ({what_text(rollout)}): {rollout['state']}"
    notes = [f"wave {rollout['wave']} of {len(rollout['waves'])}"]
    if rollout["failures"]:
        notes.append(f"{rollout['failures']} failed of {rollout['budget']} that may")
    if rollout["soaks_until"] is not None:
        notes.append(f"soaks until {local_time(rollout['soaks_until'])}")
    if not rollout["is_open"] and rollout["state"] == "running":
        notes.append("outside of its windows")
    if rollout["reason"]:
        notes.append(printable(rollout["reason"]))
    return f"{said}, {', '.join(notes)}"


def wave_table(rollout: Mapping[str, Any]) -> Table:
    """One row a wave."""
    rows = ([each["wave"], *(each[count] for count in COUNTS)] for each in rollout["waves"])
    titles = ("WAVE", "DEVICES", "DONE", "FAILED", "UNDER WAY", "WAITING", "SKIPPED", "BACK")
    return table(titles, rows)


def rollout_table(rollouts: Iterable[Mapping[str, Any]]) -> Table:
    """One row a rollout."""
    rows = (
        (
            each["rollout_key"],
            what_text(each),
            each["state"],
            f"{each['wave']}/{len(each['waves'])}",
            *(sum(wave[count] for wave in each["waves"]) for count in ("done", "failed", "devices")),
            local_time(each["created_at"]),
        )
        for each in rollouts
    )
    return table(("KEY", "WHAT", "STATE", "WAVE", "DONE", "FAILED", "DEVICES", "SINCE"), rows)


def turn_table(turns: Iterable[Mapping[str, Any]]) -> Table:
    """One row a device."""
    rows = (
        (
            each["device_key"],
            each["name"],
            each["wave"],
            each["state"],
            local_time(each["ended_at"] or each["ordered_at"] or ""),
            each["reason"],
        )
        for each in turns
    )
    return table(("DEVICE", "NAME", "WAVE", "STATE", "SINCE", "REASON"), rows)


def _usage(what: str, rule: str) -> CommandError:
    return CommandError("usage", f"--{what} {rule}. See --help.", ExitStatus.USAGE, argument=what)
