"""`flockctl device reflash`: new secrets for many devices, in waves, followed until each has come back by its own."""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Final

import typer
from attrs import evolve
from rich.console import Console
from rich.text import Text
from twisted.internet.defer import CancelledError
from twisted.internet.task import deferLater

from deploy.flockctl import reflashing
from deploy.flockctl.commands.flashing import flash
from deploy.flockctl.confirming import confirm
from deploy.flockctl.errors import AwayError, CommandError, ExitStatus, OutcomeUnknownError
from deploy.flockctl.operator import Operator
from deploy.flockctl.options import command
from deploy.flockctl.output import table, write_json
from deploy.flockctl.reflashing import Plan, Turn, Wanted
from deploy.flockctl.rights_options import InProject, Yes, project_of
from deploy.flockctl.rollout_words import seconds_of
from deploy.flockctl.secret_files import SecretFile
from deploy.flockctl.text import printable
from deploy.flockctl.words import key_or_name

GONE: Final = "not_found"
LIST: Final = "ironflock.devices.device.list"
LOOK_EVERY_S: Final = 2.0
ENDS_WITHIN_S: Final = 30.0
"""A flashing that was begun and not answered; the platform ends it by itself."""
UNSURE: Final = frozenset({"conflict", "internal", "unexpected_answer", "cannot_write"})
"""After these the device's old secret may have ended."""

Into = Annotated[Path, typer.Option(help="Folder for the .flock files and how far it is.", metavar="FOLDER")]


async def device_reflash(
    operator: Operator,
    project: InProject,
    into: Into,
    *,
    group: Annotated[str | None, typer.Option(help="Only the devices of this group (its name or key).")] = None,
    tag: Annotated[list[str] | None, typer.Option(help="Only those with this tag: line, or line=4.")] = None,
    at_once: Annotated[int, typer.Option(help="So many devices are one wave.", min=1, max=1000)] = 10,
    patience: Annotated[
        str, typer.Option("--timeout", help="How long to wait for a wave to come back: 30m, 8h, 0: for ever.")
    ] = "0",
    plan_only: Annotated[bool, typer.Option("--plan", help="Show the waves, and change nothing.")] = False,
    yes: Yes = False,
) -> int | None:
    """Rotate the secrets of many devices, wave by wave. Each is cut off until its new .flock file is put onto it.

    Nothing can tell an agent a new secret over the wire: somebody carries the files of a wave to their devices. The
    next wave begins when all of it are back. Begun again with the same words, it goes on where it was.

    Example: flockctl device reflash --project plant --group line-4 --into secrets --at-once 5
    """
    named = None if group is None else key_or_name(group, what="group")
    plan = await _plan(operator, into, Wanted(project_of(project), named, sorted(tag or []), at_once))
    if plan_only:
        operator.output.result(_as_json(plan), _as_table(plan))
        return None
    plan = plan.begun_again()
    left = sum(plan.counts()[state] for state in reflashing.AHEAD)
    confirm(f"Cut off {left} devices, {at_once} at a time, until they are flashed again?", is_said=yes or not left)
    return await _Reflash(operator, into, plan).go_on(seconds_of(patience, what="timeout"))


async def _plan(operator: Operator, into: Path, wanted: Wanted) -> Plan:
    """The one that lies there, or a new one.

    Raises:
        CommandError: What lies there is not for what is `wanted`; there is no such device.
    """
    plan = reflashing.read(into)
    if plan is None:
        chosen: dict[str, Any] = {"project": wanted.project}
        chosen |= {} if wanted.group is None else {"group": wanted.group}
        chosen |= {"tag": wanted.tags} if wanted.tags else {}
        devices = [device async for device in operator.pages(LIST, "devices", **chosen)]
        if not devices:
            raise CommandError("not_found", "there is no such device")
        return reflashing.plan_of(devices, wanted)
    if plan.wanted != wanted:
        said = "another --project, --group, --tag or --at-once; say the same, or name another folder"
        raise CommandError("invalid_argument", f"{into / reflashing.PLAN} was begun with {said}", argument="into")
    return plan


