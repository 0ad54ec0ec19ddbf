"""What a rollout does next, who gets a turn in which wave, and what became of a turn. Pure.

    running ──pause──► paused ──resume──► running       more failures than the budget: running ──► stopped ──resume──►
    running | paused | stopped ──abort──► aborted       with `roll_back`: ──► aborting ──all are back──► aborted
    running ──every device had its turn──► done

    waiting ──► ordered ──► done | failed ──► rolled_back       waiting ──► skipped (flag taken, gone, aborted)
    ordered ──► skipped (overtaken)

A device that is not there does not hold up its wave, unless nobody of the wave has had a turn: the first wave is there
to find out. It gets its turn when it comes. What is wanted by somebody else meanwhile overtakes a turn and counts for
nothing. A device that fails after it had succeeded, while the rollout goes on, has failed.
"""

import hashlib
from collections.abc import Sequence
from datetime import datetime, timedelta
from enum import Enum
from math import ceil
from typing import Final
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import msgspec
from attrs import evolve, frozen

from services.devices.records.apps import AppOnDevice
from services.devices.records.rollouts import (
    Aim,
    AskedAction,
    Before,
    Candidate,
    LeftOut,
    Pace,
    PlannedDevice,
    Portion,
    Rollout,
    RolloutAction,
    ShownRollout,
    ShownWave,
    Turn,
    TurnState,
    WaveTally,
    Window,
)
from services.devices.rules import apps as app_rules
from shared.errors import InvalidArgumentError, NotSupportedError

FLAGS: Final[dict[RolloutAction, str]] = {
    "upgrade": "INSTALL",
    "install": "INSTALL",
    "start": "OPERATE",
    "stop": "OPERATE",
    "update_agent": "MAINTAIN",
}
"""What who starts a rollout needs on each device, when it starts and at each turn."""
DEVELOP: Final = "DEVELOP"
WITH_RELEASE: Final[frozenset[RolloutAction]] = frozenset({"upgrade", "install"})
ON_APP: Final[frozenset[RolloutAction]] = frozenset({"upgrade", "install", "start", "stop"})
DAYS: Final = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
OVERTAKEN: Final = "somebody wanted something else of it meanwhile"
FAILED: Final = "the device says that the app has failed"
FAILED_LATER: Final = "the device says that the app has failed after all"
NO_FLAG: Final = "who started the rollout lacks the flag here"
NO_DEVELOP: Final = "who started the rollout lacks DEVELOP here, and the release asks for power over the device"
OVER_BUDGET: Final = "more devices have failed than the budget allows"
GONE: Final = "the device is not in the project any more"


class Act(Enum):
    """What is next: nothing, turns, a wave that is over, the next wave, or an end."""

    HOLD = "hold"
    ORDER = "order"
    END_WAVE = "end_wave"
    NEXT_WAVE = "next_wave"
    STOP = "stop"
    END = "end"


@frozen
class Verdict:
    """What became of a turn."""

    state: TurnState
    reason: str | None


def action_of(asked: AskedAction) -> RolloutAction:
    """What is asked for, where it can be had.

    Raises:
        NotSupportedError: It would have to be built.
    """
    if asked == "build" or asked == "publish":  # noqa: PLR1714 - so that the type is narrowed
        raise NotSupportedError(app_rules.NO_BUILDING)
    return asked


def flags(action: RolloutAction, *, needs_develop: bool) -> list[str]:
    """What who starts a rollout needs on each device; `needs_develop`: its release asks for power over devices."""
    return [FLAGS[action], DEVELOP] if needs_develop and action in WITH_RELEASE else [FLAGS[action]]


def check(aim: Aim, pace: Pace) -> None:
    """Let pass what can be done.

    Raises:
        InvalidArgumentError: An argument is missing or too many, a wave is empty, there is no such time zone.
    """
    on_app = aim.action in ON_APP
    if on_app != (aim.app_key is not None) or on_app != (aim.stage is not None):
        raise InvalidArgumentError("`app` and `stage` name the app; an update of agents has none", argument="app")
    if any(portion in (0, "0%") for portion in pace.waves):
        raise InvalidArgumentError("a wave has one device at least", argument="pace")
    zone(pace.time_zone)


