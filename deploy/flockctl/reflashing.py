"""Which devices get new secrets, in which waves, and how far that is: a file beside their `.flock` files.

Nothing tells an agent a new secret over the wire: somebody has to put the file onto the device. A wave is of so many
devices as somebody can go to; the next one begins when all of it have come back. Secrets are not in the file.
"""

import json
import re
from collections.abc import Collection, Iterable, Mapping
from datetime import datetime
from pathlib import Path
from typing import Any, Final, Literal, get_args

import msgspec
from attrs import evolve, frozen

from deploy.flockctl.errors import CommandError
from deploy.flockctl.secret_files import SecretFile

PLAN: Final = "reflash.json"
FORM: Final = "ironflock/reflash/v2"
PRESENT: Final = frozenset({"CONNECTED", "EMERGENCY"})
_UNFIT: Final = re.compile(r"[^A-Za-z0-9._-]+", re.ASCII)
MAX_NAME: Final = 60
State = Literal["waiting", "flashing", "flashed", "back", "refused"]
AHEAD: Final = ("waiting", "flashing")


@frozen
class Turn:
    """A device: its file, and how far it is; `refused` says why it could not be flashed, or is waited for no more.

    One that is `flashing` was asked for and not answered: its old secret may have ended. `flashed_at` is the platform's
    time. A device is `back` when it is there by a session that is younger than that.
    """

    device_key: int
    name: str
    file: str
    state: State = "waiting"
    flashed_at: str | None = None
    reason: str | None = None


@frozen
class Wanted:
    """Which devices, and how many in a wave, as it was said."""

    project: int | str
    group: int | str | None
    tags: list[str]
    at_once: int


@frozen
class Plan:
    """All of them, in the order in which they have their turns; all are of one project."""

    form: str
    wanted: Wanted
    project_key: int
    turns: list[Turn]

    def wave(self, tried: Collection[int] = ()) -> list[Turn]:
        """The devices of the first wave that is not over; empty where all are.

        Who was `tried` is not flashed again, but waited for where it was flashed.
        """
        for first in range(0, len(self.turns), self.wanted.at_once):
            wave = self.turns[first : first + self.wanted.at_once]
            if any(turn.state == "flashed" for turn in wave) or _ahead(wave, tried):
                return wave
        return []

    def ahead(self, tried: Collection[int] = ()) -> list[Turn]:
        """The devices of that wave that are still to be flashed."""
        return _ahead(self.wave(tried), tried)

    def begun_again(self) -> "Plan":
        """The plan with those that were refused as they were before."""
        return evolve(
            self,
            turns=[
                evolve(each, state="waiting", reason=None) if each.state == "refused" else each for each in self.turns
            ],
        )

    def with_turn(self, changed: Turn) -> "Plan":
        """The plan with one device as it is now."""
        same = changed.device_key
        return evolve(self, turns=[changed if turn.device_key == same else turn for turn in self.turns])

    def counts(self) -> dict[str, int]:
        """How many devices are in each state."""
        found = dict.fromkeys(get_args(State), 0)
        for turn in self.turns:
            found[turn.state] += 1
        return found


def plan_of(devices: Iterable[Mapping[str, Any]], wanted: Wanted) -> Plan:
    """A plan for these, as the platform lists them: those that are there before those that are not, then by key.

    There is at least one.
    """
    ordered = sorted(devices, key=lambda each: (each["status"] not in PRESENT, each["device_key"]))
    turns = [Turn(each["device_key"], each["name"], _file_of(each)) for each in ordered]
    return Plan(FORM, wanted, ordered[0]["project_key"], turns)


def is_back(turn: Turn, device: Mapping[str, Any]) -> bool:
    """Whether the device is there by its new secret: its session began after the old one had ended."""
    if turn.flashed_at is None or device["status"] not in PRESENT or device["status_since"] is None:
        return False
    return datetime.fromisoformat(device["status_since"]) > datetime.fromisoformat(turn.flashed_at)


def read(folder: Path) -> Plan | None:
    """The plan that lies in `folder`; None where there is none.

    Raises:
        CommandError: It cannot be read, or is none of ours.
    """
    try:
        content = (folder / PLAN).read_bytes()
    except FileNotFoundError:
        return None
    except OSError as error:
        raise CommandError("not_found", f"{folder / PLAN} cannot be read: {error.strerror}") from error
    try:
        plan = msgspec.json.decode(content, type=Plan)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise CommandError("invalid_argument", f"{folder / PLAN} is no plan of ours", argument="into") from error
    if plan.form != FORM or plan.wanted.at_once < 1 or any(Path(turn.file).name != turn.file for turn in plan.turns):
        raise CommandError("invalid_argument", f"{folder / PLAN} is no plan of ours", argument="into")
    return plan


def write(folder: Path, plan: Plan) -> None:
    """Keep the plan in `folder`, which is made where it is not there; errors as `SecretFile` has them."""
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise CommandError("cannot_write", f"{folder} cannot be made: {error.strerror}", argument="into") from error
    with SecretFile(str(folder / PLAN), replace=True) as file:
        file.write(json.loads(msgspec.json.encode(plan)))


def _ahead(turns: list[Turn], tried: Collection[int]) -> list[Turn]:
    return [turn for turn in turns if turn.state in AHEAD and turn.device_key not in tried]


def _file_of(device: Mapping[str, Any]) -> str:
    """A file name without what a shell or file system minds; the key makes it unique."""
    name = _UNFIT.sub("_", device["name"])[:MAX_NAME].lstrip(".-")
    return f"{name or 'device'}-{device['device_key']}.flock"