class _Reflash:
    """One run of it."""

    def __init__(self, operator: Operator, folder: Path, plan: Plan) -> None:
        self._operator = operator
        self._folder = folder
        self._plan = plan
        self._tried: set[int] = set()

    async def go_on(self, timeout_s: float) -> int:
        """Until all have had their turn, Ctrl-C, or a wave that does not come back in time."""
        reflashing.write(self._folder, self._plan)
        try:
            while self._plan.wave(self._tried):
                await self._flash_those_here(self._plan.ahead(self._tried))
                if not await self._are_back(timeout_s):
                    break
        except CancelledError:
            self._end()
            return ExitStatus.INTERRUPTED
        self._end()
        counts = self._plan.counts()
        return ExitStatus.DONE if counts["back"] == len(self._plan.turns) else ExitStatus.REFUSED

    async def _flash_those_here(self, turns: list[Turn]) -> None:
        here = await self._listed() if turns else {}
        for turn in turns:
            self._tried.add(turn.device_key)
            if turn.device_key in here:
                await self._flash(turn)
            else:
                self._note(evolve(turn, state="refused", reason=GONE))

    async def _flash(self, turn: Turn) -> None:
        path = self._folder / turn.file
        try:
            with SecretFile(str(path), replace=True) as file:  # before the old secret ends, not after
                self._keep(evolve(turn, state="flashing", reason=None))
                answer = await self._flashed(turn)
                file.write(answer["flock"])
        except (AwayError, OutcomeUnknownError):
            raise  # begun again, it is flashed again
        except CommandError as error:
            is_unsure = turn.state == "flashing" or error.code in UNSURE
            self._note(evolve(turn, state="flashing" if is_unsure else "refused", reason=error.code))
        else:
            self._note(evolve(turn, state="flashed", flashed_at=answer["device"]["flashed_at"], reason=None))

    async def _flashed(self, turn: Turn) -> dict[str, Any]:
        """What the platform answers; a flashing that has not ended is waited for."""
        loop = self._operator.reactor
        deadline = loop.seconds() + ENDS_WITHIN_S
        while True:
            try:
                return await flash(self._operator, {"device": turn.device_key})
            except CommandError as error:
                if error.code != "conflict" or loop.seconds() >= deadline:
                    raise
            await deferLater(loop, LOOK_EVERY_S)

    async def _listed(self) -> dict[int, Mapping[str, Any]]:
        """The devices that are in the project now."""
        pages = self._operator.pages(LIST, "devices", project=self._plan.project_key)
        return {device["device_key"]: device async for device in pages}

    async def _are_back(self, timeout_s: float) -> bool:
        """Whether every flashed device has come back; False where that takes too long."""
        loop = self._operator.reactor
        deadline = loop.seconds() + timeout_s
        while True:
            flashed = [turn for turn in self._plan.turns if turn.state == "flashed"]
            if not flashed:
                return True
            here = await self._listed()
            for turn in flashed:
                device = here.get(turn.device_key)
                if device is None:
                    self._note(evolve(turn, state="refused", reason=GONE))
                elif reflashing.is_back(turn, device):
                    self._note(evolve(turn, state="back"))
            if not self._plan.counts()["flashed"]:
                return True
            if timeout_s and loop.seconds() >= deadline:
                return False
            await deferLater(loop, LOOK_EVERY_S)

    def _keep(self, turn: Turn) -> None:
        self._plan = self._plan.with_turn(turn)
        reflashing.write(self._folder, self._plan)

    def _note(self, turn: Turn) -> None:
        self._keep(turn)
        if self._operator.output.as_json:
            write_json({"device": _turn(turn)})
            return
        said = {
            "flashed": f"put {self._folder / turn.file} onto it",
        }.get(turn.state, turn.reason)
        Console().print(Text(": ".join(filter(None, (f"{printable(turn.name)} {turn.state}", said)))), soft_wrap=True)

    def _end(self) -> None:
        counts = self._plan.counts()
        self._operator.output.result({"counts": counts}, ", ".join(f"{n} {state}" for state, n in counts.items() if n))


def _turn(turn: Turn) -> Mapping[str, Any]:
    said = {"device_key": turn.device_key, "name": turn.name, "file": turn.file, "state": turn.state}
    return {**said, "flashed_at": turn.flashed_at, "reason": turn.reason}


def _waves(plan: Plan) -> list[tuple[int, Turn]]:
    return [(1 + place // plan.wanted.at_once, turn) for place, turn in enumerate(plan.turns)]


def _as_json(plan: Plan) -> dict[str, Any]:
    return {"counts": plan.counts(), "devices": [{"wave": wave, **_turn(turn)} for wave, turn in _waves(plan)]}


def _as_table(plan: Plan) -> Any:
    rows = ((wave, turn.device_key, turn.name, turn.state, turn.file) for wave, turn in _waves(plan))
    return table(("WAVE", "KEY", "NAME", "STATE", "FILE"), rows)


def add_reflash_command(devices: typer.Typer) -> None:
    """Make it a command of `devices`."""
    command(devices, "reflash")(device_reflash)