def zone(name: str) -> ZoneInfo:
    """The time zone of that name.

    Raises:
        InvalidArgumentError: There is none.
    """
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise InvalidArgumentError("there is no such time zone; say one as `Europe/Berlin`", argument="pace") from error


def is_open(pace: Pace, now: datetime) -> bool:
    """Whether devices may get their turn now: always, where no windows were said."""
    local = now.astimezone(zone(pace.time_zone))
    return not pace.windows or any(_is_within(window, local) for window in pace.windows)


def _is_within(window: Window, local: datetime) -> bool:
    time = f"{local:%H:%M}"
    today, yesterday = DAYS[local.weekday()], DAYS[local.weekday() - 1]
    is_day, was_day = not window.days or today in window.days, not window.days or yesterday in window.days
    if window.begins < window.ends:
        return is_day and window.begins <= time < window.ends
    return (is_day and time >= window.begins) or (was_day and time < window.ends)


def count_of(portion: Portion, of: int) -> int:
    """How many that is: a share of `of` devices is rounded down."""
    return portion if isinstance(portion, int) else of * int(portion.removesuffix("%")) // 100


def wave_sizes(waves: Sequence[Portion], devices: int) -> list[int]:
    """How many devices each wave has, the last one what is left; a share is rounded up. Their sum is `devices`."""
    sizes, left = [], devices
    for portion in waves:
        if left == 0:
            break
        wanted = portion if isinstance(portion, int) else ceil(devices * int(portion.removesuffix("%")) / 100)
        sizes.append(min(left, max(1, wanted)))
        left -= sizes[-1]
    return [*sizes, left] if left else sizes


def planned(aim: Aim, pace: Pace, candidates: Sequence[Candidate]) -> tuple[list[PlannedDevice], list[int]]:
    """Which device is in which wave, or why in none, in the order of keys; and how many devices each wave has."""
    ordered = sorted(candidates, key=lambda each: each.device_key)
    reasons = {each.device_key: left_out(aim, pace, each) for each in ordered}
    sizes = wave_sizes(pace.waves, sum(reason is None for reason in reasons.values()))
    waves = iter([wave for wave, size in enumerate(sizes, 1) for _ in range(size)])
    devices = [
        PlannedDevice(
            device_key=each.device_key,
            name=each.name,
            is_online=each.is_online,
            wave=next(waves) if reasons[each.device_key] is None else None,
            left_out=reasons[each.device_key],
            version=None if each.present is None else each.present.version,
        )
        for each in ordered
    ]
    return devices, sizes


def left_out(aim: Aim, pace: Pace, device: Candidate) -> LeftOut | None:
    """Why the device gets no turn, None where it gets one; of several reasons the first of these."""
    if not device.has_flag:
        return "flag_missing"
    if device.is_leaving:
        return "being_deleted"
    if aim.action in WITH_RELEASE and not device.has_architecture:
        return "architecture_missing"
    if (by_app := _left_out_by_app(aim, device)) is not None:
        return by_app
    if device.is_taken:
        return "other_rollout"
    return "offline" if pace.offline == "skip" and not device.is_online else None


def _left_out_by_app(aim: Aim, device: Candidate) -> LeftOut | None:
    if aim.action == "update_agent":
        return None
    is_there = device.target not in (None, "UNINSTALLED")
    if aim.action == "install":
        return "installed_already" if is_there else None
    if not is_there:
        return "not_installed"
    if aim.action == "upgrade":
        return "same_release" if device.release == aim.release else None
    target = "RUNNING" if aim.action == "start" else "PRESENT"
    return "is_so_already" if device.target == device.state == target else None


def digest(aim: Aim, pace: Pace, devices: Sequence[PlannedDevice]) -> str:
    """The name of what a plan does, hexadecimal SHA-256: the same as long as the same devices are in the same waves."""
    waves = [(each.device_key, each.wave) for each in devices if each.wave is not None]
    return hashlib.sha256(msgspec.json.encode(("ironflock/rollout/v1", aim, pace, waves))).hexdigest()


def budget_of(pace: Pace, tallies: Sequence[WaveTally], wave: int) -> int:
    """How many may fail; one more stops the rollout."""
    of = [each for each in tallies if pace.budget_of == "rollout" or each.wave == wave]
    return count_of(pace.budget, sum(each.devices for each in of))


def failures(pace: Pace, tallies: Sequence[WaveTally], wave: int) -> int:
    """How many have failed of those that count."""
    of = [each for each in tallies if pace.budget_of == "rollout" or each.wave == wave]
    return sum(each.failed - each.forgiven for each in of)


def next_act(rollout: Rollout, tallies: Sequence[WaveTally], now: datetime) -> Act:
    """What a rollout does that is running, or is being rolled back."""
    if rollout.state == "aborting":
        is_over = not any(each.ordered or each.done or each.failed for each in tallies)
        return Act.END if is_over else Act.ORDER
    if rollout.state != "running":
        return Act.HOLD
    if _is_over_budget(rollout.pace, tallies):
        return Act.STOP
    begun = [each for each in tallies if each.wave <= rollout.wave]
    may_order = is_open(rollout.pace, now) and any(each.waiting for each in begun)
    if may_order and sum(each.ordered for each in begun) < rollout.pace.at_once:
        return Act.ORDER
    return _after_wave(rollout, begun, now)


def _is_over_budget(pace: Pace, tallies: Sequence[WaveTally]) -> bool:
    return any(failures(pace, tallies, each.wave) > budget_of(pace, tallies, each.wave) for each in tallies)


def _after_wave(rollout: Rollout, begun: Sequence[WaveTally], now: datetime) -> Act:
    if rollout.wave >= rollout.waves:
        return Act.HOLD if any(each.waiting or each.away or each.ordered for each in begun) else Act.END
    current = next((each for each in begun if each.wave == rollout.wave), WaveTally(rollout.wave))
    if not _is_complete(current):
        return Act.HOLD
    if rollout.wave_ended_at is None:
        return Act.END_WAVE
    is_soaked = now >= rollout.wave_ended_at + timedelta(seconds=rollout.pace.soak_s)
    return Act.NEXT_WAVE if is_soaked and is_open(rollout.pace, now) else Act.HOLD


def _is_complete(wave: WaveTally) -> bool:
    return not wave.ordered and not wave.waiting and (not wave.away or wave.done + wave.failed > 0)


def wanted(aim: Aim, app: AppOnDevice) -> AppOnDevice:
    """The app as its turn has it wanted."""
    if aim.action == "start":
        return app_rules.aimed(app, "RUNNING")
    if aim.action == "stop":
        return app_rules.aimed(app, "PRESENT")
    return app if aim.release is None else app_rules.upgraded(app, aim.release)


def put_back(aim: Aim, before: Before, app: AppOnDevice) -> AppOnDevice:
    """The app as it was wanted before its turn: the release, or whether it runs, as the turn changed it."""
    if aim.action in WITH_RELEASE:
        return app if before.release is None else app_rules.upgraded(app, before.release)
    return app if before.target is None else app_rules.aimed(app, before.target)


def before_of(app: AppOnDevice | None) -> Before:
    """How the app is wanted now; what is to go is not there."""
    return Before() if app is None or app.target == "UNINSTALLED" else Before(app.target, app.release)


def is_overtaken(aim: Aim, app: AppOnDevice | None) -> bool:
    """Whether something else is wanted of the app by now than its turn wanted."""
    if app is None or app.target == "UNINSTALLED":
        return True
    after = wanted(aim, app)
    return (after.target, after.release) != (app.target, app.release)


def is_to_stay(aim: Aim, before: Before, app: AppOnDevice | None) -> bool:
    """Whether anything else is wanted of the app by now than was right after its turn: nobody puts that back."""
    if app is None or app.target == "UNINSTALLED":
        return True
    target = before.target or app_rules.first_target(app.stage)
    after = wanted(aim, evolve(app, target=target, release=before.release))
    return (after.target, after.release) != (app.target, app.release)


def verdict(rollout: Rollout, turn: Turn, app: AppOnDevice | None, now: datetime) -> Verdict | None:
    """What became of a turn by what the device says of the app; None while nothing did.

    A turn that has succeeded can fail still, as long as the rollout goes on.
    """
    if turn.state == "done":
        has_failed = app is not None and not is_overtaken(rollout.aim, app) and _has_failed(app, turn.ended_at)
        return Verdict("failed", FAILED_LATER) if has_failed else None
    found = None
    if rollout.aim.action != "update_agent":
        found = Verdict("skipped", OVERTAKEN) if app is None else _by_app(rollout.aim, turn, app)
    return found or _timed_out(rollout, turn, now)


def _by_app(aim: Aim, turn: Turn, app: AppOnDevice) -> Verdict | None:
    if is_overtaken(aim, app):
        return Verdict("skipped", OVERTAKEN)
    if app.refusal is not None:
        return Verdict("failed", f"the device refused it: {app.refusal}")
    if _has_failed(app, turn.ordered_at):
        return Verdict("failed", FAILED)
    is_told = turn.wish_revision is not None and app.told_revision >= turn.wish_revision
    return Verdict("done", None) if is_told and _has_succeeded(aim, app) else None


def _timed_out(rollout: Rollout, turn: Turn, now: datetime) -> Verdict | None:
    if turn.ordered_at is None or now < turn.ordered_at + timedelta(seconds=rollout.pace.timeout_s):
        return None
    return Verdict("failed", f"it has not come about within {rollout.pace.timeout_s} s")


def _has_failed(app: AppOnDevice, since: datetime | None) -> bool:
    return app.state == "FAILED" and since is not None and app.state_since is not None and app.state_since >= since


def _has_succeeded(aim: Aim, app: AppOnDevice) -> bool:
    if app.target == "REMOVED":
        return app.state not in app_rules.UNDER_WAY
    has_release = aim.release is None or app.present == aim.release
    return has_release and app.state == app.target


def shown(rollout: Rollout, tallies: Sequence[WaveTally], now: datetime) -> ShownRollout:
    """The rollout as people see it."""
    soaks = timedelta(seconds=rollout.pace.soak_s)
    is_soaking = rollout.wave_ended_at is not None and rollout.state in ("running", "paused", "stopped")
    return ShownRollout(
        rollout_key=rollout.rollout_key,
        project_key=rollout.project_key,
        action=rollout.aim.action,
        app_key=rollout.aim.app_key,
        stage=rollout.aim.stage,
        version=None if rollout.aim.release is None else rollout.aim.release.version,
        meant=rollout.meant,
        pace=rollout.pace,
        account_key=rollout.account_key,
        state=rollout.state,
        reason=rollout.reason,
        wave=rollout.wave,
        waves=[_shown_wave(each) for each in tallies],
        budget=budget_of(rollout.pace, tallies, rollout.wave),
        failures=failures(rollout.pace, tallies, rollout.wave),
        is_open=is_open(rollout.pace, now),
        soaks_until=rollout.wave_ended_at + soaks if is_soaking and rollout.wave_ended_at else None,
        created_at=rollout.created_at,
        ended_at=rollout.ended_at,
    )


def _shown_wave(tally: WaveTally) -> ShownWave:
    return ShownWave(
        wave=tally.wave,
        devices=tally.devices,
        waiting=tally.waiting + tally.away,
        ordered=tally.ordered,
        done=tally.done,
        failed=tally.failed,
        skipped=tally.skipped,
        rolled_back=tally.rolled_back,
    )
